package accountsui

import (
	"context"
	"fmt"
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

func reviewRoutes(d Deps) []web.Route {
	return []web.Route{
		{Pattern: "GET /access-review", Needs: authz.AccountsSee, Handle: d.reviews},
		{Pattern: "GET /access-review/{quarter}", Needs: authz.AccountsSee, Handle: d.review},
		{Pattern: "GET /access-review/{quarter}/report", Needs: authz.AccountsSee, Handle: d.reviewReport},
		{Pattern: "POST /access-review/{quarter}/decide", Needs: authz.AccessReview, Handle: d.decide},
		{Pattern: "GET /access-review/{quarter}/sign", Needs: authz.AccessReview, Handle: d.askSign},
		{Pattern: "POST /access-review/{quarter}/sign", Needs: authz.AccessReview, Handle: d.sign},
		{Pattern: "GET /removals/{id}", Needs: authz.AccountsSee, Handle: d.task},
		{Pattern: "POST /removals/{id}", Needs: authz.AccountsImport, Handle: d.taskDone},
	}
}

func reviewState(r *accounts.Review, now time.Time) (kit.State, string) {
	switch {
	case !r.Signed.IsZero():
		return kit.Fine, "Signed on " + kit.Date(r.Signed, now)
	case r.Late(now):
		return kit.Stopped, "Late since " + kit.Date(r.Due, now)
	case r.Open:
		return kit.Warn, "Open until " + kit.Date(r.Due, now)
	}
	return kit.Unknown, "Being opened"
}

func (d Deps) reviews(w http.ResponseWriter, r *http.Request) error {
	all, err := d.Accounts.Reviews(r.Context())
	if err != nil {
		return err
	}
	tasks, err := d.Accounts.Tasks(r.Context())
	if err != nil {
		return err
	}
	now := d.clock(r)
	lead, rest := "No access review was opened yet.", "The first opens by itself within the hour."
	t := kit.Table{
		Caption: "Access reviews", View: kit.ReadView(r.URL, 200), Total: len(all), Empty: "None yet.",
		Columns: []kit.Column{{Name: "Quarter"}, {Name: "State"}, {Name: "Lines", Num: true}, {Name: "Signed by", Wide: true}},
	}
	for i := range all {
		x := &all[i]
		s, word := reviewState(x, now)
		if i == 0 {
			switch s {
			case kit.Fine:
				lead, rest = "The access review of "+x.Quarter+" is signed.", ""
			case kit.Stopped:
				lead, rest = "The access review of "+x.Quarter+" is late.", "It was due on "+kit.Date(x.Due, now)+"."
			default:
				lead, rest = "The access review of "+x.Quarter+" is open.", "It is due on "+kit.Date(x.Due, now)+"."
			}
		}
		t.Rows = append(t.Rows, kit.Row{Key: x.Quarter, At: s == kit.Stopped, Cells: []kit.Cell{kit.CLink(x.Quarter, "/access-review/"+x.Quarter), kit.CState(s, "", word), kit.CNum(int(x.Lines)), kit.C(orNobody(x.By))}})
	}
	return web.Render(w, r, kit.Page{
		Title: "Access review", Lead: lead, Rest: rest, Nav: navOf(r), Live: []string{"review"},
		Body: templ.Join(accountTabs(r, "review", 0), kit.Columns(kit.Sheet(kit.SheetOpts{Title: "Reviews", Body: kit.DataTable(t)}), taskSheet(tasks, now))),
	})
}

func orNobody(name string) string {
	if name == "" {
		return "nobody yet"
	}
	return name
}

func taskSheet(tasks []accounts.Line, now time.Time) templ.Component {
	if len(tasks) == 0 {
		return kit.Sheet(kit.SheetOpts{Title: "To be removed", Body: kit.Empty("Nothing waits to be removed.", nil)})
	}
	var out []kit.TodoItem
	for i := range tasks {
		l := &tasks[i]
		text := l.Reason
		if l.Outcome != "" {
			text = l.Outcome
		}
		out = append(out, kit.TodoItem{State: kit.Warn, Title: l.Title, Text: text, Since: "since " + kit.Date(l.Decided, now), Action: &kit.Action{Text: "Open", Href: "/removals/" + l.ID.String()}})
	}
	return kit.Sheet(kit.SheetOpts{Title: "To be removed", Sub: "the oldest first", Body: kit.Todo(out)})
}

// lineKinds is how the kinds of lines read, in the order of the page.
var lineKinds = [][2]string{
	{"grant", "Roles"},
	{"delegation", "Delegations"},
	{"service", "Service accounts"},
	{"token", "Tokens"},
	{accounts.LineAccount, "Other systems' accounts"},
	{accounts.LineVendorAccount, "Vendors' accounts"},
	{accounts.LineVendor, "Vendors"},
	{accounts.LineList, "Systems without a new list"},
}

func lineKind(kind string) string {
	for _, k := range lineKinds {
		if k[0] == kind {
			return k[1]
		}
	}
	return sentenceWord(kind)
}

type reviewed struct {
	accounts.Review
	lines                    []accounts.Line
	open, own, keep, removed int
	frozen                   string
}

func (d Deps) readReview(ctx context.Context, quarter string, me accounts.By) (*reviewed, error) {
	r, err := d.Accounts.Review(ctx, quarter)
	if err != nil {
		return nil, err
	}
	v := &reviewed{Review: r}
	if v.lines, err = d.Accounts.Lines(ctx, r.ID); err != nil {
		return nil, err
	}
	for i := range v.lines {
		switch l := &v.lines[i]; l.Decision {
		case accounts.Keep:
			v.keep++
		case accounts.Remove:
			v.removed++
		default:
			if v.open++; l.Own(me) {
				v.own++
			}
		}
	}
	if !r.Signed.IsZero() {
		if v.frozen, err = d.Accounts.Frozen(ctx, &r); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (d Deps) review(w http.ResponseWriter, r *http.Request) error {
	return d.showReview(w, r, nil, "")
}

func (d Deps) showReview(w http.ResponseWriter, r *http.Request, beside map[string]string, whole string) error {
	v, err := d.readReview(r.Context(), r.PathValue("quarter"), by(r))
	if err != nil {
		return err
	}
	if kit.WantsCSV(r.URL) {
		kit.CSVHead(w.Header(), "access-review-"+v.Quarter)
		_ = accounts.WriteReview(w, &v.Review, v.lines) // the reader may have gone
		return nil
	}
	now := d.clock(r)
	state, word := reviewState(&v.Review, now)
	may := !web.Scope(r, authz.AccessReview).Empty()
	lead, rest := v.sentence()
	var act *kit.Action
	if v.Open && v.open == 0 && len(v.lines) > 0 && may {
		act = &kit.Action{Text: "Sign it", Href: "/access-review/" + v.Quarter + "/sign", Primary: true}
	}
	text := fmt.Sprintf("%s kept, %s to remove, %s not decided.", kit.Count(v.keep), kit.Count(v.removed), kit.Count(v.open))
	if !v.Signed.IsZero() {
		text += " " + v.sealed()
	}
	beneath := []templ.Component{kit.Verdict(state, word+".", text, act), d.linesSheet(r, v, may, beside, whole)}
	status := 0
	if len(beside) > 0 || whole != "" {
		status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, kit.Page{
		Title: "Access review " + v.Quarter, Lead: lead, Rest: rest, Nav: navOf(r), Status: status, Crumbs: []kit.Crumb{{Name: "Access reviews", Href: "/access-review"}},
		Tools: kit.Button(kit.Action{Text: "Printed report", Href: "/access-review/" + v.Quarter + "/report", Icon: "print"}),
		Body:  templ.Join(beneath...),
	})
}

func (v *reviewed) sentence() (lead, rest string) {
	switch {
	case !v.Signed.IsZero():
		return "The access review of " + v.Quarter + " is signed.", "By " + v.By + "."
	case len(v.lines) == 0:
		return "The access review of " + v.Quarter + " has no line.", "Nobody had anything when it was opened: it proves nothing."
	case v.open == 0:
		return "Every line of " + v.Quarter + " is decided.", "It can be signed."
	case v.own == v.open:
		return kit.Many(v.own, "line", "lines") + " left in " + v.Quarter + ", all your own.", "Somebody else decides about them."
	case v.own > 0:
		return kit.Many(v.open, "line", "lines") + " to decide in " + v.Quarter + ".", kit.Many(v.own, "is your own: somebody else decides.", "are your own: somebody else decides.")
	}
	return kit.Many(v.open, "line", "lines") + " to decide in " + v.Quarter + ".", "Does each still need what they have?"
}

// sealed says whether a signed review is still what was signed, checked now.
func (v *reviewed) sealed() string {
	if v.frozen == "" {
		return "Checked just now: its lines are those that were signed."
	}
	return "It does not fit its signature: " + v.frozen + "."
}

func (d Deps) linesSheet(r *http.Request, v *reviewed, may bool, beside map[string]string, whole string) templ.Component {
	view := kit.ReadView(r.URL, 100, "line")
	kind, what := view.Get("kind"), view.Get("decision")
	lines := slices.DeleteFunc(slices.Clone(v.lines), func(l accounts.Line) bool {
		return kind != "" && l.Kind != kind || what == "open" && l.Decision != accounts.Undecided || what == "remove" && l.Decision != accounts.Remove || what == "keep" && l.Decision != accounts.Keep
	})
	now, total := d.clock(r), len(lines)
	lines = lines[min(view.Offset(), total):min(view.Offset()+view.Size, total)]
	chosen := map[string]bool{}
	if r.Method == http.MethodPost {
		for _, id := range r.Form["line"] {
			chosen[id] = true
		}
	}
	t := kit.Table{
		Caption: "What everybody has", View: view, Total: total, CSV: true, Empty: "No line is like this.",
		Columns: []kit.Column{{Name: "What"}, {Name: "In detail", Wide: true}, {Name: "Decision"}},
	}
	me, deciding := by(r), may && v.Open
	for i := range lines {
		l := &lines[i]
		first := kit.Cell{Text: l.Title, Sub: lineKind(l.Kind)}
		if deciding && !l.Own(me) && l.Done.IsZero() {
			first = kit.CBody(kit.Input(kit.Field{Name: "line", ID: "l-" + l.ID.String(), Label: l.Title, Hint: lineKind(l.Kind), Kind: kit.CheckboxField, Value: l.ID.String(), Checked: chosen[l.ID.String()]}))
		}
		t.Rows = append(t.Rows, kit.Row{Key: l.ID.String(), Cells: []kit.Cell{first, kit.C(l.Detail), lineDecision(l, me, now)}})
	}
	table := kit.DataTable(t)
	body := table
	if deciding {
		f := kit.WithErrors([]kit.Field{
			{Name: "decision", Label: "Decision about the chosen lines", Kind: kit.RadioField, Value: r.FormValue("decision"), Options: []kit.Option{{Value: "keep", Text: "Keep"}, {Value: "remove", Text: "Remove"}}},
			{Name: "reason", Label: "Reason", Value: r.FormValue("reason"), Max: 500, Optional: true, Spell: true, Hint: "Needed to remove, and for a system without a new list."},
		}, beside)
		for _, e := range beside {
			whole = e // one at a time: it stands at the top, and beside its field below the lines
		}
		body = around("/access-review/"+v.Quarter+"/decide", whole, "Decide", table, f)
	}
	return templ.Join(
		kit.Sheet(kit.SheetOpts{Title: "Show", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/access-review/" + v.Quarter, Method: "GET", Quick: true, Submit: "Show", Fields: lineFilters(kind, what)})}),
		kit.Sheet(kit.SheetOpts{Title: "Lines", Body: body}),
	)
}

func lineFilters(kind, what string) []kit.Field {
	kinds := []kit.Option{{Text: "Everything"}}
	for _, k := range lineKinds {
		kinds = append(kinds, kit.Option{Value: k[0], Text: k[1]})
	}
	return []kit.Field{
		{Name: "kind", ID: "show-kind", Label: "What", Kind: kit.SelectField, Value: kind, Options: kinds},
		{Name: "decision", ID: "show-decision", Label: "Decision", Kind: kit.SelectField, Value: what, Options: []kit.Option{{Text: "Any"}, {Value: "open", Text: "Not decided"}, {Value: "keep", Text: "Keep"}, {Value: "remove", Text: "Remove"}}},
	}
}

func lineDecision(l *accounts.Line, me accounts.By, now time.Time) kit.Cell {
	switch {
	case l.Decision == accounts.Undecided && l.Own(me):
		return kit.CState(kit.Unknown, "", "Your own: somebody else decides")
	case l.Decision == accounts.Undecided:
		return kit.CState(kit.Unknown, "", "Not decided")
	case l.Decision == accounts.Keep:
		c := kit.CState(kit.Fine, "", "Keep")
		c.Sub = strings.TrimSpace(l.DecidedBy + ". " + l.Reason)
		return c
	case l.Task():
		c := kit.CState(kit.Warn, "", "Remove, not done yet")
		c.Sub, c.Href = l.DecidedBy+". "+l.Reason, "/removals/"+l.ID.String()
		return c
	}
	c := kit.CState(kit.Fine, "", "Removed on "+kit.Date(l.Done, now))
	c.Sub = l.DecidedBy + ". " + l.Reason
	return c
}

func (d Deps) decide(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return web.Invalid("This form cannot be read.")
	}
	var ids []event.ID
	for _, v := range r.PostForm["line"] {
		id, err := event.ParseID(v)
		if err != nil {
			return web.NotFound(nothing)
		}
		ids = append(ids, id)
	}
	var what accounts.Decision
	switch r.PostFormValue("decision") {
	case "keep":
		what = accounts.Keep
	case "remove":
		what = accounts.Remove
	}
	quarter := r.PathValue("quarter")
	err := d.Accounts.Decide(r.Context(), quarter, ids, what, r.PostFormValue("reason"), by(r))
	if beside, whole, ok := fields(err); ok {
		return d.showReview(w, r, beside, whole)
	}
	if err != nil {
		return err
	}
	web.Say(r, "review", "today")
	return web.Done(w, r, "/access-review/"+quarter+"?decision=open", kit.Many(len(ids), "line was", "lines were")+" decided.")
}
