package accessui

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// mostActs is how many acts a page shows to be signed together.
const mostActs = 100

func (u *ui) actRoutes() []web.Route {
	return []web.Route{
		get("/people/acts", authz.ReviewActs, u.acts),
		post("/people/acts", authz.ReviewActs, u.reviewActs),
	}
}

func (u *ui) actsPage(r *http.Request, errs map[string]string, whole string) (kit.Page, error) {
	who, now := web.Who(r), web.Now(r)
	open, err := u.s.Acts(r.Context(), who, false, mostActs)
	if err != nil {
		return kit.Page{}, err
	}
	waiting, err := u.s.OpenActs(r.Context(), who)
	if err != nil {
		return kit.Page{}, err
	}
	last, err := u.s.Acts(r.Context(), who, true, mostActs)
	if err != nil {
		return kit.Page{}, err
	}
	names, err := u.names(r.Context())
	if err != nil {
		return kit.Page{}, err
	}
	var rows, done []kit.Row
	picked := map[string]bool{}
	for _, v := range r.PostForm["act"] {
		picked[v] = true
	}
	signable := 0
	for _, a := range open {
		tick := kit.Cell{Text: "your own", Zero: true}
		if a.Account != ledger.Code(who.Account) {
			signable++
			tick = kit.CBody(kit.Input(kit.Field{Name: "act", ID: "act-" + num(a.Leaf), Kind: kit.CheckboxField, Value: num(a.Leaf), Label: "Line " + num(a.Leaf), Checked: picked[num(a.Leaf)]}))
		}
		rows = append(rows, kit.Row{Key: num(a.Leaf), Cells: []kit.Cell{kit.C(record.Words(a.Kind)), kit.C(names.Who(a.Account)), kit.C(kit.Clock(a.At, now)), kit.C(about(names, a)), tick}})
	}
	for _, a := range last {
		if a.Verdict == "" {
			continue
		}
		state, word := kit.Fine, "right"
		if a.Verdict == access.VerdictNotFine {
			state, word = kit.Stopped, "not right"
		}
		done = append(done, kit.Row{Key: "done-" + num(a.Leaf), Cells: []kit.Cell{{Text: record.Words(a.Kind), Sub: kit.Mono(num(a.Leaf)), State: &state, Word: word}, kit.C(names.Who(a.Account)), kit.C(kit.Clock(a.At, now)), {Text: kit.Clock(a.Reviewed, now) + ", by " + names.Of(a.ReviewedBy), Sub: a.Note}}})
	}
	list := kit.Sheet(kit.SheetOpts{Title: "To review", Sub: "what changed how systems run or who gets in, from the record", Body: kit.DataTable(kit.Table{
		Caption: "Acts to review", Columns: []kit.Column{{Name: "Act"}, {Name: "By"}, {Name: "When"}, {Name: "About"}, {Name: "Sign"}}, Rows: rows, Total: len(rows), Empty: "Every act was reviewed.",
	})})
	body := []templ.Component{u.tabs(r, "/people/acts")}
	if signable > 0 {
		sign := kit.Sheet(kit.SheetOpts{Title: "Sign", Sub: "for the acts that are ticked", Pad: true, Body: join(fields(kit.WithErrors(verdictFields(r), errs)), kit.Input(kit.Field{Name: "signed", Kind: kit.HiddenField, Value: "yes"}), submit("Sign the review"))})
		if text := errs["act"]; text != "" {
			whole = text
		}
		body = append(body, form("/people/acts", join(kit.ErrorSummary(whole, nil), list, sign)))
	} else {
		body = append(body, list)
	}
	if len(done) > 0 {
		body = append(body, kit.Sheet(kit.SheetOpts{Title: "Reviewed last", Body: kit.DataTable(kit.Table{Caption: "Acts reviewed last", Columns: []kit.Column{{Name: "Act"}, {Name: "By"}, {Name: "When"}, {Name: "Review"}}, Rows: done, Total: len(done)})}))
	}
	page := kit.Page{
		Title: "Acts to review", Lead: "No act waits for you.", Crumbs: []kit.Crumb{peopleCrumb, {Name: "Acts to review"}}, Nav: "/people", Body: join(body...),
	}
	if waiting > 0 {
		page.Lead = kit.Many(int(waiting), "act waits for a review.", "acts wait for a review.")
		page.Rest = "Nobody reviews their own."
	}
	return page, nil
}

// names is how the people of events read.
func (u *ui) names(ctx context.Context) (record.Names, error) {
	people, err := u.s.People(ctx)
	if err != nil {
		return nil, err
	}
	out := record.NewNames()
	for _, p := range people {
		out.Add(p.ID, p.Account, p.Name)
	}
	programs, err := u.s.Services(ctx)
	for _, a := range programs {
		out.AddProgram(a.Account, a.Name, a.MadeBy)
	}
	return out, err
}

// about says what an event is about: people by name, other ids cut to what tells
// them apart.
func about(names record.Names, a access.Act) string {
	named := slices.ContainsFunc(a.About, func(x string) bool { return strings.HasPrefix(x, "person ") })
	var out []string
	for _, x := range a.About {
		key, value, _ := strings.Cut(x, " ")
		_, notID := event.ParseID(value)
		switch {
		case key == "person" && names[value] != "":
			out = append([]string{names[value]}, out...)
		case key == "account" && named, notID == nil && slices.Contains([]string{"link", "session", "grant", "glass"}, key):
			// The person says more.
		default:
			if text := names.Detail(key, value); text != "" {
				out = append(out, text)
			}
		}
	}
	return strings.Join(out, ", ")
}

func fields(fs []kit.Field) templ.Component {
	var out []templ.Component
	for _, f := range fs {
		out = append(out, kit.Input(f))
	}
	return join(out...)
}

func (u *ui) acts(w http.ResponseWriter, r *http.Request) error {
	p, err := u.actsPage(r, nil, "")
	if err != nil {
		return err
	}
	return web.Render(w, r, p)
}

func (u *ui) reviewActs(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return web.Invalid("This form cannot be read.")
	}
	var leaves []int64
	for _, v := range r.PostForm["act"] {
		leaves = append(leaves, atoi(v))
	}
	err := u.s.ReviewActs(r.Context(), web.Who(r), leaves, r.PostFormValue("verdict"), r.PostFormValue("note"))
	if err != nil {
		var drawn error
		again := redraw(w, r, err, func(errs map[string]string, whole string) kit.Page {
			var p kit.Page
			p, drawn = u.actsPage(r, errs, whole)
			return p
		})
		if drawn != nil {
			return drawn
		}
		return again
	}
	web.Say(r, livePeople, "today")
	return web.Done(w, r, "/people/acts", kit.Many(len(leaves), "act was signed.", "acts were signed."))
}
