package results

import (
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/proof"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// relayed is body as the bypass relayed it to the partners named; to the other
// of north and south it was due and not accepted.
func (l *lab) relayed(body []byte, partners ...string) Bypassed {
	at := l.now()
	b := Bypassed{ID: event.NewID(), Source: "lis", Peer: channel.Peer{Proof: "certificate"}, At: at, Body: body, Revision: "r0", Window: window}
	for _, key := range []string{"north", "south"} {
		w := BypassedWay{Partner: key, Route: "all"}
		for _, p := range partners {
			if p == key {
				w.Receipt = &channel.Receipt{
					Level: channel.Accepted, Code: "AA", Body: []byte("MSH|^~\\&|\rMSA|AA|x\r"), At: at.Add(time.Second),
					Peer: channel.Peer{Name: key, Proof: "certificate", Fingerprint: strings.Repeat("ab", 32), TLS: "TLS 1.3 TLS_AES_128_GCM_SHA256"},
				}
			}
		}
		b.Ways = append(b.Ways, w)
	}
	return b
}

func (l *lab) read(ms ...Bypassed) BypassRead {
	l.t.Helper()
	in := l.BypassIntake()
	for _, m := range ms {
		if err := in.Pass(m); err != nil {
			l.t.Fatal(err)
		}
	}
	for _, m := range ms {
		if _, _, err := in.Take(l.t.Context(), m); err != nil {
			l.t.Fatal(err)
		}
	}
	session := ms[0].ID
	session[15] ^= 1
	r, err := in.Finish(l.t.Context(), BypassSession{ID: session, By: "R. Alvarez", Reason: "hub dead", OpenedAt: l.now(), ClosedAt: l.now(), Closed: true})
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

func (l *lab) fits() {
	l.t.Helper()
	a, err := l.Audit(l.t.Context(), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, f := range a.Findings {
		l.t.Errorf("audit: %s", f)
	}
}

func TestBypassedMessageIsEnteredOnceAndNotSentAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		body := oru("C1", "4711", "100")
		m := l.relayed(body, "north", "south")
		l.clock.add(time.Hour)
		if r := l.read(m); r != (BypassRead{Taken: 1}) {
			t.Errorf("%+v", r)
		}
		if r := l.read(m); r != (BypassRead{Before: 1}) {
			t.Errorf("read again: %+v", r)
		}
		got, kept, err := l.Message(t.Context(), m.ID)
		if err != nil || string(kept) != string(body) || !got.Bypassed || !got.ReceivedAt.Equal(m.At.Truncate(time.Microsecond)) {
			t.Errorf("%+v %v", got, err)
		}
		for _, key := range []string{"north", "south"} {
			if d := to(t, got, key); d.State != Done || d.Code != "AA" || d.Reason != SentInBypass {
				t.Errorf("%s: %+v", key, d)
			}
		}
		// The LIS repeats it, its acknowledgement having been lost.
		if a := ack(t, l.present(body)); a.Code != "AA" {
			t.Errorf("repeat: %+v", a)
		}
		l.run()
		after := l.taken(oru("C2", "4711", "100"))
		l.until("the next one is delivered", func() bool { return l.delivery(to(t, after, "north").Seq).State == Done })
		if got := l.boxes["north"].list(); len(got) != 1 || got[0] != "C2" {
			t.Errorf("north was sent %v", got)
		}
		l.halt()
		p, err := l.Proof(t.Context(), to(t, got, "north").Seq)
		if err != nil {
			t.Fatal(err)
		}
		report := proof.Verify(p, body, strings.Join(l.vault.VerifierKeys(), "\n"))
		if !report.Holds() || !strings.Contains(report.Text(), "It travelled in bypass") {
			t.Errorf("proof:\n%s", report.Text())
		}
		l.audited()
		l.fits()
		if n := len(l.events(KindBypassRead)); n != 1 {
			t.Errorf("%d events of the session", n)
		}
	})
}

func TestBypassedMessageThatTheHubHasTooIsNotSentAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		body := oru("C1", "4711", "100")
		here := l.taken(body) // acknowledged too late: the hub died
		l.clock.add(time.Minute)
		m := l.relayed(body, "north")
		if r := l.read(m); r != (BypassRead{Too: 1}) {
			t.Errorf("%+v", r)
		}
		if r := l.read(m); r != (BypassRead{Before: 1}) {
			t.Errorf("again: %+v", r)
		}
		l.run()
		l.until("south has it", func() bool { return len(l.boxes["south"].list()) == 1 })
		l.until("south is done", func() bool { return l.delivery(to(t, here, "south").Seq).State == Done })
		if got := l.boxes["north"].tried(); got != 0 {
			t.Errorf("north was tried %d times", got)
		}
		if d := l.delivery(to(t, here, "north").Seq); d.State != Done || d.Reason != SentInBypass {
			t.Errorf("%+v", d)
		}
		if n := l.count("SELECT count(*) FROM results_messages"); n != 1 {
			t.Errorf("%d messages", n)
		}
		if n := len(l.events(KindBypassedToo)); n != 1 {
			t.Errorf("%d events say that both had it", n)
		}
		// Relayed after the hub had sent it: shown as sent twice.
		if r := l.read(l.relayed(body, "south")); r.Twice != 1 {
			t.Errorf("%+v", r)
		}
		l.halt()
		l.fits()
	})
}

func TestBypassedInPartGoesOnWhereItIsMissing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		body := oru("C1", "4711", "100")
		if r := l.read(l.relayed(body, "north")); r.Taken != 1 {
			t.Errorf("%+v", r)
		}
		if a := ack(t, l.present(body)); a.Code != "AA" { // the LIS was told AR
			t.Errorf("%+v", a)
		}
		l.run()
		l.until("south has it", func() bool { return len(l.boxes["south"].list()) == 1 })
		l.until("nothing is open", func() bool { return l.count("SELECT count(*) FROM results_deliveries WHERE state < 3") == 0 })
		if n := l.boxes["north"].tried(); n != 0 {
			t.Errorf("north was tried %d times", n)
		}
		l.halt()
		l.fits()
	})
}

func TestBypassedConflictIsKeptBesideTheHubs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.taken(oru("C1", "4711", "100"))
		m := l.relayed(oru("C1", "4712", "200"), "north", "south")
		if r := l.read(m); r != (BypassRead{Conflicts: 1}) {
			t.Errorf("%+v", r)
		}
		if got, err := l.Show(t.Context(), m.ID); err != nil || to(t, got, "north").State != Done {
			t.Errorf("%+v %v", got, err)
		}
		l.fits()
	})
}

// What waits in the hub and was overtaken in bypass by a result of the same
// order must not be sent over the newer one.
func TestWhatWasOvertakenInBypassIsHeld(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		old := l.taken(oru("C1", "4711", "100"))
		sameOrder := l.taken(oru("C2", "4799", "100")) // the order was under another patient before
		otherOrder := l.taken(oru("C3", "4711", "300"))
		stranger := l.taken(oru("C4", "4712", "400"))
		l.clock.add(time.Minute)
		m := l.relayed(oru("C5", "4711", "100"), "north")
		r := l.read(m)
		if r.Held != 2 {
			t.Errorf("%+v", r)
		}
		for _, x := range []struct {
			m    Summary
			key  string
			want State
		}{{old, "north", Held}, {sameOrder, "north", Held}, {old, "south", Waiting}, {otherOrder, "north", Waiting}, {stranger, "north", Waiting}} {
			if d := l.delivery(to(t, x.m, x.key).Seq); d.State != x.want {
				t.Errorf("%s to %s is %s, want %s", x.m.ID, x.key, d.State, x.want)
			}
		}
		newer := l.taken(oru("C6", "4711", "100")) // came after: not overtaken
		if r := l.read(m); r.Held != 0 {
			t.Errorf("again: %+v", r)
		}
		if d := l.delivery(to(t, newer, "north").Seq); d.State != Waiting {
			t.Errorf("the newer one is %s", d.State)
		}
		// A correction counts in all its lanes, the patient's too.
		l.clock.add(time.Minute)
		corr := []byte(strings.Replace(string(oru("C7", "4711", "500")), "|||F\r", "|||C\r", 1))
		if r := l.read(l.relayed(corr, "north")); r.Held != 2 {
			t.Errorf("a correction: %+v", r)
		}
		l.fits()
	})
}

// Accepted by north alone; its correction then by both: what is missing at south
// must not be sent over the correction.
func TestBypassedInPartAndThenCorrectedIsHeld(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		first := l.relayed(oru("C1", "4711", "100"), "north")
		l.clock.add(time.Minute)
		second := l.relayed([]byte(strings.Replace(string(oru("C2", "4711", "100")), "|||F\r", "|||C\r", 1)), "north", "south")
		if r := l.read(first, second); r.Taken != 2 || r.Held != 1 {
			t.Errorf("%+v", r)
		}
		m, err := l.Show(t.Context(), first.ID)
		if err != nil {
			t.Fatal(err)
		}
		if d := to(t, m, "south"); d.State != Held {
			t.Errorf("%+v", d)
		}
		l.fits()
	})
}
