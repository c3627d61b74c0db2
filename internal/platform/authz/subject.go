package authz

import (
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
)

// StepUp is how long a proof of identity counts as fresh.
const StepUp = 15 * time.Minute

// Level is how well somebody proved who they are.
type Level int

// The levels, in order.
const (
	LevelNone     Level = iota
	LevelPassword       // one factor
	LevelTwo            // password and one-time code, or a fresh OpenID sign-in that says so
	LevelPasskey        // passkey or hardware key, user verified; or a client certificate
)

// Grant gives a role, everywhere or for some partners and sites, for a time.
type Grant struct {
	Role Role
	// Partners and Sites narrow it; empty: all.
	Partners, Sites []string
	// From and Until bound it; zero: no bound.
	From, Until time.Time
}

// Delegation is a clinical act the laboratory director gave to a person.
type Delegation struct {
	Permission  Permission
	From, Until time.Time
}

// Object is what is acted on. Empty fields: it belongs to no single partner or
// site, so only a grant without that scope reaches it.
type Object struct{ Partner, Site string }

// Subject is who acts. It is made once a request by whoever checked the session
// and does not change.
type Subject struct {
	Person event.ID
	// Account is the sign-in name that goes into the ledger; Name is for pages.
	Account, Name string
	Grants        []Grant
	Delegations   []Delegation
	Level         Level
	// FreshAt is the last proof of identity in this session.
	FreshAt time.Time
	// Session is the session's public number (never its secret).
	Session event.ID
	// Only, where not nil, narrows everything to these permissions: a token.
	Only []Permission
	// Glass is the break-glass access that is open in this session, zero for none.
	// While it is open, Glassed are allowed besides.
	Glass   event.ID
	Glassed []Permission
}

// Denied is why something may not be done, for the person who asked.
type Denied struct {
	Permission Permission
	// StepUp: it may be done after proving identity again.
	StepUp bool
	// Strong: it needs a passkey or hardware key.
	Strong bool
}

func (d *Denied) Error() string {
	what := string(d.Permission)
	if i, ok := Of(d.Permission); ok {
		what = i.What
	}
	switch {
	case d.Strong:
		return "to " + what + ", sign in with a passkey or hardware key"
	case d.StepUp:
		return "to " + what + ", confirm first that it is you"
	}
	return "your roles do not let you " + what
}

// May says whether the subject may do p to o at this moment; nil is yes, else a
// *Denied.
func (s *Subject) May(p Permission, o Object, now time.Time) error {
	c, ok := known[p]
	if s == nil || !ok || s.Only != nil && !slices.Contains(s.Only, p) {
		return &Denied{Permission: p}
	}
	allowed, strong := s.granted(&c, o, now)
	if !allowed {
		return &Denied{Permission: p}
	}
	if strong && s.Level < LevelPasskey {
		return &Denied{Permission: p, Strong: true}
	}
	if c.Fresh && s.Only == nil && now.Sub(s.FreshAt) > StepUp {
		return &Denied{Permission: p, StepUp: true}
	}
	return nil
}

// granted says whether a grant, a delegation or open break-glass access gives
// it; strong, that every grant that does asks for a passkey.
func (s *Subject) granted(c *cell, o Object, now time.Time) (ok, strong bool) {
	if c.Patient && s.masked(now) {
		return false, false
	}
	if s.Glass != (event.ID{}) && slices.Contains(s.Glassed, c.Permission) {
		return true, false
	}
	if c.Delegated {
		if s.holds(Director, now) {
			return true, false
		}
		for i := range s.Delegations {
			d := &s.Delegations[i]
			if d.Permission == c.Permission && within(d.From, d.Until, now) {
				return true, false
			}
		}
		return false, false
	}
	for i := range s.Grants {
		g := &s.Grants[i]
		if c.roles&bit(g.Role) == 0 || !within(g.From, g.Until, now) || !g.reaches(c.Scoped, o) {
			continue
		}
		info, _ := RoleOf(g.Role)
		if !info.Strong {
			return true, false
		}
		ok, strong = true, true
	}
	return ok, strong
}

// reaches: a grant narrowed to partners or sites gives scoped permissions there,
// and of the others only those that show nothing of anybody else.
func (g *Grant) reaches(scoped bool, o Object) bool {
	if !scoped {
		return true
	}
	if len(g.Partners) > 0 && !slices.Contains(g.Partners, o.Partner) {
		return false
	}
	if g.Role == Provider && len(g.Partners) == 0 {
		return false // a provider without a practice has no results
	}
	return len(g.Sites) == 0 || slices.Contains(g.Sites, o.Site)
}

func within(from, until, now time.Time) bool {
	return (from.IsZero() || !now.Before(from)) && (until.IsZero() || now.Before(until))
}

func (s *Subject) holds(r Role, now time.Time) bool {
	for i := range s.Grants {
		if g := &s.Grants[i]; g.Role == r && within(g.From, g.Until, now) {
			return true
		}
	}
	return false
}

// Holds says whether the subject has the role now.
func (s *Subject) Holds(r Role, now time.Time) bool { return s != nil && s.holds(r, now) }

// masked: an auditor sees no patient, whatever else they are.
func (s *Subject) masked(now time.Time) bool {
	for i := range s.Grants {
		g := &s.Grants[i]
		if info, _ := RoleOf(g.Role); info.Masked && within(g.From, g.Until, now) {
			return true
		}
	}
	return false
}

// Scope is where a subject may do something: everywhere, or for these partners
// and sites only. A list asks for it and shows no more.
type Scope struct {
	All bool
	// Grants that count, each with its partners and sites.
	Grants []Grant
}

// Scope says where p may be done; nothing where it may not at all. It does not
// judge freshness.
func (s *Subject) Scope(p Permission, now time.Time) Scope {
	c, ok := known[p]
	if s == nil || !ok || s.Only != nil && !slices.Contains(s.Only, p) || c.Patient && s.masked(now) {
		return Scope{}
	}
	if s.Glass != (event.ID{}) && slices.Contains(s.Glassed, p) {
		return Scope{All: true}
	}
	if c.Delegated {
		ok, _ := s.granted(&c, Object{}, now)
		return Scope{All: ok}
	}
	var out Scope
	for _, g := range s.Grants {
		info, _ := RoleOf(g.Role)
		if c.roles&bit(g.Role) == 0 || !within(g.From, g.Until, now) || info.Strong && s.Level < LevelPasskey {
			continue
		}
		if !c.Scoped || len(g.Partners) == 0 && len(g.Sites) == 0 && g.Role != Provider {
			return Scope{All: true}
		}
		if g.Role == Provider && len(g.Partners) == 0 {
			continue
		}
		out.Grants = append(out.Grants, g)
	}
	return out
}

// Empty says that the scope holds nothing.
func (s Scope) Empty() bool { return !s.All && len(s.Grants) == 0 }

// Holds says whether o lies within the scope.
func (s Scope) Holds(o Object) bool {
	if s.All {
		return true
	}
	return slices.ContainsFunc(s.Grants, func(g Grant) bool { return g.reaches(true, o) })
}
