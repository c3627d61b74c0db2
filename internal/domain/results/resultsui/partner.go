package resultsui

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

const noPartner = "There is no such partner, or it is not yours to see."

func partnerRoutes(d Deps) []web.Route {
	return append([]web.Route{
		{Pattern: "GET /partners", Needs: authz.PartnersSee, Handle: d.partnerList},
		{Pattern: "GET /partners/{key}", Needs: authz.PartnersSee, Handle: d.partner},
		{Pattern: "GET /partners/{key}/test", Needs: authz.PartnersTest, Handle: d.partnerAskTest},
		{Pattern: "POST /partners/{key}/test", Needs: authz.PartnersTest, Handle: d.partnerTest},
	}, partnerOps(d)...)
}

// partnerList is every partner one may see.
func (d Deps) partnerList(w http.ResponseWriter, r *http.Request) error {
	now := d.clock(r)
	v, err := d.flowView(r.Context(), web.Scope(r, authz.PartnersSee), now)
	if err != nil {
		return err
	}
	view := kit.ReadView(r.URL, 100, "state", "name", "-waiting", "-acknowledged")
	ps := slices.DeleteFunc(slices.Clone(v.partners), func(p partnerView) bool {
		s := view.Get("state")
		return s != "" && s != stateName(p.state)
	})
	sortList(ps, view)
	if kit.WantsCSV(r.URL) {
		return partnersCSV(w, ps)
	}
	total := len(ps)
	ps = ps[min(view.Offset(), total):min(view.Offset()+view.Size, total)]
	lead, rest := v.partnersSentence()
	t := kit.Table{
		Caption: "Partners", View: view, Total: total, CSV: true, Empty: "No partner is in this state.",
		Filters: []kit.Field{{Name: "state", Label: "State", Kind: kit.SelectField, Value: view.Get("state"), Options: []kit.Option{
			{Value: "", Text: "All"},
			{Value: "stopped", Text: "Stopped"},
			{Value: "warn", Text: "Needs attention"},
			{Value: "fine", Text: "Fine"},
			{Value: "unknown", Text: "Not known"},
		}}},
		Columns: []kit.Column{
			{Name: "Partner", Sort: "name"},
			{Name: "State", Sort: "state"},
			{Name: "Acknowledged, 24 h", Sort: "acknowledged", Num: true, Label: "acknowledged in 24 hours"},
			{Name: "Waiting", Sort: "waiting", Num: true},
			{Name: "Failed", Num: true},
			{Name: "Last reply", Num: true},
		},
	}
	for i := range ps {
		p := &ps[i]
		state := p.state
		done, waiting, bad, last := kit.C("not known"), kit.C("not known"), kit.C("not known"), kit.C("not known")
		if p.known {
			done, waiting, bad, last = p.done(), kit.CNum(int(p.Waiting)), failed(p.Stopped), p.lastReply(now)
		}
		t.Rows = append(t.Rows, kit.Row{Key: p.Partner, At: p.state == kit.Stopped, Cells: []kit.Cell{
			{Text: p.name, Sub: p.by, Href: "/partners/" + p.Partner},
			kit.CState(state, "", p.word()),
			done, waiting, bad, last,
		}})
	}
	return web.Render(w, r, kit.Page{
		Title: "Partners", Lead: lead, Rest: rest, Nav: "/partners", Live: []string{"results"},
		Body: kit.Sheet(kit.SheetOpts{Title: "Partners", Body: kit.DataTable(t)}),
	})
}

func (v *flowView) partnersSentence() (lead, rest string) {
	var stopped, warn, fine, unknown int
	for i := range v.partners {
		switch v.partners[i].state {
		case kit.Stopped:
			stopped++
		case kit.Warn:
			warn++
		case kit.Fine:
			fine++
		default:
			unknown++
		}
	}
	switch n := len(v.partners); {
	case n == 0:
		return "No partner is set up.", ""
	case !v.flows.Known():
		return "How the partners are is still being counted.", ""
	case stopped > 0:
		return kit.Many(stopped, "partner is stopped or needs a person.", "partners are stopped or need a person."), fmt.Sprintf("%s of %s take our results.", kit.Count(fine), kit.Count(n))
	case warn > 0:
		return kit.Many(warn, "partner needs a look.", "partners need a look."), fmt.Sprintf("%s of %s take our results.", kit.Count(fine), kit.Count(n))
	case fine == n:
		return "All partners take our results.", ""
	}
	return fmt.Sprintf("%s of %s partners take our results.", kit.Count(fine), kit.Count(len(v.partners))), kit.Many(unknown, "had nothing to take in 24 hours.", "had nothing to take in 24 hours.")
}

func sortList(ps []partnerView, v kit.View) {
	if v.Sort == "state" && !v.Desc {
		return // as they are
	}
	slices.SortStableFunc(ps, func(a, b partnerView) int {
		c := 0
		switch v.Sort {
		case "waiting":
			c = cmp.Compare(a.Waiting, b.Waiting)
		case "acknowledged":
			c = cmp.Compare(a.acknowledged, b.acknowledged)
		case "name":
			c = cmp.Compare(a.name, b.name)
		case "state":
			c = cmp.Compare(a.state, b.state)
		}
		if v.Desc {
			c = -c
		}
		return c
	})
}

func partnersCSV(w http.ResponseWriter, ps []partnerView) error {
	kit.CSVHead(w.Header(), "partners")
	c, err := kit.NewCSV(w, "key", "name", "how", "state", "acknowledged_24h", "placed_24h", "waiting", "held", "failed", "oldest_waiting", "last_reply")
	if err != nil {
		return nil // the reader has gone
	}
	for i := range ps {
		p := &ps[i]
		n := func(n int64) string {
			if !p.known {
				return "unknown"
			}
			return fmt.Sprint(n)
		}
		if c.Row(p.Partner, p.name, p.by, stateName(p.state), n(p.acknowledged), n(p.placed), n(p.Waiting), n(p.Held), n(p.Stopped), iso(p.Oldest), iso(p.LastReply)) != nil {
			return nil
		}
	}
	_ = c.Close()
	return nil
}

func iso(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return kit.ISO(t)
}

// find is one partner as this caller may see it.
func (d Deps) find(r *http.Request, p authz.Permission) (partnerView, error) {
	key := r.PathValue("key")
	scope, of := web.Scope(r, authz.PartnersSee), d.ofPartner(key)
	if scope.Empty() || d.Results.Settings().Partners[key] == nil {
		return partnerView{}, web.NotFound(noPartner)
	}
	f, err := d.Results.Flows(r.Context(), web.Now(r).Location())
	if err != nil {
		return partnerView{}, err
	}
	f = seenFlows(f, scope)
	flow, ok := f.Partner(key)
	if !ok && !some(scope, of) {
		return partnerView{}, web.NotFound(noPartner)
	}
	if p != authz.PartnersSee {
		if err := mayAll(r, p, of); err != nil {
			return partnerView{}, err
		}
	}
	if !ok {
		flow = results.Flow{PartnerStatus: results.PartnerStatus{Partner: key}, Last: -1}
	}
	v := d.partnerView(d.conf(), flow, f.At)
	v.seenBy(scope, of)
	v.shared = !every(scope, of)
	return v, nil
}

// sentence answers why something waits for this partner.
func (v *partnerView) sentence(now time.Time) (lead, rest string) {
	switch {
	case !v.known:
		return "What waits for " + v.name + " is still being counted.", ""
	case len(v.Gates) > 0:
		g := v.Gates[0]
		return "Nothing goes to " + v.name + ".", fmt.Sprintf("A %s stop stands since %s.", g.Kind, kit.Clock(g.Since, now))
	case !v.DownSince.IsZero() && v.Waiting > 0:
		return v.waits("waiting for " + v.name + "."), ""
	case !v.DownSince.IsZero():
		return v.name + " does not answer.", "Nothing waits."
	case v.Stopped > 0:
		return kit.Many(int(v.Stopped), "result needs", "results need") + " a person.", "They go out when somebody has decided."
	case v.late():
		return v.waits("waiting for " + v.name + "."), "Longer than agreed."
	case v.Waiting > 0:
		return v.waits("on the way to " + v.name + "."), ""
	case v.acknowledged > 0:
		return v.name + " takes our results.", "Nothing waits."
	case v.placed > 0:
		return "Results are placed for " + v.name + ".", "Nobody answers there, so nothing more is known."
	}
	return "It is not known whether " + v.name + " answers.", "Nothing was sent in the last 24 hours."
}

// verdict is the cause, the consequence and what we are doing.
func (v *partnerView) verdict(now time.Time) templ.Component {
	switch {
	case !v.known:
		return kit.UnknownState("What went there and what waits is still being counted. This takes a moment after a start; results flow meanwhile.")
	case len(v.Gates) > 0:
		g := v.Gates[0]
		return kit.Verdict(kit.Stopped, fmt.Sprintf("A %s stop of %s", g.Kind, g.Owner), fmt.Sprintf("It stands since %s. %s, in their order, and go when it is lifted.", kit.Clock(g.Since, now), v.kept()),
			&kit.Action{Text: "Look at the stop", Href: "/stops", Primary: true})
	case !v.DownSince.IsZero():
		return kit.Verdict(kit.Stopped, results.WhyWords(v.Why)+" since "+kit.Clock(v.DownSince, now)+".", v.doing(now)+" Call them and look at the line; critical results are told by phone meanwhile.", nil)
	case v.Stopped > 0:
		return kit.Verdict(kit.Stopped, kit.Many(int(v.Stopped), "result does", "results do")+" not go out by themselves", "The reason stands beside each below. What belongs to the same patient or order waits behind it; everything else flows.", nil)
	case v.late():
		return kit.Verdict(kit.Warn, "The oldest waits since "+kit.Clock(v.Oldest, now), fmt.Sprintf("Agreed are %s. %s and go in their order.", kit.Span(v.limit), v.kept()), nil)
	case v.acknowledged > 0:
		return kit.Verdict(kit.Fine, "Their system accepted "+kit.Many(int(v.acknowledged), "result", "results")+" in 24 hours", "The last at "+kit.Clock(v.LastReply, now)+". An acknowledgement says that their system took a result, not that the chart shows it.", nil)
	case v.placed > 0:
		return kit.Verdict(kit.Unknown, kit.Many(int(v.placed), "result was", "results were")+" placed in 24 hours", "The last at "+kit.Clock(v.LastPlaced, now)+". Whether they were collected is not seen from here.", nil)
	}
	return kit.Verdict(kit.Unknown, "Nothing was sent in the last 24 hours", "A test message shows whether they answer.", nil)
}
