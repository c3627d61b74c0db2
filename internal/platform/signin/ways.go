package signin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Proof is how well a person has proved who they are in the session in which they
// change their ways to sign in.
type Proof struct {
	Level   authz.Level
	FreshAt time.Time
	From    netip.Addr
	// Session and Device are what the change is made in: whoever is told of it reads
	// them, and is not asked in that session.
	Session event.ID
	Device  string
	// Bench: the session is at a shared bench.
	Bench bool
}

func (p Proof) ask() Ask { return Ask{From: p.From, Session: p.Session, Device: p.Device} }

// allow says whether a proof is enough to change ways: not older than most, not
// made at a shared bench, and as good as what the change gives power over. Who must use a passkey changes nothing without one,
// else a password that was phished would become a passkey (NIST SP 800-63B-4
// 4.1.2).
func (s *Service) allow(ctx context.Context, person event.ID, proof Proof, most time.Duration) (PersonInfo, Enrolled, error) {
	p, ok, err := s.People.ByID(ctx, person)
	if err != nil {
		return p, Enrolled{}, fmt.Errorf("find a person: %w", err)
	}
	if !ok || !p.Active {
		return p, Enrolled{}, errNobody
	}
	e, err := s.Enrolled(ctx, person)
	if err != nil {
		return p, e, err
	}
	least := authz.LevelPassword
	switch {
	case p.MustPasskey:
		least = authz.LevelPasskey
	case e.TOTP || e.strong() > 0:
		least = authz.LevelTwo
	}
	no := s.recent(proof, most)
	switch {
	case no != nil && no.Bench:
		return p, e, no
	case proof.Level < least && least == authz.LevelPasskey:
		return p, e, &authz.Denied{Permission: authz.OwnSecurity, Strong: true}
	case proof.Level < least:
		return p, e, &authz.Denied{Permission: authz.OwnSecurity, StepUp: true}
	case no != nil:
		return p, e, no
	}
	return p, e, nil
}

// Passkey is one passkey or hardware key of a person.
type Passkey struct {
	ID         event.ID
	Name       string
	Made, Used time.Time
	// Cloned: its counter went back, so it is no longer taken.
	Cloned bool
	// Synced: the maker's cloud may hold a copy, so losing the device is not losing
	// the passkey.
	Synced bool
}

// Enrolled is what a person can sign in with.
type Enrolled struct {
	Password bool
	// Long: the password may stand alone.
	Long            bool
	PasswordChanged time.Time
	TOTP            bool
	TOTPSince       time.Time
	Passkeys        []Passkey
	// RecoveryLeft are the recovery codes not used yet.
	RecoveryLeft int
	RecoveryMade time.Time
}

// strong is how many passkeys are taken.
func (e Enrolled) strong() (n int) {
	for _, k := range e.Passkeys {
		if !k.Cloned {
			n++
		}
	}
	return n
}

// enough says whether somebody can sign in with what is left.
func (e Enrolled) enough(p PersonInfo) bool {
	switch {
	case e.strong() > 0:
		return true
	case p.MustPasskey:
		return false
	}
	return e.Password && (e.TOTP || e.Long && !p.MustTwo)
}

// Any says whether anything is enrolled at all.
func (e Enrolled) Any() bool { return e.Password || e.TOTP || len(e.Passkeys) > 0 }

// Passkey is the one of that id, if the person has it.
func (e Enrolled) Passkey(id event.ID) (Passkey, bool) {
	for _, k := range e.Passkeys {
		if k.ID == id {
			return k, true
		}
	}
	return Passkey{}, false
}

// Enrolled returns what a person can sign in with.
func (s *Service) Enrolled(ctx context.Context, person event.ID) (Enrolled, error) {
	return s.enrolled(ctx, s.DB, person)
}

func (s *Service) enrolled(ctx context.Context, q store.Queryer, person event.ID) (e Enrolled, err error) {
	var long, changed, since int64
	err = q.QueryRow(ctx, "SELECT long, changed_at FROM signin_passwords WHERE person = $1", person[:]).Scan(&long, &changed)
	if err == nil {
		e.Password, e.Long, e.PasswordChanged = true, long == 1, moment(changed)
	} else if !errors.Is(err, store.ErrNoRows) {
		return e, fmt.Errorf("read ways to sign in: %w", err)
	}
	err = q.QueryRow(ctx, "SELECT made_at FROM signin_totp WHERE person = $1", person[:]).Scan(&since)
	if err == nil {
		e.TOTP, e.TOTPSince = true, moment(since)
	} else if !errors.Is(err, store.ErrNoRows) {
		return e, fmt.Errorf("read ways to sign in: %w", err)
	}
	keys, err := s.passkeys(ctx, q, "person = $1", person[:])
	if err != nil {
		return e, err
	}
	for _, k := range keys {
		e.Passkeys = append(e.Passkeys, k.Passkey)
	}
	var made *int64
	var left int64
	err = q.QueryRow(ctx, "SELECT count(*), max(made_at) FROM signin_recovery WHERE person = $1 AND used_at = 0", person[:]).Scan(&left, &made)
	if err != nil {
		return e, fmt.Errorf("read recovery codes: %w", err)
	}
	if e.RecoveryLeft = int(left); made != nil {
		e.RecoveryMade = moment(*made)
	}
	return e, nil
}

// LastWay refuses to remove what a person needs to sign in at all.
type LastWay struct{ Must, Two bool }

func (l *LastWay) Error() string {
	if l.Must {
		return "This is your last passkey, and your role opens only with one. Add another first."
	}
	if l.Two {
		return "Without this you could no longer sign in. Add another way first: a passkey, or a password together with an authenticator app."
	}
	return "Without this you could no longer sign in. Add another way first: a passkey, or a password of at least 15 characters."
}

// remove takes a way from a person, unless it is the last they can sign in with:
// that is asked after the removal, in its transaction.
func (s *Service) remove(ctx context.Context, person event.ID, proof Proof, way Way, id event.ID, gone func(context.Context, *store.Tx) (bool, error)) error {
	p, _, err := s.allow(ctx, person, proof, ChangeFor)
	if err != nil {
		return err
	}
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		before, err := s.enrolled(ctx, tx, person)
		if err != nil {
			return err
		}
		ok, err := gone(ctx, tx)
		if err != nil {
			return err
		}
		if !ok {
			return ErrNotFound
		}
		left, err := s.enrolled(ctx, tx, person)
		if err != nil {
			return err
		}
		if before.enough(p) && !left.enough(p) {
			return &LastWay{Must: p.MustPasskey, Two: p.MustTwo}
		}
		codes := ledger.Pairs{{K: "way", V: string(way)}}
		if id != (event.ID{}) {
			codes = append(codes, ledger.Pair{K: "id", V: id.String()})
		}
		if err := s.fact(ctx, tx, KindRemoved, person, proof.ask(), codes); err != nil {
			return err
		}
		return s.inform(ctx, tx, before, proof.ask().change(person, Removed, way))
	})
	if err != nil {
		return fmt.Errorf("remove a way to sign in: %w", err)
	}
	return nil
}

// ErrNotFound says that there is no such way, or that it is somebody else's.
var ErrNotFound = errors.New("there is no such way to sign in")

// Forget removes everything a person could sign in with: a leaver, or somebody who
// has lost all of it and gets a new link. by is the account of who decided, tx the
// transaction in which they did.
func (s *Service) Forget(ctx context.Context, tx *store.Tx, person event.ID, by string) error {
	had, err := s.enrolled(ctx, tx, person)
	if err != nil {
		return err
	}
	for _, x := range []struct{ table, key string }{{"signin_passkeys", "id"}, {"signin_recovery", "id"}} {
		var ids [][]byte
		err := tx.Query(ctx, "SELECT "+x.key+" FROM "+x.table+" WHERE person = $1", []any{person[:]}, func(row store.Scanner) error {
			var id []byte
			err := row.Scan(&id)
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return fmt.Errorf("forget ways to sign in: %w", err)
		}
		for _, id := range ids {
			if _, err := s.tags.Exec(ctx, tx, taggedOf(x.table), id, "DELETE FROM "+x.table+" WHERE id = $1", id); err != nil {
				return fmt.Errorf("forget ways to sign in: %w", err)
			}
		}
	}
	for _, table := range []string{"signin_passwords", "signin_totp"} {
		if _, err := s.tags.Exec(ctx, tx, taggedOf(table), person[:], "DELETE FROM "+table+" WHERE person = $1", person[:]); err != nil {
			return fmt.Errorf("forget ways to sign in: %w", err)
		}
	}
	if err := s.fact(ctx, tx, KindRemoved, person, Ask{}, ledger.Pairs{{K: "way", V: string(Every)}, {K: "by", V: ledger.Code(by)}}); err != nil {
		return err
	}
	return s.inform(ctx, tx, had, Change{Person: person, What: Removed, Way: Every, By: by})
}
