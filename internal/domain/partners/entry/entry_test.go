package entry_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/partners/entry"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

type rig struct {
	t   *testing.T
	svc *entry.Service
	now time.Time
}

func newRig(t *testing.T, open storetest.Opener) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	db := open(store.Options{})
	must(t, db.Migrate(t.Context(), bus.Migrations(), entry.Migrations()))
	v, _, err := vault.Create(t.Context(), &vaulttest.Book{}, rand.Reader, vault.CreateOptions{Lab: "lab", Seals: []vault.Seal{vault.Passphrase("fifteen characters and more")}, Shares: 3, Threshold: 2, Now: r.now})
	must(t, err)
	t.Cleanup(v.Close)
	log, err := bus.New("test")
	must(t, err)
	log.Bind(v)
	log.Attach(db)
	r.svc = entry.New(db, v, func() time.Time { return r.now })
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) code(l entry.Login) string {
	r.t.Helper()
	c, err := totp.GenerateCode(l.Seed, r.now) // RFC 6238
	must(r.t, err)
	return c
}

func (r *rig) check(want error, partner, password, code, what string) {
	r.t.Helper()
	if err := r.svc.Check(context.Background(), partner, password, code); !errors.Is(err, want) {
		r.t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestPasswordAndCode(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.check(channel.ErrSignIn, "riverside", "x", "123456", "nobody has a password")
		l, err := r.svc.Make(t.Context(), "riverside", "Millbrook", "anna")
		must(t, err)
		code := r.code(l)
		r.check(channel.ErrSignIn, "riverside", l.Password, "000000", "a wrong code")
		r.check(channel.ErrSignIn, "riverside", l.Password+"x", code, "a wrong password")
		r.check(channel.ErrSignIn, "northgate", l.Password, code, "another partner's")
		r.check(nil, "riverside", l.Password, code, "the right ones")
		r.check(channel.ErrSignIn, "riverside", l.Password, code, "the same code again")
		r.now = r.now.Add(30 * time.Second)
		next := r.code(l)
		r.check(nil, "riverside", l.Password, next, "the next code")
		r.check(channel.ErrSignIn, "riverside", l.Password, code, "the one before, which is still near")
		r.now = r.now.Add(2 * time.Minute)
		r.check(channel.ErrSignIn, "riverside", l.Password, next, "an old code")
		again, err := r.svc.Make(t.Context(), "riverside", "Millbrook", "anna")
		must(t, err)
		r.check(channel.ErrSignIn, "riverside", l.Password, r.code(l), "the password before")
		r.check(nil, "riverside", again.Password, r.code(again), "the new one")
		must(t, r.svc.End(t.Context(), "riverside", "anna"))
		r.now = r.now.Add(2 * time.Minute)
		r.check(channel.ErrSignIn, "riverside", again.Password, r.code(again), "one that was ended")
		if err := r.svc.End(t.Context(), "riverside", "anna"); !errors.Is(err, channel.ErrNoFile) {
			t.Error("ended twice:", err)
		}
	})
}

func TestGuessingIsSlow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		l, err := r.svc.Make(t.Context(), "riverside", "Millbrook", "anna")
		must(t, err)
		told := 0
		r.svc.OnWrongCodes = func(partner string) {
			if told++; partner != "riverside" {
				t.Error(partner)
			}
		}
		for range 5 * entry.TooMany {
			r.check(channel.ErrSignIn, "riverside", "a guess", r.code(l), "a guess at the password")
			r.check(channel.ErrSignIn, "riverside", "a guess", "111111", "a guess at both")
		}
		r.check(nil, "riverside", l.Password, r.code(l), "the right one: strangers keep nobody out")
		for range entry.TooMany {
			r.check(channel.ErrSignIn, "riverside", l.Password, "111111", "a guess at the code")
		}
		r.now = r.now.Add(30 * time.Second)
		r.check(channel.ErrSignIn, "riverside", l.Password, r.code(l), "the right one, within the minute")
		other, err := r.svc.Make(t.Context(), "northgate", "Millbrook", "anna")
		must(t, err)
		r.check(nil, "northgate", other.Password, r.code(other), "another partner")
		if told != 1 {
			t.Errorf("told %d times of the wrong codes", told)
		}
		r.now = r.now.Add(61 * time.Second)
		r.check(nil, "riverside", l.Password, r.code(l), "the right one, after it")
	})
}

func TestHostKeysStay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		for _, kind := range []string{entry.Ed25519, entry.P256} {
			a, err := r.svc.HostKey(t.Context(), kind)
			must(t, err)
			b, err := r.svc.HostKey(t.Context(), kind)
			must(t, err)
			if pub, ok := a.Public().(interface{ Equal(x crypto.PublicKey) bool }); !ok || !pub.Equal(b.Public()) {
				t.Error(kind, "is another key the second time")
			}
		}
		if _, err := r.svc.HostKey(t.Context(), "dsa"); err == nil {
			t.Error("a host key of a kind that does not exist")
		}
	})
}
