package app

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

var whyTest = desk.Why{Reason: "a-test", ApprovedBy: "Dr-Director"}

func targetOf(src string) desk.Target { return desk.Target{Source: []byte(src)} }

// moving is a clock a test moves; it runs in between.
type moving struct{ ahead atomic.Int64 }

func (m *moving) now() time.Time          { return time.Now().Add(time.Duration(m.ahead.Load())) }
func (m *moving) forward(d time.Duration) { m.ahead.Add(int64(d)) }

// lines collects what the hub logs.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// alarms are the alarms logged since the last call.
func (l *lines) alarms() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for line := range strings.Lines(l.b.String()) {
		if strings.Contains(line, "ALARM") {
			out = append(out, line)
		}
	}
	l.b.Reset()
	return out
}

const day = 24 * time.Hour

// A partner's and a source's certificate end. Connections that stand go on; new
// ones are refused, loudly, until a person extends; the extension ends too.
func TestAnEndedCertificateOfTheOtherSideGetsInOnlyByAPersonsExtension(t *testing.T) {
	f, p, clock, log := newFiled(t), newPapers(t, "hub", "lis", "clinic"), &moving{}, &lines{}
	f.clock, f.log = clock.now, slog.New(slog.NewTextHandler(log, nil))
	p.until("lis", time.Now().Add(2*day))
	p.until("clinic", time.Now().Add(2*day))
	clinic := secured(t, p)
	src := f.secure(p, clinic.addr, "alarms: {date_owner: M. Okafor}\n")
	writeFile(t, f.file, src)
	h := f.open(t)
	addrs, _ := f.serve(h, f.parse(src))
	if _, err := propose(t.Context(), h, f.parse(src), src); err != nil {
		t.Fatal(err)
	}
	c := f.client(t)
	l, _, err := p.dial(addrs["lis"], "lis")
	if err != nil {
		t.Fatal(err)
	}
	mustSend(t, l, "A")
	eventually(t, "the result there", func() bool { got, _ := clinic.list(); return len(got) == 1 })
	st, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if words := strings.Join(st.Sentences, "\n"); !strings.Contains(words, "The certificate that source lis shows (lis) ends on") ||
		!strings.Contains(words, "The certificate that partner p shows (clinic) ends on") || !strings.Contains(words, "Owner: M. Okafor") {
		t.Errorf("status: %s", words)
	}

	clock.forward(3 * day)
	mustSend(t, l, "B") // the connection that stands keeps its state
	refuse := func() error {
		x, _, err := p.dial(addrs["lis"], "lis")
		if err == nil {
			_, err = x.send(result("Z"))
		}
		return err
	}
	if refuse() == nil {
		t.Fatal("an ended certificate got in by itself")
	}
	st, err = c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if words := strings.Join(st.Sentences, "\n"); !strings.Contains(words, "Its connections are refused and results wait.") || !strings.Contains(words, "labwarden extend source lis --reason WHY") {
		t.Errorf("status: %s", words)
	}
	if a := strings.Join(log.alarms(), ""); !strings.Contains(a, `channel="source lis"`) {
		t.Errorf("nobody shouted: %s", a)
	}

	x, err := c.Extend(t.Context(), "source lis", "renewal ordered")
	if err != nil || x.By != me(t) || x.Until.Sub(clock.now()) > 72*time.Hour || x.Until.Sub(clock.now()) < 71*time.Hour {
		t.Fatalf("%+v %v", x, err)
	}
	raw, err := h.Log.Event(t.Context(), x.Leaf)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := ledger.ParseEvent(raw); err != nil || e.Kind != KindExtended || e.IDs.Get("by") != ledger.Code(me(t)) || e.IDs.Get("channel") != "source-lis" || e.Codes.Get("reason") != "renewal-ordered" {
		t.Errorf("recorded %+v %v", e, err)
	}
	again, _, err := p.dial(addrs["lis"], "lis")
	if err != nil {
		t.Fatal(err)
	}
	mustSend(t, again, "C")
	if st, err = c.Status(t.Context()); err != nil || !strings.Contains(strings.Join(st.Sentences, "\n"), "by "+me(t)+": renewal ordered") || st.State != "needs_you" {
		t.Errorf("status hides the extension: %q %v", st.Sentences, err)
	}

	// The partner: its connection is lost and it is refused; extended, what
	// waits goes at once.
	if _, err := propose(t.Context(), h, f.parse(src), src); err == nil {
		t.Fatal("applied twice")
	}
	p.until("hub", time.Now().Add(90*day)) // another certificate of ours: all begin anew
	if _, err := c.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, _, err = p.dial(addrs["lis"], "lis"); err != nil {
		t.Fatal(err)
	}
	mustSend(t, again, "D")
	eventually(t, "the partner is refused", func() bool {
		st, err := c.Status(t.Context())
		return err == nil && strings.Contains(strings.Join(st.Sentences, "\n"), "labwarden extend partner p --reason WHY")
	})
	got, _ := clinic.list()
	if len(got) != 3 {
		t.Errorf("the clinic has %v", got)
	}
	if _, err := c.Extend(t.Context(), "partner p", "they renew on Monday"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what waited", func() bool { got, _ := clinic.list(); return len(got) == 4 })

	// 72 hours later a person must decide again.
	clock.forward(73 * time.Hour)
	if refuse() == nil {
		t.Error("an extension goes on for ever")
	}
	if _, err := c.Extend(t.Context(), "source lis", "still on order"); err != nil {
		t.Fatal(err)
	}
	if err := refuse(); err != nil {
		t.Errorf("extended again: %v", err)
	}
	// A certificate that is long dead is a forgotten key, not a late renewal.
	clock.forward(60 * day)
	if _, err := c.Extend(t.Context(), "source lis", "once more"); err != nil {
		t.Fatal(err)
	}
	if refuse() == nil {
		t.Error("a certificate dead for two months got in")
	}
}

func TestExtensionsOutliveARestartAndAreRefusedWithoutNeed(t *testing.T) {
	f, clock := newFiled(t), &moving{}
	f.clock = clock.now
	until := time.Now().UTC().Add(20 * day).Format(time.DateOnly)
	src := strings.Replace(f.source(onePartner, "p", "shadow"), `destination: {mllp: {address: "127.0.0.1:1"}}`,
		`destination: {mllp: {address: "10.0.0.1:2575", exception: {kind: plaintext, reason: a tunnel, owner: A. Bell, until: "`+until+`"}}}`, 1)
	h := f.open(t)
	if _, err := propose(t.Context(), h, f.parse(src), src); err != nil {
		t.Fatal(err)
	}
	d := h.Desk("anna")
	if _, err := d.Extend(t.Context(), "partner p", "early"); !kindIs(err, desk.ErrNothingEnds, control.Conflict) {
		t.Errorf("with three weeks left: %v", err)
	}
	if _, err := d.Extend(t.Context(), "partner p", "  "); !kindIs(err, nil, control.Invalid) {
		t.Errorf("without a reason: %v", err)
	}
	clock.forward(16 * day)
	x, err := d.Extend(t.Context(), "partner p", "the tunnel moves")
	end := f.parse(src).Partners["p"].Destination.MLLP.Exception.Until.End()
	if err != nil || !x.Until.Equal(end.Add(72*time.Hour)) {
		t.Fatalf("until %v, want 72 h after %v: %v", x.Until, end, err)
	}
	f.close(h)
	h = f.open(t)
	defer f.close(h)
	clock.forward(6 * day) // past the exception's end, not past the extension's
	list := h.endings(f.parse(src), clock.now())
	if len(list) != 1 || list[0].Extended == nil || list[0].Extended.By != "anna" || !list[0].End().Equal(x.Until) {
		t.Errorf("after the restart: %+v", list)
	}
}

// Exceptions and certificates raise their voice at 30, 14, 7 and 1 days with
// their owner, daily past the end, and the channel keeps running.
func TestDatesAlarmAt30And14And7And1DaysAndStopNothing(t *testing.T) {
	f, clock := newFiled(t), &moving{}
	f.clock = clock.now
	p := newPractice(t)
	until := time.Now().UTC().Add(44 * day).Format(time.DateOnly)
	src := strings.Replace(f.source(partnerAt("p", p.addr), "p", "carry"), `mllp: {listen: "127.0.0.1:0"}`,
		`mllp: {listen: "127.0.0.1:0", exception: {kind: plaintext, reason: an old analyser, owner: A. Bell, until: "`+until+`"}}`, 1)
	h := f.open(t)
	addrs, _ := f.serve(h, f.parse(src))
	if _, err := propose(t.Context(), h, f.parse(src), src); err != nil {
		t.Fatal(err)
	}
	c := f.client(t)
	end := f.parse(src).Sources["lis"].MLLP.Exception.Until.End()
	for _, step := range []struct {
		left  time.Duration // before the end of the last day
		grade int64
	}{
		{31*day + time.Hour, 0}, {31 * day, 1}, {16 * day, 1}, {15 * day, 2}, {8 * day, 3}, {3 * day, 3}, {2 * day, 4}, {time.Hour, 4}, {-time.Hour, 5},
	} {
		clock.forward(end.Add(-step.left).Sub(clock.now()))
		_, found, err := newLookout(h).dates(t.Context(), h.inForce())
		if err != nil || (len(found) == 1) != (step.grade > 0) || len(found) == 1 && (found[0].Grade != step.grade || found[0].Owner != "A. Bell") {
			t.Errorf("%v before the end: %+v %v", step.left, found, err)
		}
	}
	// Past its end: the door is open, a new connection gets in, a result travels.
	mustSend(t, dial(t, addrs["lis"]), "A")
	eventually(t, "the result there", func() bool { got, _ := p.list(); return len(got) == 1 })
	st, err := c.Status(t.Context())
	if err != nil || st.State != "needs_you" || !strings.Contains(strings.Join(st.Sentences, "\n"), "the channel keeps running") {
		t.Errorf("status: %q %v", st.Sentences, err)
	}
	if list := h.metricDates(); len(list) != 1 || list[0].Kind != control.DateException || !list[0].Ends.Equal(end) {
		t.Errorf("metrics: %+v", list)
	}
}
