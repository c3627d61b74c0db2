package authz

import (
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
)

const (
	// StepUp is how long a proof of identity counts as fresh.
	StepUp = 15 * time.Minute
	// BenchStepUp is the same at a shared bench, from which people walk away.
	BenchStepUp = 2 * time.Minute
	// skew is how far the clocks of two nodes may differ: a proof from further in
	// the future is none (somebody has set a clock back).
	skew = time.Minute
)

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
	// Roles are those it was given to: it works through grants of these alone. Nil:
	// of any that a clinical act may be delegated to.
	Roles []Role
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
	// Bench: the session is at a shared bench, where nothing Apart is done.
	Bench bool
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
	// Bench: it is not done at a shared bench.
	Bench bool
}

func (d *Denied) Error() string {
	what := string(d.Permission)
	if i, ok := Of(d.Permission); ok {
		what = i.What
	}
	switch {
	case d.Bench:
		return "this is not done at a shared bench: do it at a device that only you use"
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
	if c.Apart && s.Bench {
		return &Denied{Permission: p, Bench: true}
	}
	if strong && s.Level < LevelPasskey {
		return &Denied{Permission: p, Strong: true}
	}
	if c.Fresh && s.Only == nil && !s.fresh(now) {
		return &Denied{Permission: p, StepUp: true}
	}
	return nil
}

func (s *Subject) fresh(now time.Time) bool {
	age, most := now.Sub(s.FreshAt), StepUp
	if s.Bench {
		most = BenchStepUp
	}
	return age <= most && age >= -skew
}

// granted says whether a grant, a delegation or open break-glass access gives
// it; strong, that every grant that does asks for a passkey.
func (s *Subject) granted(c *cell, o Object, now time.Time) (ok, strong bool) {
	if c.Patient && s.masked(now) {
		return false, false
	}
	if s.glassed(c) {
		return true, false
	}
	for i := range s.Grants {
		g := &s.Grants[i]
		info := infoOf(g.Role)
		if !g.counts(info, now) || !s.gives(g, c, info, now) || !g.reaches(c, o) {
			continue
		}
		if !info.Strong {
			return true, false
		}
		ok, strong = true, true
	}
	return ok, strong
}

// glassed: open break-glass access gives it.
func (s *Subject) glassed(c *cell) bool {
	return c.Glass && s.Glass != (event.ID{}) && slices.Contains(s.Glassed, c.Permission)
}

// delegated: the director gave it to this person in this role, for now.
func (s *Subject) delegated(p Permission, r Role, now time.Time) bool {
	for i := range s.Delegations {
		d := &s.Delegations[i]
		if d.Permission == p && within(d.From, d.Until, now) && (d.Roles == nil || slices.Contains(d.Roles, r)) {
			return true
		}
	}
	return false
}

// counts: the grant is of a role, is in force, and is as its role asks: one
// that must have an end and has none gives nothing.
func (g *Grant) counts(info *RoleInfo, now time.Time) bool {
	return info != nil && within(g.From, g.Until, now) &&
		(!info.Boxed || !g.Until.IsZero()) && (!info.Scoped || len(g.Partners) > 0)
}

// gives: the matrix, or for a clinical act the director's role or delegation.
// A delegation is no role: it lives where a grant of the person reaches, and
// ends with the last of them.
func (s *Subject) gives(g *Grant, c *cell, info *RoleInfo, now time.Time) bool {
	if c.Delegated {
		return g.Role == Director || info.Delegable && s.delegated(c.Permission, g.Role, now)
	}
	return c.roles&info.bit != 0
}

// narrowed: to partners or sites.
func (g *Grant) narrowed() bool { return len(g.Partners) > 0 || len(g.Sites) > 0 }

// reaches: a grant narrowed to partners or sites gives scoped permissions there,
// and of the others only those that show nothing of anybody else.
func (g *Grant) reaches(c *cell, o Object) bool {
	if !c.Scoped {
		return c.Narrow || !g.narrowed()
	}
	return g.holds(o)
}

func (g *Grant) holds(o Object) bool {
	return (len(g.Partners) == 0 || slices.Contains(g.Partners, o.Partner)) &&
		(len(g.Sites) == 0 || slices.Contains(g.Sites, o.Site))
}

func within(from, until, now time.Time) bool {
	return (from.IsZero() || !now.Before(from)) && (until.IsZero() || now.Before(until))
}

// nowhere is a site that no configuration can name.
const nowhere = "\x00"

// AtSite is the subject with what they may do at one site and no more: what a page
// shows that was narrowed to it. It gives nothing that s does not give.
func (s *Subject) AtSite(site string) *Subject {
	if s == nil {
		return nil
	}
	out := *s
	out.Glass, out.Glassed = event.ID{}, nil
	out.Grants = slices.Clone(s.Grants)
	for i := range out.Grants {
		g := &out.Grants[i]
		if len(g.Sites) > 0 && !slices.Contains(g.Sites, site) {
			g.Sites = []string{nowhere} // it stays: a role that masks does so everywhere
			continue
		}
		g.Sites = []string{site}
	}
	return &out
}

// Holds says whether the subject has the role now.
func (s *Subject) Holds(r Role, now time.Time) bool {
	if s == nil {
		return false
	}
	for i := range s.Grants {
		if g := &s.Grants[i]; g.Role == r && g.counts(infoOf(r), now) {
			return true
		}
	}
	return false
}

// masked: an auditor sees no patient, whatever else they are. A grant that
// gives nothing because it has no end masks all the same.
func (s *Subject) masked(now time.Time) bool {
	for i := range s.Grants {
		g := &s.Grants[i]
		if info := infoOf(g.Role); info != nil && info.Masked && within(g.From, g.Until, now) {
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
	if s == nil || !ok || s.Only != nil && !slices.Contains(s.Only, p) || c.Patient && s.masked(now) || c.Apart && s.Bench {
		return Scope{}
	}
	if s.glassed(&c) {
		return Scope{All: true}
	}
	var out Scope
	for i := range s.Grants {
		g := &s.Grants[i]
		info := infoOf(g.Role)
		if !g.counts(info, now) || !s.gives(g, &c, info, now) || info.Strong && s.Level < LevelPasskey {
			continue
		}
		switch {
		case !g.narrowed(), !c.Scoped && c.Narrow:
			return Scope{All: true}
		case c.Scoped:
			out.Grants = append(out.Grants, *g)
		}
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
	return slices.ContainsFunc(s.Grants, func(g Grant) bool { return g.holds(o) })
}
