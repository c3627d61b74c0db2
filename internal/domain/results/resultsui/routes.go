package resultsui

import (
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// Routes are all pages and operations of results. Each part adds its own line.
func Routes(d Deps) []web.Route {
	var out []web.Route
	for _, part := range []func(Deps) []web.Route{
	} {
		out = append(out, part(d)...)
	}
	return out
}

// clock tells times in the laboratory's zone.
func (d Deps) clock(r *http.Request) time.Time {
	now := web.Now(r)
	if d.Zone != nil {
		now = now.In(d.Zone)
	}
	return now
}

// as is the person who is signed in, for what they answer for; reason is theirs.
func as(r *http.Request, reason string) results.Named {
	who := web.Who(r)
	name := who.Name
	if name == "" {
		name = who.Account
	}
	return results.Named{By: results.By{Who: who.Account, Reason: reason}, Person: name}
}

// near refuses a thing of a partner the caller may not see as one that does not
// exist.
func near(r *http.Request, p authz.Permission, partner, missing string) error {
	if !web.Scope(r, p).Holds(authz.Object{Partner: partner}) {
		return web.NotFound(missing)
	}
	return nil
}
