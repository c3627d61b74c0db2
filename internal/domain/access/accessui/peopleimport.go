package accessui

import (
	"io"
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (u *ui) importRoutes() []web.Route {
	return []web.Route{
		get("/people/import", authz.PeopleChange, u.importForm),
		{Pattern: "POST /people/import", Needs: authz.PeopleChange, Handle: u.importPlan, MaxBody: 2 * access.MaxImportBytes},
		{Pattern: "POST /people/import/apply", Needs: authz.PeopleChange, Handle: u.importApply, MaxBody: 4 * access.MaxImportBytes},
	}
}

var importCrumbs = []kit.Crumb{peopleCrumb, {Name: "Import a list"}}

func importPage(r *http.Request, errs map[string]string, whole string) kit.Page {
	fields := []kit.Field{
		{Name: "file", Label: "File", Kind: kit.FileField, Accept: ".csv,text/csv", Optional: true},
		{Name: "list", Label: "Or the list itself", Kind: kit.TextareaField, Rows: 8, Mono: true, Optional: true, Value: r.PostFormValue("list"), Hint: "The first line names the columns: " + strings.Join(access.ImportColumns, ",") + ". Dates like 2026-05-04; ends is the last day. Several roles, partners or sites of one person are separated by ;"},
		{Name: "complete", Label: "The list is complete", Kind: kit.CheckboxField, Checked: r.PostFormValue("complete") != "", Hint: "Whoever came from a list before and is not in this one has left."},
	}
	return kit.Page{
		Title: "Import a list", Lead: "Who works here?", Rest: "You see first what the list would do.", Crumbs: importCrumbs, Nav: "/people",
		Body: kit.Sheet(kit.SheetOpts{Title: "A list of people", Sub: "CSV, as a personnel system writes it", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/people/import", Files: true, Fields: kit.WithErrors(fields, errs), Wrong: whole, Submit: "Show what it would do", Cancel: "/people"})}),
	}
}

func (u *ui) importForm(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, importPage(r, nil, ""))
}

// listOf reads the list from the file, or from the field where there is none.
func listOf(r *http.Request) (string, error) {
	if err := r.ParseMultipartForm(2 * access.MaxImportBytes); err != nil {
		return "", &access.Refusal{Kind: access.KindInvalid, Field: "file", Text: "The file cannot be read, or is larger than a megabyte."}
	}
	f, _, err := r.FormFile("file")
	if err != nil { // none was chosen
		return r.PostFormValue("list"), nil
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, access.MaxImportBytes+1))
	if err != nil {
		return "", &access.Refusal{Kind: access.KindInvalid, Field: "file", Text: "The file cannot be read."}
	}
	return string(b), nil
}

func (u *ui) importPlan(w http.ResponseWriter, r *http.Request) error {
	text, err := listOf(r)
	var plan access.Plan
	complete := r.PostFormValue("complete") != ""
	if err == nil {
		plan, err = u.s.PlanImport(r.Context(), web.Who(r), text, complete)
	}
	if err != nil {
		return redraw(w, r, err, func(errs map[string]string, whole string) kit.Page { return importPage(r, errs, whole) })
	}
	return web.Render(w, r, planPage(plan, text, complete, ""))
}

var stepWords = map[string]struct {
	state kit.State
	word  string
}{
	access.ImportAdd: {kit.Unknown, "added"}, access.ImportKeep: {kit.Unknown, "changed"}, access.ImportSame: {kit.Fine, "as it is"},
	access.ImportEnd: {kit.Warn, "ended"}, access.ImportWrong: {kit.Stopped, "left out"},
}

func steps(plan access.Plan, caption string, only func(access.Step) bool) templ.Component {
	var rows []kit.Row
	for _, st := range plan.Steps {
		if !only(st) {
			continue
		}
		x := stepWords[st.What]
		line := ""
		if st.Line > 0 {
			line = num(int64(st.Line))
		}
		rows = append(rows, kit.Row{Key: num(int64(st.Line)) + st.Account, At: st.What == access.ImportWrong, Cells: []kit.Cell{{Text: otherwise(st.Account, "nobody"), Mono: true}, kit.CState(x.state, x.word, x.word), kit.C(strings.Join(st.Text, " ")), kit.CMono(line)}})
	}
	return kit.DataTable(kit.Table{Caption: caption, Columns: []kit.Column{{Name: "Account"}, {Name: "Would be"}, {Name: "What"}, {Name: "Line", Wide: true}}, Rows: rows, Total: len(rows), Empty: "Nothing."})
}

func planPage(plan access.Plan, text string, complete bool, wrong string) kit.Page {
	changes := plan.Add + plan.Change + plan.End
	p := kit.Page{
		Title: "Import a list", Lead: kit.Many(changes, "person would be added, changed or ended.", "people would be added, changed or ended."), Crumbs: importCrumbs, Nav: "/people",
	}
	if plan.Wrong > 0 {
		p.Rest = kit.Many(plan.Wrong, "line is left out.", "lines are left out.")
	}
	sums := kit.Sums([]kit.Sum{{N: kit.Count(plan.Add), Word: "added"}, {N: kit.Count(plan.Change), Word: "changed"}, {N: kit.Count(plan.End), Word: "ended"}, {N: kit.Count(plan.Same), Word: "as they are"}, {N: kit.Count(plan.Wrong), Word: "left out", Bad: plan.Wrong > 0}})
	hidden := map[string]string{"list": text, "hash": plan.Hash}
	if complete {
		hidden["complete"] = "yes"
	}
	body := []templ.Component{kit.ErrorSummary(wrong, nil), kit.Sheet(kit.SheetOpts{Title: "What the list would do", Sub: "nothing has changed yet", Body: join(sums, steps(plan, "What the list would do", func(s access.Step) bool { return s.What != access.ImportSame }))})}
	if changes > 0 {
		body = append(body, kit.Form(kit.FormOpts{Action: "/people/import/apply", Hidden: hidden, Submit: "Do it", Cancel: "/people/import"}))
	} else {
		body = append(body, kit.Buttons(kit.Action{Text: "Back", Href: "/people/import"}))
	}
	p.Body = join(body...)
	return p
}

func (u *ui) importApply(w http.ResponseWriter, r *http.Request) error {
	text, complete := r.PostFormValue("list"), r.PostFormValue("complete") != ""
	// A browser sends a text area's line ends as CR LF, also those of a hidden field.
	plan, err := u.s.ApplyImport(r.Context(), web.Who(r), text, complete, r.PostFormValue("hash"))
	if err != nil {
		again, read := u.s.PlanImport(r.Context(), web.Who(r), text, complete)
		if read != nil {
			return redraw(w, r, read, func(errs map[string]string, whole string) kit.Page { return importPage(r, errs, whole) })
		}
		return redraw(w, r, err, func(_ map[string]string, whole string) kit.Page { return planPage(again, text, complete, whole) })
	}
	web.Say(r, livePeople)
	var links []kit.Row
	for _, st := range plan.Steps {
		if st.Link.Token != "" {
			links = append(links, kit.Row{Cells: []kit.Cell{kit.CMono(st.Account), kit.CMono(u.address() + st.Link.Path())}})
		}
	}
	done := kit.Page{
		Title: "Import a list", Lead: "The list was taken over.", Crumbs: importCrumbs, Nav: "/people",
		Body: join(kit.Verdict(kit.Fine, "The list was taken over.", kit.Count(plan.Add)+" added, "+kit.Count(plan.Change)+" changed, "+kit.Count(plan.End)+" ended, "+kit.Count(plan.Wrong)+" lines left out.", &kit.Action{Text: "See people", Href: "/people"})),
	}
	if len(links) > 0 {
		done.Rest = "The links are shown this once."
		done.Body = join(done.Body, kit.Sheet(kit.SheetOpts{Title: "Invitations", Sub: "each works once, for 72 hours", Body: kit.DataTable(kit.Table{Caption: "Invitations", Columns: []kit.Column{{Name: "Account"}, {Name: "Link"}}, Rows: links, Total: len(links)})}))
	}
	return web.Render(w, r, done)
}
