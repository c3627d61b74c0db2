package results

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/proof"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// kinds lists what a journey tells, in order.
func kinds(j *Journey) (out []string) {
	for _, st := range j.Steps {
		k := string(st.Kind)
		if st.Act != nil {
			k += ":" + st.Act.Kind
		}
		if st.Delivery != nil {
			k += "@" + st.Delivery.Partner
		}
		out = append(out, k)
	}
	return out
}

func (j *Journey) step(t *testing.T, kind StepKind, partner string) *Step {
	t.Helper()
	for i := range j.Steps {
		if st := &j.Steps[i]; st.Kind == kind && (partner == "" || st.Delivery != nil && st.Delivery.Partner == partner) {
			return st
		}
	}
	t.Fatalf("no step %s %s in %v", kind, partner, kinds(j))
	return nil
}

func TestJourneyTellsEachStepAndItsSource(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		ctx := context.Background()
		box, n := l.boxes["north"], 0
		box.set(func(channel.Message) error {
			if n++; n < 3 {
				return &channel.Error{Class: channel.Unanswered, Code: "timeout", Err: errors.New("no answer")}
			}
			pass(2 * time.Second)
			return nil
		})
		l.boxes["south"].set(fails(channel.Rejected, "AE"))
		m := l.taken(oru("C1", "4711", "100"))
		l.run()
		pass(10 * time.Minute)
		l.halt()
		_, _, err := l.View(ctx, m.ID, By{Who: "ann", Reason: "phone"})
		must(t, err)
		_, err = l.HoldMessage(ctx, m.ID, By{Who: "carl", Reason: "court"})
		must(t, err)
		_, err = l.AddCount(ctx, "north", l.now().UTC().Format(time.DateOnly), time.UTC, []byte("C1\n"), Named{By{Who: "uid", Reason: "count"}, "Ann"})
		must(t, err)
		south := to(t, m, "south").Seq
		must(t, l.TryAgain(ctx, south, By{Who: "ann", Reason: "mended"}))
		wantErr(t, l.ReleaseHeld(ctx, south, By{Who: "ann", Reason: "mended"}), ErrConflict)

		j, err := l.Journey(ctx, m.ID, JourneyOptions{Identity: true, Looks: true})
		must(t, err)
		if j.Said == nil || j.Said.Initials != "P. M." || j.Said.BirthYear != "1961" || j.Said.Title() != "Glucose" || j.Said.Orders[0].Filler != "F100" ||
			j.Said.Orders[0].Provider != "Dee Doctor" || j.Said.Orders[0].Results != 1 || j.Said.ControlID != "C1" {
			t.Errorf("said %+v", j.Said)
		}
		for kind, source := range map[StepKind]Knowledge{
			StepCollected: SaidByLIS, StepReported: SaidByLIS, StepMatched: SaidByLIS, StepReceived: SeenByUs, StepSealed: SeenByUs,
			StepSent: SeenByUs, StepAnswered: SeenByUs, StepCounted: SeenByUs, StepWaits: SeenByUs, StepLegalHold: SeenByUs,
		} {
			if st := j.step(t, kind, ""); st.Source != source {
				t.Errorf("%s is %s, want %s", kind, st.Source, source)
			}
		}
		sent := j.step(t, StepSent, "north")
		if len(sent.Tries) != 2 || sent.Tries[0].Class != "unanswered" || sent.Tries[1].Code != "timeout" || sent.Delivery.Attempts != 3 || !sent.Same || sent.Leaf < 0 ||
			sent.At.Sub(sent.Began) != 2*time.Second || !strings.HasPrefix(sent.Peer.Fingerprint, "abab") {
			t.Errorf("sent %+v", sent)
		}
		if a := j.step(t, StepAnswered, "north"); a.Code != "AA" || a.ReplyFor != "C1" || a.Level != "accepted" {
			t.Errorf("answered %+v", a)
		}
		if w := j.step(t, StepWaits, "south"); len(w.Tries) != 1 || w.Tries[0].Class != "rejected" {
			t.Errorf("waits %+v", w)
		}
		total, spans := j.Spans(to(t, m, "north").Seq)
		var sum time.Duration
		for _, s := range spans {
			sum += s.Took
		}
		if len(spans) < 2 || spans[len(spans)-1].Kind != "partner" || spans[len(spans)-1].Took != 2*time.Second || sum != total {
			t.Errorf("spans %v of %s", spans, total)
		}
		if len(j.Looks) != 1 || j.Looks[0].By != "ann" || j.Looks[0].Reason != "phone" {
			t.Errorf("looks %+v", j.Looks)
		}
		acts := strings.Join(kinds(j), " ")
		if !strings.Contains(acts, "act:"+KindStopped) || !strings.Contains(acts, "act:"+KindReleased) || strings.Contains(acts, KindViewed) {
			t.Errorf("acts in %s", acts)
		}
		found, err := l.Audit(ctx, nil)
		must(t, err)
		if len(found.Findings) != 0 {
			t.Errorf("findings %v", found.Findings)
		}

		// A partner's own people are told of their own deliveries alone.
		j, err = l.Journey(ctx, m.ID, JourneyOptions{Sees: func(d *Delivery) bool { return d.Partner == "north" }})
		must(t, err)
		for _, k := range kinds(j) {
			if strings.Contains(k, "south") || strings.HasPrefix(k, "act:") {
				t.Errorf("north is told %s", k)
			}
		}
		if j.Said.Initials != "" || j.Said.BirthYear != "" || len(j.Looks) != 0 || len(j.Deliveries) != 1 {
			t.Errorf("north sees %+v", j)
		}
		_, err = l.Journey(ctx, m.ID, JourneyOptions{Sees: func(*Delivery) bool { return false }})
		_, unknown := l.Journey(ctx, event.NewID(), JourneyOptions{})
		if !errors.Is(err, ErrNotFound) || !errors.Is(unknown, ErrNotFound) {
			t.Errorf("of others: %v; unknown: %v", err, unknown)
		}
	})
}

func TestJourneyOfWhatIsHeldFromTheBeginning(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		ctx := context.Background()
		set := l.standard()
		set.Routes[0].Owner = func(partner string, _ Look) (string, error) {
			if partner == "north" {
				return "not theirs", nil
			}
			return "", nil
		}
		l.Apply(set)
		m := l.taken(oru("C1", "4711", "100"))
		pass(time.Hour)
		seq := to(t, m, "north").Seq
		wantErr(t, l.TryAgain(ctx, seq, why), ErrConflict)
		must(t, l.ReleaseHeld(ctx, seq, why))
		l.run()
		pass(time.Minute)
		l.halt()
		j, err := l.Journey(ctx, m.ID, JourneyOptions{})
		must(t, err)
		_, spans := j.Spans(seq)
		held := time.Duration(0)
		for _, s := range spans {
			if s.Kind == "held" {
				held = s.Took
			}
		}
		if held != time.Hour {
			t.Errorf("held for %s; %v", held, spans)
		}
	})
}

// A damaged row must not make a journey say what did not happen.
func TestJourneyTakesNothingOnTheRowsWord(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		a, b := l.taken(oru("C1", "1", "1")), l.taken(oru("C2", "2", "2"))
		_, _, err := l.View(t.Context(), a.ID, why)
		must(t, err)
		l.exec("UPDATE results_acts SET message = $1", b.Leaf)
		if _, err := l.Journey(t.Context(), b.ID, JourneyOptions{Looks: true}); err == nil {
			t.Error("an act of another message was told")
		}
		found, err := l.Audit(t.Context(), nil)
		must(t, err)
		if len(found.Findings) == 0 {
			t.Error("a moved act is not found")
		}
		l.exec("DELETE FROM results_acts")
		l.exec("DELETE FROM row_tags WHERE tbl = 'results_acts'")
		found, err = l.Audit(t.Context(), nil)
		must(t, err)
		if len(found.Findings) != 1 || found.Findings[0].Table != "results_acts" {
			t.Errorf("a removed act, its tag too: %v", found.Findings)
		}
	})
}

func TestTriesStayBounded(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.boxes["north"].set(fails(channel.Unreachable, "refused"))
		m := l.taken(oru("C1", "1", "1"))
		l.run()
		pass(2 * time.Hour)
		l.halt()
		d := l.delivery(to(t, m, "north").Seq)
		tries, err := l.tries(context.Background(), d.Seq)
		must(t, err)
		if len(tries) != firstTries+lastTries || tries[4].N != 5 || tries[19].N != d.Attempts || d.Attempts < 50 {
			t.Errorf("%d tries kept of %d: %v", len(tries), d.Attempts, tries)
		}
		found, err := l.Audit(context.Background(), nil)
		must(t, err)
		if len(found.Findings) != 0 {
			t.Errorf("findings %v", found.Findings)
		}
	})
}

func TestRevealAndSearchAreRecordedFirst(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		m := l.taken(oru("C1", "4711", "100"))
		who, err := l.Reveal(t.Context(), m.ID, By{Who: "ann", Reason: "show name"})
		must(t, err)
		if who.Name != "Petronella Q Marchbanks" || who.Born != "1961-04-12" || len(who.IDs) != 1 || who.IDs[0] != "4711 (HOLLOWFEN)" {
			t.Errorf("identity %+v", who)
		}
		if e := l.events(KindViewed); len(e) != 1 || e[0].IDs.Get("by") != "ann" {
			t.Errorf("recorded %+v", e)
		}
		q := Query{LastName: "Marchbanks", BirthDate: "1961-04-12", PatientID: "4711"}
		must(t, l.RecordSearch(t.Context(), q, By{Who: "ann", Reason: "phone"}))
		marks, err := l.Marks(q)
		must(t, err)
		e := l.events(KindSearched)
		if len(e) != 1 || e[0].Codes.Get("patient") != marks[0] || e[0].Codes.Get("person") != marks[1] || e[0].Codes.Get("order") != "" {
			t.Errorf("recorded %+v, marks %v", e, marks)
		}
		raw, err := e[0].Encode()
		must(t, err)
		for _, secret := range []string{"archbanks", "1961", "4711"} {
			if strings.Contains(string(raw), secret) {
				t.Errorf("the record says %s: %s", secret, raw)
			}
		}
		// A full disk, a closed store: nothing is shown that is not recorded.
		must(t, l.db.Close())
		if _, err := l.Reveal(t.Context(), m.ID, By{Who: "ann", Reason: "again"}); err == nil {
			t.Error("shown without a record")
		}
		if err := l.RecordSearch(t.Context(), q, By{Who: "ann", Reason: "again"}); err == nil {
			t.Error("a search without a record")
		}
	})
}

func TestSearchAmongPartners(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.taken(oru("C1", "4711", "100"))
		set := l.standard()
		set.Routes[0].To = []string{"south"}
		l.Apply(set)
		l.taken(oru("C2", "4711", "101"))
		_, err := l.IndexNow(t.Context())
		must(t, err)
		for among, want := range map[string]int{"north": 1, "south": 2, "": 0} {
			h, err := l.Search(t.Context(), Query{PatientID: "4711", Sees: func(d *Delivery) bool { return d.Partner == among }}, Page{})
			must(t, err)
			if len(h.Messages) != want {
				t.Errorf("among %q: %d, want %d", among, len(h.Messages), want)
			}
			for _, m := range h.Messages {
				for _, d := range m.Deliveries {
					if d.Partner != among {
						t.Errorf("among %q a delivery to %s", among, d.Partner)
					}
				}
			}
		}
	})
}

func TestProofIsCheckedAndTaken(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		ctx := context.Background()
		m := l.taken(oru("C1", "4711", "100"))
		seq := to(t, m, "north").Seq
		_, err := l.CheckProof(ctx, seq)
		wantErr(t, err, ErrConflict)
		l.run()
		pass(time.Minute)
		l.halt()
		c, err := l.CheckProof(ctx, seq)
		must(t, err)
		if !c.Report.Holds() || c.Report.State(proof.CheckPartner) != proof.Holds || c.Leaf < 0 || c.Size <= c.Leaf {
			t.Errorf("checked %+v\n%s", c, c.Report.Text())
		}
		b, id, err := l.TakeProof(ctx, seq, By{Who: "ann", Reason: "for the clinic"})
		must(t, err)
		if e := l.events(KindProved); id != m.ID || len(e) != 1 || !strings.HasPrefix(string(b), proof.Header) {
			t.Errorf("taken %s, recorded %v", id, e)
		}
	})
}

func TestQuarantineByCauseAndSource(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		set := l.standard()
		set.Sources["other"] = Source{Name: "other", Window: window}
		l.Apply(set)
		for i := range 3 {
			l.presentAs("other", oru(fmt.Sprint("N", i), "1", "1")) // no route
		}
		l.present([]byte("nothing at all"))
		l.present([]byte("nothing at all"))
		p, err := l.QuarantinePage(t.Context(), ApartFilter{Source: "other", Limit: 2})
		must(t, err)
		rest, err := l.QuarantinePage(t.Context(), ApartFilter{Source: "other", Limit: 2, Before: p.Next})
		must(t, err)
		if len(p.Messages) != 2 || p.Next == 0 || len(rest.Messages) != 1 || rest.Next != 0 {
			t.Fatalf("pages %+v %+v", p, rest)
		}
		set = l.standard()
		set.Sources["other"] = Source{Name: "other", Window: window}
		set.Routes[0].From = ""
		l.Apply(set)
		r, err := l.ReplayGroup(t.Context(), CauseNoRoute, "lis", why, nil)
		must(t, err)
		if r.Of != 0 {
			t.Errorf("of another source %+v", r)
		}
		r, err = l.ReplayGroup(t.Context(), CauseNoRoute, "other", why, nil)
		must(t, err)
		if r.Taken != 3 {
			t.Errorf("replayed %+v", r)
		}
		a, err := l.ShowQuarantined(t.Context(), p.Messages[0].ID)
		must(t, err)
		if a.State != "replayed" || a.DecidedBy != "a.person" || a.DecidedAt.IsZero() {
			t.Errorf("decided %+v", a)
		}
		j, err := l.Journey(t.Context(), a.Became, JourneyOptions{})
		must(t, err)
		if s := strings.Join(kinds(j), " "); !strings.Contains(s, "act:"+KindApartReplayed) {
			t.Errorf("journey %s", s)
		}
		if done, err := l.QuarantinePage(t.Context(), ApartFilter{Decided: true}); err != nil || len(done.Messages) != 3 {
			t.Errorf("decided: %+v %v", done, err)
		}
	})
}

func TestMaskedHidesWhatNamesAPerson(t *testing.T) {
	body := oru("C1", "4711", "100", `NTE|1||Petronella Marchbanks called`, `OBX|2|ST|1^Comment||Marchbanks is ill||||||F`, `OBX|3|NM|2^X||Marchbanks|mg|||||F`,
		`NK1|1|Marchbanks^Otto`, `ZPI|Marchbanks`, `PV1|1|I|Marchbanks`)
	for _, values := range []bool{false, true} {
		look := LookAt(body)
		m, err := look.Message()
		must(t, err)
		var text strings.Builder
		for _, line := range masked(m, values) {
			text.WriteString(line.Name)
			for _, p := range line.Parts {
				text.WriteString("|" + p.Text)
				if p.Hidden {
					text.WriteString("hidden")
				}
			}
			text.WriteString("\n")
		}
		for _, secret := range []string{"archbanks", "4711", "1961", "Otto"} {
			if strings.Contains(text.String(), secret) {
				t.Errorf("values %v: it tells %s:\n%s", values, secret, text.String())
			}
		}
		if got := strings.Contains(text.String(), "|91|"); got != values {
			t.Errorf("values %v: shown %v\n%s", values, got, text.String())
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\nb": "a\uFFFD\uFFFDb", "x\u202Ey": "x\uFFFDy", "\x1b[31m": "\uFFFD[31m", "p\u200Bq": "p\uFFFDq", strings.Repeat("é", 200): strings.Repeat("é", 120) + "…",
		"ok – 5 µg": "ok – 5 µg", "\xff": "\uFFFD",
	} {
		if got := Printable(in, 120); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestJourneysOfRealMessages takes other people's test messages and tells the
// journey of each that is taken.
func TestJourneysOfRealMessages(t *testing.T) {
	dir := "/work/shared/corpus/hl7"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("SKIPPED: the corpus of real messages is not here")
	}
	files, err := filepath.Glob(dir + "/*/*.hl7")
	must(t, err)
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		n := 0
		for _, f := range files {
			body, err := os.ReadFile(f)
			must(t, err)
			v := l.take(t.Context(), "lis", channel.Peer{}, body)
			if v.outcome != Taken {
				continue
			}
			n++
			j, err := l.Journey(t.Context(), v.id, JourneyOptions{Identity: true, Looks: true})
			if err != nil {
				t.Errorf("%s: %v", f, err)
				continue
			}
			if j.Said == nil || len(j.Masked) == 0 {
				t.Errorf("%s: %v", f, kinds(j))
			}
		}
		t.Logf("%d of %d messages taken and told", n, len(files))
		if n == 0 {
			t.Error("none was taken")
		}
	})
}
