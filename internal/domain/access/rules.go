package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Kinds of events about rules.
const (
	KindRuleMade  = "rule.made"
	KindRuleEnded = "rule.ended"
)

// Rule says which role a group (OpenID Connect) or role word (SCIM) of another
// system gives. Without rules, another system gives nobody a role.
type Rule struct {
	ID     event.ID
	Origin string // OriginOIDC or OriginSCIM
	Word   string
	Role   authz.Role
	// Partners and Sites narrow the role.
	Partners, Sites []string
	// Days is after how long the role ends, for roles that must have an end; 0: none.
	Days   int64
	Made   time.Time
	MadeBy string
}

const maxDays = 366

// MakeRule adds a rule. Needs people.change.
func (s *Service) MakeRule(ctx context.Context, who *authz.Subject, r Rule) (Rule, error) {
	now := s.now()
	if err := who.May(authz.PeopleChange, authz.Object{}, now); err != nil {
		return r, err
	}
	r.Word = strings.TrimSpace(r.Word)
	switch {
	case r.Origin != OriginOIDC && r.Origin != OriginSCIM:
		return r, invalid("origin", "A rule is for OpenID Connect or SCIM.")
	case r.Word == "" || len(r.Word) > 200 || strings.ContainsFunc(r.Word, func(c rune) bool { return c < ' ' }):
		return r, invalid("word", "Write the group as the other system names it, at most 200 characters.")
	case r.Days < 0 || r.Days > maxDays:
		return r, invalid("days", "Write 0 to %d days.", maxDays)
	}
	g := authz.Grant{Role: r.Role, Partners: r.Partners, Sites: r.Sites}
	if r.Days > 0 {
		g.Until = now.AddDate(0, 0, int(r.Days))
	}
	if err := CheckGrant(g, now); err != nil {
		return r, err
	}
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		r.ID, r.Made, r.MadeBy = event.NewID(), now, who.Account
		_, err := tx.Exec(ctx, `INSERT INTO access_rules (id, origin, word, role, partners, sites, days, made_at, made_by, ended_at, ended_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '')`,
			r.ID[:], r.Origin, r.Word, string(r.Role), list(r.Partners), list(r.Sites), r.Days, micro(now), who.Account)
		if err != nil {
			return err
		}
		if err := s.tags.Put(ctx, tx, taggedRules, r.ID[:]); err != nil {
			return err
		}
		_, err = s.fact(ctx, tx, KindRuleMade, who.Account, ledger.Pairs{idPair("rule", r.ID)}, ledger.Pairs{{K: "origin", V: r.Origin}, {K: "role", V: string(r.Role)}})
		return err
	})
	return r, wrap("add rule", err)
}

// EndRule takes a rule away; the roles it gave end when their person comes from
// the other system the next time. Needs people.change.
func (s *Service) EndRule(ctx context.Context, who *authz.Subject, id event.ID) error {
	if err := who.May(authz.PeopleChange, authz.Object{}, s.now()); err != nil {
		return err
	}
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err := s.tags.Exec(ctx, tx, taggedRules, id[:], "UPDATE access_rules SET ended_at = $1, ended_by = $2 WHERE id = $3 AND ended_at = 0", micro(s.now()), who.Account, id[:])
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		_, err = s.fact(ctx, tx, KindRuleEnded, who.Account, ledger.Pairs{idPair("rule", id)}, nil)
		return err
	})
	return wrap("end rule", err)
}

// Rules lists the rules that stand.
func (s *Service) Rules(ctx context.Context) ([]Rule, error) { return rules(ctx, s.db) }

func rules(ctx context.Context, q store.Queryer) ([]Rule, error) {
	var out []Rule
	err := q.Query(ctx, "SELECT id, origin, word, role, partners, sites, days, made_at, made_by FROM access_rules WHERE ended_at = 0 ORDER BY origin, word, id", nil, func(row store.Scanner) error {
		var r Rule
		var id []byte
		var role, partners, sites string
		var made int64
		err := row.Scan(&id, &r.Origin, &r.Word, &role, &partners, &sites, &r.Days, &made, &r.MadeBy)
		if err != nil {
			return err
		}
		r.Role, r.Made = authz.Role(role), moment(made)
		if r.Partners, err = unlist(partners); err != nil {
			return err
		}
		if r.Sites, err = unlist(sites); err != nil {
			return err
		}
		r.ID, err = event.IDFromBytes(id)
		out = append(out, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	return out, nil
}

// Known is somebody as another system says it.
type Known struct {
	// Origin is OriginOIDC or OriginSCIM, External their id there (an OpenID subject
	// together with its issuer).
	Origin, External    string
	Account, Name, Mail string
	// Words are their groups or roles there; nil says nothing about them.
	Words []string
	// Out says that they have left.
	Out bool
}

// Sync takes over what another system says of somebody, within tx, and returns
// them: made if need be (active where they sign in over there, else invited),
// changed, their roles given and taken by the rules, or ended. Roles that were given here
// by hand stay as they are. Whom it has ended itself it may bring back; whom a person
// or a date has ended here stays ended until a person lets them in again
// (ErrEndedHere). by is the account that stands in the record.
func (s *Service) Sync(ctx context.Context, tx *store.Tx, by string, k Known) (p Person, err error) {
	if k.External == "" {
		return p, invalid("externalId", "An id of the other system is needed.")
	}
	n, err := NewPerson{Account: k.Account, Name: k.Name, Mail: k.Mail, Origin: k.Origin, External: k.External}.clean(s.now())
	if err != nil {
		return p, err
	}
	p, err = personBy(ctx, tx, "WHERE origin = $1 AND external = $2 ORDER BY made_at LIMIT 1", k.Origin, k.External)
	switch {
	case errors.Is(err, ErrNotFound):
		// An account of the same name is somebody else until a person says otherwise:
		// the other system must not take over who is here already.
		if p, err = s.add(ctx, tx, by, n, Invited); err == nil && k.Origin == OriginOIDC {
			err = s.activate(ctx, tx, &p)
		}
	case err == nil && p.Account != n.Account:
		return p, &Refusal{KindConflict, "userName", "An account is never renamed."}
	case err == nil && p.State != Ended && (p.Name != n.Name || p.Mail != n.Mail):
		err = s.alter(ctx, tx, by, p, Change{Name: n.Name, Mail: n.Mail, Starts: p.Starts, Ends: p.Ends})
		p.Name, p.Mail = n.Name, n.Mail
	}
	if err != nil {
		return p, err
	}
	switch {
	case k.Out && p.State != Ended:
		if err := s.guarded(ctx, tx, func() error { return s.end(ctx, tx, by, p, "said by "+k.Origin) }); err != nil {
			return p, err
		}
		if err := s.gone(ctx, tx, p.ID, k.Origin); err != nil {
			return p, err
		}
		p.State = Ended
	case !k.Out && p.State == Ended:
		if err := s.mayReturn(ctx, tx, p, k.Origin); err != nil {
			return p, err
		}
		if err := s.again(ctx, tx, by, p); err != nil {
			return p, err
		}
		if p, err = personBy(ctx, tx, "WHERE id = $1", p.ID[:]); err != nil {
			return p, err
		}
	}
	if p.State != Ended && k.Words != nil && k.Origin == OriginSCIM {
		if err := s.keepWords(ctx, tx, p.ID, k.Words); err != nil {
			return p, err
		}
	}
	if p.State != Ended && k.Words != nil {
		if err := s.guarded(ctx, tx, func() error { return s.follow(ctx, tx, by, &p, k) }); err != nil {
			return p, err
		}
	}
	return p, s.changed(ctx, tx)
}

// gone writes that the other system ended somebody.
func (s *Service) gone(ctx context.Context, tx *store.Tx, person event.ID, origin string) error {
	_, err := s.tags.Exec(ctx, tx, taggedGone, person[:], "INSERT INTO access_gone (person, origin, at) VALUES ($1, $2, $3) ON CONFLICT (person) DO UPDATE SET origin = excluded.origin, at = excluded.at",
		person[:], origin, micro(s.now()))
	return err
}

// mayReturn: only who was ended by this system comes back by it.
func (s *Service) mayReturn(ctx context.Context, tx *store.Tx, p Person, origin string) error {
	var by string
	err := tx.QueryRow(ctx, "SELECT origin FROM access_gone WHERE person = $1", p.ID[:]).Scan(&by)
	if errors.Is(err, store.ErrNoRows) || err == nil && by != origin {
		return ErrEndedHere
	}
	if err != nil {
		return err
	}
	return s.genuine(ctx, tx, taggedGone, p.ID[:])
}

// isBack forgets who ended somebody: they are in again.
func (s *Service) isBack(ctx context.Context, tx *store.Tx, person event.ID) error {
	_, err := s.tags.Exec(ctx, tx, taggedGone, person[:], "DELETE FROM access_gone WHERE person = $1", person[:])
	return err
}

// EndedElsewhere says whether another system ended somebody, who may bring them
// back.
func (s *Service) EndedElsewhere(ctx context.Context, person event.ID) (bool, error) {
	var n int64
	if err := s.db.QueryRow(ctx, "SELECT count(*) FROM access_gone WHERE person = $1", person[:]).Scan(&n); err != nil {
		return false, fmt.Errorf("read who ended a person: %w", err)
	}
	return n > 0, nil
}

// again lets in whom the other system has again.
func (s *Service) again(ctx context.Context, tx *store.Tx, by string, p Person) error {
	state := Invited
	if p.Origin == OriginOIDC {
		state = Active
	}
	_, err := s.tags.Exec(ctx, tx, taggedPeople, p.ID[:], `UPDATE access_people SET state = $1, starts_at = 0, ends_at = 0, ended_at = 0, changed_at = $2, revision = revision + 1
		WHERE id = $3`, int64(state), micro(s.now()), p.ID[:])
	if err != nil {
		return err
	}
	if err := s.isBack(ctx, tx, p.ID); err != nil {
		return err
	}
	_, err = s.fact(ctx, tx, KindReturned, by, ledger.Pairs{idPair("person", p.ID), {K: "account", V: p.Account}}, ledger.Pairs{{K: "origin", V: p.Origin}})
	return err
}

// follow gives and takes roles of the origin by the rules. What a person took away
// by hand it does not give again.
func (s *Service) follow(ctx context.Context, tx *store.Tx, by string, p *Person, k Known) error {
	all, err := rules(ctx, tx)
	if err != nil {
		return err
	}
	standing, err := s.blocks(ctx, tx, p.ID)
	if err != nil {
		return err
	}
	now := s.now()
	var want []authz.Grant
	for _, r := range all {
		if r.Origin != k.Origin || !slices.Contains(k.Words, r.Word) {
			continue
		}
		if err := s.genuine(ctx, tx, taggedRules, r.ID[:]); err != nil {
			return err
		}
		g := authz.Grant{Role: r.Role, Partners: r.Partners, Sites: r.Sites}
		if r.Days > 0 {
			g.Until = now.AddDate(0, 0, int(r.Days))
		}
		if blocked(standing, k.Origin, g) {
			continue
		}
		if !slices.ContainsFunc(want, func(x authz.Grant) bool { return samePlace(x, g) }) {
			want = append(want, g)
		}
	}
	kept, over := p.Grants[:0:0], p.Grants[:0:0]
	for _, g := range p.Grants {
		i := slices.IndexFunc(want, func(w authz.Grant) bool { return samePlace(w, g.Grant) })
		switch {
		case g.Origin != k.Origin:
			kept = append(kept, g)
		case i >= 0 && within(g.From, g.Until, now):
			kept = append(kept, g)
			want = slices.Delete(want, i, i+1)
		default:
			over = append(over, g)
		}
	}
	for _, g := range want {
		given, err := s.give(ctx, tx, by, p.ID, g, k.Origin)
		if errors.Is(err, errDoubt) {
			continue // it comes with the next sync after a second person has confirmed them
		}
		if err != nil {
			return err
		}
		kept = append(kept, given)
	}
	for _, g := range over { // last: what is delegated to a role ends with its last grant
		if err := s.take(ctx, tx, by, g); err != nil {
			return err
		}
	}
	p.Grants = kept
	return nil
}

func samePlace(a, b authz.Grant) bool {
	return a.Role == b.Role && slices.Equal(a.Partners, b.Partners) && slices.Equal(a.Sites, b.Sites)
}

// Provision is Sync for a system that has a token (SCIM). Needs
// people.provision.
func (s *Service) Provision(ctx context.Context, who *authz.Subject, k Known) (p Person, err error) {
	if err := who.May(authz.Provision, authz.Object{}, s.now()); err != nil {
		return p, err
	}
	k.Origin = OriginSCIM
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err = s.Sync(ctx, tx, who.Account, k)
		return err
	})
	return p, wrap("provision", err)
}

// Provisioned lists who came from a system that provisions, ended ones too: what
// it may see. Needs people.provision.
func (s *Service) Provisioned(ctx context.Context, who *authz.Subject) ([]Person, error) {
	if err := who.May(authz.Provision, authz.Object{}, s.now()); err != nil {
		return nil, err
	}
	all, err := s.People(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(p Person) bool { return p.Origin != OriginSCIM }), nil
}
