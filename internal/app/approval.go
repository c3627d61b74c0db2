package app

import (
	"fmt"
	"slices"

	"github.com/labwarden/labwarden/internal/platform/config"
)

// NeedApproval names what in the step from old to new only the laboratory
// director may decide (SAFETY.md 1): a route that begins to carry, and a route
// that carries and then sends elsewhere, takes from elsewhere, checks less or
// changes what it sends. old is nil before the first revision.
func NeedApproval(old, new *config.Config) []string {
	before := map[string]config.Route{}
	if old != nil {
		for _, r := range old.Routes {
			before[r.Name] = r
		}
	}
	out := longerCalls(old, new)
	for _, r := range new.Routes {
		if r.Stage != "carry" {
			continue
		}
		was, known := before[r.Name]
		switch {
		case !known:
			out = append(out, fmt.Sprintf("route %s is new and would carry", r.Name))
		case was.Stage != "carry":
			out = append(out, fmt.Sprintf("route %s goes from %s to carry", r.Name, was.Stage))
		case added(was.To, r.To):
			out = append(out, fmt.Sprintf("route %s carries and would send to another partner", r.Name))
		case added(was.From, r.From):
			out = append(out, fmt.Sprintf("route %s carries and would take from another source", r.Name))
		case was.Check != r.Check:
			out = append(out, fmt.Sprintf("route %s carries and would check %s instead of %s", r.Name, r.Check, was.Check))
		case transforms(old, was) != transforms(new, r):
			out = append(out, fmt.Sprintf("route %s carries and would change messages differently", r.Name))
		}
	}
	return out
}

func added(was, is []string) bool {
	return slices.ContainsFunc(is, func(s string) bool { return !slices.Contains(was, s) })
}

// transforms is a text that is the same exactly for the same changes, tables
// included.
func transforms(c *config.Config, r config.Route) string {
	s := fingerprint(r.Transform)
	for _, t := range r.Transform {
		if t.Map != nil {
			s += fingerprint(c.Tables[t.Map.Table])
		}
	}
	return s
}
