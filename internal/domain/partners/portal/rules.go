package portal

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// ErrUnfit: a result cannot be shown in the portal at all; a person must look.
var ErrUnfit = errors.New("this result cannot be shown in the portal")

// What a rule does.
const (
	Withhold = "withhold"          // until the laboratory lets it go
	Only     = "ordering_provider" // to the ordering provider alone
)

// Rule keeps results from the portal, or from all but one. All of its conditions
// must hold; one that is empty holds always.
type Rule struct {
	Name string
	// Codes are services or observations (OBR-4.1, OBX-3.1, and as their alternates
	// OBR-4.4, OBX-3.4), any of them. What is too long to be read to its end holds
	// every code.
	Codes []string
	// Under is an age in years at the time it is placed, by PID-7, of the youngest whom it
	// names; a birth date that cannot be read counts as under any age. 0 asks nothing.
	Under int
	// Copies: the report names somebody besides the ordering provider (OBR-28).
	Copies bool
	// Partners are those it is for; empty: all.
	Partners []string
	Then     string
}

// fits says whether a rule is about a report.
func (r *Rule) fits(p *Report, partner string, now time.Time) bool {
	if len(r.Partners) > 0 && !slices.Contains(r.Partners, partner) {
		return false
	}
	if len(r.Codes) > 0 && !p.Cut && !slices.ContainsFunc(p.Orders, r.names) {
		return false
	}
	if r.Under > 0 && len(p.Births) > 0 && !slices.ContainsFunc(p.Births, func(born string) bool { return under(born, r.Under, now) }) {
		return false
	}
	return !r.Copies || p.Cut || slices.ContainsFunc(p.Orders, func(o Order) bool { return len(o.CopyTo) > 0 })
}

// names says whether an order or one of its results has one of the codes.
func (r *Rule) names(o Order) bool {
	has := func(code, alternate string) bool {
		return slices.Contains(r.Codes, code) || alternate != "" && slices.Contains(r.Codes, alternate)
	}
	return has(o.Code, o.alternate) || slices.ContainsFunc(o.Rows, func(x Row) bool { return has(x.Code, x.alternate) })
}

// under asks in the zone of now: the birthday begins with the laboratory's day.
func under(born string, years int, now time.Time) bool {
	t, err := time.ParseInLocation(time.DateOnly, born, now.Location())
	return err != nil || t.AddDate(years, 0, 0).After(now)
}

// judge says which rule withholds a report, and to whom alone it may be shown: the
// identifiers of its ordering providers, joined; "-" where it names none.
func judge(rules []Rule, p *Report, partner string, now time.Time) (withheld, only string) {
	for i := range rules {
		r := &rules[i]
		if !r.fits(p, partner, now) {
			continue
		}
		switch {
		case r.Then == Withhold && withheld == "":
			withheld = r.Name
		case r.Then == Only && only == "":
			var ids []string
			for j := range p.Orders {
				if id := p.Orders[j].ProviderID; id != "" && !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
			}
			if only = strings.Join(ids, " "); only == "" {
				only = "-"
			}
		}
	}
	return withheld, only
}
