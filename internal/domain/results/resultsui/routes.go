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
	d.runs = newReplays()
	var out []web.Route
	for _, part := range []func(Deps) []web.Route{
		todayRoutes,
		partnerRoutes,
		countRoutes,
		alarmRoutes,
		callRoutes,
		stopRoutes,
		routeRoutes,
		resultRoutes,
		messageRoutes,
		actRoutes,
		legalRoutes,
		quarantineRoutes,
		resultOps,
		quarantineOps,
		legalOps,
	} {
		out = append(out, part(d)...)
	}
	return out
}

// clock is now, in the time of the machine the server runs on, as all pages show
// it.
func (d Deps) clock(r *http.Request) time.Time { return web.Now(r).Local() }

// as is the person who is signed in, for what they answer for; reason is theirs. Open
// break-glass access goes along.
func as(r *http.Request, reason string) results.Named {
	who := web.Who(r)
	name := who.Name
	if name == "" {
		name = who.Account
	}
	return results.Named{By: results.By{Who: who.Account, Reason: reason, Glass: who.Glass}, Person: name}
}

// near refuses a thing of a partner or site the caller may not see as one that
// does not exist.
func near(r *http.Request, p authz.Permission, of authz.Object, missing string) error {
	if !mayHere(r, p, of) {
		return web.NotFound(missing)
	}
	return nil
}

// mayHere says whether a button is worth showing: the permission without the
// question of how fresh the proof of identity is.
func mayHere(r *http.Request, p authz.Permission, of authz.Object) bool {
	return web.Scope(r, p).Holds(of)
}
