package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Kinds of events about people.
const (
	KindInvited  = "person.invited"
	KindJoined   = "person.activated"
	KindPerson   = "person.changed"
	KindEnded    = "person.ended"
	KindReturned = "person.returned"
	KindGranted  = "grant.given"
	KindTaken    = "grant.ended"
)

// Names of those who act without being a person.
const (
	byJob     = ledger.Program
	byConsole = "console"
)

// Invite adds somebody and returns them with their one-time link, which is
// shown once. Needs people.change.
func (s *Service) Invite(ctx context.Context, who *authz.Subject, n NewPerson) (p Person, l Link, err error) {
	if err := who.May(authz.PeopleChange, authz.Object{}, s.now()); err != nil {
		return p, l, err
	}
	if n, err = n.clean(s.now()); err != nil {
		return p, l, err
	}
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		if p, err = s.add(ctx, tx, who.Account, n, Invited); err != nil {
			return err
		}
		l, err = s.makeLink(ctx, tx, who.Account, LinkInvite, p.ID)
		return err
	})
	return p, l, wrap("invite", err)
}

// wrap names the act in an error that was not written for people.
func wrap(what string, err error) error {
	var r *Refusal
	var d *authz.Denied
	if err == nil || errors.As(err, &r) || errors.As(err, &d) {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// add writes a clean new person in tx.
func (s *Service) add(ctx context.Context, tx *store.Tx, by string, n NewPerson, state State) (Person, error) {
	p := Person{
		ID: event.NewID(), Account: n.Account, Name: n.Name, Mail: n.Mail, State: state, Starts: n.Starts, Ends: n.Ends,
		Origin: n.Origin, External: n.External, Made: s.now(), MadeBy: by, Changed: s.now(), Revision: 1,
	}
	if err := s.freeAccount(ctx, tx, n.Account); err != nil {
		return p, err
	}
	_, err := tx.Exec(ctx, `INSERT INTO access_people (id, account, name, mail, state, starts_at, ends_at, origin, external, made_at, made_by, changed_at, ended_at, revision)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 1)`,
		p.ID[:], p.Account, p.Name, p.Mail, int64(p.State), micro(p.Starts), micro(p.Ends), p.Origin, p.External, micro(p.Made), p.MadeBy, micro(p.Changed))
	if err != nil {
		return p, err
	}
	if err := s.tags.Put(ctx, tx, taggedPeople, p.ID[:]); err != nil {
		return p, err
	}
	if _, err := s.fact(ctx, tx, KindInvited, by, ledger.Pairs{idPair("person", p.ID), {K: "account", V: p.Account}}, ledger.Pairs{{K: "origin", V: ledger.Code(p.Origin)}}); err != nil {
		return p, err
	}
	for _, g := range n.Grants {
		given, err := s.give(ctx, tx, by, p.ID, g, n.Origin)
		if err != nil {
			return p, err
		}
		p.Grants = append(p.Grants, given)
	}
	return p, nil
}

// give writes a grant in tx.
func (s *Service) give(ctx context.Context, tx *store.Tx, by string, person event.ID, g authz.Grant, origin string) (Grant, error) {
	if err := s.lapse(ctx, tx, by, person); err != nil {
		return Grant{}, err
	}
	out := Grant{ID: event.NewID(), Person: person, Grant: g, GivenAt: s.now(), GivenBy: by, Origin: origin}
	if err := s.trusted(ctx, tx, person, g.Role); err != nil {
		return out, err
	}
	_, err := tx.Exec(ctx, `INSERT INTO access_grants (id, person, role, partners, sites, from_at, until_at, given_at, given_by, origin, ended_at, ended_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, '')`,
		out.ID[:], person[:], string(g.Role), list(g.Partners), list(g.Sites), micro(g.From), micro(g.Until), micro(out.GivenAt), by, origin)
	if err != nil {
		return out, err
	}
	if err := s.tags.Put(ctx, tx, taggedGrants, out.ID[:]); err != nil {
		return out, err
	}
	_, err = s.fact(ctx, tx, KindGranted, by, ledger.Pairs{idPair("person", person), idPair("grant", out.ID)}, ledger.Pairs{{K: "role", V: string(g.Role)}},
		ledger.Number{K: "partners", N: int64(len(g.Partners))}, ledger.Number{K: "sites", N: int64(len(g.Sites))}, ledger.Number{K: "from", N: micro(g.From)}, ledger.Number{K: "until", N: micro(g.Until)})
	return out, err
}

// take ends a grant in tx.
func (s *Service) take(ctx context.Context, tx *store.Tx, by string, g Grant) error {
	n, err := s.tags.Exec(ctx, tx, taggedGrants, g.ID[:], "UPDATE access_grants SET ended_at = $1, ended_by = $2 WHERE id = $3 AND ended_at = 0", micro(s.now()), by, g.ID[:])
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrEnded
	}
	_, err = s.fact(ctx, tx, KindTaken, by, ledger.Pairs{idPair("person", g.Person), idPair("grant", g.ID)}, ledger.Pairs{{K: "role", V: string(g.Role)}})
	if err != nil {
		return err
	}
	return s.lapse(ctx, tx, by, g.Person)
}

// Grant gives a role. Needs people.change, and never to oneself.
func (s *Service) Grant(ctx context.Context, who *authz.Subject, person event.ID, g authz.Grant) (out Grant, err error) {
	if err := s.mayChange(who, person); err != nil {
		return out, err
	}
	if err := CheckGrant(g, s.now()); err != nil {
		return out, err
	}
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := personBy(ctx, tx, "WHERE id = $1", person[:])
		if err != nil {
			return err
		}
		if p.State == Ended {
			return ErrEnded
		}
		if slices.ContainsFunc(p.Grants, func(have Grant) bool { return sameGrant(have.Grant, g) }) {
			return &Refusal{KindConflict, "role", "They have this role already, for the same partners, sites and dates."}
		}
		out, err = s.give(ctx, tx, who.Account, person, g, OriginLocal)
		return err
	})
	return out, wrap("give role", err)
}

func sameGrant(a, b authz.Grant) bool {
	return a.Role == b.Role && slices.Equal(a.Partners, b.Partners) && slices.Equal(a.Sites, b.Sites) && a.From.Equal(b.From) && a.Until.Equal(b.Until)
}

// EndGrant takes a role away at once; the rule that gave it, if one did, does not
// give it again (Unblock). Needs people.change, and never from oneself; the last
// administrator keeps it.
func (s *Service) EndGrant(ctx context.Context, who *authz.Subject, grant event.ID) error {
	if err := who.May(authz.PeopleChange, authz.Object{}, s.now()); err != nil {
		return err
	}
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, err := scanGrant(tx.QueryRow(ctx, grantColumns+"WHERE id = $1", grant[:]))
		if errors.Is(err, store.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if g.Person == who.Person {
			return ErrOwn
		}
		return s.guarded(ctx, tx, func() error { return s.takeByHand(ctx, tx, who.Account, g) })
	})
	return wrap("end role", err)
}

func (s *Service) mayChange(who *authz.Subject, person event.ID) error {
	if err := who.May(authz.PeopleChange, authz.Object{}, s.now()); err != nil {
		return err
	}
	if who.Person == person {
		return ErrOwn
	}
	return nil
}

// Change is what is to be different about a person.
type Change struct {
	Name, Mail   string
	Starts, Ends time.Time
	// Revision is the one the change was made from; another meanwhile is refused.
	Revision int64
}

// ChangePerson changes name, mail and dates. Needs people.change; of oneself
// only name and mail.
func (s *Service) ChangePerson(ctx context.Context, who *authz.Subject, person event.ID, c Change) error {
	if err := who.May(authz.PeopleChange, authz.Object{}, s.now()); err != nil {
		return err
	}
	var err error
	if c.Name, err = cleanName(c.Name); err != nil {
		return err
	}
	if c.Mail, err = cleanMail(c.Mail); err != nil {
		return err
	}
	if err := cleanDates(c.Starts, c.Ends); err != nil {
		return err
	}
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := personBy(ctx, tx, "WHERE id = $1", person[:])
		switch {
		case err != nil:
			return err
		case p.State == Ended:
			return ErrEnded
		case p.Revision != c.Revision:
			return ErrChanged
		case who.Person == person && (!p.Starts.Equal(c.Starts) || !p.Ends.Equal(c.Ends)):
			return ErrOwn
		}
		return s.guarded(ctx, tx, func() error { return s.alter(ctx, tx, who.Account, p, c) })
	})
	return wrap("change person", err)
}

func (s *Service) alter(ctx context.Context, tx *store.Tx, by string, p Person, c Change) error {
	_, err := s.tags.Exec(ctx, tx, taggedPeople, p.ID[:], `UPDATE access_people SET name = $1, mail = $2, starts_at = $3, ends_at = $4, changed_at = $5, revision = revision + 1
		WHERE id = $6`, c.Name, c.Mail, micro(c.Starts), micro(c.Ends), micro(s.now()), p.ID[:])
	if err != nil {
		return err
	}
	var what ledger.Pairs // which, not what: names are not the ledger's
	for _, x := range []struct {
		k  string
		is bool
	}{{"name", p.Name != c.Name}, {"mail", p.Mail != c.Mail}, {"starts", !p.Starts.Equal(c.Starts)}, {"ends", !p.Ends.Equal(c.Ends)}} {
		if x.is {
			what = append(what, ledger.Pair{K: x.k, V: "changed"})
		}
	}
	if p.Mail != c.Mail && p.Mail != "" && p.State == Active { // the old address is told: the new one may be a thief's
		told := by
		if by == p.Account {
			told = ""
		}
		if err := s.changeNotice(ctx, tx, p, WayChange{Person: p.ID, What: MailChanged, By: told}, p.Mail); err != nil {
			return err
		}
	}
	_, err = s.fact(ctx, tx, KindPerson, by, ledger.Pairs{idPair("person", p.ID)}, what, ledger.Number{K: "starts_at", N: micro(c.Starts)}, ledger.Number{K: "ends_at", N: micro(c.Ends)})
	return err
}

// End ends somebody: their sessions, links and roles with them, at once. Needs
// people.change, never oneself, never the last administrator.
func (s *Service) End(ctx context.Context, who *authz.Subject, person event.ID) error {
	if err := s.mayChange(who, person); err != nil {
		return err
	}
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := personBy(ctx, tx, "WHERE id = $1", person[:])
		if err != nil {
			return err
		}
		return s.guarded(ctx, tx, func() error { return s.end(ctx, tx, who.Account, p, "ended") })
	})
	return wrap("end person", err)
}

// end ends a person in tx.
func (s *Service) end(ctx context.Context, tx *store.Tx, by string, p Person, why string) error {
	if p.State == Ended {
		return ErrEnded
	}
	at := micro(s.now())
	_, err := s.tags.Exec(ctx, tx, taggedPeople, p.ID[:], "UPDATE access_people SET state = 2, ended_at = $1, changed_at = $1, revision = revision + 1 WHERE id = $2", at, p.ID[:])
	if err != nil {
		return err
	}
	if err := s.revokeAll(ctx, tx, by, p.ID); err != nil {
		return err
	}
	for _, g := range p.Grants {
		if err := s.take(ctx, tx, by, g); err != nil {
			return err
		}
	}
	if err := s.endLinks(ctx, tx, p.ID); err != nil {
		return err
	}
	if err := s.forget(ctx, tx, p.ID, by); err != nil {
		return err
	}
	if _, err := s.endOutside(ctx, tx, p.ID, by); err != nil {
		return err
	}
	n, err := s.endSessions(ctx, tx, by, "the person has left", "person = $1", p.ID[:])
	if err != nil {
		return err
	}
	_, err = s.fact(ctx, tx, KindEnded, by, ledger.Pairs{idPair("person", p.ID), {K: "account", V: p.Account}}, ledger.Pairs{{K: "why", V: ledger.Code(why)}}, ledger.Number{K: "sessions", N: n})
	return err
}

// Return lets somebody who was ended in again: invited, without a role, with a
// new link. Needs people.change.
func (s *Service) Return(ctx context.Context, who *authz.Subject, person event.ID) (l Link, err error) {
	if err := s.mayChange(who, person); err != nil {
		return l, err
	}
	account := ""
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := personBy(ctx, tx, "WHERE id = $1", person[:])
		if err != nil {
			return err
		}
		if p.State != Ended {
			return &Refusal{Kind: KindConflict, Text: "They have not been ended."}
		}
		_, err = s.tags.Exec(ctx, tx, taggedPeople, p.ID[:], `UPDATE access_people SET state = 0, starts_at = 0, ends_at = 0, ended_at = 0, changed_at = $1, revision = revision + 1
			WHERE id = $2`, micro(s.now()), p.ID[:])
		if err != nil {
			return err
		}
		if err := s.isBack(ctx, tx, p.ID); err != nil {
			return err
		}
		if _, err := s.fact(ctx, tx, KindReturned, who.Account, ledger.Pairs{idPair("person", p.ID), {K: "account", V: p.Account}}, nil); err != nil {
			return err
		}
		if err := s.doubt(ctx, tx, p.ID, who.Account); err != nil {
			return err
		}
		l, err = s.makeLink(ctx, tx, who.Account, LinkInvite, p.ID)
		account = p.Account
		return err
	})
	if err == nil {
		s.tell(ctx, AlarmReturned, account, alarm.Note, who.Account+" let "+account+" in again, who had been ended.",
			"A second person confirms on the page of that person that it is them: until then they get no role that asks for a passkey, nor the laboratory director's.")
	}
	return l, wrap("let in again", err)
}
