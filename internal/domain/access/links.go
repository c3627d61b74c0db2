package access

import (
	"context"
	"errors"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// The kinds of one-time links.
const (
	LinkInvite  = "invite"  // of somebody who was added
	LinkFirst   = "first"   // of the first administrator, whose name it does not know yet
	LinkRecover = "recover" // of somebody who lost every way to sign in
)

// Kinds of events about links.
const (
	KindLinkMade = "link.made"
	KindLinkUsed = "link.used"
)

// How long links work.
const (
	linkFor  = 72 * time.Hour
	firstFor = 24 * time.Hour
	againFor = time.Hour // recovery: the person stands beside the console
)

// LinkPath is where a link leads: LinkPath + "?t=" + token.
const LinkPath = "/welcome"

// Link is a one-time link.
type Link struct {
	ID   event.ID
	Kind string
	// Person is who it is for; zero for the first administrator.
	Person event.ID
	Until  time.Time
	// Token is there only in the answer that made it: shown once, then known to
	// its reader alone.
	Token string
}

// Path is the page that the link opens.
func (l Link) Path() string { return LinkPath + "?t=" + l.Token }

// makeLink ends the links somebody had and makes a new one, in tx.
func (s *Service) makeLink(ctx context.Context, tx *store.Tx, by, kind string, person event.ID) (Link, error) {
	last := map[string]time.Duration{LinkInvite: linkFor, LinkFirst: firstFor, LinkRecover: againFor}[kind]
	token, hash := secret()
	l := Link{ID: event.NewID(), Kind: kind, Person: person, Until: s.now().Add(last), Token: token}
	if err := s.endLinks(ctx, tx, person); err != nil {
		return l, err
	}
	_, err := tx.Exec(ctx, "INSERT INTO access_links (id, hash, kind, person, made_at, made_by, until_at, used_at, ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0)",
		l.ID[:], hash, kind, personKey(person), micro(s.now()), by, micro(l.Until))
	if err != nil {
		return l, err
	}
	if err := s.tags.Put(ctx, tx, taggedLinks, l.ID[:]); err != nil {
		return l, err
	}
	ids := ledger.Pairs{idPair("link", l.ID)}
	if person != (event.ID{}) {
		ids = append(ids, idPair("person", person))
	}
	_, err = s.fact(ctx, tx, KindLinkMade, by, ids, ledger.Pairs{{K: "kind", V: kind}}, ledger.Number{K: "until", N: micro(l.Until)})
	return l, err
}

func personKey(id event.ID) []byte {
	if id == (event.ID{}) {
		return nobody
	}
	return id[:]
}

// endLinks ends the unused links of a person, or of the first administrator.
func (s *Service) endLinks(ctx context.Context, tx *store.Tx, person event.ID) error {
	var ids []any
	err := tx.Query(ctx, "SELECT id FROM access_links WHERE person = $1 AND used_at = 0 AND ended_at = 0", []any{personKey(person)}, func(row store.Scanner) error {
		var id []byte
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil || len(ids) == 0 {
		return err
	}
	return s.tags.Write(ctx, tx, taggedLinks, ids, func() error {
		for _, id := range ids {
			if _, err := tx.Exec(ctx, "UPDATE access_links SET ended_at = $1 WHERE id = $2", micro(s.now()), id); err != nil {
				return err
			}
		}
		return nil
	})
}

// NewLink makes a new invitation for somebody who has not come in yet. Needs
// people.change.
func (s *Service) NewLink(ctx context.Context, who *authz.Subject, person event.ID) (l Link, err error) {
	if err := s.mayChange(who, person); err != nil {
		return l, err
	}
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := personBy(ctx, tx, "WHERE id = $1", person[:])
		if err != nil {
			return err
		}
		if p.State != Invited {
			return &Refusal{Kind: KindConflict, Text: "They have come in already, or have left: an invitation is for those who have done neither. Somebody who lost every way to sign in gets a recovery link."}
		}
		l, err = s.makeLink(ctx, tx, who.Account, LinkInvite, person)
		return err
	})
	return l, wrap("make link", err)
}

// RecoveryLink makes a link for somebody who lost every way to sign in. Needs
// people.change, never one's own; who holds a role of weight, or did within the
// last 30 days, is recovered at the console, or by AskRecovery. Until a second
// person has confirmed whoever got one, they get no role of weight.
func (s *Service) RecoveryLink(ctx context.Context, who *authz.Subject, person event.ID) (l Link, err error) {
	if err := s.mayChange(who, person); err != nil {
		return l, err
	}
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := personBy(ctx, tx, "WHERE id = $1", person[:])
		if err != nil {
			return err
		}
		if p.State != Active {
			return &Refusal{Kind: KindConflict, Text: "Only somebody who has come in and has not left can be recovered."}
		}
		weighs, err := s.weighs(ctx, tx, p.ID)
		if err == nil && weighs {
			err = errWeighty
		}
		if err == nil {
			err = s.doubt(ctx, tx, p.ID, who.Account)
		}
		if err != nil {
			return err
		}
		if l, err = s.makeLink(ctx, tx, who.Account, LinkRecover, person); err != nil {
			return err
		}
		return s.Changed(ctx, tx, WayChange{Person: person, What: RecoveryMade, By: who.Account})
	})
	return l, wrap("make recovery link", err)
}

// FirstAdminLink makes the one-time link of the first administrator, for the
// console of the machine. It works only while no administrator exists; a new one
// ends the one before. The link is in the answer and nowhere else.
func (s *Service) FirstAdminLink(ctx context.Context) (l Link, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := s.noAdministrator(ctx, tx); err != nil {
			return err
		}
		l, err = s.makeLink(ctx, tx, byConsole, LinkFirst, event.ID{})
		return err
	})
	return l, wrap("make the first link", err)
}

func (s *Service) noAdministrator(ctx context.Context, q store.Queryer) error {
	today, _, err := administrators(ctx, q, s.now())
	if err == nil && today > 0 {
		err = ErrAdministrator
	}
	return err
}

// HasAdministrator says whether somebody can sign in as administrator.
func (s *Service) HasAdministrator(ctx context.Context) (bool, error) {
	today, _, err := administrators(ctx, s.db, s.now())
	return today > 0, err
}

// RecoverAtConsole makes a one-time link for somebody active who lost every way
// to sign in. It is for the console of the machine only; operator is the account
// of the operating system that asks, and stands in the record.
func (s *Service) RecoverAtConsole(ctx context.Context, account, operator string) (l Link, err error) {
	account, err = CleanAccount(account)
	if err != nil {
		return l, err
	}
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := personBy(ctx, tx, "WHERE account = $1", account)
		if err != nil {
			return err
		}
		if !p.In(s.now()) {
			return &Refusal{KindConflict, "account", "This account may not sign in: it has not come in yet, or has ended."}
		}
		by := byConsole + ":" + operator
		if l, err = s.makeLink(ctx, tx, by, LinkRecover, p.ID); err != nil {
			return err
		}
		return s.Changed(ctx, tx, WayChange{Person: p.ID, What: RecoveryMade, By: by})
	})
	if err == nil {
		s.tellRecovery(ctx, account, operator+" made a recovery link for "+account+" at the console of the machine.")
	}
	return l, wrap("make recovery link", err)
}

// LookLink says what a link is for, without using it: mail programs open links
// before people do. ErrLink for one that does not work.
func (s *Service) LookLink(ctx context.Context, token string) (Link, Person, error) {
	return s.lookLink(ctx, s.db, token)
}

func (s *Service) lookLink(ctx context.Context, q store.Queryer, token string) (l Link, p Person, err error) {
	hash := hashOf(token)
	if hash == nil {
		return l, p, ErrLink
	}
	var id, person []byte
	var until, used, ended int64
	err = q.QueryRow(ctx, "SELECT id, kind, person, until_at, used_at, ended_at FROM access_links WHERE hash = $1", hash).Scan(&id, &l.Kind, &person, &until, &used, &ended)
	if errors.Is(err, store.ErrNoRows) || err == nil && (used != 0 || ended != 0 || !s.now().Before(moment(until))) {
		return l, p, ErrLink
	}
	if err != nil {
		return l, p, wrap("read link", err)
	}
	l.Until = moment(until)
	if l.ID, err = event.IDFromBytes(id); err != nil {
		return l, p, err
	}
	if err := s.genuine(ctx, q, taggedLinks, id); err != nil {
		return l, p, err
	}
	if l.Kind == LinkFirst {
		if err := s.noAdministrator(ctx, q); err != nil {
			return l, p, ErrLink
		}
		return l, p, nil
	}
	if l.Person, err = event.IDFromBytes(person); err != nil {
		return l, p, err
	}
	if p, err = personBy(ctx, q, "WHERE id = $1", person); err != nil {
		return l, p, err
	}
	if err := s.genuine(ctx, q, taggedPeople, person); err != nil {
		return l, p, err
	}
	if p.State == Ended || !p.Ends.IsZero() && !s.now().Before(p.Ends) {
		return l, p, ErrLink
	}
	return l, p, nil
}

// UseLink uses a link up, within the caller's transaction, which also stores the
// way to sign in that was proved: however often it is used at once, one use
// wins. Somebody invited is active from then on. For the first administrator's
// link first says who they are; otherwise it is ignored. Whoever is recovered
// loses every session.
func (s *Service) UseLink(ctx context.Context, tx *store.Tx, token string, first NewPerson) (p Person, kind string, err error) {
	l, p, err := s.lookLink(ctx, tx, token)
	if err != nil {
		return p, "", err
	}
	n, err := s.tags.Exec(ctx, tx, taggedLinks, l.ID[:], "UPDATE access_links SET used_at = $1 WHERE id = $2 AND used_at = 0 AND ended_at = 0", micro(s.now()), l.ID[:])
	if err != nil {
		return p, "", wrap("use link", err)
	}
	if n != 1 {
		return p, "", ErrLink
	}
	switch l.Kind {
	case LinkFirst:
		first.Grants, first.Origin, first.External = []authz.Grant{{Role: authz.Administrator}}, OriginLocal, ""
		first.Starts, first.Ends = time.Time{}, time.Time{}
		if first, err = first.clean(s.now()); err == nil {
			p, err = s.add(ctx, tx, byConsole, first, Active)
		}
	case LinkInvite:
		err = s.activate(ctx, tx, &p)
	case LinkRecover:
		// A link to the provider may be what somebody else got in by.
		if _, err = s.endOutside(ctx, tx, p.ID, p.Account); err == nil {
			_, err = s.endSessions(ctx, tx, p.Account, "the account was recovered", "person = $1", p.ID[:])
		}
	}
	if err != nil {
		return p, "", wrap("use link", err)
	}
	_, err = s.fact(ctx, tx, KindLinkUsed, p.Account, ledger.Pairs{idPair("link", l.ID), idPair("person", p.ID)}, ledger.Pairs{{K: "kind", V: l.Kind}})
	if err != nil {
		return p, "", wrap("use link", err)
	}
	return p, l.Kind, s.changed(ctx, tx)
}

func (s *Service) activate(ctx context.Context, tx *store.Tx, p *Person) error {
	if p.State == Active {
		return nil
	}
	_, err := s.tags.Exec(ctx, tx, taggedPeople, p.ID[:], "UPDATE access_people SET state = 1, changed_at = $1, revision = revision + 1 WHERE id = $2 AND state = 0", micro(s.now()), p.ID[:])
	if err != nil {
		return err
	}
	p.State, p.Revision = Active, p.Revision+1
	_, err = s.fact(ctx, tx, KindJoined, p.Account, ledger.Pairs{idPair("person", p.ID)}, nil)
	return err
}
