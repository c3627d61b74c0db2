package resultsui

import (
	"net/http"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// todayOf is who Today is drawn for: the caller, or with a site in the address
// the caller with what is theirs at that site; and the sites they choose from.
func (d Deps) todayOf(r *http.Request) (*authz.Subject, []site, error) {
	sites := d.sites(web.Scope(r, authz.PartnersSee))
	at, ok := siteAsked(r, sites)
	switch {
	case !ok:
		return nil, nil, web.NotFound("There is no such site, or it is not yours to see.")
	case at == "":
		return web.Who(r), sites, nil
	}
	return web.Who(r).AtSite(at), sites, nil
}

// siteTabs narrow Today to a site.
func siteTabs(sites []site, at string) templ.Component {
	tabs := []kit.Tab{{Name: "Every site", Href: "/", Current: at == ""}}
	for _, s := range sites {
		tabs = append(tabs, kit.Tab{Name: s.name, Href: "/?site=" + s.key, Current: s.key == at})
	}
	return kit.Tabs("Sites", tabs)
}

func (d Deps) eyebrow(now time.Time, at string) string {
	day := now.Format("Monday 2 January")
	if at != "" {
		day += ", " + d.siteWords(at)
	}
	return day
}

// siteSheet is one row for each site.
func (v *flowView) siteSheet(sites []site) templ.Component {
	o := kit.SheetOpts{Title: "By site, last 24 hours"}
	if !v.flows.Known() {
		o.Body = kit.UnknownState("This is still being counted.")
		return kit.Sheet(o)
	}
	t := kit.Table{
		Caption: "Results of each site in the last 24 hours", Total: len(sites),
		Columns: []kit.Column{{Name: "Site"}, {Name: "Acknowledged", Num: true}, {Name: "Waiting", Num: true}, {Name: "Failed", Num: true}},
	}
	for _, s := range sites {
		var acknowledged, placed, waiting, stopped int64
		for _, f := range v.flows.Of(func(p results.Place) bool { return p.Site == s.key }).Partners {
			a, p := f.Sums()
			acknowledged, placed, waiting, stopped = acknowledged+a, placed+p, waiting+f.Waiting, stopped+f.Stopped
		}
		done := partnerView{acknowledged: acknowledged, placed: placed}
		t.Rows = append(t.Rows, kit.Row{Key: s.key, Cells: []kit.Cell{
			{Text: s.name, Href: "/?site=" + s.key}, done.done(), kit.CNum(int(waiting)), failed(stopped),
		}})
	}
	o.Body = kit.DataTable(t)
	return kit.Sheet(o)
}
