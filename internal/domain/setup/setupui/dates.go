package setupui

import (
	"net/http"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (d Deps) dateRoutes() []web.Route {
	var out []web.Route
	if d.Dates != nil {
		out = append(out,
			web.Route{Pattern: "GET /dates", Needs: authz.ConfigSee, Handle: d.datesPage},
			web.Route{Pattern: "GET /dates/extend", Needs: authz.ConfigApply, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.drawExtend(w, r, "") }},
			web.Route{Pattern: "POST /dates/extend", Needs: authz.ConfigApply, Handle: d.extend},
			web.Op[none, []Date]{
				Pattern: "GET /api/v1/dates", Needs: authz.ConfigSee, Tag: "Dates", Summary: "Certificates and exceptions that end",
				Do: func(r *http.Request, _ none) ([]Date, error) { return d.Dates.Dates(r.Context()) },
			}.Route(),
			web.Op[extending, extendedTo]{
				Pattern: "POST /api/v1/dates/extend", Needs: authz.ConfigApply, Tag: "Dates", Summary: "Let a channel keep its state for 72 hours",
				Do: func(r *http.Request, in extending) (extendedTo, error) {
					until, err := d.Dates.Extend(r.Context(), in.Channel, web.Who(r).Account, in.Reason)
					return extendedTo{until}, err
				},
			}.Route(),
		)
	}
	if d.Witnessing != nil {
		out = append(out,
			web.Route{Pattern: "GET /witnesses", Needs: authz.KeysSee, Handle: d.witnessPage},
			web.Route{Pattern: "GET /witnesses/decide", Needs: authz.LedgerDecide, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.drawDecideLedger(w, r, "") }},
			web.Route{Pattern: "POST /witnesses/decide", Needs: authz.LedgerDecide, Handle: d.decideLedger},
			web.Op[none, Witnessed]{
				Pattern: "GET /api/v1/witnesses", Needs: authz.KeysSee, Tag: "Record", Summary: "How the ledger stands with its witnesses",
				Do: func(r *http.Request, _ none) (Witnessed, error) { return d.Witnessing.Witnesses(r.Context()) },
			}.Route(),
			web.Op[reasoned, none]{
				Pattern: "POST /api/v1/witnesses/decide", Needs: authz.LedgerDecide, Tag: "Record", Summary: "Take the ledger as it is, after having looked at its alarms",
				Do: func(r *http.Request, in reasoned) (none, error) {
					return none{}, d.Witnessing.Decide(r.Context(), web.Who(r).Account, in.Reason)
				},
			}.Route(),
		)
	}
	return out
}

type extending struct {
	Channel string `json:"channel" doc:"partner NAME or source NAME"`
	Reason  string `json:"reason"`
}

type extendedTo struct {
	Until time.Time `json:"until"`
}

type reasoned struct {
	Reason string `json:"reason"`
}

func (d Deps) datesPage(w http.ResponseWriter, r *http.Request) error {
	all, err := d.Dates.Dates(r.Context())
	if err != nil {
		return err
	}
	now := d.now(r)
	due := 0
	var rows []kit.Row
	for _, x := range all {
		state, word := kit.Fine, "Far off"
		switch {
		case x.Past && x.Extended.IsZero():
			state, word, due = kit.Stopped, "Past", due+1
		case x.Due || x.Past:
			state, word, due = kit.Warn, "Soon", due+1
		}
		act := kit.C("")
		if x.MayExtend && may(r, authz.ConfigApply) {
			act = kit.CLink("Extend by 72 h", "/dates/extend?channel="+strings.ReplaceAll(x.Channel, " ", "+"))
		}
		owner := x.Owner
		if owner == "" {
			owner = "nobody"
		}
		rows = append(rows, kit.Row{Cells: []kit.Cell{
			{Text: x.Channel, Sub: x.Kind}, kit.CState(state, word, kit.Date(x.Ends.In(d.zone()), now)), {Text: x.Words, Sub: x.Advice}, kit.C(owner), act,
		}})
	}
	p := kit.Page{Title: "Dates", Nav: nav, Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}, {Name: "Dates"}}, Lead: "Nothing ends within 30 days.", Rest: "A date never stops results by itself."}
	if due > 0 {
		p.Lead = things(due, "date needs somebody.", "dates need somebody.")
	}
	if len(all) == 0 {
		p.Lead, p.Rest = "No date is known.", "Nothing has a certificate or an exception yet."
	}
	p.Body = kit.Sheet(kit.SheetOpts{Title: "Ends", Body: kit.DataTable(kit.Table{
		Caption: "Certificates and exceptions that end", View: kit.View{Path: "/dates"}, Rows: rows, Total: len(rows), Empty: "Nothing ends.",
		Columns: []kit.Column{{Name: "Of"}, {Name: "Ends"}, {Name: "What"}, {Name: "Owner"}, {Name: "Act"}},
	})})
	return web.Render(w, r, p)
}

// dateOf is the date of the channel that was asked for.
func (d Deps) dateOf(r *http.Request) (Date, error) {
	all, err := d.Dates.Dates(r.Context())
	if err != nil {
		return Date{}, err
	}
	for _, x := range all {
		if x.Channel == r.FormValue("channel") && x.MayExtend {
			return x, nil
		}
	}
	return Date{}, web.NotFound("Nothing of this channel ends within seven days.")
}

func (d Deps) drawExtend(w http.ResponseWriter, r *http.Request, wrong string) error {
	x, err := d.dateOf(r)
	if err != nil {
		return err
	}
	p := kit.Page{
		Title: "Extend a date", Lead: "Let it keep its state for 72 hours more?", Nav: nav, Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}, {Name: "Dates", Href: "/dates"}},
		Body: kit.Confirm(kit.ConfirmOpts{
			Title: x.Channel, Text: x.Words + " You answer for it until then; that you did goes into the record.", Action: "/dates/extend", Button: "Extend it",
			Cancel: "/dates", Hidden: map[string]string{"channel": x.Channel}, Reason: true, ReasonError: wrong,
		}),
	}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, p)
}

func (d Deps) extend(w http.ResponseWriter, r *http.Request) error {
	x, err := d.dateOf(r)
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(r.FormValue("reason"))
	if reason == "" || r.FormValue("confirm") != "yes" {
		return d.drawExtend(w, r, "Say why: it goes into the record.")
	}
	until, err := d.Dates.Extend(r.Context(), x.Channel, web.Who(r).Account, reason)
	if err != nil {
		return err
	}
	web.Say(r, "config", "today")
	return web.Done(w, r, "/dates", "Extended until "+kit.Clock(until.In(d.zone()), d.now(r))+".")
}

func (d Deps) witnessPage(w http.ResponseWriter, r *http.Request) error {
	st, err := d.Witnessing.Witnesses(r.Context())
	if err != nil {
		return err
	}
	now := d.now(r)
	p := kit.Page{Title: "Witnesses", Nav: nav, Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}, {Name: "Witnesses"}}, Live: []string{"witnesses"}}
	switch {
	case len(st.Alarms) > 0:
		p.Lead, p.Rest = "The ledger and its witnesses do not agree.", "Views of patient data are closed; results flow."
		v := kit.Verdict(kit.Stopped, "A person has to look", strings.Join(st.Alarms, " "), nil)
		if may(r, authz.LedgerDecide) {
			v = kit.Verdict(kit.Stopped, "A person has to look", strings.Join(st.Alarms, " "), &kit.Action{Text: "Decide about it", Href: "/witnesses/decide", Primary: true})
		}
		p.Body = v
	case st.Closed != "":
		p.Lead, p.Rest = "Views of patient data are closed.", sentence(st.Closed)
	case len(st.Witnesses) == 0 && st.Elsewhere == "":
		p.Lead, p.Rest = "Nobody outside keeps our checkpoints.", "A database rolled back to yesterday would not be noticed."
	case st.Elsewhere != "":
		p.Lead, p.Rest = "Node "+st.Elsewhere+" asks the witnesses.", "What they say is shown there."
	default:
		p.Lead, p.Rest = "Nothing contradicts the ledger.", "Looked at "+kit.Clock(now, now)+"."
	}
	var items []kit.Check
	for _, x := range st.Witnesses {
		c := kit.Check{State: kit.Unknown, Word: "Not asked yet", Title: x.Name, Text: "It has confirmed nothing since this node started."}
		if !x.At.IsZero() {
			c.State, c.Word, c.Text = kit.Fine, "Confirmed", "It confirmed "+kit.Count(int(x.Confirmed))+" lines at "+kit.Clock(x.At.In(d.zone()), now)+"."
		}
		if x.Problem != "" {
			c.State, c.Word = kit.Warn, "Problem"
			c.Text += " " + sentence(x.Problem)
		}
		if x.Late {
			c.State, c.Word = kit.Warn, "Late"
		}
		items = append(items, c)
	}
	if len(items) > 0 {
		p.Body = join(p.Body, kit.Sheet(kit.SheetOpts{Title: "Who keeps our checkpoints", Body: kit.Checks(items)}))
	}
	if p.Body == nil {
		p.Body = kit.Sheet(kit.SheetOpts{Title: "Witnesses", Body: kit.Empty("A folder on another machine, or a witness over HTTPS: two kinds are advised.", &kit.Action{Text: "Open the configuration", Href: "/config"})})
	}
	return web.Render(w, r, p)
}

func (d Deps) drawDecideLedger(w http.ResponseWriter, r *http.Request, wrong string) error {
	st, err := d.Witnessing.Witnesses(r.Context())
	if err != nil {
		return err
	}
	if len(st.Alarms) == 0 {
		return web.Conflict("There is no alarm about the ledger to decide about.")
	}
	p := kit.Page{
		Title: "Decide about the ledger", Lead: "Take the ledger as it is?", Nav: nav, Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}, {Name: "Witnesses", Href: "/witnesses"}},
		Body: kit.Confirm(kit.ConfirmOpts{
			Title: things(len(st.Alarms), "alarm stands", "alarms stand"), Text: strings.Join(st.Alarms, " ") + " What the witnesses remember does not change. Views of patient data open again.",
			Action: "/witnesses/decide", Button: "I have looked, and take it", Cancel: "/witnesses", Reason: true, ReasonError: wrong, Bad: true,
		}),
	}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, p)
}

func (d Deps) decideLedger(w http.ResponseWriter, r *http.Request) error {
	reason := strings.TrimSpace(r.FormValue("reason"))
	if reason == "" || r.FormValue("confirm") != "yes" {
		return d.drawDecideLedger(w, r, "Say what you found out: it goes into the record.")
	}
	if err := d.Witnessing.Decide(r.Context(), web.Who(r).Account, reason); err != nil {
		return err
	}
	web.Say(r, "witnesses", "today")
	return web.Done(w, r, "/witnesses", "Your decision is recorded.")
}
