package portalui

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (s *site) ownRoutes() []web.Route {
	own := func(pattern string, h web.Handler) web.Route {
		return web.Route{Pattern: pattern, Access: web.SignedIn, Why: whyOwn, Handle: h}
	}
	batch := own("POST /fetch", s.fetch)
	batch.Stream = true
	return append([]web.Route{
		own("GET /{$}", s.list), own("POST /find", s.find), batch,
		own("GET /results/{id}", s.result), own("GET /results/{id}/pdf", s.pdf), own("GET /results/{id}/documents/{n}", s.document), own("GET /results/{id}/message", s.message),
		own("GET /results/{id}/receipt", s.receipt),
		own("POST /results/{id}/missing", s.missingOne), own("GET /results/{id}/wrong", s.wrongPage), own("POST /results/{id}/wrong", s.wrongSaid),
		own("GET /missing", s.missingPage), own("POST /missing", s.missingSaid),
		own("GET /colleagues", s.colleagues), own("POST /colleagues", s.lend), own("POST /colleagues/{id}/end", s.unlend), own("POST /changes/{id}", s.answerChange),
	}, s.meRoutes(own)...)
}

const listSize = 50

func (s *site) list(w http.ResponseWriter, r *http.Request) error {
	p, err := s.person(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	skip, _ := strconv.Atoi(q.Get("skip")) // a number that is none is 0
	a := portal.Ask{Partner: q.Get("of"), All: q.Get("show") == "all", Skip: min(max(skip, 0), 5000), Limit: listSize}
	page, err := s.Portal.List(r.Context(), p, a)
	if err != nil {
		return err
	}
	several := len(p.Partners()) > 1
	now := web.Now(r)
	out := kit.Page{Title: "Results", Lead: freshWords(page.Fresh), Nav: "/"}
	if a.All {
		out.Rest = "Opened ones stand below."
	}
	empty := "No new results. Everything the laboratory has sent you has been opened or fetched."
	if a.All {
		empty = "The laboratory has sent nothing here yet."
	}
	t := s.table(page.Items, several, empty, now)
	link := func(show string, skip int) string {
		v := "/?show=" + show
		if a.Partner != "" {
			v += "&of=" + a.Partner
		}
		if skip > 0 {
			v += "&skip=" + strconv.Itoa(skip)
		}
		return v
	}
	show := "new"
	if a.All {
		show = "all"
	}
	tabs := []kit.Tab{{Name: "New", Href: link("new", 0), Current: !a.All, Count: page.Fresh}, {Name: "All", Href: link("all", 0), Current: a.All}}
	asked, err := s.asksManager(r, p)
	if err != nil {
		return err
	}
	parts := []templ.Component{s.critical(), kit.Tabs("Which results", tabs)}
	if asked != nil {
		parts = append([]templ.Component{asked}, parts...)
	}
	if several {
		parts = append(parts, s.practices(p, a))
	}
	if a.All {
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "Find", Pad: true, Body: kit.Form(findForm("", nil))}))
	}
	parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "Results", Sub: "unopened first, the newest first", Body: kit.DataTable(t)}))
	var more []kit.Action
	if a.Skip > 0 {
		more = append(more, kit.Action{Text: "Back", Href: link(show, max(0, a.Skip-listSize)), Icon: "back"})
	}
	if page.More {
		more = append(more, kit.Action{Text: "More", Href: link(show, a.Skip+listSize), Icon: "next"})
	}
	if len(more) > 0 {
		parts = append(parts, kit.Buttons(more...))
	}
	if page.Fresh > 0 {
		parts = append(parts, s.fetchSheet(p, a.Partner))
	}
	out.Body = templ.Join(parts...)
	return web.Render(w, r, out)
}

// table draws results as a list.
func (s *site) table(items []portal.Item, several bool, empty string, now time.Time) kit.Table {
	names := s.Portal.Settings().Partners
	t := kit.Table{Caption: "Results", Total: len(items), Empty: empty, Columns: []kit.Column{{Name: "Patient"}, {Name: "Tests"}, {Name: "Collected"}, {Name: "State"}}}
	if several {
		t.Columns = append(t.Columns, kit.Column{Name: "Practice"})
	}
	for i := range items {
		x := &items[i]
		sub, patient := "born "+x.Label.Born, x.Label.Patient
		if x.Label.Born == "" {
			sub = "birth date not given"
		}
		if patient == "" {
			patient = "Patient not named"
		}
		tests := kit.Cell{Text: strings.Join(x.Label.Tests, ", "), Sub: strings.Join(x.Label.Orders, ", ")}
		if x.Label.Lab != "" {
			tests.Sub = strings.TrimPrefix(tests.Sub+"; "+x.Label.Lab, "; ")
		}
		cells := []kit.Cell{{Text: patient, Sub: sub, Href: "/results/" + x.ID.String()}, tests, kit.CMono(x.Label.Collected), itemState(x, now)}
		if several {
			cells = append(cells, kit.C(names[x.Partner]))
		}
		t.Rows = append(t.Rows, kit.Row{Key: x.ID.String(), At: x.Fresh && x.Urgent, Cells: cells})
	}
	return t
}

func findForm(words string, bad *web.Error) kit.FormOpts {
	o := kit.FormOpts{Action: "/find", Submit: "Find", Fields: []kit.Field{{
		Name: "words", Label: "Patient, test or number", Hint: "A part of the name, the birth date as 1990-05-05, or a number of the order.", Value: words, Max: 200, Required: true, Autocomplete: "off",
	}}}
	if bad != nil {
		o.Fields = kit.WithErrors(o.Fields, bad.Fields)
	}
	return o
}

// find is a POST, so that no patient stands in an address.
func (s *site) find(w http.ResponseWriter, r *http.Request) error {
	p, err := s.person(r)
	if err != nil {
		return err
	}
	words := r.FormValue("words")
	items, whole, err := s.Portal.Find(r.Context(), p, words)
	var bad *web.Error
	if err != nil {
		if bad, err = told(err); err != nil {
			return err
		}
	}
	out := kit.Page{Title: "Find", Lead: kit.Many(len(items), "result", "results") + " found.", Nav: "/", Crumbs: []kit.Crumb{{Name: "Results", Href: "/?show=all"}, {Name: "Find"}}}
	if !whole {
		out.Rest = "There may be more: write more of the name."
	}
	parts := []templ.Component{s.critical(), kit.Sheet(kit.SheetOpts{Title: "Find", Pad: true, Body: kit.Form(findForm(words, bad))})}
	if bad != nil {
		out.Lead, out.Status = "Find a result.", statusOf(bad)
	} else {
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "Results", Sub: "the newest first", Body: kit.DataTable(s.table(items, len(p.Partners()) > 1, "Nothing here has all of these words.", web.Now(r)))}))
	}
	out.Body = templ.Join(parts...)
	return web.Render(w, r, out)
}

func freshWords(n int) string {
	switch {
	case n == 0:
		return "No new results."
	case n >= 1000:
		return "More than 1,000 new results."
	}
	return kit.Many(n, "new result.", "new results.")
}

// critical says what a page never replaces (SAFETY.md 10).
func (s *site) critical() templ.Component {
	return kit.Foot(kit.Unknown, "The laboratory phones you about critical results. Opening this page does not replace the call. Questions: "+s.phone()+".")
}

func (s *site) practices(p *portal.Person, a portal.Ask) templ.Component {
	names := s.Portal.Settings().Partners
	show := ""
	if a.All {
		show = "&show=all"
	}
	tabs := []kit.Tab{{Name: "All practices", Href: "/?of=" + show, Current: a.Partner == ""}}
	for _, key := range p.Partners() {
		tabs = append(tabs, kit.Tab{Name: names[key], Href: "/?of=" + key + show, Current: a.Partner == key})
	}
	return kit.Tabs("Whose results", tabs)
}

// itemState is how a result stands: what the LIS flagged, and who has seen it.
func itemState(x *portal.Item, now time.Time) kit.Cell {
	state, word, text := kit.Unknown, "Opened", "opened"
	switch {
	case x.Fresh && x.Urgent:
		state, word, text = kit.Stopped, "Critical", "new, flagged critical by the laboratory's system"
	case x.Fresh:
		state, word, text = kit.Warn, "New", "new"
	case !x.Fetched.IsZero() && x.Opened.IsZero():
		text = "fetched as a file"
	}
	if x.Urgent && !x.Fresh {
		text += ", flagged critical by the laboratory's system"
	}
	sub := "came " + kit.Clock(x.Placed, now)
	if !x.Fresh && x.OpenedName != "" {
		sub = "by " + x.OpenedName
	}
	if x.Superseded != (event.ID{}) {
		word, text = "Superseded", "superseded by a later version, "+text
	}
	if x.Label.Status != "" && x.Label.Status != "final" {
		text += ", " + x.Label.Status
	}
	return kit.Cell{State: &state, Word: word, Text: text, Sub: sub}
}

// fetchSheet offers all new ones as one file.
func (s *site) fetchSheet(p *portal.Person, partner string) templ.Component {
	names := s.Portal.Settings().Partners
	fields := []kit.Field{{Name: "form", Label: "As", Kind: kit.SelectField, Value: "batch", Options: []kit.Option{{Value: "batch", Text: "one HL7 file (batch)"}, {Value: "zip", Text: "a zip with a file for each"}}}}
	if of := p.Partners(); len(of) > 1 && partner == "" {
		o := kit.Field{Name: "of", Label: "Practice", Kind: kit.SelectField}
		for _, key := range of {
			o.Options = append(o.Options, kit.Option{Value: key, Text: names[key]})
		}
		fields = append([]kit.Field{o}, fields...)
	}
	f := kit.FormOpts{Action: "/fetch", Submit: "Download all new ones", Fields: fields, Hidden: map[string]string{}}
	if partner != "" {
		f.Hidden["of"] = partner
	}
	return kit.Sheet(kit.SheetOpts{Title: "For your own system", Sub: "save the file in its import folder", Pad: true, Body: templ.Join(
		kit.Paragraph("Everything that is new, as the laboratory sent it, oldest first. What is in the file counts as fetched by you."), kit.Form(f),
	)})
}
