package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Kinds of events about links to an OpenID provider.
const (
	KindLinked   = "person.linked"
	KindUnlinked = "person.unlinked"
)

// Outside is which subject of an OpenID provider somebody is who did not come from
// it. Their roles stay those given here: the rules are for who comes from there.
type Outside struct {
	ID, Person      event.ID
	Issuer, Subject string
	Made            time.Time
	MadeBy          string
}

var (
	errSubjectTaken = &Refusal{KindConflict, "subject", "This id of the provider is somebody's already."}
	errLinked       = &Refusal{KindConflict, "subject", "They are linked already. Unlink them first."}
	errFromProvider = &Refusal{KindConflict, "subject", "They came from the provider: there is nothing to link."}
)

const outsideColumns = "SELECT id, person, issuer, subject, made_at, made_by FROM access_outside "

func scanOutside(row store.Scanner) (o Outside, err error) {
	var id, person []byte
	var made int64
	if err = row.Scan(&id, &person, &o.Issuer, &o.Subject, &made, &o.MadeBy); err != nil {
		return o, err
	}
	o.Made = moment(made)
	if o.ID, err = event.IDFromBytes(id); err == nil {
		o.Person, err = event.IDFromBytes(person)
	}
	return o, err
}

func outsideBy(ctx context.Context, q store.Queryer, where string, args ...any) (o Outside, ok bool, err error) {
	o, err = scanOutside(q.QueryRow(ctx, outsideColumns+where+" AND ended_at = 0", args...))
	if errors.Is(err, store.ErrNoRows) {
		return o, false, nil
	}
	return o, err == nil, err
}

// OutsideOf is the provider's subject that somebody is linked to; false: none.
func (s *Service) OutsideOf(ctx context.Context, person event.ID) (Outside, bool, error) {
	o, ok, err := outsideBy(ctx, s.db, "WHERE person = $1", person[:])
	return o, ok, wrap("read the link to the provider", err)
}

func cleanSubject(issuer, subject string) (string, error) {
	subject = strings.TrimSpace(subject)
	bad := func(c rune) bool { return c <= ' ' || c > '~' }
	switch {
	case issuer == "" || len(issuer) > 255:
		return "", &Refusal{KindConflict, "subject", "There is no sign-in provider in the configuration."}
	case subject == "" || len(subject) > 255 || strings.ContainsFunc(subject, bad): // OpenID Connect Core 2: 255 ASCII characters
		return "", invalid("subject", "Write the id by which the provider knows them, without blanks, at most 255 characters.")
	}
	return subject, nil
}

// LinkOutside links somebody to a subject of the OpenID provider: whoever the
// provider says that is, signs in as them. They are told. Needs people.change, and
// never oneself; who holds a role of weight links themselves.
func (s *Service) LinkOutside(ctx context.Context, who *authz.Subject, person event.ID, issuer, subject string) error {
	if err := s.mayChange(who, person); err != nil {
		return err
	}
	return s.linkOutside(ctx, WayChange{Person: person, What: Linked, By: who.Account}, issuer, subject)
}

// LinkSelf is LinkOutside by the person, who has just signed in at the provider in
// their session. d is the device of the session.
func (s *Service) LinkSelf(ctx context.Context, who *authz.Subject, d Device, issuer, subject string) error {
	if err := who.May(authz.OwnSecurity, authz.Object{}, s.now()); err != nil {
		return err
	}
	return s.linkOutside(ctx, WayChange{Person: who.Person, What: Linked, Session: who.Session, Device: d}, issuer, subject)
}

func (s *Service) linkOutside(ctx context.Context, c WayChange, issuer, subject string) error {
	subject, err := cleanSubject(issuer, subject)
	if err != nil {
		return err
	}
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := personBy(ctx, tx, "WHERE id = $1", c.Person[:])
		switch {
		case err != nil:
			return err
		case p.State == Ended:
			return ErrEnded
		case p.Origin == OriginOIDC:
			return errFromProvider
		}
		if _, ok, err := outsideBy(ctx, tx, "WHERE person = $1", p.ID[:]); err != nil || ok {
			return errors.Join(err, refuseIf(ok, errLinked))
		}
		if _, ok, err := outsideBy(ctx, tx, "WHERE issuer = $1 AND subject = $2", issuer, subject); err != nil || ok {
			return errors.Join(err, refuseIf(ok, errSubjectTaken))
		}
		_, err = personBy(ctx, tx, "WHERE origin = $1 AND external = $2", OriginOIDC, issuer+" "+subject)
		if !errors.Is(err, ErrNotFound) {
			return errors.Join(err, refuseIf(err == nil, errSubjectTaken))
		}
		by := c.By
		if by == "" {
			by = p.Account
		} else if err := s.linkedByAnother(ctx, tx, p, by); err != nil {
			return err
		}
		id := event.NewID()
		_, err = s.tags.Exec(ctx, tx, taggedOutside, id[:], `INSERT INTO access_outside (id, person, issuer, subject, made_at, made_by, ended_at, ended_by) VALUES ($1, $2, $3, $4, $5, $6, 0, '')`,
			id[:], p.ID[:], issuer, subject, micro(s.now()), by)
		if err != nil {
			return err
		}
		if _, err := s.fact(ctx, tx, KindLinked, by, ledger.Pairs{idPair("person", p.ID), {K: "account", V: p.Account}}, nil); err != nil {
			return err
		}
		return s.Changed(ctx, tx, c)
	})
	return wrap("link to the provider", err)
}

func refuseIf(yes bool, r *Refusal) error {
	if yes {
		return r
	}
	return nil
}

// UnlinkOutside ends somebody's link to the provider, and the sessions that it
// opened. They are told. Needs people.change, and never oneself.
func (s *Service) UnlinkOutside(ctx context.Context, who *authz.Subject, person event.ID) error {
	if err := s.mayChange(who, person); err != nil {
		return err
	}
	return s.unlinkOutside(ctx, WayChange{Person: person, What: Unlinked, By: who.Account}, who.Account)
}

// UnlinkSelf is UnlinkOutside by the person. The caller has made sure that they can
// still sign in.
func (s *Service) UnlinkSelf(ctx context.Context, who *authz.Subject, d Device) error {
	if err := who.May(authz.OwnSecurity, authz.Object{}, s.now()); err != nil {
		return err
	}
	return s.unlinkOutside(ctx, WayChange{Person: who.Person, What: Unlinked, Session: who.Session, Device: d}, who.Account)
}

func (s *Service) unlinkOutside(ctx context.Context, c WayChange, by string) error {
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err := s.endOutside(ctx, tx, c.Person, by)
		if err != nil || n == 0 {
			return errors.Join(err, refuseIf(n == 0, ErrNotFound))
		}
		if _, err := s.endSessions(ctx, tx, by, "the sign-in provider was unlinked", "person = $1 AND method = $2 AND id <> $3", c.Person[:], OriginOIDC, c.Session[:]); err != nil {
			return err
		}
		return s.Changed(ctx, tx, c)
	})
	return wrap("unlink from the provider", err)
}

// endOutside ends a person's links in tx.
func (s *Service) endOutside(ctx context.Context, tx *store.Tx, person event.ID, by string) (n int64, err error) {
	o, ok, err := outsideBy(ctx, tx, "WHERE person = $1", person[:])
	if err != nil || !ok {
		return 0, err
	}
	if n, err = s.tags.Exec(ctx, tx, taggedOutside, o.ID[:], "UPDATE access_outside SET ended_at = $1, ended_by = $2 WHERE id = $3", micro(s.now()), by, o.ID[:]); err != nil {
		return n, err
	}
	_, err = s.fact(ctx, tx, KindUnlinked, by, ledger.Pairs{idPair("person", person)}, nil)
	return n, err
}

// linked finds who is linked to a subject, in tx; ErrNotFound for nobody. Somebody
// invited comes in by it: an administrator said that it is them.
func (s *Service) linked(ctx context.Context, tx *store.Tx, issuer, subject string) (Person, error) {
	o, ok, err := outsideBy(ctx, tx, "WHERE issuer = $1 AND subject = $2", issuer, subject)
	if err != nil {
		return Person{}, fmt.Errorf("find a link to the provider: %w", err)
	}
	if !ok {
		return Person{}, ErrNotFound
	}
	if err := s.genuine(ctx, tx, taggedOutside, o.ID[:]); err != nil {
		return Person{}, err
	}
	p, err := personBy(ctx, tx, "WHERE id = $1", o.Person[:])
	if err == nil {
		err = s.genuine(ctx, tx, taggedPeople, p.ID[:])
	}
	if err != nil || p.State != Invited || !within(p.Starts, p.Ends, s.now()) {
		return p, err
	}
	return p, s.activate(ctx, tx, &p)
}
