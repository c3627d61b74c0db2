package tunnel

import (
	"bytes"
	"context"
	"crypto/fips140"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/conn"
)

// hearing counts the answers to handshakes that come in.
type hearing struct {
	conn.Bind
	answers atomic.Int64
}

func (h *hearing) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	fns, got, err := h.Bind.Open(port)
	for i, f := range fns {
		fns[i] = func(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
			n, err := f(bufs, sizes, eps)
			for k := range n {
				if sizes[k] > 0 && bufs[k][0] == response {
					h.answers.Add(1)
				}
			}
			return n, err
		}
	}
	return fns, got, err
}

// The preshared key is another one after each renewal, the same on both sides;
// with the right pair of keys and none, or the one before, there is no session.
func TestPresharedKeyIsDemanded(t *testing.T) {
	if fips140.Enabled() {
		t.Skip("SKIPPED: WireGuard is off in the FIPS build")
	}
	r := newRig(t)
	f := join(t, r.invite("riverside", Wireguard, []string{r.echo}), true)
	r.up("riverside")
	var all [][]byte
	for epoch := int64(1); epoch <= 3; epoch++ {
		if epoch > 1 {
			until(t, "the hub asks for new keys", func() bool { return r.hub.Rekey("riverside") == nil })
		}
		until(t, "both have the new keys", func() bool {
			r.book.mu.Lock()
			defer r.book.mu.Unlock()
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.state.Keys.Epoch == epoch && r.book.peers["riverside"].Keys.Epoch == epoch
		})
		f.mu.Lock()
		psk := f.state.Keys.PSK
		f.mu.Unlock()
		if len(psk) != 32 || !bytes.Equal(psk, r.book.peers["riverside"].Keys.PSK) {
			t.Fatalf("epoch %d: a preshared key of %d bytes; or the hub has another", epoch, len(psk))
		}
		for _, old := range all {
			if bytes.Equal(old, psk) {
				t.Errorf("epoch %d: the preshared key is an old one", epoch)
			}
		}
		all = append(all, psk)
	}
	says(t, r.dial("riverside", r.echo), "with the newest")
	f.kill()
	<-time.After(100 * time.Millisecond) // a handshake within 50 ms of the last is taken for a flood, and begun again after 5 s

	// The far end's keys in the hands of somebody who has not its newest preshared key.
	keys := *f.state.Keys
	bind := &hearing{Bind: conn.NewStdNetBind()}
	wrong := keys
	wrong.PSK = nil
	w, err := startWG(wrong, keys.Far, []netip.Addr{keys.Hub}, f.state.Endpoint, bind, quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	none := func(what string, before int64) {
		t.Helper()
		until(t, "the hub answers "+what, func() bool { return bind.answers.Load() > before })
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if c, err := w.dial(ctx, netip.AddrPortFrom(keys.Hub, farPort)); err == nil {
			c.Close()
			t.Errorf("%s: a connection in the tunnel", what)
		}
		if at, _ := w.seen(); !at.IsZero() {
			t.Errorf("%s: a handshake at %v", what, at)
		}
	}
	none("without a preshared key", 0)
	again := func(psk []byte) (before int64) {
		t.Helper()
		before = bind.answers.Load()
		k := keys
		k.PSK = psk
		if err := w.set(k, []netip.Addr{keys.Hub}, f.state.Endpoint); err != nil {
			t.Fatal(err)
		}
		return before
	}
	none("with the one before", again(all[1]))
	again(all[2])
	until(t, "with the right one there is a handshake", func() bool { at, _ := w.seen(); return !at.IsZero() })
}
