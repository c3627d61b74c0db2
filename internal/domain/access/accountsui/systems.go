package accountsui

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func systemRoutes(d Deps) []web.Route {
	return []web.Route{
		{Pattern: "GET /accounts", Needs: authz.AccountsSee, Handle: d.systems},
		{Pattern: "GET /accounts/new", Needs: authz.AccountsImport, Handle: d.newSystem},
		{Pattern: "POST /accounts/new", Needs: authz.AccountsImport, Handle: d.addSystem},
		{Pattern: "GET /accounts/systems/{key}", Needs: authz.AccountsSee, Handle: d.system},
		{Pattern: "GET /accounts/systems/{key}/change", Needs: authz.AccountsImport, Handle: d.askChangeSystem},
		{Pattern: "POST /accounts/systems/{key}/change", Needs: authz.AccountsImport, Handle: d.changeSystem},
		{Pattern: "GET /accounts/systems/{key}/end", Needs: authz.AccountsImport, Handle: d.askEndSystem},
		{Pattern: "POST /accounts/systems/{key}/end", Needs: authz.AccountsImport, Handle: d.endSystem},
	}
}

// looked is how a system stands: old is not known, never fine.
type looked struct {
	accounts.System
	open  []accounts.Finding
	state kit.State
	word  string
}

func look(x accounts.System, open []accounts.Finding, now time.Time) looked {
	l := looked{System: x, open: open}
	late := slices.ContainsFunc(open, func(f accounts.Finding) bool { return f.Kind == accounts.Leaver && f.Late(now) })
	switch {
	case !x.Ended.IsZero():
		l.state, l.word = kit.Unknown, "Ended "+kit.Date(x.Ended, now)
	case x.AsOf.IsZero():
		l.state, l.word = kit.Unknown, "No list yet"
	case x.Stale(now):
		l.state, l.word = kit.Unknown, "Not looked at since "+kit.Date(x.AsOf, now)
	case late:
		l.state, l.word = kit.Stopped, "Somebody who left still has an account"
	case len(open) > 0:
		l.state, l.word = kit.Warn, "Needs you"
	default:
		l.state, l.word = kit.Fine, "Nothing found on "+kit.Date(x.AsOf, now)
	}
	return l
}

func (d Deps) everySystem(r *http.Request) ([]looked, error) {
	all, err := d.Accounts.Systems(r.Context(), false)
	if err != nil {
		return nil, err
	}
	open, err := d.Accounts.Findings(r.Context(), "", false)
	if err != nil {
		return nil, err
	}
	out := make([]looked, len(all))
	for i, x := range all {
		mine := slices.DeleteFunc(slices.Clone(open), func(f accounts.Finding) bool { return f.System != x.Key })
		out[i] = look(x, mine, d.clock(r))
	}
	return out, nil
}

func systemsSentence(all []looked) (lead, rest string) {
	stale, open := 0, 0
	for i := range all {
		if all[i].state == kit.Unknown {
			stale++
		}
		open += len(all[i].open)
	}
	switch {
	case len(all) == 0:
		return "No other system is looked at yet.", "Its accounts come in as a list."
	case open > 0 && stale > 0:
		return kit.Many(open, "finding needs somebody.", "findings need somebody."), kit.Many(stale, "system was not looked at lately.", "systems were not looked at lately.")
	case open > 0:
		return kit.Many(open, "finding needs somebody.", "findings need somebody."), ""
	case stale > 0:
		return fmt.Sprintf("%d of %s not looked at lately.", stale, kit.Many(len(all), "system was", "systems were")), "What their lists said counts no longer."
	}
	return "No finding in " + kit.Many(len(all), "system.", "systems."), "By their latest lists."
}

// navOf is the entry of the menu that leads here for who reads.
func navOf(r *http.Request) string {
	if web.Scope(r, authz.AccountsSee).Empty() {
		return "/vendors"
	}
	return "/access-review"
}

func accountTabs(r *http.Request, current string, open int) templ.Component {
	var out []kit.Tab
	if !web.Scope(r, authz.AccountsSee).Empty() {
		out = append(out,
			kit.Tab{Name: "Systems", Href: "/accounts", Current: current == "systems"},
			kit.Tab{Name: "Findings", Href: "/accounts/findings", Current: current == "findings", Count: open},
			kit.Tab{Name: "Access review", Href: "/access-review", Current: current == "review"})
	}
	if !web.Scope(r, authz.VendorsSee).Empty() {
		out = append(out, kit.Tab{Name: "Vendors", Href: "/vendors", Current: current == "vendors"})
	}
	if len(out) < 2 {
		return templ.NopComponent
	}
	return kit.Tabs("Other systems' accounts", out)
}

func (d Deps) systems(w http.ResponseWriter, r *http.Request) error {
	all, err := d.everySystem(r)
	if err != nil {
		return err
	}
	names, err := d.names(r.Context())
	if err != nil {
		return err
	}
	lead, rest := systemsSentence(all)
	open := 0
	t := kit.Table{
		Caption: "Other systems that have accounts", View: kit.ReadView(r.URL, 200, "name"), Total: len(all),
		Empty:   "Begin with the laboratory information system or the Windows domain: their lists can be exported as CSV.",
		Columns: []kit.Column{{Name: "System"}, {Name: "State"}, {Name: "Findings", Num: true}, {Name: "List of"}, {Name: "Answers for it", Wide: true}},
	}
	if len(all) == 0 {
		t.Act = d.canImport(r, kit.Action{Text: "Add a system", Href: "/accounts/new"})
	}
	for i := range all {
		l := &all[i]
		open += len(l.open)
		of := "never"
		if !l.AsOf.IsZero() {
			of = kit.Date(l.AsOf, d.clock(r))
		}
		t.Rows = append(t.Rows, kit.Row{Key: l.Key, At: l.state == kit.Stopped, Cells: []kit.Cell{
			{Text: l.Name, Sub: kindName(l.Kind), Href: "/accounts/systems/" + l.Key}, kit.CState(l.state, l.word, l.word), kit.CNum(len(l.open)), kit.C(of), kit.C(named(names, l.Owner)),
		}})
	}
	var tools templ.Component
	if a := d.canImport(r, kit.Action{Text: "Add a system", Href: "/accounts/new", Icon: "add"}); a != nil {
		tools = kit.Button(*a)
	}
	return web.Render(w, r, kit.Page{
		Title: "Other systems' accounts", Lead: lead, Rest: rest, Nav: navOf(r), Tools: tools, Live: []string{"accounts"},
		Body: templ.Join(accountTabs(r, "systems", open), kit.Sheet(kit.SheetOpts{Title: "Systems", Body: kit.DataTable(t)})),
	})
}

// canImport gives the action to those who may do it.
func (d Deps) canImport(r *http.Request, a kit.Action) *kit.Action {
	if web.Scope(r, authz.AccountsImport).Empty() {
		return nil
	}
	return &a
}

func kindName(kind string) string {
	for _, k := range accounts.SystemKinds() {
		if k[0] == kind {
			return k[1]
		}
	}
	return kind
}

func systemFields(x accounts.System, fresh bool) []kit.Field {
	kinds := []kit.Option{{Value: "", Text: "Choose"}}
	for _, k := range accounts.SystemKinds() {
		kinds = append(kinds, kit.Option{Value: k[0], Text: k[1]})
	}
	every := strconv.FormatInt(x.EveryDays, 10)
	if x.EveryDays == 0 {
		every = "100"
	}
	out := []kit.Field{
		{Name: "name", Label: "Name", Value: x.Name, Required: true, Max: 120, Hint: "As people call it: LIS, Windows domain, Analyzer 7."},
		{Name: "kind", Label: "What it is", Kind: kit.SelectField, Value: x.Kind, Options: kinds, Required: true},
		{Name: "owner", Label: "Who answers for it", Value: x.Owner, Required: true, Max: 120, Hint: "The account here of the person who can have accounts removed there.", Autocomplete: "off"},
		{Name: "every_days", Label: "A list counts for how many days", Kind: kit.NumberField, Value: every, Narrow: true, Hint: "After that the system reads “not looked at since”. A quarter has 92 days."},
		{Name: "admin_groups", Label: "Groups or roles that mean privileged", Kind: kit.TextareaField, Value: strings.Join(x.AdminGroups, "\n"), Rows: 3, Optional: true, Hint: "One a line. Windows' own administrator groups are known."},
	}
	if fresh {
		key := kit.Field{Name: "key", Label: "Short name", Value: x.Key, Required: true, Max: 40, Mono: true, Narrow: true, Hint: "Small letters, digits and hyphens. It stands in addresses and stays."}
		out = append(out[:1:1], append([]kit.Field{key}, out[1:]...)...)
	}
	return out
}

func readSystem(r *http.Request) accounts.System {
	x := accounts.System{Key: strings.TrimSpace(r.FormValue("key")), Name: r.FormValue("name"), Kind: r.FormValue("kind"), Owner: r.FormValue("owner")}
	n, err := strconv.ParseInt(strings.TrimSpace(r.FormValue("every_days")), 10, 64)
	if err != nil {
		n = -1 // refused with its own message
	}
	x.EveryDays = n
	for g := range strings.SplitSeq(r.FormValue("admin_groups"), "\n") {
		if g = strings.TrimSpace(g); g != "" {
			x.AdminGroups = append(x.AdminGroups, g)
		}
	}
	return x
}

func systemPage(r *http.Request, title, action, cancel string, f []kit.Field, whole string, status int) kit.Page {
	return kit.Page{
		Title: title, Lead: title, Nav: navOf(r), Status: status, Crumbs: []kit.Crumb{{Name: "Other systems' accounts", Href: "/accounts"}},
		Body: kit.Sheet(kit.SheetOpts{Title: "The system", Pad: true, Body: kit.Form(kit.FormOpts{Action: action, Fields: f, Submit: "Save", Cancel: cancel, Wrong: whole})}),
	}
}

func (d Deps) newSystem(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, systemPage(r, "Add a system whose accounts are looked at.", "/accounts/new", "/accounts", systemFields(accounts.System{}, true), "", 0))
}

func (d Deps) addSystem(w http.ResponseWriter, r *http.Request) error {
	x := readSystem(r)
	err := d.Accounts.AddSystem(r.Context(), x, by(r))
	if beside, whole, ok := fields(err); ok {
		return web.Render(w, r, systemPage(r, "Add a system whose accounts are looked at.", "/accounts/new", "/accounts", kit.WithErrors(systemFields(x, true), beside), whole, http.StatusUnprocessableEntity))
	}
	if err != nil {
		return err
	}
	web.Say(r, "accounts")
	return web.Done(w, r, "/accounts/systems/"+x.Key+"/list", x.Name+" was added. Now its first list.")
}

func (d Deps) askChangeSystem(w http.ResponseWriter, r *http.Request) error {
	x, err := d.Accounts.System(r.Context(), r.PathValue("key"))
	if err != nil {
		return err
	}
	at := "/accounts/systems/" + x.Key
	return web.Render(w, r, systemPage(r, "Change "+x.Name+".", at+"/change", at, systemFields(x, false), "", 0))
}

func (d Deps) changeSystem(w http.ResponseWriter, r *http.Request) error {
	x := readSystem(r)
	x.Key = r.PathValue("key")
	at := "/accounts/systems/" + x.Key
	err := d.Accounts.ChangeSystem(r.Context(), x, by(r))
	if beside, whole, ok := fields(err); ok {
		return web.Render(w, r, systemPage(r, "Change "+x.Name+".", at+"/change", at, kit.WithErrors(systemFields(x, false), beside), whole, http.StatusUnprocessableEntity))
	}
	if err != nil {
		return err
	}
	web.Say(r, "accounts")
	return web.Done(w, r, at, x.Name+" was changed.")
}

func (d Deps) askEndSystem(w http.ResponseWriter, r *http.Request) error {
	x, err := d.Accounts.System(r.Context(), r.PathValue("key"))
	if err != nil {
		return err
	}
	at := "/accounts/systems/" + x.Key
	return web.Render(w, r, kit.Page{
		Title: "End " + x.Name, Lead: "Is " + x.Name + " no longer there?", Nav: navOf(r), Crumbs: []kit.Crumb{{Name: "Other systems' accounts", Href: "/accounts"}, {Name: x.Name, Href: at}},
		Body: kit.Confirm(kit.ConfirmOpts{
			Title: "End it here", Text: "Its accounts leave the access review and its findings end. What was recorded stays. Nothing changes in the system itself.",
			Action: at + "/end", Button: "Yes, end it", Cancel: at, Bad: true,
		}),
	})
}

func (d Deps) endSystem(w http.ResponseWriter, r *http.Request) error {
	if !confirmed(r) {
		return d.askEndSystem(w, r)
	}
	if err := d.Accounts.EndSystem(r.Context(), r.PathValue("key"), by(r)); err != nil {
		return err
	}
	web.Say(r, "accounts")
	return web.Done(w, r, "/accounts", "The system was ended.")
}
