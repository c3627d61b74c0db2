package shieldlink

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bench is a shield with its journal in memory.
type bench struct {
	mu       sync.Mutex
	records  []Record
	have     uint64
	more     chan struct{}
	settings []string
	orders   []Order
	hello    Hello
}

func newBench() *bench {
	return &bench{more: make(chan struct{}), hello: Hello{Version: Version, Build: "test", Boot: "b1", Starts: 1}}
}

func (b *bench) add(body string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records = append(b.records, Record{uint64(len(b.records) + 1), []byte(body)})
	close(b.more)
	b.more = make(chan struct{})
}

func (b *bench) Hello() Hello { return b.hello }

func (b *bench) Read(ctx context.Context, after uint64) ([]Record, error) {
	for {
		b.mu.Lock()
		more := b.more
		if after < uint64(len(b.records)) {
			defer b.mu.Unlock()
			return b.records[after:min(after+10, uint64(len(b.records)))], nil
		}
		b.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (b *bench) Have(n uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.have = max(b.have, n)
	return nil
}

func (b *bench) Settings(_ context.Context, s json.RawMessage) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settings = append(b.settings, string(s))
	return nil
}

func (b *bench) Order(_ context.Context, o Order) Done {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.orders = append(b.orders, o)
	return Done{ID: o.ID, Taken: true}
}

func (b *bench) State() State { return State{Records: 3} }

// house is a hub.
type house struct {
	mu     sync.Mutex
	got    []Record
	fail   error
	refuse error
	states int
	done   []Done
}

func (h *house) Hello(context.Context, Hello) (Welcome, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Welcome{Have: uint64(len(h.got)), Settings: json.RawMessage(`{"devices":[]}`)}, h.refuse
}

func (h *house) Take(_ context.Context, all []Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		return h.fail
	}
	for _, r := range all {
		if r.N != uint64(len(h.got))+1 {
			return fmt.Errorf("record %d behind %d", r.N, len(h.got))
		}
		h.got = append(h.got, r)
	}
	return nil
}

func (h *house) State(State) { h.mu.Lock(); h.states++; h.mu.Unlock() }
func (h *house) Done(d Done) { h.mu.Lock(); h.done = append(h.done, d); h.mu.Unlock() }

// join connects both; errs gives how each end ended.
func join(ctx context.Context, b *bench, h *house) (s *Session, cut func(), errs func() (shield, hub error)) {
	x, y := net.Pipe()
	s = NewSession(y, h)
	a, c := make(chan error, 1), make(chan error, 1)
	go func() { a <- Talk(ctx, x, b) }()
	go func() { c <- s.Serve(ctx, nil) }()
	return s, func() { _ = x.Close() }, func() (error, error) { return <-a, <-c }
}

func TestTalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, h := newBench(), &house{}
		for i := range 30 {
			b.add(fmt.Sprint("record ", i))
		}
		s, cut, errs := join(t.Context(), b, h)
		synctest.Wait()
		if len(h.got) != 30 || b.have != 30 || h.states == 0 {
			t.Errorf("%d records, told %d, %d states", len(h.got), b.have, h.states)
		}
		b.add("later")
		if err := s.Order(Order{ID: "o1", Device: "chem1", Body: []byte("O|1")}); err != nil {
			t.Fatal(err)
		}
		if err := s.Settings(json.RawMessage(`{"devices":["x"]}`)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(h.got) != 31 || len(b.orders) != 1 || len(h.done) != 1 || !h.done[0].Taken || len(b.settings) != 2 || b.settings[1] != `{"devices":["x"]}` {
			t.Errorf("%d records, orders %v, done %v, settings %q", len(h.got), b.orders, h.done, b.settings)
		}
		<-time.After(5 * time.Minute) // pings keep it
		b.add("much later")
		synctest.Wait()
		if len(h.got) != 32 {
			t.Errorf("%d records after a silence", len(h.got))
		}
		cut()
		errs()
	})
}

// The connection is cut again and again, the hub fails in between: all records
// arrive, each once, in order.
func TestCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		b, h := newBench(), &house{}
		want := 0
		for range 60 {
			for range rng.IntN(20) {
				b.add(strings.Repeat("x", rng.IntN(3000)))
				want++
			}
			h.mu.Lock()
			h.fail = nil
			if rng.IntN(4) == 0 {
				h.fail = errors.New("the database is away")
			}
			h.mu.Unlock()
			_, cut, errs := join(t.Context(), b, h)
			if rng.IntN(2) == 0 {
				synctest.Wait()
			}
			cut()
			errs()
			if b.have > uint64(len(h.got)) {
				t.Fatalf("the shield was told %d, the hub has %d", b.have, len(h.got))
			}
		}
		h.fail = nil
		_, cut, errs := join(t.Context(), b, h)
		synctest.Wait()
		cut()
		errs()
		if len(h.got) != want || b.have != uint64(want) {
			t.Errorf("%d of %d records, told %d", len(h.got), want, b.have)
		}
	})
}

func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, h := newBench(), &house{refuse: &Refused{Reason: "two shields use this identity", Held: true}}
		b.add("x")
		_, _, errs := join(t.Context(), b, h)
		err, _ := errs()
		var no *Refused
		if !errors.As(err, &no) || !no.Held || len(h.got) != 0 {
			t.Errorf("%v", err)
		}
		h.refuse = nil
		b.hello.Version = Version + 1
		_, _, errs = join(t.Context(), b, h)
		if err, _ := errs(); !errors.As(err, &no) || !strings.Contains(no.Reason, "update") {
			t.Errorf("%v", err)
		}
		b.hello.Version = Version
		s, _, errs := join(t.Context(), b, h)
		synctest.Wait()
		s.Refuse(Refused{Reason: "its identity was revoked"})
		if err, _ := errs(); !errors.As(err, &no) || no.Held {
			t.Errorf("%v", err)
		}
	})
}

// Each end notices that the other is gone without a word.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y := net.Pipe()
		from := time.Now()
		go func() { // says hello and no more
			w := bufio.NewWriter(x)
			hello, _ := json.Marshal(newBench().hello)
			_ = writePacket(w, verbHello, hello)
			_ = w.Flush()
			for {
				if _, err := x.Read(make([]byte, 4096)); err != nil {
					return
				}
			}
		}()
		if err := NewSession(y, &house{}).Serve(t.Context(), nil); err == nil || time.Since(from) > goneAfter+time.Second {
			t.Errorf("after %v: %v", time.Since(from), err)
		}
	})
}

func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(100)
		ctx, cancel := context.WithCancel(t.Context())
		if err := r.take(ctx, 1, 500); err != nil { // alone it always has room
			t.Fatal(err)
		}
		waits := make(chan error, 1)
		go func() { waits <- r.take(ctx, 2, 10) }()
		synctest.Wait()
		select {
		case <-waits:
			t.Fatal("there is no room")
		default:
		}
		r.give(1)
		if err := <-waits; err != nil || r.used != 10 {
			t.Errorf("%d %v", r.used, err)
		}
		go func() { waits <- r.take(ctx, 3, 100) }()
		synctest.Wait()
		cancel()
		if err := <-waits; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// Whatever a stranger sends to the hub ends the session; nothing is taken that
// did not come as a record in order.
func FuzzSession(f *testing.F) {
	hello, _ := json.Marshal(Hello{Version: Version})
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	_ = writePacket(w, verbHello, hello)
	_ = writePacket(w, verbRecord, append(make([]byte, 7), 1, 'x'))
	_ = writePacket(w, verbState, []byte(`{}`))
	_ = w.Flush()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		synctest.Test(t, func(t *testing.T) {
			x, y := net.Pipe()
			h := &house{}
			done := make(chan struct{})
			go func() { defer close(done); _ = NewSession(y, h).Serve(t.Context(), nil) }()
			go func() {
				for {
					if _, err := x.Read(make([]byte, 4096)); err != nil {
						return
					}
				}
			}()
			_, _ = x.Write(b)
			_ = x.Close()
			<-done
			for i, r := range h.got {
				if r.N != uint64(i+1) {
					t.Fatalf("record %d is number %d", i, r.N)
				}
			}
		})
	})
}
