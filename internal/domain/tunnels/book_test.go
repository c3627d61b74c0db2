package tunnels

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/bus/bustest"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

var anna = By{Who: "anna", Reason: "a-test"}

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func each(t *testing.T, do func(t *testing.T, b *Book, db *store.DB, c *clock)) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		db := open(store.Options{})
		if err := db.Migrate(t.Context(), bus.Migrations(), Migrations()); err != nil {
			t.Fatal(err)
		}
		v := vaulttest.New(t)
		log, err := bus.New("test")
		if err != nil {
			t.Fatal(err)
		}
		log.Bind(v)
		log.Attach(db)
		c := &clock{time.Date(2026, 5, 4, 6, 52, 0, 0, time.UTC)}
		do(t, New(db, v, c.now), db, c)
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func hash(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }

func (b *Book) add(t *testing.T, name string, token byte, until time.Time) {
	t.Helper()
	_, err := b.Add(t.Context(), Tunnel{
		Name: name, Kind: "wireguard", Reach: []string{"10.0.0.5:2575"}, Offers: []Offer{{"lis", "127.0.0.1:2575"}},
	}, hash(token), until, anna)
	must(t, err)
}

func TestLifeOfATunnel(t *testing.T) {
	each(t, func(t *testing.T, b *Book, _ *store.DB, c *clock) {
		ctx := t.Context()
		b.add(t, "riverside", 1, c.t.Add(time.Hour))
		b.add(t, "hilltop", 2, c.t.Add(time.Hour))
		if _, err := b.Add(ctx, Tunnel{Name: "riverside", Kind: "tls"}, nil, time.Time{}, anna); !errors.Is(err, ErrTaken) {
			t.Error(err)
		}
		for _, bad := range []string{"", "A", "a b", "../x", "-a"} {
			if _, err := b.Add(ctx, Tunnel{Name: bad, Kind: "tls"}, nil, time.Time{}, anna); !errors.Is(err, ErrName) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		x, err := b.Invited(ctx, hash(1))
		must(t, err)
		if x.Name != "riverside" || x.Number != 1 || len(x.Reach) != 1 || len(x.Offers) != 1 {
			t.Errorf("%+v", x)
		}
		if _, err := b.Invited(ctx, []byte{}); !errors.Is(err, ErrToken) {
			t.Errorf("an empty token: %v", err)
		}
		// Two at once: one gets in.
		out := make(chan error, 2)
		for i := range 2 {
			go func() {
				out <- b.Joined(context.WithoutCancel(ctx), hash(1), "pin"+string(rune('a'+i)), 1, hash(9), Secrets{Private: hash(7), PSK: hash(8)}, "far")
			}()
		}
		one, two := <-out, <-out
		if (one == nil) == (two == nil) || !errors.Is(errors.Join(one, two), ErrToken) {
			t.Errorf("%v, %v", one, two)
		}
		s, err := b.Secrets(ctx, "riverside")
		must(t, err)
		if !bytes.Equal(s.Private, hash(7)) || !bytes.Equal(s.PSK, hash(8)) {
			t.Error("other keys")
		}
		// Past its end.
		c.t = c.t.Add(time.Hour)
		if err := b.Joined(ctx, hash(2), "pin", 1, nil, Secrets{}, ""); !errors.Is(err, ErrToken) {
			t.Error(err)
		}
		must(t, b.Renewed(ctx, "riverside", []string{"pina", "pinc"}, 2, hash(3), Secrets{Private: hash(4)}))
		must(t, b.Settled(ctx, "riverside", []string{"pinc"}))
		must(t, b.Allow(ctx, "riverside", []string{"10.0.0.6:1"}, nil, anna))
		x, err = b.Get(ctx, "riverside")
		must(t, err)
		if x.Epoch != 2 || len(x.Pins) != 1 || x.Pins[0] != "pinc" || x.Reach[0] != "10.0.0.6:1" || !x.KeysAt.Equal(c.t) {
			t.Errorf("%+v", x)
		}
		// Invited anew: who joined before is nobody, and cannot renew.
		must(t, b.Invite(ctx, "riverside", hash(5), c.t.Add(time.Hour), anna))
		if err := b.Renewed(ctx, "riverside", []string{"pinc"}, 3, nil, Secrets{}); !errors.Is(err, ErrNone) {
			t.Error(err)
		}
		must(t, b.Remove(ctx, "riverside", anna))
		if _, err := b.Get(ctx, "riverside"); !errors.Is(err, ErrNone) {
			t.Error(err)
		}
		if _, err := b.Invited(ctx, hash(5)); !errors.Is(err, ErrToken) {
			t.Error(err)
		}
		all, err := b.List(ctx)
		must(t, err)
		if len(all) != 1 {
			t.Errorf("%+v", all)
		}
	})
}

func TestIdentityIsMadeOnce(t *testing.T) {
	each(t, func(t *testing.T, b *Book, _ *store.DB, _ *clock) {
		made := 0
		fresh := func() ([]byte, []byte, error) { made++; return []byte("certificate"), []byte("key"), nil }
		for range 2 {
			cert, key, err := b.Identity(t.Context(), fresh)
			must(t, err)
			if string(cert) != "certificate" || string(key) != "key" {
				t.Errorf("%s %s", cert, key)
			}
		}
		if made != 1 {
			t.Errorf("made %d times", made)
		}
	})
}

// A thief who edits the database is found, whatever he edits.
func TestEveryColumnIsBound(t *testing.T) {
	each(t, func(t *testing.T, b *Book, db *store.DB, c *clock) {
		b.add(t, "riverside", 1, c.t.Add(time.Hour))
		b.add(t, "hilltop", 2, c.t.Add(time.Hour))
		b.add(t, "lakeside", 3, c.t.Add(time.Hour))
		for i, n := range []byte{1, 2} {
			must(t, b.Joined(t.Context(), hash(n), "pin", 1, hash(9+n), Secrets{Private: hash(7)}, "far"+string(rune('a'+i))))
		}
		must(t, b.Invite(t.Context(), "riverside", hash(4), c.t.Add(time.Hour), anna))
		bustest.EveryColumn(t, db, "tunnels_", map[string]string{"tunnels_identity.*": "it has one row, tried below"}, b.Audit)

		_, _, err := b.Identity(t.Context(), func() ([]byte, []byte, error) { return []byte("certificate"), []byte("key"), nil })
		must(t, err)
		for _, damage := range []string{"made_at = made_at + 1", "certificate = key", "key = certificate"} {
			found := 0
			must(t, db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.Exec(ctx, "UPDATE tunnels_identity SET "+damage)
				return err
			}))
			must(t, b.Audit(t.Context(), func(table, _, _ string) {
				if table == "tunnels_identity" {
					found++
				}
			}))
			if found == 0 {
				t.Errorf("not found: %s", damage)
			}
		}
	})
}
