package accountsui

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func findingRoutes(d Deps) []web.Route {
	return []web.Route{
		{Pattern: "GET /accounts/findings", Needs: authz.AccountsSee, Handle: d.findings},
		{Pattern: "GET /accounts/findings/{id}", Needs: authz.AccountsSee, Handle: d.finding},
		{Pattern: "POST /accounts/findings/{id}/assign", Needs: authz.AccountsImport, Handle: d.assign},
		{Pattern: "POST /accounts/findings/{id}/close", Needs: authz.AccountsImport, Handle: d.closeFinding},
		{Pattern: "GET /accounts/of/{id}", Needs: authz.AccountsSee, Handle: d.account},
		{Pattern: "POST /accounts/of/{id}", Needs: authz.AccountsImport, Handle: d.settle},
	}
}

func findingState(f *accounts.Finding, now time.Time) (kit.State, string) {
	switch {
	case f.State == accounts.FindingOver:
		return kit.Fine, "Over"
	case f.State == accounts.FindingClosed:
		return kit.Fine, "Closed until " + kit.Date(f.Until, now)
	case f.Late(now):
		return kit.Stopped, "Late since " + kit.Date(f.Due, now)
	}
	return kit.Warn, "By " + kit.Date(f.Due, now)
}

func (d Deps) findingTable(r *http.Request, open []accounts.Finding, system map[string]string, account map[event.ID]string, names map[string]string, view kit.View) kit.Table {
	t := kit.Table{
		Caption: "What was found about accounts", View: view, Total: len(open), Empty: "No finding is open.",
		Columns: []kit.Column{{Name: "Account"}, {Name: "What was found"}, {Name: "State"}, {Name: "Settles it", Wide: true}},
	}
	now := d.clock(r)
	for _, f := range open[min(view.Offset(), len(open)):min(view.Offset()+view.Size, len(open))] {
		s, word := findingState(&f, now)
		t.Rows = append(t.Rows, kit.Row{Key: f.ID.String(), At: s == kit.Stopped, Cells: []kit.Cell{
			{Text: account[f.Account], Sub: system[f.System], Href: "/accounts/findings/" + f.ID.String(), Mono: true},
			kit.C(accounts.Title(f.Kind)), kit.CState(s, "", word), kit.C(named(names, f.Owner)),
		}})
	}
	return t
}

func (d Deps) findingSheet(r *http.Request, open []accounts.Finding, all []accounts.Account, names map[string]string) templ.Component {
	view := kit.View{Path: r.URL.Path, Page: 1, Size: 100}
	return kit.Sheet(kit.SheetOpts{Title: "What was found", Body: kit.DataTable(d.findingTable(r, open, nil, accountNames(all), names, view))})
}

// findings are those of all systems.
func (d Deps) findings(w http.ResponseWriter, r *http.Request) error {
	view := kit.ReadView(r.URL, 50, "due")
	found, err := d.Accounts.Findings(r.Context(), view.Get("system"), view.Get("state") == "all")
	if err != nil {
		return err
	}
	systems, err := d.Accounts.Systems(r.Context(), true)
	if err != nil {
		return err
	}
	names, err := d.names(r.Context())
	if err != nil {
		return err
	}
	if k := view.Get("what"); k != "" {
		found = slices.DeleteFunc(found, func(f accounts.Finding) bool { return f.Kind != k })
	}
	system, account := map[string]string{}, map[event.ID]string{}
	for i := range systems {
		system[systems[i].Key] = systems[i].Name
		all, err := d.Accounts.Accounts(r.Context(), systems[i].Key)
		if err != nil {
			return err
		}
		for id, n := range accountNames(all) {
			account[id] = n
		}
	}
	if kit.WantsCSV(r.URL) {
		return findingsCSV(w, found, account)
	}
	open := 0
	for i := range found {
		if found[i].State == accounts.FindingOpen {
			open++
		}
	}
	lead := kit.Many(open, "finding needs somebody.", "findings need somebody.")
	if open == 0 {
		lead = "No finding is open."
	}
	t := d.findingTable(r, found, system, account, names, view)
	t.CSV = true
	whats, of := []kit.Option{{Text: "Everything"}}, []kit.Option{{Text: "Every system"}}
	for _, k := range accounts.FindingKinds() {
		whats = append(whats, kit.Option{Value: k, Text: accounts.Title(k)})
	}
	for i := range systems {
		of = append(of, kit.Option{Value: systems[i].Key, Text: systems[i].Name})
	}
	t.Filters = []kit.Field{
		{Name: "system", Label: "System", Kind: kit.SelectField, Value: view.Get("system"), Options: of},
		{Name: "what", Label: "What", Kind: kit.SelectField, Value: view.Get("what"), Options: whats},
		{Name: "state", Label: "State", Kind: kit.SelectField, Value: view.Get("state"), Options: []kit.Option{{Text: "Open"}, {Value: "all", Text: "All"}}},
	}
	return web.Render(w, r, kit.Page{
		Title: "Findings", Lead: lead, Rest: "By the lists at hand.", Nav: navOf(r), Live: []string{"accounts"},
		Body: templ.Join(accountTabs(r, "findings", open), kit.Sheet(kit.SheetOpts{Title: "Findings", Sub: "soonest due first", Body: kit.DataTable(t)})),
	})
}

func findingsCSV(w http.ResponseWriter, all []accounts.Finding, account map[event.ID]string) error {
	kit.CSVHead(w.Header(), "findings")
	c, err := kit.NewCSV(w, "system", "account", "what", "state", "owner", "due", "opened", "closed", "closed by", "reason", "until")
	if err != nil {
		return nil //nolint:nilerr // the reader has gone
	}
	for i := range all {
		f := &all[i]
		if c.Row(f.System, account[f.Account], accounts.Title(f.Kind), f.State.String(), f.Owner, dayValue(f.Due), dayValue(f.Opened), dayValue(f.Closed), f.ClosedBy, f.Reason, dayValue(f.Until)) != nil {
			return nil
		}
	}
	_ = c.Close()
	return nil
}

func (d Deps) finding(w http.ResponseWriter, r *http.Request) error {
	return d.showFinding(w, r, "", nil, "")
}

// showFinding draws a finding; which is the form that was wrong.
func (d Deps) showFinding(w http.ResponseWriter, r *http.Request, which string, beside map[string]string, whole string) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	f, err := d.Accounts.Finding(r.Context(), id)
	if err != nil {
		return err
	}
	a, err := d.Accounts.Account(r.Context(), f.Account)
	if err != nil {
		return err
	}
	x, err := d.Accounts.System(r.Context(), f.System)
	if err != nil {
		return err
	}
	names, err := d.names(r.Context())
	if err != nil {
		return err
	}
	now := d.clock(r)
	state, word := findingState(&f, now)
	facts := []kit.KV{
		{Key: "Account", Body: kit.Prose(kit.Mono(a.Entry.Account) + " in " + x.Name)},
		{Key: "Whose", Value: whose(&a, names)},
		{Key: "Settles it", Value: named(names, f.Owner)},
		{Key: "Found", Value: kit.Clock(f.Opened, now) + ", by the list of " + kit.Date(x.AsOf, now)},
	}
	if f.Reason != "" {
		facts = append(facts, kit.KV{Key: "Reason", Value: f.Reason + " (" + named(names, f.ClosedBy) + ", " + kit.Date(f.Closed, now) + ")"})
	}
	beneath := []templ.Component{kit.Sheet(kit.SheetOpts{Title: "The finding", Pad: true, Body: templ.Join(kit.KeyValues(facts), kit.Buttons(kit.Action{Text: "Open the account", Href: "/accounts/of/" + a.ID.String(), Primary: f.Kind == accounts.UnknownOne || f.Kind == accounts.Ownerless}))})}
	status := 0
	if which != "" {
		status = http.StatusUnprocessableEntity
	}
	if f.State == accounts.FindingOpen && d.canImport(r, kit.Action{}) != nil {
		beneath = append(beneath, findingForms(r, &f, which, beside, whole))
	}
	return web.Render(w, r, kit.Page{
		Title: accounts.Title(f.Kind), Lead: accounts.Title(f.Kind) + ".", Nav: navOf(r), Status: status,
		Crumbs: []kit.Crumb{{Name: "Findings", Href: "/accounts/findings"}, {Name: x.Name, Href: "/accounts/systems/" + x.Key}},
		Body:   templ.Join(append([]templ.Component{kit.Verdict(state, verdict(&f, word), advice(f.Kind), nil)}, beneath...)...),
	})
}

func verdict(f *accounts.Finding, word string) string {
	if f.State == accounts.FindingOpen && strings.HasPrefix(word, "By ") {
		return "To be settled by" + strings.TrimPrefix(word, "By") + "."
	}
	return word + "."
}

// advice says what ends a finding.
func advice(kind string) string {
	switch kind {
	case accounts.Leaver:
		return "Have the account removed or disabled there. The next list that shows it ends this."
	case accounts.UnknownOne:
		return "Say whose it is, or have it removed there."
	case accounts.Ownerless:
		return "Name somebody who is here and answers for it."
	case accounts.NoFactor:
		return "Have a second factor set up there. The next list that shows it ends this."
	case accounts.Unused:
		return "Have it removed, or say why it is kept."
	}
	return "Have the privilege taken away, or say why it is needed."
}

func findingForms(r *http.Request, f *accounts.Finding, which string, beside map[string]string, whole string) templ.Component {
	at := "/accounts/findings/" + f.ID.String()
	owner, due, until := f.Owner, dayValue(f.Due), dayValue(web.Now(r).AddDate(0, 3, 0))
	switch which {
	case "assign":
		owner, due = r.FormValue("owner"), r.FormValue("due")
	case "close":
		until = r.FormValue("until")
	}
	assign := []kit.Field{
		{Name: "owner", Label: "Who settles it", Value: owner, Max: 120, Required: true},
		{Name: "due", Label: "Until", Kind: kit.DateField, Value: due, Narrow: true, Required: true},
	}
	end := []kit.Field{
		kit.ReasonField(r.FormValue("reason"), ""),
		{Name: "until", Label: "Asked again on", Kind: kit.DateField, Value: until, Narrow: true, Required: true, Hint: "Within a year. If it still stands then, it opens again."},
	}
	wa, wc := "", ""
	switch which {
	case "assign":
		assign, wa = kit.WithErrors(assign, beside), whole
	case "close":
		end, wc = kit.WithErrors(end, beside), whole
	}
	return kit.Columns(
		kit.Sheet(kit.SheetOpts{Title: "It may stay as it is", Pad: true, Body: kit.Form(kit.FormOpts{Action: at + "/close", Fields: end, Submit: "Close with this reason", Wrong: wc})}),
		kit.Sheet(kit.SheetOpts{Title: "Give it to somebody", Pad: true, Body: kit.Form(kit.FormOpts{Action: at + "/assign", Fields: assign, Submit: "Assign", Wrong: wa})}),
	)
}

func (d Deps) assign(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	due, err := dayOf(r, "due")
	if err == nil {
		err = d.Accounts.Assign(r.Context(), id, r.FormValue("owner"), due, by(r))
	}
	return d.findingDone(w, r, "assign", id, "The finding was assigned.", err)
}

func (d Deps) closeFinding(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	until, err := dayOf(r, "until")
	if err == nil {
		err = d.Accounts.Close(r.Context(), id, r.FormValue("reason"), until, by(r))
	}
	return d.findingDone(w, r, "close", id, "The finding was closed with a reason.", err)
}

func (d Deps) findingDone(w http.ResponseWriter, r *http.Request, which string, id event.ID, notice string, err error) error {
	if beside, whole, ok := fields(err); ok {
		return d.showFinding(w, r, which, beside, whole)
	}
	if err != nil {
		return err
	}
	web.Say(r, "accounts", "today")
	return web.Done(w, r, "/accounts/findings/"+id.String(), notice)
}
