package results

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// correction of what oru makes, whole.
func correction(control, patient, order string, segments ...string) []byte {
	b := strings.NewReplacer("||91|mg/dL|70-99|N|||F", "||97|mg/dL|70-99|N|||C", "||CH|F", "||CH|C").Replace(string(oru(control, patient, order, segments...)))
	return []byte(b)
}

func TestCorrectionBehindItsOriginalOpensAPhoneTaskAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.taken(oru("A1", "4711", "100"))
		l.taken(oru("A2", "4711", "101")) // the same patient, another order
		other := l.taken(correction("X1", "4711", "999"))
		if c := l.calls(); len(c) != 0 {
			t.Fatalf("no original of %s waits: %+v", other.ID, c)
		}
		m := l.taken(correction("A3", "4711", "100"))
		c := l.calls()
		if len(c) != 2 || c[0].Why != CallCorrection || c[0].Message != m.ID {
			t.Fatalf("%+v", c)
		}
		if c = l.calls(); len(c) != 2 {
			t.Fatalf("%d tasks after another look", len(c))
		}
	})
}

func TestCorrectionIsSentAloneAndTheOriginalNeverGoes(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		box := l.boxes["north"]
		box.set(func(m channel.Message) error {
			if m.ControlID == "A1" {
				return &channel.Error{Class: channel.Rejected, Code: "AE"}
			}
			return nil
		})
		a := l.taken(oru("A1", "4711", "100"))
		between := l.taken(oru("A2", "4711", "101"))
		b := l.taken(correction("A3", "4711", "100"))
		l.run()
		pass(time.Minute)
		if got := box.list(); len(got) != 0 {
			t.Fatalf("went: %v", got)
		}
		seq := to(t, b, "north").Seq
		_, err := l.SendAlone(t.Context(), to(t, between, "north").Seq, ann)
		wantErr(t, err, ErrConflict) // no correction
		_, err = l.SendAlone(t.Context(), 1<<40, ann)
		wantErr(t, err, ErrNotFound)
		_, err = l.SendAlone(t.Context(), to(t, b, "south").Seq, ann)
		wantErr(t, err, ErrConflict) // it went there in its turn
		done, err := l.SendAlone(t.Context(), seq, ann)
		must(t, err)
		if !slices.Equal(done.Superseded, []int64{to(t, a, "north").Seq}) {
			t.Fatalf("%+v", done)
		}
		pass(time.Minute)
		if got := box.list(); !slices.Equal(got, []string{"A2", "A3"}) {
			t.Fatalf("north got %v: what stood between keeps its place, the original never goes", got)
		}
		d := l.delivery(to(t, a, "north").Seq)
		if d.State != Superseded || d.SupersededBy != b.ID || !strings.Contains(d.Reason, b.ID.String()) {
			t.Errorf("%+v", d)
		}
		if d := l.delivery(to(t, a, "south").Seq); d.State != Done || d.SupersededBy != someZero {
			t.Errorf("the other partner's: %+v", d)
		}
		for _, act := range []error{
			second(l.Resend(t.Context(), d.Seq, why)), l.Release(t.Context(), d.Seq, why), l.Hold(t.Context(), d.Seq, why),
		} {
			wantErr(t, act, ErrConflict)
		}
		_, body, err := l.Message(t.Context(), a.ID)
		must(t, err)
		if string(body) != string(oru("A1", "4711", "100")) {
			t.Error("the original is not kept")
		}
		e := l.events(KindSuperseded)
		if len(e) != 1 || e[0].IDs.Get("replaced_by") != b.ID.String() || len(l.events(KindSentAlone)) != 1 {
			t.Errorf("%+v", e)
		}
		l.halt()
		got, err := l.Audit(t.Context(), nil)
		must(t, err)
		if len(got.Findings) != 0 {
			t.Errorf("%v", got.Findings)
		}
	})
}

func second[T any](_ T, err error) error { return err }

var someZero = Delivery{}.SupersededBy

func TestIncompleteReplacementIsRefused(t *testing.T) {
	const two = "OBX|2|NM|2823-3^Potassium^LN||4.1|mmol/L|3.5-5.1|N|||F"
	original := oru("A", "4711", "100", two, "NTE|1||checked twice")
	whole := correction("B", "4711", "100", two, "NTE|1||checked again")
	change := func(old, new string) []byte {
		out := strings.Replace(string(whole), old, new, 1)
		if out == string(whole) {
			t.Fatalf("nothing was changed: %s", old)
		}
		return []byte(out)
	}
	moved := []byte(strings.Replace(string(whole), "4711^^^", "4712^^^", 1))
	for name, c := range map[string]struct {
		correction, original []byte
		want                 string
	}{
		"whole":                        {whole, original, ""},
		"to another patient":           {moved, original, ""},
		"more than before":             {correction("B", "4711", "100", two, "NTE|1||x", "OBX|3|NM|1-1^More^LN||1|x||N|||F"), original, ""},
		"withdrawn without value":      {change("||4.1|mmol/L|3.5-5.1|N|||F", "||||||||X"), original, ""},
		"an observation missing":       {change(two+"\r", ""), original, "observation 2"},
		"another sub-id":               {change("LN||4.1", "LN|2|4.1"), original, "observation 2"},
		"preliminary":                  {change("N|||F", "N|||P"), original, "no final status"},
		"order preliminary":            {change("||CH|C", "||CH|P"), original, "no final status"},
		"value gone":                   {change("||4.1|", "|||"), original, "no value"},
		"comment gone":                 {change("NTE|1||checked again\r", ""), original, "comment on observation 2"},
		"another order":                {correction("B", "4711", "200", two), original, "order 1"},
		"another service":              {change("2345-7^Glucose^LN|||2026", "9999-9^Other^LN|||2026"), original, "order 1"},
		"once instead of twice":        {whole, oru("A", "4711", "100", two, two, "NTE|1||x"), "observation 2"},
		"another kind":                 {change("ORU^R01^ORU_R01", "OUL^R22^OUL_R22"), original, "different types"},
		"the original has no order":    {whole, []byte("MSH|^~\\&|a|b|c|d|20260101||ORU^R01|1|P|2.5.1\rPID|1||1\r"), "no order"},
		"the original is unreadable":   {whole, []byte("garbage"), "original cannot be read"},
		"the correction is unreadable": {[]byte("garbage"), original, "correction cannot be read"},
	} {
		err := replaces(c.correction, c.original)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestPartialCorrectionIsNotSentAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		a := l.taken(oru("A1", "4711", "100", "OBX|2|NM|2823-3^Potassium^LN||4.1|mmol/L|3.5-5.1|N|||F"))
		b := l.taken(correction("A3", "4711", "100"))
		_, err := l.SendAlone(t.Context(), to(t, b, "north").Seq, ann)
		wantErr(t, err, ErrConflict)
		if !strings.Contains(err.Error(), "observation 2") {
			t.Errorf("%v", err)
		}
		if d := l.delivery(to(t, a, "north").Seq); d.State != Waiting {
			t.Errorf("%+v", d)
		}
	})
}

// TestOriginalOnTheWireIsNotSuperseded: what is being sent may arrive.
func TestOriginalOnTheWireIsNotSuperseded(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		box := l.boxes["north"]
		box.flying, box.asked = make(chan struct{}), make(chan string)
		a := l.taken(oru("A1", "4711", "100"))
		b := l.taken(correction("A3", "4711", "100"))
		l.run()
		<-box.asked
		_, err := l.SendAlone(t.Context(), to(t, b, "north").Seq, ann)
		wantErr(t, err, ErrConflict)
		if !strings.Contains(err.Error(), "being sent at this moment") {
			t.Errorf("%v", err)
		}
		close(box.flying)
		<-box.asked
		pass(5 * time.Second)
		if got := box.list(); !slices.Equal(got, []string{"A1", "A3"}) {
			t.Errorf("got %v", got)
		}
		if d := l.delivery(to(t, a, "north").Seq); d.State != Done {
			t.Errorf("%+v", d)
		}
	})
}
