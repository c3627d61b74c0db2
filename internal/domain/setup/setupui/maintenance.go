package setupui

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (d Deps) maintenanceRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /maintenance", Needs: authz.AlarmsSee, Handle: d.maintenancePage},
		{Pattern: "GET /maintenance/open", Needs: authz.Maintenance, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.drawWindow(w, r, nil, nil) }},
		{Pattern: "POST /maintenance", Needs: authz.Maintenance, Handle: d.openWindow},
		{Pattern: "GET /maintenance/{id}/end", Needs: authz.Maintenance, Handle: d.drawEnd},
		{Pattern: "POST /maintenance/{id}/end", Needs: authz.Maintenance, Handle: d.endWindow},
		web.Op[none, []apiWindow]{
			Pattern: "GET /api/v1/maintenance", Needs: authz.AlarmsSee, Tag: "Maintenance", Summary: "Maintenance windows, newest first",
			Do: func(r *http.Request, _ none) ([]apiWindow, error) {
				all, err := d.Setup.Windows(r.Context(), true)
				out := []apiWindow{}
				for _, w := range all {
					out = append(out, windowAPI(w))
				}
				return out, err
			},
		}.Route(),
		web.Op[opening, apiWindow]{
			Pattern: "POST /api/v1/maintenance", Needs: authz.Maintenance, Tag: "Maintenance", Summary: "Open or plan a maintenance window",
			Do: func(r *http.Request, in opening) (apiWindow, error) {
				f, err := d.Facts(r.Context())
				if err != nil {
					return apiWindow{}, err
				}
				if unknown := strangers(f, in.Partners, in.Sources); unknown != "" {
					return apiWindow{}, web.Invalid("there is no partner or source " + strconv.Quote(unknown))
				}
				w, err := d.Setup.OpenWindow(r.Context(), setup.Window{
					Partners: in.Partners, Sources: in.Sources, Reason: in.Reason, From: in.From, Until: in.Until, Tell: in.Tell,
				}, person(r))
				if err != nil {
					return apiWindow{}, err
				}
				web.Say(r, "maintenance", "today")
				return windowAPI(w), nil
			},
		}.Route(),
		web.Op[byID, none]{
			Pattern: "DELETE /api/v1/maintenance/{id}", Needs: authz.Maintenance, Tag: "Maintenance", Summary: "End a window before its time",
			Do: func(r *http.Request, in byID) (none, error) {
				id, err := event.ParseID(in.ID)
				if err != nil {
					return none{}, setup.ErrNoWindow
				}
				web.Say(r, "maintenance", "today")
				return none{}, d.Setup.EndWindow(r.Context(), id, person(r))
			},
		}.Route(),
	}
}

type byID struct {
	ID string `path:"id" doc:"of the window"`
}

type opening struct {
	Partners []string  `json:"partners,omitempty"`
	Sources  []string  `json:"sources,omitempty"`
	Reason   string    `json:"reason"`
	From     time.Time `json:"from,omitzero" doc:"now where absent"`
	Until    time.Time `json:"until" doc:"at most 24 hours after its beginning"`
	Tell     bool      `json:"tell,omitempty" doc:"mail the partners' contacts when it begins"`
}

type apiWindow struct {
	ID        string       `json:"id"`
	Partners  []string     `json:"partners,omitempty"`
	Sources   []string     `json:"sources,omitempty"`
	Reason    string       `json:"reason"`
	By        string       `json:"by"`
	From      time.Time    `json:"from"`
	Until     time.Time    `json:"until"`
	Began     time.Time    `json:"began,omitzero"`
	Ended     time.Time    `json:"ended,omitzero"`
	Rechecked time.Time    `json:"rechecked,omitzero"`
	Told      []setup.Told `json:"told,omitempty"`
	Found     []string     `json:"found,omitempty" doc:"what was not as before when it ended"`
}

func windowAPI(w setup.Window) apiWindow {
	return apiWindow{
		ID: w.ID.String(), Partners: w.Partners, Sources: w.Sources, Reason: w.Reason, By: w.By.Account, From: w.From, Until: w.Until,
		Began: w.Began, Ended: w.Ended, Rechecked: w.Rechecked, Told: w.Told, Found: w.Found,
	}
}

// strangers is the first key that is no partner or source of the laboratory.
func strangers(f setup.Facts, partners, sources []string) string {
	for _, x := range []struct {
		keys  []string
		known []setup.Heard
	}{{partners, f.Partners}, {sources, f.Sources}} {
		for _, k := range x.keys {
			if !slices.ContainsFunc(x.known, func(h setup.Heard) bool { return h.Key == k }) {
				return k
			}
		}
	}
	return ""
}

func covers(w setup.Window) string {
	return strings.Join(slices.Concat(w.Partners, w.Sources), ", ")
}

func (d Deps) maintenancePage(w http.ResponseWriter, r *http.Request) error {
	all, err := d.Setup.Windows(r.Context(), true)
	if err != nil {
		return err
	}
	now := d.now(r)
	p := kit.Page{Title: "Maintenance", Nav: nav, Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}, {Name: "Maintenance"}}, Live: []string{"maintenance"}, Lead: "No maintenance window is open."}
	if may(r, authz.Maintenance) {
		p.Tools = kit.Button(kit.Action{Text: "Open a window", Href: "/maintenance/open", Primary: true, Icon: "maintenance"})
	}
	var past []kit.Row
	open := 0
	for _, x := range all {
		if x.Open(now) || x.Planned(now) {
			if x.Open(now) {
				open++
			}
			p.Body = join(p.Body, d.windowSheet(r, x, now))
			continue
		}
		state, word := kit.Unknown, "Not looked at yet"
		switch {
		case x.Began.IsZero():
			state, word = kit.Unknown, "Never begun"
		case len(x.Found) > 0:
			state, word = kit.Warn, things(len(x.Found), "thing was left", "things were left")
		case !x.Rechecked.IsZero():
			state, word = kit.Fine, "As before, looked at "+kit.Clock(x.Rechecked.In(d.zone()), now)
		}
		past = append(past, kit.Row{Key: x.ID.String(), Cells: []kit.Cell{
			{Text: covers(x), Sub: x.Reason},
			kit.C(x.By.Account), kit.CState(state, word, word),
			kit.CMono(kit.Clock(x.From.In(d.zone()), now)), kit.CMono(kit.Clock(x.Until.In(d.zone()), now)),
		}})
	}
	if open > 0 {
		p.Lead, p.Rest = things(open, "maintenance window is open.", "maintenance windows are open."), "Phone tasks about critical results come as always."
	}
	p.Body = join(p.Body, kit.Sheet(kit.SheetOpts{Title: "Before", Body: kit.DataTable(kit.Table{
		Caption: "Windows that are over, newest first", View: kit.View{Path: "/maintenance"}, Rows: past, Total: len(past), Empty: "There was none.",
		Columns: []kit.Column{{Name: "What"}, {Name: "By"}, {Name: "Left behind"}, {Name: "From"}, {Name: "Until"}},
	})}))
	return web.Render(w, r, p)
}

func (d Deps) windowSheet(r *http.Request, x setup.Window, now time.Time) templ.Component {
	facts := []kit.KV{
		{Key: "What", Value: covers(x)},
		{Key: "Why", Value: x.Reason},
		{Key: "Opened by", Value: x.By.Account},
		{Key: "From", Value: kit.Clock(x.From.In(d.zone()), now)},
		{Key: "Until", Value: kit.Clock(x.Until.In(d.zone()), now)},
	}
	for _, t := range x.Told {
		facts = append(facts, kit.KV{Key: "Told " + t.Partner, Value: t.Outcome})
	}
	title, end := "Open until "+kit.Clock(x.Until.In(d.zone()), now), "End it now"
	if x.Planned(now) {
		title, end = "Planned for "+kit.Clock(x.From.In(d.zone()), now), "Give it up"
	}
	body := kit.KeyValues(facts)
	if may(r, authz.Maintenance) {
		body = join(body, kit.Buttons(kit.Action{Text: end, Href: "/maintenance/" + x.ID.String() + "/end"}))
	}
	return kit.Sheet(kit.SheetOpts{Title: title, ID: "w-" + x.ID.String(), Body: body, Pad: true})
}

const windowTime = "2006-01-02T15:04"

func (d Deps) drawWindow(w http.ResponseWriter, r *http.Request, form func(string) []string, wrong map[string]string) error {
	f, err := d.Facts(r.Context())
	if err != nil {
		return err
	}
	get := func(name string) string {
		if form != nil {
			if v := form(name); len(v) > 0 {
				return v[0]
			}
		}
		return ""
	}
	chosen := func(name, key string) bool { return form != nil && slices.Contains(form(name), key) }
	var fields []kit.Field
	for i, x := range f.Partners {
		fields = append(fields, kit.Field{Name: "partner", ID: fmt.Sprintf("f-partner-%d", i), Kind: kit.CheckboxField, Value: x.Key, Label: "Partner " + x.Name, Checked: chosen("partner", x.Key)})
	}
	for i, x := range f.Sources {
		fields = append(fields, kit.Field{Name: "source", ID: fmt.Sprintf("f-source-%d", i), Kind: kit.CheckboxField, Value: x.Key, Label: "Source " + x.Key, Checked: chosen("source", x.Key)})
	}
	if len(fields) > 0 {
		fields[0].Error = wrong["what"]
	}
	hours := get("hours")
	if hours == "" {
		hours = "2"
	}
	var lengths []kit.Option
	for _, n := range []int{1, 2, 4, 8, 12, 24} {
		lengths = append(lengths, kit.Option{Value: strconv.Itoa(n), Text: things(n, "hour", "hours")})
	}
	fields = append(fields,
		kit.Field{Name: "from", Label: "Begins", Kind: kit.DateTimeField, Value: get("from"), Optional: true, Error: wrong["from"], Hint: "Now when it is left empty. " + d.zone().String() + " time.", Narrow: true},
		kit.Field{Name: "hours", Label: "Lasts at most", Kind: kit.SelectField, Options: lengths, Value: hours},
		kit.Field{Name: "reason", Label: "What is being done?", Value: get("reason"), Error: wrong["reason"], Max: 200, Required: true, Spell: true},
		kit.Field{Name: "tell", Label: "Tell the partners' contacts by mail when it begins", Kind: kit.CheckboxField, Value: "yes", Checked: form == nil || get("tell") == "yes", Hint: "Those the configuration names. Nothing of a patient stands in it."},
	)
	p := kit.Page{
		Title: "Open a maintenance window", Lead: "What is being worked on?", Rest: "Nobody is called about it until the end; phone tasks come as always.", Nav: nav,
		Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}, {Name: "Maintenance", Href: "/maintenance"}},
		Body: kit.Sheet(kit.SheetOpts{Title: "A window", Pad: true, Body: kit.Form(kit.FormOpts{
			Action: "/maintenance", Submit: "Open it", Cancel: "/maintenance", Fields: fields,
		})}),
	}
	if len(wrong) > 0 {
		p.Status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, p)
}

func (d Deps) openWindow(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return web.Invalid("The form was not whole. Send it again.")
	}
	form := func(name string) []string { return r.PostForm[name] }
	f, err := d.Facts(r.Context())
	if err != nil {
		return err
	}
	x := setup.Window{Partners: form("partner"), Sources: form("source"), Reason: r.PostFormValue("reason"), Tell: r.PostFormValue("tell") == "yes"}
	if unknown := strangers(f, x.Partners, x.Sources); unknown != "" {
		return web.Invalid("There is no such partner or source.")
	}
	now := d.now(r)
	x.From = now
	if text := r.PostFormValue("from"); text != "" {
		if x.From, err = time.ParseInLocation(windowTime, text, d.zone()); err != nil {
			return d.drawWindow(w, r, form, map[string]string{"from": "Write a date and a time."})
		}
	}
	hours, err := strconv.Atoi(r.PostFormValue("hours"))
	if err != nil || hours < 1 || hours > 24 {
		return web.Invalid("A window lasts between 1 and 24 hours.")
	}
	x.Until = x.From.Add(time.Duration(hours) * time.Hour)
	_, err = d.Setup.OpenWindow(r.Context(), x, person(r))
	wrong := map[string]string{}
	switch {
	case errors.Is(err, setup.ErrWindowWhat):
		wrong["what"] = "Choose at least one partner or source."
	case errors.Is(err, setup.ErrWindowReason):
		wrong["reason"] = "Say what is being done."
	case errors.Is(err, setup.ErrWindowWhen):
		wrong["from"] = "A window begins now or within the next 60 days."
	case err != nil:
		return err
	default:
		web.Say(r, "maintenance", "today")
		return web.Done(w, r, "/maintenance", "The window is set. At its end Labwarden looks whether everything is as before.")
	}
	return d.drawWindow(w, r, form, wrong)
}

func (d Deps) windowOf(r *http.Request) (setup.Window, error) {
	id, err := eventID(r)
	if err != nil {
		return setup.Window{}, err
	}
	all, err := d.Setup.Windows(r.Context(), false)
	if err != nil {
		return setup.Window{}, err
	}
	i := slices.IndexFunc(all, func(w setup.Window) bool { return w.ID == id })
	if i < 0 {
		return setup.Window{}, setup.ErrNoWindow
	}
	return all[i], nil
}

func (d Deps) drawEnd(w http.ResponseWriter, r *http.Request) error {
	x, err := d.windowOf(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, kit.Page{
		Title: "End a window", Lead: "End this maintenance window now?", Nav: nav, Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}, {Name: "Maintenance", Href: "/maintenance"}},
		Body: kit.Confirm(kit.ConfirmOpts{
			Title: covers(x), Text: "Who is on call is told of what stands still. Some minutes later Labwarden looks whether everything is as before.",
			Action: "/maintenance/" + x.ID.String() + "/end", Button: "End it", Cancel: "/maintenance",
		}),
	})
}

func (d Deps) endWindow(w http.ResponseWriter, r *http.Request) error {
	x, err := d.windowOf(r)
	if err != nil {
		return err
	}
	if r.FormValue("confirm") != "yes" {
		return d.drawEnd(w, r)
	}
	if err := d.Setup.EndWindow(r.Context(), x.ID, person(r)); err != nil {
		return err
	}
	web.Say(r, "maintenance", "today")
	return web.Done(w, r, "/maintenance", "The window has ended.")
}
