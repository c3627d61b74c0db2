package accountsui

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// maxUpload is the file and the form around it.
const maxUpload = accounts.MaxList + 64<<10

func listRoutes(d Deps) []web.Route {
	return []web.Route{
		{Pattern: "GET /accounts/systems/{key}/list", Needs: authz.AccountsImport, Handle: d.askList},
		{Pattern: "POST /accounts/systems/{key}/list", Needs: authz.AccountsImport, Handle: d.offerList, MaxBody: maxUpload},
		{Pattern: "GET /accounts/lists/{id}", Needs: authz.AccountsImport, Handle: d.list},
		{Pattern: "POST /accounts/lists/{id}/columns", Needs: authz.AccountsImport, Handle: d.mapList},
		{Pattern: "POST /accounts/lists/{id}/take", Needs: authz.AccountsImport, Handle: d.takeList},
		{Pattern: "POST /accounts/lists/{id}/discard", Needs: authz.AccountsImport, Handle: d.discardList},
	}
}

// getUsers lists a Windows domain's accounts with all that can be judged.
const getUsers = "Get-ADUser -Filter * -Properties DisplayName, EmailAddress, Enabled, LastLogonDate, MemberOf | Select-Object SamAccountName, DisplayName, EmailAddress, Enabled, LastLogonDate, @{n='MemberOf';e={$_.MemberOf -join ';'}} | Export-Csv accounts.csv -NoTypeInformation"

func (d Deps) askList(w http.ResponseWriter, r *http.Request) error { return d.listForm(w, r, nil, "") }

func (d Deps) listForm(w http.ResponseWriter, r *http.Request, beside map[string]string, whole string) error {
	x, err := d.Accounts.System(r.Context(), r.PathValue("key"))
	if err != nil {
		return err
	}
	at := "/accounts/systems/" + x.Key
	asOf := r.FormValue("as_of")
	if asOf == "" {
		asOf = dayValue(web.Now(r))
	}
	f := []kit.Field{
		{Name: "file", Label: "The list", Kind: kit.FileField, Required: true, Accept: ".csv,.txt,text/csv,text/plain", Hint: "CSV with a first row of names, or what `net user` prints. UTF-8, UTF-16 or Windows-1252, at most 4 MB."},
		{Name: "as_of", Label: "Made on", Kind: kit.DateField, Value: asOf, Narrow: true, Hint: "The day the list was made there: what it says counts from then."},
	}
	status := 0
	if len(beside) > 0 || whole != "" {
		status = http.StatusUnprocessableEntity
	}
	how := kit.KeyValues([]kit.KV{
		{Key: "Windows domain", Body: kit.Prose(getUsers)},
		{Key: "One Windows machine", Body: kit.Prose("net user > accounts.txt")},
		{Key: "Anything else", Body: kit.Prose("Its own export of users, as CSV. You say once which column is what.")},
	})
	return web.Render(w, r, kit.Page{
		Title: "A list of " + x.Name, Lead: "Which accounts does " + x.Name + " have?", Rest: "Nothing changes until you have seen the difference.", Nav: navOf(r), Status: status,
		Crumbs: []kit.Crumb{{Name: "Other systems' accounts", Href: "/accounts"}, {Name: x.Name, Href: at}},
		Body: kit.Columns(
			kit.Sheet(kit.SheetOpts{Title: "Offer a list", Pad: true, Body: kit.Form(kit.FormOpts{Action: at + "/list", Fields: kit.WithErrors(f, beside), Submit: "Show the difference", Cancel: at, Files: true, Wrong: whole})}),
			kit.Sheet(kit.SheetOpts{Title: "Where it comes from", Pad: true, Body: how}),
		),
	})
}

func (d Deps) offerList(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseMultipartForm(maxUpload); err != nil { //nolint:gosec // the route's MaxBody bounds the body
		return d.listForm(w, r, map[string]string{"file": "This is more than a list may have: at most 4 MB."}, "")
	}
	defer func() { _ = r.MultipartForm.RemoveAll() }()
	file, _, err := r.FormFile("file")
	if err != nil {
		return d.listForm(w, r, map[string]string{"file": "Choose a file."}, "")
	}
	defer func() { _ = file.Close() }()
	body, err := io.ReadAll(io.LimitReader(file, accounts.MaxList+1))
	if err != nil {
		return fmt.Errorf("read the list: %w", err)
	}
	asOf, err := dayOf(r, "as_of")
	if err == nil {
		var p accounts.Preview
		if p, err = d.Accounts.Offer(r.Context(), r.PathValue("key"), body, asOf, by(r)); err == nil {
			return web.Done(w, r, "/accounts/lists/"+p.Import.ID.String(), "")
		}
	}
	if beside, whole, ok := fields(err); ok {
		if whole != "" {
			beside, whole = map[string]string{"file": whole}, ""
		}
		return d.listForm(w, r, beside, whole)
	}
	return err
}

// list shows what taking an offered list would change.
func (d Deps) list(w http.ResponseWriter, r *http.Request) error {
	return d.showList(w, r, nil, "")
}

func (d Deps) showList(w http.ResponseWriter, r *http.Request, beside map[string]string, whole string) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	p, err := d.Accounts.Preview(r.Context(), id)
	if err != nil {
		return err
	}
	x, err := d.Accounts.System(r.Context(), p.Import.System)
	if err != nil {
		return err
	}
	at := "/accounts/lists/" + id.String()
	status := 0
	if len(beside) > 0 || whole != "" {
		status = http.StatusUnprocessableEntity
	}
	lead, rest := fmt.Sprintf("This list would change %s of %s.", kit.Many(len(p.Diff.Changes), "account", "accounts"), x.Name), "Nothing is changed yet."
	if len(p.Problems) > 0 {
		lead, rest = "This list cannot be taken yet.", kit.Many(len(p.Problems), "thing is to be settled.", "things are to be settled.")
	} else if len(p.Diff.Changes) == 0 {
		lead, rest = "This list says the same as the last one.", "Taking it says that "+x.Name+" was looked at."
	}
	columns := mappingSheet(&p, at, beside, whole)
	body := kit.Columns(columns, kit.Sheet(kit.SheetOpts{Title: "To be settled", Body: problems(p.Problems)}))
	if len(p.Problems) == 0 {
		body = kit.Columns(templ.Join(d.takeSheet(r, &p, at, beside), diffSheet(r, &p)), columns)
	}
	return web.Render(w, r, kit.Page{
		Title: "A list of " + x.Name, Lead: lead, Rest: rest, Nav: navOf(r), Status: status,
		Crumbs: []kit.Crumb{{Name: "Other systems' accounts", Href: "/accounts"}, {Name: x.Name, Href: "/accounts/systems/" + x.Key}}, Body: body,
	})
}

func problems(all []string) templ.Component {
	var out []kit.Check
	for _, p := range all {
		out = append(out, kit.Check{State: kit.Stopped, Title: p})
	}
	return kit.Checks(out)
}

func (d Deps) takeSheet(r *http.Request, p *accounts.Preview, at string, beside map[string]string) templ.Component {
	var f []kit.Field
	if p.Diff.Thin {
		f = []kit.Field{{Name: "whole", Label: "This list is complete, although most accounts at hand are not in it.", Kind: kit.CheckboxField, Value: "yes", Hint: fmt.Sprintf("%s would be gone. More often such a list was cut.", kit.Many(p.Diff.Gone, "account", "accounts"))}}
	}
	sums := kit.Sums([]kit.Sum{
		{N: kit.Count(p.Diff.New), Word: "new"}, {N: kit.Count(p.Diff.Changed), Word: "changed"}, {N: kit.Count(p.Diff.Gone), Word: "gone", Bad: p.Diff.Thin}, {N: kit.Count(p.Diff.Same), Word: "as before"},
	})
	parts := []templ.Component{sums}
	for _, doubt := range p.Doubts {
		parts = append(parts, kit.Foot(kit.Unknown, doubt))
	}
	take := kit.Sheet(kit.SheetOpts{Title: "List of " + kit.Date(p.Import.AsOf, d.clock(r)), Sub: kit.Many(int(p.Import.Listed), "account", "accounts"), Body: templ.Join(parts...)})
	act := kit.Sheet(kit.SheetOpts{Title: "Take it", Pad: true, Body: templ.Join(
		kit.Form(kit.FormOpts{Action: at + "/take", Fields: kit.WithErrors(f, beside), Submit: "Take this list"}),
		kit.Buttons(kit.Action{Text: "Put it aside", Href: at + "/discard", Post: true}),
	)})
	return templ.Join(take, act)
}

func mappingSheet(p *accounts.Preview, at string, beside map[string]string, whole string) templ.Component {
	options := []kit.Option{{Text: "Not in this list"}}
	for _, c := range p.Columns {
		text := c
		for _, row := range p.Sample {
			if i := indexOf(p.Columns, c); row[i] != "" {
				text = c + ": " + cut(row[i], 40)
				break
			}
		}
		options = append(options, kit.Option{Value: c, Text: text})
	}
	var f []kit.Field
	for _, field := range accounts.Fields() {
		f = append(f, kit.Field{
			Name: "c-" + strings.ReplaceAll(string(field), " ", "-"), Label: sentenceWord(string(field)), Kind: kit.SelectField, Value: p.Import.Mapping.Columns[field], Options: options, Required: field == accounts.FieldAccount,
		})
	}
	f = append(f, kit.Field{Name: "dates", Label: "How dates are written", Kind: kit.SelectField, Value: p.Import.Mapping.Dates, Options: []kit.Option{
		{Text: "As can be seen from them"}, {Value: "mdy", Text: "Month first: 12/31/2026"}, {Value: "dmy", Text: "Day first: 31.12.2026"}, {Value: "ymd", Text: "Year first: 2026-12-31"},
	}})
	return kit.Sheet(kit.SheetOpts{Title: "Which column is what", Sub: "remembered for the next list", Pad: true, Body: kit.Form(kit.FormOpts{Action: at + "/columns", Fields: kit.WithErrors(f, beside), Submit: "Read it like this", Wrong: whole})})
}

func indexOf(list []string, v string) int {
	for i, x := range list {
		if x == v {
			return i
		}
	}
	return 0
}

func cut(v string, n int) string {
	r := []rune(v)
	if len(r) <= n {
		return v
	}
	return string(r[:n]) + "…"
}

// maxShown is how many differences the page shows; the sums count all.
const maxShown = 500

func diffSheet(r *http.Request, p *accounts.Preview) templ.Component {
	t := kit.Table{
		Caption: "What would change", View: kit.ReadView(r.URL, maxShown), Total: len(p.Diff.Changes), Empty: "Nothing would change.",
		Columns: []kit.Column{{Name: "Account"}, {Name: "What"}, {Name: "In detail"}},
	}
	for i := range p.Diff.Changes[:min(len(p.Diff.Changes), maxShown)] {
		c := &p.Diff.Changes[i]
		e := c.After
		state := kit.Unknown
		if c.What == "gone" {
			e, state = c.Before, kit.Warn
		}
		detail := strings.Join(c.Fields, ", ")
		if c.What == "new" {
			detail = "enabled " + e.Enabled.String() + ", privileged " + e.Privileged.String()
		}
		t.Rows = append(t.Rows, kit.Row{Cells: []kit.Cell{{Text: e.Account, Sub: e.Name, Mono: true}, kit.CState(state, "", sentenceWord(c.What)), kit.C(detail)}})
	}
	return kit.Sheet(kit.SheetOpts{Title: "The difference", Body: kit.DataTable(t)})
}

func (d Deps) mapList(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	m := accounts.Mapping{Columns: map[accounts.Field]string{}, Dates: r.FormValue("dates")}
	for _, f := range accounts.Fields() {
		if c := r.FormValue("c-" + strings.ReplaceAll(string(f), " ", "-")); c != "" {
			m.Columns[f] = c
		}
	}
	_, err = d.Accounts.Map(r.Context(), id, m, by(r))
	if beside, whole, ok := fields(err); ok {
		return d.showList(w, r, beside, whole)
	}
	if err != nil {
		return err
	}
	return web.Done(w, r, "/accounts/lists/"+id.String(), "")
}

func (d Deps) takeList(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	i, err := d.Accounts.Take(r.Context(), id, r.FormValue("whole") == "yes", by(r))
	if beside, whole, ok := fields(err); ok {
		return d.showList(w, r, beside, whole)
	}
	if err != nil {
		return err
	}
	web.Say(r, "accounts", "today")
	return web.Done(w, r, "/accounts/systems/"+i.System, "The list was taken: "+kit.Many(int(i.Added), "new", "new")+", "+kit.Many(int(i.Changed), "changed", "changed")+", "+kit.Many(int(i.Gone), "gone", "gone")+".")
}

func (d Deps) discardList(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if err := d.Accounts.Discard(r.Context(), id, by(r)); err != nil {
		return err
	}
	return web.Done(w, r, "/accounts", "The list was put aside. Nothing was changed.")
}
