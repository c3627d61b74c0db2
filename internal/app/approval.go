package app

import (
	"fmt"
	"slices"

	"github.com/labwarden/labwarden/internal/platform/config"
)

// need is a step that only the laboratory director may decide.
type need struct {
	route config.Route
	words string
}

// needs are the steps from old to new that only the laboratory director may
// decide (SAFETY.md 1): a route that begins to carry, and any edit of a route
// that carries. old is nil before the first revision.
func needs(old, new *config.Config) []need {
	before := map[string]config.Route{}
	if old != nil {
		for _, r := range old.Routes {
			before[r.Name] = r
		}
	}
	var out []need
	for _, r := range new.Routes {
		if r.Stage != "carry" {
			continue
		}
		was, known := before[r.Name]
		var words string
		switch {
		case !known:
			words = "is new and would carry"
		case was.Stage != "carry":
			words = fmt.Sprintf("goes from %s to carry", was.Stage)
		case added(was.To, r.To):
			words = "carries and would send to another partner"
		case added(was.From, r.From):
			words = "carries and would take from another source"
		case was.Check != r.Check:
			words = fmt.Sprintf("carries and would check %s instead of %s", r.Check, was.Check)
		case transforms(old, was) != transforms(new, r):
			words = "carries and would change messages differently"
		case routeHash(old, was) != routeHash(new, r):
			words = "carries and would be changed"
		default:
			continue
		}
		out = append(out, need{r, fmt.Sprintf("route %s %s", r.Name, words)})
	}
	return out
}

// NeedApproval says in sentences what in the step from old to new only the
// laboratory director may decide.
func NeedApproval(old, new *config.Config) []string {
	out := longerCalls(old, new)
	for _, n := range needs(old, new) {
		out = append(out, n.words)
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
