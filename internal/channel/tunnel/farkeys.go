package tunnel

import (
	"context"
	"fmt"
)

func (f *Far) renewLogged(ctx context.Context) {
	if err := f.renew(ctx); err != nil && ctx.Err() == nil {
		f.d.Log.Error("the keys could not be renewed; it is tried again", "error", err)
		// The hub may have them already and only its answer was lost. Coming back
		// with the old number lets it ask anew.
		f.mu.Lock()
		if f.link != nil {
			f.link.c.Close()
		}
		f.mu.Unlock()
	}
}

// renew makes new keys with the hub, over a TLS connection of its own: its fresh
// ML-KEM handshake is where the preshared key comes from.
func (f *Far) renew(ctx context.Context) error {
	f.renewing.Lock()
	defer f.renewing.Unlock()
	s, _ := f.State()
	next := s
	var err error
	if next.Certificate, next.Key, err = NewIdentity("labwarden tunnel "+f.d.Host, f.d.Now()); err != nil {
		return err
	}
	in := hello{Do: "rekey"}
	if in.Next, err = fingerprintOf(next.Certificate, next.Key); err != nil {
		return err
	}
	var private []byte
	if s.Kind == Wireguard {
		if private, in.Public, err = NewKey(); err != nil {
			return err
		}
	}
	c, err := s.connect(ctx, f.d)
	if err != nil {
		return err
	}
	defer c.Close()
	w, err := exchange(c, in)
	if err != nil {
		return err
	}
	if err := next.agreed(w, private, in.Public, c.ConnectionState()); err != nil {
		return err
	}
	next.RenewedAt = f.d.Now().UTC()
	f.mu.Lock()
	if err := f.d.Save(next); err != nil {
		f.mu.Unlock()
		return fmt.Errorf("keep the new keys: %w", err)
	}
	f.s = next
	l := f.link
	f.mu.Unlock()
	if err := f.wire(); err != nil {
		return err
	}
	f.d.Log.Info("the keys are new", "tunnel", next.Name)
	if l != nil { // the link comes back under the new certificate; streams stay
		l.c.Close()
	}
	return nil
}
