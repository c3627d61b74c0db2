package app

import (
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// routeHash names a route's settings as they were compared and approved: all of
// them but the stage, with the tables its map steps use. Whose accounts and
// addresses a partner has is not part of it: they change in daily work.
func routeHash(c *config.Config, r config.Route) string {
	r.Stage = ""
	if len(r.Transform) == 0 {
		r.Transform = nil // an empty list says the same as none
	}
	parts := []any{r}
	for _, t := range r.Transform {
		if t.Map != nil {
			parts = append(parts, c.Tables[t.Map.Table])
		}
	}
	return fingerprint(parts...)
}

// Candidate is the route as its adoption is judged.
func Candidate(c *config.Config, r config.Route) results.Candidate {
	return results.Candidate{Route: r.Name, Config: routeHash(c, r), OldPath: r.OldPath, Days: c.Adoption.Days}
}
