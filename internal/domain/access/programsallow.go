package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// ActProgram is the act of the approval desk that lets a program in.
const ActProgram = "access.program"

// KindProgramAllowed is the event of a yes to a token or certificate.
const KindProgramAllowed = "service.allowed"

// programWaits is how long a way in waits for its yes; then it is asked for anew.
const programWaits = 14 * 24 * time.Hour

// NeedsYes says whether what a program may do takes the yes of the compliance
// officer or the laboratory director: it sees patients, or brings people in. Whoever
// makes the program need not be allowed any of it.
func NeedsYes(perms []authz.Permission) bool {
	return slices.ContainsFunc(perms, func(p authz.Permission) bool {
		info, ok := authz.Of(p)
		return !ok || info.Patient || p == authz.Provision
	})
}

// WayIn is a token, or a client certificate, of a service account.
type WayIn struct {
	// ID is the token's; the account's for its certificate.
	ID      event.ID
	Account ServiceAccount
	// Name is the token's; empty: the certificate.
	Name string
	// Key is the certificate's.
	Key         string
	Permissions []authz.Permission
	Partners    []string
	Until       time.Time
	MadeBy      string
}

func (w *WayIn) hash() approval.Hash {
	return sha256.Sum256(fmt.Appendf(nil, "%s %s %q %q %q %q", w.ID, w.Account.ID, w.Account.Account, w.Key, words(w.Permissions), w.Partners))
}

// says is what stands in the request.
func (w *WayIn) says() string {
	if w.Key != "" {
		return "the certificate of " + w.Account.Name
	}
	return "the token " + w.Name + " of " + w.Account.Name
}

// wayIn reads a token or certificate by its id.
func (s *Service) wayIn(ctx context.Context, q store.Queryer, id event.ID) (WayIn, error) {
	t, err := scanToken(q.QueryRow(ctx, tokenColumns+"WHERE t.id = $1 AND t.revoked_at = 0", id[:]))
	of := t.Service
	switch {
	case errors.Is(err, store.ErrNoRows):
		of = id
	case err != nil:
		return WayIn{}, fmt.Errorf("read token: %w", err)
	case !s.now().Before(t.Until):
		return WayIn{}, ErrEnded
	}
	a, err := scanService(q.QueryRow(ctx, serviceColumns+"WHERE s.id = $1 AND s.ended_at = 0", of[:]))
	if errors.Is(err, store.ErrNoRows) || err == nil && of == id && a.Key == "" {
		return WayIn{}, ErrNotFound
	}
	if err != nil {
		return WayIn{}, fmt.Errorf("read service account: %w", err)
	}
	w := WayIn{ID: id, Account: a, Name: t.Name, Permissions: t.Permissions, Partners: t.Partners, Until: t.Until, MadeBy: t.MadeBy}
	if of == id {
		w.Key, w.Permissions, w.Partners, w.Until, w.MadeBy = a.Key, a.Permissions, a.Partners, a.KeyUntil, a.MadeBy
	}
	return w, nil
}

// askYes asks, in tx, for the yes that a way in needs; nothing where it needs none
// or has it.
func (s *Service) askYes(ctx context.Context, tx *store.Tx, who *authz.Subject, id event.ID) error {
	w, err := s.wayIn(ctx, tx, id)
	if err != nil || !NeedsYes(w.Permissions) {
		return err
	}
	if yes, err := s.allowed(ctx, tx, w.ID, w.Key); err != nil || yes {
		return err
	}
	_, err = s.desk.Request(ctx, tx, approval.Ask{
		Kind: ActProgram, Object: id.String(), Hash: w.hash(), Author: hands(who),
		Barred: []approval.Person{{Account: w.Account.MadeBy}, {Account: w.MadeBy}}, Reason: w.says(), Expires: s.now().Add(programWaits),
	})
	return err
}

// AskProgram asks anew for the yes to a token or certificate. Needs tokens.manage.
func (s *Service) AskProgram(ctx context.Context, who *authz.Subject, id event.ID) error {
	if err := who.May(authz.TokensManage, authz.Object{}, s.now()); err != nil {
		return err
	}
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error { return s.askYes(ctx, tx, who, id) })
	return wrap("ask for a program", refusal(err))
}

// allowed says whether somebody said yes to a token (no key), or to an account's
// certificate of this key.
func (s *Service) allowed(ctx context.Context, q store.Queryer, what event.ID, key string) (bool, error) {
	var have string
	err := q.QueryRow(ctx, "SELECT key FROM access_allowed WHERE what = $1", what[:]).Scan(&have)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read who allowed a program: %w", err)
	}
	if err := s.genuine(ctx, q, taggedAllowed, what[:]); err != nil {
		return false, err
	}
	return have == key, nil
}

// AllowProgram says yes to a token or certificate that reads patient data or brings
// people in; from then on it works. Whoever made it, or its account, cannot. Needs
// tokens.allow.
func (s *Service) AllowProgram(ctx context.Context, who *authz.Subject, id event.ID) error {
	if err := who.May(authz.TokensAllow, authz.Object{}, s.now()); err != nil {
		return err
	}
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		w, err := s.wayIn(ctx, tx, id)
		if err != nil {
			return err
		}
		r, err := s.desk.Live(ctx, tx, ActProgram, id.String())
		if err != nil {
			return err
		}
		h := w.hash()
		if _, err := s.desk.Approve(ctx, tx, r.ID, hands(who), h); err != nil {
			return err
		}
		if _, err := s.desk.Use(ctx, tx, ActProgram, id.String(), h); err != nil {
			return err
		}
		_, err = s.tags.Exec(ctx, tx, taggedAllowed, id[:], `INSERT INTO access_allowed (what, key, at, by_whom) VALUES ($1, $2, $3, $4)
			ON CONFLICT (what) DO UPDATE SET key = excluded.key, at = excluded.at, by_whom = excluded.by_whom`, id[:], w.Key, micro(s.now()), who.Account)
		if err != nil {
			return err
		}
		ids := ledger.Pairs{idPair("service", w.Account.ID)}
		if w.Key == "" {
			ids = append(ids, idPair("token", id))
		}
		_, err = s.fact(ctx, tx, KindProgramAllowed, who.Account, ids, ledger.Pairs{{K: "permissions", V: ledger.Code(strings.Join(words(w.Permissions), ","))}})
		return err
	})
	return wrap("allow a program", refusal(err))
}

// RefuseProgram is a no, with a reason. Needs tokens.allow.
func (s *Service) RefuseProgram(ctx context.Context, who *authz.Subject, id event.ID, why string) error {
	if err := who.May(authz.TokensAllow, authz.Object{}, s.now()); err != nil {
		return err
	}
	why, err := cleanReason(why)
	if err != nil {
		return err
	}
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		r, err := s.desk.Live(ctx, tx, ActProgram, id.String())
		if err == nil {
			_, err = s.desk.Refuse(ctx, tx, r.ID, hands(who), why)
		}
		return err
	})
	return wrap("refuse a program", refusal(err))
}

// AskedProgram is a way in that waits for its yes.
type AskedProgram struct {
	approval.Request
	WayIn
}

// AskedPrograms lists the tokens and certificates that wait for a yes, the oldest
// first; those that have ended meanwhile are left out.
func (s *Service) AskedPrograms(ctx context.Context) ([]AskedProgram, error) {
	all, err := s.asked(ctx, ActProgram)
	if err != nil {
		return nil, err
	}
	var out []AskedProgram
	for _, r := range all {
		id, err := event.ParseID(r.Object)
		if err != nil {
			return nil, fmt.Errorf("read what waits for a yes: %w", err)
		}
		w, err := s.wayIn(ctx, s.db, id)
		if errors.Is(err, ErrNotFound) || errors.Is(err, ErrEnded) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if w.hash() == r.Hash {
			out = append(out, AskedProgram{r, w})
		}
	}
	return out, nil
}

// Waits says of a service account's token or certificate (its own id) whether it
// still needs a yes before it works.
func (s *Service) Waits(ctx context.Context, id event.ID, key string, perms []authz.Permission) (bool, error) {
	if !NeedsYes(perms) {
		return false, nil
	}
	yes, err := s.allowed(ctx, s.db, id, key)
	return !yes, err
}
