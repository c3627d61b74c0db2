package tunnel

import (
	"context"
	"crypto/fips140"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

func TestReachADevice(t *testing.T) {
	kinds(t, func(t *testing.T, k Kind) {
		r := newRig(t)
		join(t, r.invite("riverside", k, []string{r.echo}), true)
		r.up("riverside")
		c := r.dial("riverside", r.echo)
		for range 10 {
			says(t, c, "MSH|^~\\&|")
		}
		s, _ := r.hub.Status("riverside")
		if s.In != 90 || s.Out != 90 || s.Streams != 1 || s.Handshake.IsZero() {
			t.Errorf("%+v", s)
		}
		// Half-closed: the end of what is sent is passed on, the answer still comes.
		if err := c.(closeWriter).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("after both directions have ended: %v", err)
		}
	})
}

// Nothing passes that is not on both lists, in either direction.
func TestDeniedByDefault(t *testing.T) {
	kinds(t, func(t *testing.T, k Kind) {
		r := newRig(t)
		f := join(t, r.invite("riverside", k, []string{r.echo}), false)
		r.invite("hilltop", k, []string{r.device})
		r.up("riverside")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := r.hub.Dial(ctx, "riverside", r.device)
		if !errors.Is(err, ErrNotAllowed) {
			t.Errorf("another port: %v", err)
		}
		_, port, _ := net.SplitHostPort(r.echo)
		if _, err := r.hub.Dial(ctx, "riverside", net.JoinHostPort("127.0.0.2", port)); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("another host: %v", err)
		}
		if _, err := r.hub.Dial(ctx, "nobody", r.echo); !errors.Is(err, ErrNoTunnel) {
			t.Errorf("another tunnel: %v", err)
		}
		if _, err := r.hub.Dial(ctx, "hilltop", r.device); !errors.Is(err, ErrDown) {
			t.Errorf("a tunnel nobody has joined: %v", err)
		}
		_, err = r.hub.Dial(ctx, "riverside", r.echo)
		refused(t, err, "not confirmed at the far end")
		// A hub that somebody has broken into asks for more than its list: the far
		// end looks for itself.
		p := r.hub.peer("riverside")
		_, err = p.dial(ctx, r.device)
		refused(t, err, "not on this tunnel's list")
		// The far end asks for a door that was not opened to it.
		_, err = f.f.toHub("lis")
		refused(t, err, "not opened to this tunnel")
		f.mu.Lock()
		f.agreed = []string{r.echo}
		f.mu.Unlock()
		says(t, r.dial("riverside", r.echo), "now it passes")
	})
}

func TestDoorOfTheHub(t *testing.T) {
	kinds(t, func(t *testing.T, k Kind) {
		r := newRig(t)
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at := free.Addr().String()
		free.Close()
		ln, err := r.hub.Listen("riverside", "lis")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
			}
		}()
		join(t, r.invite("riverside", k, nil, Offer{Service: "lis", Listen: at}), true)
		r.up("riverside")
		var c net.Conn
		until(t, "the far end listens", func() bool { c, err = net.Dial("tcp", at); return err == nil })
		defer c.Close()
		says(t, c, "a message of the practice")
	})
}

// anyKind is a kind of tunnel that this build has.
func anyKind() Kind {
	if fips140.Enabled() {
		return TLS
	}
	return Wireguard
}

func TestWireguardIsOffUnderFIPS(t *testing.T) {
	if !fips140.Enabled() {
		t.Skip("SKIPPED: not the FIPS build")
	}
	if _, _, err := NewKey(); !errors.Is(err, ErrFIPS) {
		t.Errorf("a key was made: %v", err)
	}
	r := newRig(t)
	_, err := Join(t.Context(), r.invite("riverside", Wireguard, []string{r.echo}), (&far{t: t}).deps())
	refused(t, err, "WireGuard is off in the FIPS build")
}

func TestTokens(t *testing.T) {
	r := newRig(t)
	other := newRig(t)
	token := r.invite("riverside", anyKind(), []string{r.echo})
	d := (&far{t: t}).deps()

	wrong := token
	wrong.Hub = other.addr
	if _, err := Join(t.Context(), wrong, d); !errors.Is(err, ErrWrongHub) {
		t.Errorf("another hub: %v", err)
	}
	if len(other.book.tokens)+len(r.book.tokens) != 1 {
		t.Error("the token was used up")
	}
	late := r.invite("late", TLS, nil)
	hash := sha256.Sum256(late.Once)
	r.book.mu.Lock()
	r.book.until[hash] = time.Now().Add(-time.Second)
	r.book.mu.Unlock()
	_, err := Join(t.Context(), late, d)
	refused(t, err, "was used or has ended")

	// Two at once with the same token: one gets in.
	results := make(chan error, 2)
	for range 2 {
		go func() { _, err := Join(t.Context(), token, d); results <- err }()
	}
	a, b := <-results, <-results
	if (a == nil) == (b == nil) {
		t.Errorf("two with one token: %v, %v", a, b)
	}
	_, err = Join(t.Context(), token, d)
	refused(t, err, "was used or has ended")

	again, err := ParseToken(token.String())
	if err != nil || again.String() != token.String() {
		t.Errorf("read back: %v", err)
	}
	text := token.String()
	for _, bad := range []string{"", "x", text[:len(text)-4], "lwtunnel_e30", text + "AAAA"} {
		if _, err := ParseToken(bad); !errors.Is(err, ErrToken) {
			t.Errorf("%q was read", bad)
		}
	}
}

// A far end that nobody knows gets nothing.
func TestStranger(t *testing.T) {
	kinds(t, func(t *testing.T, k Kind) {
		r := newRig(t)
		f := join(t, r.invite("riverside", k, []string{r.echo}), true)
		r.up("riverside")
		stranger := f.state
		var err error
		if stranger.Certificate, stranger.Key, err = NewIdentity("somebody", time.Now()); err != nil {
			t.Fatal(err)
		}
		for _, do := range []string{"control", "rekey", "stream"} {
			c, err := stranger.connect(t.Context(), f.deps())
			if err != nil {
				t.Fatal(err)
			}
			_, err = exchange(c, hello{Do: do, To: "lis"})
			refused(t, err, "knows no tunnel")
			c.Close()
		}
	})
}

// While bytes flow in both directions the keys are renewed several times; no
// byte is lost and no connection ends.
func TestRenewalDuringTraffic(t *testing.T) {
	kinds(t, func(t *testing.T, k Kind) {
		r := newRig(t)
		f := join(t, r.invite("riverside", k, []string{r.echo}), true)
		r.up("riverside")
		c := r.dial("riverside", r.echo)
		_ = c.SetDeadline(time.Now().Add(3 * time.Minute))
		const size = 4 << 20
		sent, got := sha256.New(), sha256.New()
		done := make(chan error, 2)
		renewed := make(chan struct{})
		through := func() bool {
			select {
			case <-renewed:
				return true
			default:
				return false
			}
		}
		go func() {
			b := make([]byte, 64<<10)
			// At least size, and until the renewals are through.
			for n := 0; n < size || !through(); n += len(b) {
				_, _ = rand.Read(b)
				sent.Write(b)
				if _, err := c.Write(b); err != nil {
					done <- err
					return
				}
			}
			done <- c.(closeWriter).CloseWrite()
		}()
		go func() {
			_, err := io.Copy(got, c)
			done <- err
		}()
		first := f.pin(t)
		var longest time.Duration
		for i := range 4 {
			before, began := f.pin(t), time.Now()
			until(t, "the hub asks for new keys", func() bool { return r.hub.Rekey("riverside") == nil })
			until(t, "the certificate is new", func() bool { return f.pin(t) != before })
			until(t, "the hub knows the new one only", func() bool {
				r.book.mu.Lock()
				defer r.book.mu.Unlock()
				p := r.book.peers["riverside"]
				return len(p.Pins) == 1 && p.Pins[0] == f.pin(t) && (k == TLS || p.Keys.Epoch == int64(i+2))
			})
			longest = max(longest, time.Since(began))
		}
		close(renewed)
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if string(sent.Sum(nil)) != string(got.Sum(nil)) {
			t.Error("what came back is not what was sent")
		}
		if f.pin(t) == first {
			t.Error("nothing was renewed")
		}
		t.Logf("four renewals under load, the longest took %v", longest)
	})
}

func (f *far) pin(t testing.TB) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := fingerprintOf(f.state.Certificate, f.state.Key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The hub goes away and comes back with what was stored; so does the far end.
func TestRestarts(t *testing.T) {
	kinds(t, func(t *testing.T, k Kind) {
		r := newRig(t)
		f := join(t, r.invite("riverside", k, []string{r.echo}), true)
		r.up("riverside")
		says(t, r.dial("riverside", r.echo), "before")
		r.close()
		r.start(r.addr)
		r.up("riverside")
		says(t, r.dial("riverside", r.echo), "after the hub was away")
		f.kill()
		<-f.done
		until(t, "the hub notices", func() bool {
			p := r.hub.peer("riverside")
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.link == nil
		})
		f.run()
		until(t, "the far end is back", func() bool {
			p := r.hub.peer("riverside")
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.link != nil
		})
		says(t, r.dial("riverside", r.echo), "after the far end was away")
	})
}

// The answer of a renewal is lost: the hub has new keys, the far end the old ones.
func TestLostAnswerOfARenewal(t *testing.T) {
	if fips140.Enabled() {
		t.Skip("SKIPPED: WireGuard is off in the FIPS build")
	}
	r := newRig(t)
	f := join(t, r.invite("riverside", Wireguard, []string{r.echo}), true)
	r.up("riverside")
	s := f.state
	c, err := s.connect(t.Context(), f.deps())
	if err != nil {
		t.Fatal(err)
	}
	_, public, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exchange(c, hello{Do: "rekey", Public: public, Next: f.pin(t)}); err != nil {
		t.Fatal(err)
	}
	c.Close()
	// The link ends, as it would with the connection that lost the answer.
	f.f.mu.Lock()
	f.f.link.c.Close()
	f.f.mu.Unlock()
	until(t, "both have the same keys again", func() bool {
		r.book.mu.Lock()
		defer r.book.mu.Unlock()
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.state.Keys.Epoch == 3 && r.book.peers["riverside"].Keys.Epoch == 3
	})
	says(t, r.dial("riverside", r.echo), "as before")
}

func TestRemovalCutsAtOnce(t *testing.T) {
	kinds(t, func(t *testing.T, k Kind) {
		r := newRig(t)
		f := join(t, r.invite("riverside", k, []string{r.echo}), true)
		r.up("riverside")
		c := r.dial("riverside", r.echo)
		says(t, c, "still here")
		began := time.Now()
		if err := r.hub.Set(nil); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		var timeout net.Error
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("the connection lives: %v", err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		select {
		case err := <-f.done:
			if !errors.Is(err, ErrRemoved) {
				t.Errorf("the far end ended with %v", err)
			}
			f.done <- err
		case <-time.After(10 * time.Second):
			t.Error("the far end does not know")
		}
		// A list that shrinks cuts what is no longer on it.
		_, err := r.hub.Dial(t.Context(), "riverside", r.echo)
		if !errors.Is(err, ErrNoTunnel) {
			t.Error(err)
		}
	})
}

func TestShorterListCuts(t *testing.T) {
	kinds(t, func(t *testing.T, k Kind) {
		r := newRig(t)
		join(t, r.invite("riverside", k, []string{r.echo, r.device}), true)
		r.up("riverside")
		stays, goes := r.dial("riverside", r.device), r.dial("riverside", r.echo)
		says(t, stays, "a")
		says(t, goes, "b")
		p := r.book.peers["riverside"]
		p.Reach = []string{r.device}
		r.book.peers["riverside"] = p
		if err := r.hub.Set(r.book.all()); err != nil {
			t.Fatal(err)
		}
		_ = goes.SetReadDeadline(time.Now().Add(5 * time.Second))
		var timeout net.Error
		if _, err := goes.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("the connection lives: %v", err)
		}
		says(t, stays, "still here")
	})
}
