package results

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

// clock is moved by hand.
type clock struct {
	mu   sync.Mutex
	at   time.Time
	mono time.Duration
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }
func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	c.at = c.at.Add(d)
	c.mono += d
	c.mu.Unlock()
}

// jump puts the machine's clock forward or back: no time passes.
func (c *clock) jump(d time.Duration) {
	c.mu.Lock()
	c.at = c.at.Add(d)
	c.mu.Unlock()
}

func (c *clock) passed() time.Duration { c.mu.Lock(); defer c.mu.Unlock(); return c.mono }

// lab is a service on a real database with fresh keys, and what it talks to.
type lab struct {
	*Service
	t     testing.TB
	db    *store.DB
	log   *bus.Log
	vault *vault.Vault
	clock *clock
	open  storetest.Opener
	now   func() time.Time
	boxes map[string]*box
	said  *lines
	stop  func()
}

// lines keeps what was logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }

func (l *lines) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// window is the sources' control id window in these tests.
const window = 7 * 24 * time.Hour

func newLab(t testing.TB, open storetest.Opener) *lab {
	c := &clock{at: time.Date(2026, 3, 4, 8, 0, 0, 123456000, time.FixedZone("", -5*3600))}
	return labWith(t, open, c.now, c)
}

func labWith(t testing.TB, open storetest.Opener, now func() time.Time, c *clock) *lab {
	t.Helper()
	l := &lab{t: t, vault: vaulttest.New(t), clock: c, open: open, now: now, said: &lines{}, boxes: map[string]*box{}}
	for _, key := range []string{"north", "south"} {
		l.boxes[key] = newBox()
	}
	l.start()
	if err := l.db.Migrate(t.Context(), bus.Migrations(), Migrations()); err != nil {
		t.Fatal(err)
	}
	l.attach()
	return l
}

func (l *lab) start() { l.db = l.open(store.Options{}) }

func (l *lab) attach() {
	l.t.Helper()
	log, err := bus.New("test")
	if err != nil {
		l.t.Fatal(err)
	}
	log.Attach(l.db)
	s, err := New(l.t.Context(), l.db, log, l.vault, l.now, slog.New(slog.NewTextHandler(l.said, nil)))
	if err != nil {
		l.t.Fatal(err)
	}
	if l.clock != nil {
		s.steady = newSteady(l.now, l.clock.passed)
	}
	log.Bind(l.vault)
	l.Service, l.log = s, log
	l.Apply(l.standard())
	l.t.Cleanup(l.close)
}

// standard: source lis to both partners.
func (l *lab) standard() *Settings {
	set := &Settings{
		Revision: "r1",
		Sources:  map[string]Source{"lis": {Name: "lis", Window: window}},
		Partners: map[string]*Partner{},
		Routes:   []Route{{Name: "all", From: "lis", To: []string{"north", "south"}, Stage: Carry}},
	}
	for key, b := range l.boxes {
		set.Partners[key] = &Partner{Key: key, Sender: b, Retry: Retry{First: time.Second, Max: time.Minute, GiveUpAfter: 20 * time.Minute}}
	}
	return set
}

// run starts the couriers.
func (l *lab) run() { l.runUnder(context.Background()) }

func (l *lab) runUnder(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	s := l.Service
	go func() { defer close(done); _ = s.Run(ctx) }()
	l.stop = func() { cancel(); <-done }
}

func (l *lab) halt() {
	if l.stop != nil {
		l.stop()
		l.stop = nil
	}
}

// restart closes everything and opens it anew, as another process would.
func (l *lab) restart() {
	l.t.Helper()
	l.close()
	l.start()
	l.attach()
}

func (l *lab) close() {
	l.halt()
	if err := l.db.Close(); err != nil {
		l.t.Error(err)
	}
}

// present hands the body in as source lis and returns the answer.
func (l *lab) present(body []byte) []byte { return l.presentAs("lis", body) }

func (l *lab) presentAs(source string, body []byte) []byte {
	l.t.Helper()
	r, err := l.Intake(source).Handle(l.t.Context(), channel.Peer{Name: source}, body)
	if err != nil {
		l.t.Fatal(err)
	}
	return r.Body
}

// taken presents a message that must be accepted and returns its summary.
func (l *lab) taken(body []byte) Summary {
	l.t.Helper()
	v := l.take(l.t.Context(), "lis", channel.Peer{}, body)
	if v.outcome != Taken {
		l.t.Fatalf("outcome %d, answer %q", v.outcome, v.ack)
	}
	m, err := l.Show(l.t.Context(), v.id)
	if err != nil {
		l.t.Fatal(err)
	}
	return m
}

func (l *lab) count(query string, args ...any) int64 {
	l.t.Helper()
	var n int64
	if err := l.db.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
		l.t.Fatal(err)
	}
	return n
}

func (l *lab) exec(query string, args ...any) {
	l.t.Helper()
	err := l.db.Do(context.Background(), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// events returns the ledger's events of a kind, in order.
func (l *lab) events(kind string) []ledger.Event {
	l.t.Helper()
	head, err := l.log.Head(context.Background())
	if err != nil {
		l.t.Fatal(err)
	}
	var out []ledger.Event
	for leaf := range head.Size {
		b, err := l.log.Event(context.Background(), leaf)
		if err != nil {
			l.t.Fatal(err)
		}
		e, err := ledger.ParseEvent(b)
		if err != nil {
			l.t.Fatal(err)
		}
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// audited fails unless the whole ledger fits together.
func (l *lab) audited() {
	l.t.Helper()
	_, damage, err := l.log.Audit(context.Background(), 0)
	if err != nil || damage != nil {
		l.t.Fatalf("audit: %v, %v", damage, err)
	}
}

// until polls until ok holds; steps let it move the clock.
func (l *lab) until(what string, ok func() bool) {
	l.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			l.t.Fatalf("never: %s\n%s", what, l.said)
		}
		timer := time.NewTimer(2 * time.Millisecond)
		<-timer.C
	}
}

func (l *lab) delivery(seq int64) Delivery {
	l.t.Helper()
	page, err := l.withDeliveries(context.Background(), []Summary{{Leaf: seq / maxPlans}})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, d := range page[0].Deliveries {
		if d.Seq == seq {
			return d
		}
	}
	l.t.Fatalf("no delivery %d", seq)
	return Delivery{}
}

// to returns the delivery of m to the partner.
func to(t testing.TB, m Summary, partner string) Delivery {
	t.Helper()
	for _, d := range m.Deliveries {
		if d.Partner == partner {
			return d
		}
	}
	t.Fatalf("no delivery to %s", partner)
	return Delivery{}
}

// box is a partner's system: it keeps its own list.
type box struct {
	mu     sync.Mutex
	got    []string // control ids it accepted, in order
	bodies [][]byte
	tries  int
	answer func(m channel.Message) error // nil accepts
	flying chan struct{}                 // when set, Send waits for it after having been asked
	asked  chan string                   // when set, told of each Send
}

func newBox() *box { return &box{} }

func (b *box) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	b.mu.Lock()
	b.tries++
	answer, wait, asked := b.answer, b.flying, b.asked
	b.mu.Unlock()
	if asked != nil {
		select {
		case asked <- m.ControlID:
		case <-ctx.Done():
			return channel.Receipt{}, ctx.Err()
		}
	}
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return channel.Receipt{}, ctx.Err()
		}
	}
	if answer != nil {
		if err := answer(m); err != nil {
			return channel.Receipt{}, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, m.ControlID)
	b.bodies = append(b.bodies, bytes.Clone(m.Body))
	return channel.Receipt{
		Level: channel.Accepted, Code: "AA", Body: []byte("MSH|^~\\&|\rMSA|AA|" + m.ControlID + "\r"),
		Peer: channel.Peer{Name: "north", Proof: "certificate", Fingerprint: strings.Repeat("ab", 32), TLS: "TLS 1.3 TLS_AES_128_GCM_SHA256"},
	}, nil
}

func (b *box) list() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.got...)
}
func (b *box) tried() int { b.mu.Lock(); defer b.mu.Unlock(); return b.tries }
func (b *box) set(f func(channel.Message) error) {
	b.mu.Lock()
	b.answer = f
	b.mu.Unlock()
}

func fails(class channel.Class, code string) func(channel.Message) error {
	return func(channel.Message) error {
		return &channel.Error{Class: class, Code: code, Err: errors.New("said so")}
	}
}

// oru is a result message. tail is added to the MSH segment.
func oru(control, patient, order string, segments ...string) []byte {
	return oruHead(control, "", patient, order, segments...)
}

func oruHead(control, tail, patient, order string, segments ...string) []byte {
	s := []string{
		`MSH|^~\&|GLASSWORT|HOLLOWFEN|NORTH|CLINIC|20260304080000||ORU^R01^ORU_R01|` + control + `|P|2.5.1` + tail,
		`PID|1||` + patient + `^^^HOLLOWFEN^MR||Marchbanks^Petronella^Q||19610412|F`,
		`ORC|RE|P` + order + `|F` + order,
		`OBR|1|P` + order + `|F` + order + `|2345-7^Glucose^LN|||20260304073000|||||||||1234^Doctor^Dee||||||20260304080000||CH|F`,
		`OBX|1|NM|2345-7^Glucose^LN||91|mg/dL|70-99|N|||F`,
	}
	return []byte(strings.Join(append(s, segments...), "\r") + "\r")
}

func ack(t testing.TB, b []byte) hl7.Ack {
	t.Helper()
	a, err := hl7.ReadAck(b)
	if err != nil {
		t.Fatalf("answer %q: %v", b, err)
	}
	return a
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func countOf(format string, n int) string { return fmt.Sprintf(format, n) }

var someID = event.ID{1, 2, 3}

var peer = channel.Peer{Name: "lis"}

func mustHeader(t testing.TB, body []byte) *hl7.Header {
	t.Helper()
	h, err := hl7.ReadHeader(body)
	must(t, err)
	return &h
}

// loadMessage is about 1.9 kB, as real results are; one patient has about eight.
func loadMessage(i int) []byte {
	segments := make([]string, 0, 16)
	for n := range 16 {
		segments = append(segments, fmt.Sprintf("OBX|%d|NM|%d-%d^Some analyte of a panel^LN||%d.%d|mg/dL|%d-%d|N|||F|||20260304073000||%x",
			n+2, 2000+n, n, 10+i%90, i%10, n, 100+n, uint64(i)*0x9e3779b97f4a7c15+uint64(n)))
	}
	return oru(fmt.Sprintf("L%d", i), fmt.Sprintf("M%d", i/8), fmt.Sprint(i), segments...)
}

// pass lets time go by: the bubble's own, in which nothing is waited for.
func pass(d time.Duration) { <-time.After(d) }
