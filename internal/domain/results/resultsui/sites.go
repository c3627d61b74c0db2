package resultsui

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// A result is of one site: the one its source had when it came in. A partner is
// of all sites whose results go there: whoever holds one of them sees it, with
// what came from that site alone, and what changes something for all of them is
// for who holds them all.

// ofDelivery is whose a delivery is.
func ofDelivery(x *results.Delivery) authz.Object {
	return authz.Object{Partner: x.Partner, Site: x.Site}
}

// ofPartner is whose a partner is: one object for each of its sites.
func (d Deps) ofPartner(key string) []authz.Object {
	var out []authz.Object
	for _, site := range d.Results.Settings().SitesOf(key) {
		out = append(out, authz.Object{Partner: key, Site: site})
	}
	return out
}

// ofRoute is whose the way of a route to a partner is: one object for each site
// its sources belong to.
func (d Deps) ofRoute(rt *config.Route, partner string) []authz.Object {
	var out []authz.Object
	for _, from := range rt.From {
		o := authz.Object{Partner: partner, Site: d.Results.Settings().Sources[from].Site}
		if !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	if len(out) == 0 {
		return d.ofPartner(partner)
	}
	return out
}

// ofCall is whose a phone task is.
func ofCall(c *results.Call) authz.Object { return authz.Object{Partner: c.Partner, Site: c.Site} }

// some says that the scope holds one of the objects, every that it holds all.
func some(s authz.Scope, of []authz.Object) bool { return slices.ContainsFunc(of, s.Holds) }

func every(s authz.Scope, of []authz.Object) bool {
	return !slices.ContainsFunc(of, func(o authz.Object) bool { return !s.Holds(o) })
}

// mayAll asks for p over all of the objects.
func mayAll(r *http.Request, p authz.Permission, of []authz.Object) error {
	for _, o := range of {
		if err := web.May(r, p, o); err != nil {
			return err
		}
	}
	return nil
}

// held is of which object what is told of a partner as a whole is: of no site
// where the scope is of none, else of the first one that it holds.
func held(s authz.Scope, of []authz.Object) authz.Object {
	if whole := (authz.Object{Partner: of[0].Partner}); s.Holds(whole) {
		return whole
	}
	if i := slices.IndexFunc(of, s.Holds); i >= 0 {
		return of[i]
	}
	return of[0]
}

// seenFlows are the flows within a scope.
func seenFlows(f results.Flows, s authz.Scope) results.Flows {
	if s.All {
		return f
	}
	return f.Of(func(p results.Place) bool { return s.Holds(authz.Object{Partner: p.Partner, Site: p.Site}) })
}

// atSites says which sites of what has no partner yet a scope holds; nil: all.
func atSites(s authz.Scope) func(site string) bool {
	if s.All {
		return nil
	}
	return func(site string) bool { return s.Holds(authz.Object{Site: site}) }
}

// site is a site by key and name.
type site struct{ key, name string }

// sites are those within a scope, by name. Where that is not more than one there
// is nothing to choose and no word of them.
func (d Deps) sites(s authz.Scope) []site {
	set := d.Results.Settings()
	var out []site
	for key := range set.Sites {
		reaches := func(g authz.Grant) bool { return len(g.Sites) == 0 || slices.Contains(g.Sites, key) }
		if s.All || slices.ContainsFunc(s.Grants, reaches) {
			out = append(out, site{key, set.SiteName(key)})
		}
	}
	if len(out) < 2 {
		return nil
	}
	slices.SortFunc(out, func(a, b site) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.key, b.key)) })
	return out
}

// siteAsked is the site in the address, empty for all; false for one that there
// is not, or not for this person.
func siteAsked(r *http.Request, sites []site) (string, bool) {
	key := r.URL.Query().Get("site")
	return key, key == "" || slices.ContainsFunc(sites, func(s site) bool { return s.key == key })
}

func siteOptions(sites []site) []kit.Option {
	out := []kit.Option{{Value: "", Text: "Every site"}}
	for _, s := range sites {
		out = append(out, kit.Option{Value: s.key, Text: s.name})
	}
	return out
}

// siteWords is the name of a site; "no site" for what came in before there were
// any, or from a source without one.
func (d Deps) siteWords(key string) string {
	if key == "" {
		return "no site"
	}
	return d.Results.Settings().SiteName(key)
}
