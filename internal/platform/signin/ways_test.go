package signin

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus/bustest"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// TestProofsThatAreNotEnough: a phished password must not become a passkey.
func TestProofsThatAreNotEnough(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("admin")
		p.MustPasskey = true
		r.people.set(p)
		plain := r.person("plain")
		r.app(plain)
		old := Proof{Level: authz.LevelPasskey, FreshAt: r.clock.now().Add(-authz.StepUp - time.Second)}
		ahead := Proof{Level: authz.LevelPasskey, FreshAt: r.clock.now().Add(time.Hour)}
		for name, x := range map[string]struct {
			who   PersonInfo
			proof Proof
		}{
			"administrator with two factors": {p, r.fresh(authz.LevelTwo)}, "administrator with a password": {p, r.fresh(authz.LevelPassword)},
			"long ago": {p, old}, "in the future": {p, ahead}, "nothing": {p, Proof{}}, "password where there is an app": {plain, r.fresh(authz.LevelPassword)},
		} {
			var denied *authz.Denied
			_, e1 := r.BeginPasskey(t.Context(), x.who.ID, x.proof)
			_, e2 := r.FinishPasskey(t.Context(), x.who.ID, x.proof, "x", "x", nil)
			_, e3 := r.BeginTOTP(t.Context(), x.who.ID, x.proof)
			_, e4 := r.NewRecoveryCodes(t.Context(), x.who.ID, x.proof)
			for i, err := range []error{
				e1, e2, e3, e4, r.ConfirmTOTP(t.Context(), x.who.ID, x.proof, "x", "1"), r.SetPassword(t.Context(), x.who.ID, x.proof, okPassword),
				r.RemovePassword(t.Context(), x.who.ID, x.proof), r.RemoveTOTP(t.Context(), x.who.ID, x.proof), r.RemovePasskey(t.Context(), x.who.ID, x.proof, event.NewID()),
			} {
				if !errors.As(err, &denied) {
					t.Errorf("%s: %d: %v", name, i, err)
				}
			}
		}
	})
}

// TestRowsOfAThief: a passkey put into the database signs nobody in, and is found.
func TestRowsOfAThief(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p, thief := r.person("admin"), r.person("thief")
		v := r.passkey(thief)
		seed := r.app(thief)
		do := func(query string, args ...any) {
			t.Helper()
			r.must(r.db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.Exec(ctx, query, args...)
				return err
			}))
		}
		do("UPDATE signin_passkeys SET person = $1 WHERE id = $2", p.ID[:], v.id[:])
		if _, err := r.press(v, desk); !errors.Is(err, errForged) {
			t.Fatal(err)
		}
		do("UPDATE signin_passkeys SET person = $1 WHERE id = $2", thief.ID[:], v.id[:])
		half := r.half(thief)
		do("UPDATE signin_totp SET last_step = 0")
		if _, err := r.Code(t.Context(), desk, half, r.code(seed)); !errors.Is(err, errForged) {
			t.Fatal(err)
		}
		// The thief's own password for somebody else: the seal is for another row.
		do("UPDATE signin_passwords SET phc = (SELECT phc FROM signin_passwords WHERE person = $1) WHERE person = $2", thief.ID[:], p.ID[:])
		if step, err := r.Password(t.Context(), desk, "admin", okPassword); err == nil {
			t.Fatalf("%+v", step)
		}
		found := map[string]bool{}
		r.must(r.Audit(t.Context(), func(table, _, _ string) { found[table] = true }))
		if !found["signin_totp"] || !found["signin_passwords"] {
			t.Fatal(found)
		}
		// A half-done sign-in of another person.
		do("UPDATE signin_pending SET id = $1", tokenID("made up"))
		_, err := r.Code(t.Context(), desk, "made up", r.code(seed))
		r.want(err, Gone)
	})
}

func TestForgetLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("a")
		v := r.passkey(p)
		r.app(p)
		_, err := r.NewRecoveryCodes(t.Context(), p.ID, r.fresh(authz.LevelPasskey))
		r.must(err)
		r.must(r.db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error { return r.Forget(ctx, tx, p.ID, "admin") }))
		_, err = r.press(v, desk)
		r.want(err, NoMatch)
		_, err = r.Password(t.Context(), desk, "a", okPassword)
		r.want(err, NoMatch)
		e, err := r.Enrolled(t.Context(), p.ID)
		r.must(err)
		if e.Any() || e.RecoveryLeft > 0 {
			t.Fatalf("%+v", e)
		}
		r.must(r.Audit(t.Context(), func(table, row, what string) { t.Error(table, row, what) }))
	})
}

// TestNewcomersAreKeptWithTheirLink: the passkey and whatever the caller does are one
// transaction, also for somebody who was not known when it was made.
func TestNewcomersAreKeptWithTheirLink(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := PersonInfo{Account: "first", Name: "First Administrator", MustPasskey: true, Active: true}
		c, err := r.FirstPasskey(t.Context(), p, desk)
		r.must(err)
		v := newVirtual()
		answer := v.made(c.Options)
		_, err = r.ProvedPasskey(t.Context(), event.NewID(), desk, c.Token, "x", answer)
		r.want(err, Gone)
		c, err = r.FirstPasskey(t.Context(), p, desk)
		r.must(err)
		m, err := r.ProvedPasskey(t.Context(), event.ID{}, desk, c.Token, "first key", v.made(c.Options))
		r.must(err)
		p.ID = event.NewID()
		broken := errors.New("the link was used meanwhile")
		err = r.db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(r.Keep(ctx, tx, p.ID, m, desk), broken)
		})
		if !errors.Is(err, broken) {
			t.Fatal(err)
		}
		r.people.set(p)
		_, err = r.press(v, desk)
		r.want(err, NoMatch)
		r.must(r.db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error { return r.Keep(ctx, tx, p.ID, m, desk) }))
		step, err := r.press(v, desk)
		r.must(err)
		if step.Person != p.ID || step.Level != authz.LevelPasskey {
			t.Fatalf("%+v", step)
		}
		second := r.passkey(p)
		if string(second.auth.Options.UserHandle) != string(v.auth.Options.UserHandle) {
			t.Fatal("two passkeys of one person have two handles")
		}
		if _, err := r.FirstPassword(t.Context(), p, "kT9#vq2L"); err == nil {
			t.Fatal("a short password stands alone")
		}
	})
}

// TestEveryColumnIsBound: a thief who edits the database is found.
func TestEveryColumnIsBound(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		for _, account := range []string{"a", "b"} {
			p := r.person(account)
			r.app(p)
			r.passkey(p)
			_, err := r.NewRecoveryCodes(t.Context(), p.ID, r.fresh(authz.LevelTwo))
			r.must(err)
		}
		bustest.EveryColumn(t, r.db, "signin_", map[string]string{
			"signin_attempts.*": "counts of wrong tries, written with each; the refusals stand in the ledger",
			"signin_pending.*":  "sealed whole for its id, and refused where it does not open; gone in minutes",
		}, r.Audit)
	})
}
