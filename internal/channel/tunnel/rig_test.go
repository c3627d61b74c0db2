package tunnel

import (
	"context"
	"crypto/fips140"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// memoryBook is a Book that lives as long as the test.
type memoryBook struct {
	mu     sync.Mutex
	peers  map[string]Peer
	tokens map[[32]byte]string
	until  map[[32]byte]time.Time
	fail   error
}

func newBook() *memoryBook {
	return &memoryBook{peers: map[string]Peer{}, tokens: map[[32]byte]string{}, until: map[[32]byte]time.Time{}}
}

func (b *memoryBook) Invited(_ context.Context, token [32]byte) (Peer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name, ok := b.tokens[token]
	if !ok || time.Now().After(b.until[token]) {
		return Peer{}, errors.New("the token was used or has ended")
	}
	return b.peers[name], nil
}

func (b *memoryBook) Joined(_ context.Context, token [32]byte, p Peer, _ string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.tokens[token]; !ok {
		return errors.New("the token was used or has ended")
	}
	delete(b.tokens, token)
	b.peers[p.Name] = p
	return nil
}

func (b *memoryBook) Renewed(_ context.Context, name string, k *Keys, pins []string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	p := b.peers[name]
	p.Pins = pins
	if k != nil {
		p.Keys = k
	}
	b.peers[name] = p
	return nil
}

func (b *memoryBook) all() []Peer {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Peer
	for _, p := range b.peers {
		out = append(out, p)
	}
	return out
}

// rig is a hub with one tunnel and what it may reach.
type rig struct {
	t            testing.TB
	book         *memoryBook
	hub          *Hub
	addr         string
	cert, key    []byte
	stop         context.CancelFunc
	done         chan struct{}
	echo, device string // echo is allowed, device is not
	udp          uint16
}

func quiet(testing.TB) *slog.Logger { return slog.New(slog.DiscardHandler) }

func echoServer(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
			}()
		}
	}()
	return ln.Addr().String()
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, book: newBook(), echo: echoServer(t), device: echoServer(t)}
	var err error
	if r.cert, r.key, err = NewIdentity("hub", time.Now()); err != nil {
		t.Fatal(err)
	}
	r.start("127.0.0.1:0")
	t.Cleanup(r.close)
	return r
}

func (r *rig) start(at string) {
	r.t.Helper()
	id, err := ReadIdentity(r.cert, r.key)
	if err != nil {
		r.t.Fatal(err)
	}
	r.hub, err = NewHub(HubConfig{Identity: id, Lab: "Millbrook", Book: r.book, UDP: r.udp, Endpoint: "127.0.0.1:0", Now: time.Now, Log: quiet(r.t)})
	if err != nil {
		r.t.Fatal(err)
	}
	r.udp = r.hub.UDPPort()
	ln, err := net.Listen("tcp", at)
	if err != nil {
		r.t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	if err := r.hub.Set(r.book.all()); err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop, r.done = cancel, make(chan struct{})
	go func() { defer close(r.done); _ = r.hub.Serve(ctx, ln) }()
}

func (r *rig) close() {
	r.stop()
	<-r.done
	if err := r.hub.Close(); err != nil {
		r.t.Error(err)
	}
}

// invite adds a tunnel and returns its token.
func (r *rig) invite(name string, kind Kind, reach []string, offers ...Offer) Token {
	r.t.Helper()
	id, err := ReadIdentity(r.cert, r.key)
	if err != nil {
		r.t.Fatal(err)
	}
	t, hash := NewToken(r.addr, channel.Fingerprint(id.Leaf))
	p := Peer{Name: name, Kind: kind, Reach: reach, Offers: offers, Rotate: time.Hour}
	if kind == Wireguard {
		p.Keys = &Keys{Hub: netip.MustParseAddr("10.213.0.1"), Far: netip.MustParseAddr("10.213.0.2")}
	}
	r.book.mu.Lock()
	r.book.peers[name], r.book.tokens[hash], r.book.until[hash] = p, name, time.Now().Add(time.Hour)
	r.book.mu.Unlock()
	if err := r.hub.Set(r.book.all()); err != nil {
		r.t.Fatal(err)
	}
	return t
}

// far is a far end that runs.
type far struct {
	t      testing.TB
	state  FarState
	agreed []string
	mu     sync.Mutex
	f      *Far
	cancel context.CancelFunc
	done   chan error
}

func (f *far) deps() FarDeps {
	return FarDeps{
		Save: func(s FarState) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.state = s
			return nil
		},
		Confirmed: func() []string {
			f.mu.Lock()
			defer f.mu.Unlock()
			return slices.Clone(f.agreed)
		},
		Host: "far", Now: time.Now, Log: quiet(f.t), Retry: 20 * time.Millisecond,
	}
}

func join(t testing.TB, token Token, agree bool) *far {
	t.Helper()
	f := &far{t: t}
	s, err := Join(t.Context(), token, f.deps())
	if err != nil {
		t.Fatal(err)
	}
	f.state = s
	if agree {
		f.agreed = s.Lines()
	}
	f.run()
	t.Cleanup(f.kill)
	return f
}

func (f *far) run() {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel, f.done = cancel, make(chan error, 1)
	f.mu.Lock()
	f.f = NewFar(f.state, f.deps())
	f.mu.Unlock()
	go func() { f.done <- f.f.Run(ctx) }()
}

func (f *far) kill() {
	f.cancel()
	<-f.done
	f.done <- nil
}

// until waits for what is to come.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
		<-tick.C
	}
}

func (r *rig) up(name string) {
	r.t.Helper()
	until(r.t, name+" is up", func() bool { s, _ := r.hub.Status(name); return s.State == Up })
}

func (r *rig) dial(name, addr string) net.Conn {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := r.hub.Dial(ctx, name, addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// says that c echoes.
func says(t testing.TB, c net.Conn, text string) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	if string(b) != text {
		t.Fatalf("echo of %d bytes differs", len(text))
	}
}

func kinds(t *testing.T, do func(t *testing.T, k Kind)) {
	for _, k := range []Kind{Wireguard, TLS} {
		if k == Wireguard && fips140.Enabled() {
			continue // TestWireguardIsOffUnderFIPS
		}
		t.Run(string(k), func(t *testing.T) { do(t, k) })
	}
}

func refused(t *testing.T, err error, words string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), words) {
		t.Fatalf("got %v, want %q", err, words)
	}
}
