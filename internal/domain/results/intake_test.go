package results

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

func TestTakenMessageIsOnDiskBeforeItsAcknowledgement(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		body := oru("C1", "4711", "100")
		a := ack(t, l.present(body))
		if a.Code != "AA" || a.ControlID != "C1" {
			t.Fatalf("answer %+v", a)
		}
		list, err := l.List(t.Context(), Page{})
		must(t, err)
		if len(list) != 1 || len(list[0].Deliveries) != 2 || list[0].Size != int64(len(body)) || list[0].Source != "lis" || list[0].Critical {
			t.Fatalf("stored %+v", list)
		}
		for i, p := range []string{"north", "south"} {
			d := list[0].Deliveries[i]
			if d.Partner != p || d.State != Waiting || d.Route != "all" || d.Seq != list[0].Leaf*maxPlans+int64(i) {
				t.Fatalf("delivery %+v", d)
			}
		}
		_, got, err := l.Message(t.Context(), list[0].ID)
		must(t, err)
		if !bytes.Equal(got, body) {
			t.Fatal("the body came back changed")
		}
		ev := l.events(KindReceived)
		if len(ev) != 1 || ev[0].IDs.Get("message") != list[0].ID.String() || ev[0].IDs.Get("source") != "lis" || ev[0].Commit == nil {
			t.Fatalf("events %+v", ev)
		}
		var sealed []byte
		must(t, l.db.QueryRow(t.Context(), "SELECT body FROM results_messages").Scan(&sealed))
		for _, name := range []string{"Marchbanks", "4711", "P100"} {
			if bytes.Contains(sealed, []byte(name)) || strings.Contains(l.said.String(), name) {
				t.Fatalf("%s stands in the clear", name)
			}
		}
		l.audited()
	})
}

func TestRepeatGetsTheSameBytesAndOneCopy(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		body := oru("C1", "4711", "100")
		first := l.present(body)
		l.clock.add(window - time.Second)
		if again := l.present(body); !bytes.Equal(first, again) {
			t.Fatalf("first %q\nagain %q", first, again)
		}
		l.restart()
		if again := l.present(body); !bytes.Equal(first, again) {
			t.Fatalf("after a restart: first %q\nagain %q", first, again)
		}
		if m, d, e := l.count("SELECT count(*) FROM results_messages"), l.count("SELECT count(*) FROM results_deliveries"), len(l.events(KindReceived)); m != 1 || d != 2 || e != 1 {
			t.Fatalf("%d messages, %d deliveries, %d events", m, d, e)
		}
		// The window is over: the counter came round, this is a new message.
		l.clock.add(2 * time.Second)
		if anew := l.present(body); bytes.Equal(first, anew) || ack(t, anew).Code != "AA" {
			t.Fatalf("after the window: %q", anew)
		}
		if m := l.count("SELECT count(*) FROM results_messages"); m != 2 {
			t.Fatalf("%d messages after the window, want 2", m)
		}
		// The same bytes from another sender are another message.
		set := l.standard()
		set.Sources["lis2"] = Source{Name: "lis2", Window: window}
		set.Routes = append(set.Routes, Route{Name: "other", From: "lis2", To: []string{"north"}, Stage: Carry})
		l.Apply(set)
		if a := ack(t, l.presentAs("lis2", body)); a.Code != "AA" || l.count("SELECT count(*) FROM results_messages") != 3 {
			t.Fatalf("other source: %+v", a)
		}
	})
}

func TestReusedControlIDIsKeptApart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		first, other := oru("C1", "4711", "100"), oru("C1", "4712", "101")
		aa := l.present(first)
		for range 3 {
			if a := ack(t, l.present(other)); a.Code != "AE" || a.ControlID != "C1" || !strings.Contains(a.ErrorText, "205") && !strings.Contains(a.ErrorText, "different message") {
				t.Fatalf("answer %+v", a)
			}
			l.clock.add(time.Minute)
		}
		apart, err := l.Quarantine(t.Context(), false, 10)
		must(t, err)
		if len(apart) != 1 || apart[0].Times != 3 || apart[0].Cause != CauseConflict || apart[0].LastAt.Sub(apart[0].ReceivedAt) != 2*time.Minute {
			t.Fatalf("quarantine %+v", apart)
		}
		if n := len(l.events(KindQuarantined)); n != 1 || l.count("SELECT count(*) FROM results_messages") != 1 {
			t.Fatalf("%d events", n)
		}
		if !bytes.Equal(aa, l.present(first)) {
			t.Fatal("the first message is no longer answered as before")
		}
		if c := l.Counts(); c.Received != 1 || c.Repeated != 1 || c.Quarantined != 1 || c.Failed != 0 {
			t.Fatalf("counts %+v", c)
		}
	})
}

func TestRefusedMessagesAreAnsweredWhyAndKept(t *testing.T) {
	cases := []struct {
		name, source, cause, code string
		body                      []byte
		change                    func(*Settings)
	}{
		{name: "unknown source", source: "stranger", cause: CauseUnknownSender, code: "AR", body: oru("C1", "1", "1")},
		{name: "no HL7", cause: CauseUnparsable, code: "AR", body: []byte("GET / HTTP/1.1\r\n")},
		{name: "empty", cause: CauseUnparsable, code: "AR", body: []byte{}},
		{name: "no control id", cause: CauseNoControlID, code: "AE", body: oru("", "1", "1")},
		{name: "no route", cause: CauseNoRoute, code: "AE", body: oru("C1", "1", "1"), change: func(s *Settings) { s.Routes = nil }},
		{name: "rule error", cause: CauseRule, code: "AE", body: oru("C1", "1", "1"), change: func(s *Settings) {
			s.Routes[0].When = func(Look) (bool, error) { return false, errors.New("no answer") }
		}},
		{name: "owner error", cause: CauseRule, code: "AE", body: oru("C1", "1", "1"), change: func(s *Settings) {
			s.Routes[0].Owner = func(string, Look) (string, error) { return "", errors.New("no answer") }
		}},
	}
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		for i, c := range cases {
			set := l.standard()
			if c.change != nil {
				c.change(set)
			}
			l.Apply(set)
			if c.source == "" {
				c.source = "lis"
			}
			if a := ack(t, l.presentAs(c.source, c.body)); a.Code != c.code || a.ErrorText == "" {
				t.Errorf("%s: answer %+v, want %s", c.name, a, c.code)
			}
			apart, err := l.Quarantine(t.Context(), true, 10)
			must(t, err)
			if len(apart) != i+1 || apart[0].Cause != c.cause || apart[0].State != "open" || apart[0].Kept != int64(len(c.body)) || apart[0].Source != c.source {
				t.Fatalf("%s: quarantine %+v", c.name, apart)
			}
			l.exec("UPDATE results_quarantine SET state = 2") // dealt with: the next case stands alone
		}
		if n := l.count("SELECT count(*) FROM results_messages"); n != 0 {
			t.Fatalf("%d messages were taken", n)
		}
		l.audited()
	})
}

func TestEnhancedModeAcknowledgements(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		for i, c := range []struct{ tail, good, bad string }{
			{"|||AL|NE", "CA", "CE"},
			{"|||NE|AL", "AA", "AE"},
			{"|||NE|NE", "", ""},
			{"|||ER|NE", "", "CE"},
			{"|||SU|NE", "CA", ""},
		} {
			control := countOf("E%d", i)
			for _, x := range []struct{ body, want string }{
				{string(oruHead(control, c.tail, "1", "1")), c.good},
				{string(oruHead(control, c.tail, "1", "2")), c.bad}, // same control id, other body
			} {
				b := l.present([]byte(x.body))
				if x.want == "" && len(b) == 0 {
					continue
				}
				if len(b) == 0 || ack(t, b).Code != x.want {
					t.Errorf("MSH%s: answered %q, want %q", c.tail, b, x.want)
				}
			}
		}
		if n := l.count("SELECT count(*) FROM results_messages"); n != 5 {
			t.Fatalf("%d messages, want 5: a silent sender's results are taken as well", n)
		}
	})
}

func TestManyPresentationsAtOnceMakeOneMessage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		body := oru("C1", "4711", "100")
		const n = 200
		answers := make([][]byte, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				r, err := l.Intake("lis").Handle(t.Context(), channel.Peer{}, body)
				if err != nil {
					t.Error(err)
				}
				answers[i] = r.Body
			})
		}
		wg.Wait()
		for _, a := range answers {
			if !bytes.Equal(a, answers[0]) || ack(t, a).Code != "AA" {
				t.Fatalf("answers differ: %q and %q", a, answers[0])
			}
		}
		if m, d, c := l.count("SELECT count(*) FROM results_messages"), l.count("SELECT count(*) FROM results_deliveries"), l.Counts(); m != 1 || d != 2 || c.Received != 1 || c.Repeated != n-1 {
			t.Fatalf("%d messages, %d deliveries, %+v", m, d, c)
		}
	})
}

func TestControlSpecimenIsTakenAndGoesNowhere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		m := l.taken(oru("Q1", "4711", "100", "SPM|1|||SER|||||||Q"))
		if len(m.Deliveries) != 0 {
			t.Fatalf("deliveries %+v", m.Deliveries)
		}
	})
}

// TestPatientsResultIsNotLostBesideAControl: only a message that is all controls
// goes nowhere without a word.
func TestPatientsResultIsNotLostBesideAControl(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		m := l.taken(oru("Q1", "4711", "100", "OBX|2|NM|2823-3^Potassium^LN|||||QCF|||X")) // the run's control failed; the patient's other results stand
		if len(m.Deliveries) != 2 {
			t.Errorf("a result without a valid control: deliveries %+v", m.Deliveries)
		}
		body := critical("Q2", "4711", "101")
		body = append(body, "SPM|1|||SER|||||||P\rSPM|2|||SER|||||||Q\r"...)
		if a := ack(t, l.present(body)); a.Code != "AE" || !strings.Contains(a.Text+a.ErrorText, "beside a patient's") {
			t.Errorf("a control beside a patient's specimen: %+v", a)
		}
		if n := l.count("SELECT count(*) FROM results_quarantine WHERE state = 0 AND cause = $1", CauseMixed); n != 1 {
			t.Errorf("%d in quarantine", n)
		}
		l.clock.add(time.Hour)
		if c := l.calls(); len(c) != 1 || c[0].Why != CallNotTaken {
			t.Errorf("phone tasks %+v", c)
		}
	})
}

func TestMismatchedOwnerIsHeld(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		set := l.standard()
		set.Routes[0].Owner = ByProvider(map[string]Belonging{"north": {Providers: []Provider{{ID: "1234"}}}})
		l.Apply(set)
		m := l.taken(oru("O1", "4711", "100"))
		if n, s := to(t, m, "north"), to(t, m, "south"); n.State != Waiting || s.State != Held || s.Reason == "" {
			t.Fatalf("north %+v, south %+v", n, s)
		}
	})
}

func TestFailingStoreAsksForARepeat(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.exec("DROP TABLE results_deliveries")
		if a := ack(t, l.present(oru("C1", "4711", "100"))); a.Code != "AR" {
			t.Fatalf("answer %+v, want AR (send it again)", a)
		}
		if m, c, e := l.count("SELECT count(*) FROM results_messages"), l.count("SELECT count(*) FROM results_controls"), len(l.events(KindReceived)); m != 0 || c != 0 || e != 0 {
			t.Fatalf("left behind: %d messages, %d controls, %d events", m, c, e)
		}
		l.exec("DROP TABLE results_quarantine")
		if a := ack(t, l.present(oru("", "4711", "100"))); a.Code != "AR" {
			t.Fatalf("quarantine fails: %+v", a)
		}
		must(t, l.db.Close())
		if a := ack(t, l.present(oru("C2", "4711", "100"))); a.Code != "AR" {
			t.Fatalf("closed store: %+v", a)
		}
		if c := l.Counts(); c.Failed != 3 || c.Received != 0 {
			t.Fatalf("counts %+v", c)
		}
	})
}

func TestOversizeKeepsTheBeginning(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		begin := append(oru("BIG", "4711", "100"), bytes.Repeat([]byte("x"), 2<<20)...)
		if a := ack(t, l.Intake("lis").Oversize(t.Context(), begin, 1<<30, [32]byte{1})); a.Code != "AE" || a.ControlID != "BIG" {
			t.Fatalf("answer %+v", a)
		}
		apart, err := l.Quarantine(t.Context(), false, 10)
		must(t, err)
		if len(apart) != 1 || apart[0].Kept != maxKept || apart[0].Size != 1<<30 || apart[0].Cause != CauseOversize {
			t.Fatalf("%+v", apart)
		}
	})
}

func TestDamagedBodyIsNoticed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		m := l.taken(oru("C1", "4711", "100"))
		var sealed []byte
		must(t, l.db.QueryRow(t.Context(), "SELECT body FROM results_messages").Scan(&sealed))
		sealed[len(sealed)/2] ^= 1
		l.exec("UPDATE results_messages SET body = $1", sealed)
		if _, _, err := l.Message(t.Context(), m.ID); err == nil {
			t.Fatal("a changed body opened")
		}
		_, _, err := l.Message(t.Context(), someID)
		wantErr(t, err, ErrNotFound)
	})
}
