package resultsui

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// resultRoutes are the list, the search and the page of a result.
func resultRoutes(d Deps) []web.Route {
	l := &resultList{Deps: d, open: newSearches()}
	return []web.Route{
		{Pattern: "GET /results", Needs: authz.ResultsFind, Handle: l.page},
		{Pattern: "POST /results/search", Needs: authz.ResultsFind, Handle: l.search},
		{Pattern: "GET /results/{id}", Needs: authz.ResultsFind, Handle: d.resultPage},
	}
}

type resultList struct {
	Deps
	open  *searches
	files oneEach
}

const listSize = 50

// stateFilter are the words of the state filter, in the order they are offered.
var stateFilter = []struct {
	word, text string
	state      results.State
}{
	{"waiting", "Waiting", results.Waiting},
	{"held", "Held", results.Held},
	{"needs-person", "Needs a person", results.NeedsPerson},
	{"done", "Delivered", results.Done},
	{"shadow", "Recorded only", results.Shadowed},
	{"refused", "Ended by a person", results.RefusedByPerson},
	{"superseded", "Superseded", results.Superseded},
}

func stateNamed(word string) (*results.State, bool) {
	for _, f := range stateFilter {
		if f.word == word {
			return &f.state, true
		}
	}
	return nil, word == ""
}

// asked reads the filters that stand in the address.
func (d Deps) asked(r *http.Request, q *results.Query) (map[string]string, results.Page) {
	wrong := map[string]string{}
	v := r.URL.Query()
	now := d.clock(r)
	q.Sees = sightOf(web.Scope(r, authz.ResultsFind))
	q.Partner = v.Get("partner")
	var known bool
	if q.Site, known = siteAsked(r, d.sites(web.Scope(r, authz.ResultsFind))); !known {
		wrong["site"] = "Choose one of the sites."
	}
	var ok bool
	if q.State, ok = stateNamed(v.Get("state")); !ok {
		wrong["state"] = "Choose one of the states."
	}
	day := func(name string) time.Time {
		text := v.Get(name)
		if text == "" {
			return time.Time{}
		}
		t, err := time.ParseInLocation(time.DateOnly, text, now.Location())
		if err != nil {
			wrong[name] = "Write the day like 2026-05-04."
		}
		return t
	}
	q.From = day("from")
	if to := day("to"); !to.IsZero() {
		q.To = to.AddDate(0, 0, 1)
	}
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		wrong["to"] = "This day is before the first one."
	}
	p := results.Page{Limit: listSize}
	if n, err := strconv.ParseInt(v.Get("before"), 10, 64); err == nil && n > 0 {
		p.Before = n
	}
	return wrong, p
}

// partners are those the caller may choose from.
func (d Deps) partners(r *http.Request) []kit.Option {
	scope := web.Scope(r, authz.ResultsFind)
	out := []kit.Option{{Value: "", Text: "Every partner"}}
	for _, key := range slices.Sorted(maps.Keys(d.Results.Settings().Partners)) {
		if some(scope, d.ofPartner(key)) {
			out = append(out, kit.Option{Value: key, Text: d.partnerName(key)})
		}
	}
	return out
}

func (l *resultList) page(w http.ResponseWriter, r *http.Request) error {
	var q results.Query
	var by search
	handle := r.URL.Query().Get("s")
	ended := false
	if handle != "" {
		if found, ok := l.open.get(web.Who(r), handle, web.Now(r)); ok {
			by, q = found, found.query
		} else {
			handle, ended = "", true
		}
	}
	wrong, page := l.asked(r, &q)
	if err := searchable(r, &q); err != nil {
		return err
	}
	if kit.WantsCSV(r.URL) && len(wrong) == 0 && !ended {
		return l.csv(w, r, q, page)
	}
	var hits results.Hits
	said := map[string]*results.Said{}
	if len(wrong) == 0 && !ended {
		var err error
		if hits, err = l.Results.Search(r.Context(), q, page); err != nil {
			return err
		}
		of, err := l.Results.SaidOf(r.Context(), hits.Messages)
		if err != nil {
			return err
		}
		for i := range hits.Messages {
			m := &hits.Messages[i]
			if s := of[m.ID]; s != nil {
				said[m.ID.String()] = saidFor(r, m, s)
			}
		}
	}
	now := l.clock(r)
	p := kit.Page{Title: "Results", Nav: "/results", Eyebrow: now.Format("Monday 2 January"), Live: live(page, handle)}
	p.Lead, p.Rest = l.lead(r, by, ended, &hits, page)
	if len(wrong) > 0 {
		p.Status = http.StatusUnprocessableEntity
	}
	table := l.table(r, handle, wrong, &hits, said, now)
	body := []templ.Component{kit.Sheet(kit.SheetOpts{Title: "Results", Sub: l.sub(&hits, page), Body: kit.DataTable(table)})}
	if hits.Next > 0 {
		older := cloned(r.URL.Query())
		older.Set("before", numbered(hits.Next))
		text := "Older results"
		if len(hits.Messages) < page.Limit {
			text = "Look further back"
		}
		body = append(body, kit.Buttons(kit.Action{Text: text, Href: "/results?" + older.Encode(), Icon: "next"}))
	}
	p.Body = kit.Columns(templ.Join(body...), kit.Sheet(kit.SheetOpts{Title: searchTitle(r), Sub: "recorded", Pad: true, Body: searchForm(r, nil, nil)}))
	return web.Render(w, r, p)
}

// live: only the newest page of an ordinary list is drawn again by itself.
func live(p results.Page, handle string) []string {
	if p.Before > 0 || handle != "" {
		return nil
	}
	return []string{"results"}
}

func cloned(v url.Values) url.Values { return maps.Clone(v) }

func (l *resultList) lead(r *http.Request, by search, ended bool, h *results.Hits, page results.Page) (lead, rest string) {
	v := r.URL.Query()
	narrowed := v.Get("partner") != "" || v.Get("state") != "" || v.Get("from") != "" || v.Get("to") != "" || v.Get("site") != ""
	n := len(h.Messages)
	switch {
	case ended:
		return "This search has ended.", "Search again: what you looked for is kept for half an hour and in no address."
	case by.words != "" && n == 0:
		return "Nothing was found.", "for " + by.words
	case by.words != "" && h.Next > 0:
		return "More than " + kit.Many(n, "result was found.", "results were found."), "for " + by.words
	case by.words != "":
		return kit.Many(n, "result was found.", "results were found."), "for " + by.words
	case n == 0 && h.Next > 0:
		return "None among those looked through.", "There are older ones."
	case n == 0 && narrowed:
		return "No result is like this.", ""
	case n == 0 && page.Before > 0:
		return "There are no older results.", ""
	case n == 0:
		return "No result has come in yet.", ""
	}
	if open := needing(h.Messages); open > 0 && !narrowed {
		return "Of the last " + kit.Many(n, "result", "results") + ", " + kit.Many(open, "needs you.", "need you."), ""
	}
	if narrowed {
		return kit.Many(n, "result is like this.", "results are like this."), more(h)
	}
	return "None of the last " + kit.Many(n, "result", "results") + " needs you.", ""
}

func more(h *results.Hits) string {
	if h.Next > 0 {
		return "There may be more."
	}
	return ""
}

func needing(ms []results.Summary) (n int) {
	for i := range ms {
		for _, d := range latest(ms[i].Deliveries) {
			if s, _ := stateOf(&d); s == kit.Warn || s == kit.Stopped && d.State != results.RefusedByPerson {
				n++
				break
			}
		}
	}
	return n
}

func (l *resultList) sub(h *results.Hits, p results.Page) string {
	if p.Before > 0 {
		return "older ones, newest first"
	}
	return "newest first"
}

func (l *resultList) table(r *http.Request, handle string, wrong map[string]string, h *results.Hits, said map[string]*results.Said, now time.Time) kit.Table {
	view := kit.ReadView(r.URL, listSize)
	view.Values.Del("before")
	states := []kit.Option{{Value: "", Text: "Every state"}}
	for _, f := range stateFilter {
		states = append(states, kit.Option{Value: f.word, Text: f.text})
	}
	filters := kit.WithErrors([]kit.Field{
		{Name: "partner", Label: "Partner", Kind: kit.SelectField, Value: view.Get("partner"), Options: l.partners(r)},
		{Name: "state", Label: "State", Kind: kit.SelectField, Value: view.Get("state"), Options: states},
		{Name: "from", Label: "From", Kind: kit.DateField, Value: dateValue(view.Get("from")), Narrow: true},
		{Name: "to", Label: "To", Kind: kit.DateField, Value: dateValue(view.Get("to")), Narrow: true},
	}, wrong)
	if handle != "" {
		filters = append(filters, kit.Field{Name: "s", Kind: kit.HiddenField, Value: handle})
	}
	t := kit.Table{
		Caption: "Results, newest first", View: view, Filters: filters, CSV: true, Empty: "Nothing to show.",
		Columns: []kit.Column{{Name: "Result"}, {Name: "Came in"}, {Name: "From", Wide: true}, {Name: "Where it stands"}},
	}
	sites := l.sites(web.Scope(r, authz.ResultsFind))
	if len(sites) > 0 {
		t.Columns = slices.Insert(t.Columns, 3, kit.Column{Name: "Site", Wide: true})
		field := kit.Field{Name: "site", Label: "Site", Kind: kit.SelectField, Value: view.Get("site"), Options: siteOptions(sites)}
		t.Filters = slices.Insert(t.Filters, 1, kit.WithErrors([]kit.Field{field}, wrong)...)
	}
	for i := range h.Messages {
		m := &h.Messages[i]
		row := l.row(m, said[m.ID.String()], now)
		if len(sites) > 0 {
			row.Cells = slices.Insert(row.Cells, 3, kit.C(l.siteWords(m.Site)))
		}
		t.Rows = append(t.Rows, row)
	}
	t.Total = len(t.Rows)
	return t
}

// dateValue keeps what is no date out of a date field.
func dateValue(s string) string {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return ""
	}
	return s
}

func (l *resultList) row(m *results.Summary, said *results.Said, now time.Time) kit.Row {
	title, sub := resultTitle(said)
	marks := marksOf(m)
	if marks != "" {
		sub = joinText(sub, marks)
	}
	v := l.verdictOf(m, now)
	short := l.short(m)
	href := "/results/" + m.ID.String()
	return kit.Row{
		Key: m.ID.String(), At: v.State == kit.Stopped,
		Cells: []kit.Cell{
			{Text: title, Href: href, Sub: sub},
			kit.CMono(kit.Second(m.ReceivedAt, now)), kit.C(results.Printable(m.Source, 60)),
			kit.CState(v.State, "", short),
		},
	}
}

// short is where a message stands, in a few words.
func (l *resultList) short(m *results.Summary) string {
	current := latest(m.Deliveries)
	if len(current) == 0 {
		return "goes to nobody"
	}
	var parts []string
	for i := range current {
		if i == 3 {
			parts = append(parts, "and "+kit.Count(len(current)-3)+" more")
			break
		}
		_, word := stateOf(&current[i])
		parts = append(parts, l.partnerName(current[i].Partner)+": "+word)
	}
	return strings.Join(parts, "; ")
}

// resultTitle is what a result is called: the test and its order.
func resultTitle(s *results.Said) (title, sub string) {
	if s == nil {
		return "A result", ""
	}
	if title = s.Title(); title == "" {
		title = "A result"
	}
	if n := s.Number(); n != "" {
		sub = "order " + kit.Mono(n)
	}
	return title, sub
}

// marksOf are the LIS's own flags.
func marksOf(m *results.Summary) string {
	var out []string
	if m.Critical {
		out = append(out, "critical, says the LIS")
	}
	if m.Correction {
		out = append(out, "a correction")
	}
	if m.Bypassed {
		out = append(out, "came in bypass")
	}
	if m.Erased {
		out = append(out, "erased")
	}
	return strings.Join(out, ", ")
}

// csv gives the list as a file: where each result stands, and nothing that names
// a patient or an order.
func (l *resultList) csv(w http.ResponseWriter, r *http.Request, q results.Query, page results.Page) error {
	end, ok := l.files.begin(web.Who(r).Account)
	if !ok {
		return errMaking
	}
	defer end()
	found, err := gather(r.Context(), l.Results.Search, q, page)
	if err != nil {
		return err
	}
	all := found.messages
	kit.CSVHead(w.Header(), "results")
	head := []string{"result", "received", "source", "partner", "state", "tries", "answer", "changed", "journal line"}
	sited := len(l.sites(web.Scope(r, authz.ResultsFind))) > 0
	if sited {
		head = append(head, "site")
	}
	c, err := kit.NewCSV(w, head...)
	line := func(m *results.Summary, cells ...string) error {
		if sited {
			cells = append(cells, m.Site)
		}
		return c.Row(cells...)
	}
	for i := range all {
		m := &all[i]
		if len(m.Deliveries) == 0 && err == nil {
			err = line(m, m.ID.String(), kit.ISO(m.ReceivedAt), m.Source, "", "goes to nobody", "", "", "", numbered(m.Leaf))
		}
		for _, x := range m.Deliveries {
			if err == nil {
				_, word := stateOf(&x)
				err = line(m, m.ID.String(), kit.ISO(m.ReceivedAt), m.Source, x.Partner, word, numbered(x.Attempts), x.Code, kit.ISO(x.ChangedAt), numbered(m.Leaf))
			}
		}
	}
	if found.stopped != "" && err == nil {
		err = c.Row(found.stopped)
	}
	if err == nil {
		err = c.Close()
	}
	if err != nil {
		return fmt.Errorf("write list: %w", err)
	}
	return nil
}

// searchForm asks for what names a patient or an order. It is a POST: none of it
// comes to stand in an address.
func searchForm(r *http.Request, given url.Values, wrong map[string]string) templ.Component {
	fields := []kit.Field{{Name: "order", Label: "Order, accession or specimen number", Value: given.Get("order"), Mono: true, Max: 100, Autocomplete: "off"}}
	if looksForPatients(r) {
		fields = append(fields, []kit.Field{
			{Name: "patient", Label: "Patient identifier", Value: given.Get("patient"), Mono: true, Max: 100, Autocomplete: "off", Hint: "Exactly as the LIS writes it."},
			{Name: "last", Label: "Last name", Value: given.Get("last"), Max: 100, Autocomplete: "off"},
			{Name: "born", Label: "Birth date", Value: given.Get("born"), Kind: kit.DateField, Narrow: true, Autocomplete: "off", Hint: "Together with the last name."},
		}...)
	}
	return kit.Form(kit.FormOpts{Action: "/results/search", Submit: "Find", Wrong: wrong[""], Fields: kit.WithErrors(fields, wrong)})
}

func searchTitle(r *http.Request) string {
	if looksForPatients(r) {
		return "Find a patient’s results"
	}
	return "Find a result by its number"
}

// search takes a search, records it, and leads to its results.
func (l *resultList) search(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return web.Invalid("This form did not arrive whole. Send it again.")
	}
	f := r.PostForm
	q := results.Query{
		Order: strings.TrimSpace(f.Get("order")), PatientID: strings.TrimSpace(f.Get("patient")),
		LastName: strings.TrimSpace(f.Get("last")), BirthDate: strings.TrimSpace(f.Get("born")),
	}
	if err := searchable(r, &q); err != nil {
		return err
	}
	wrong := map[string]string{}
	switch {
	case !q.Names():
		wrong[""] = "Say what to look for: a number, an identifier, or a last name with the birth date."
	case q.LastName != "" && q.BirthDate == "":
		wrong["born"] = "One name alone fits too many people: add the birth date."
	case q.LastName == "" && q.BirthDate != "":
		wrong["last"] = "One day alone fits too many people: add the last name."
	}
	for _, name := range []string{"order", "patient", "last", "born"} {
		if len(f.Get(name)) > 200 {
			wrong[name] = "This is too long."
		}
	}
	if len(wrong) == 0 {
		err := l.Results.RecordSearch(r.Context(), q, as(r, "search").By)
		if err == nil {
			return web.Done(w, r, "/results?s="+l.open.put(web.Who(r), q, searchWords(&q), web.Now(r)), "")
		}
		if !errors.Is(err, results.ErrInvalid) {
			return err
		}
		wrong["born"] = "Write the whole birth date, like 1961-04-12."
	}
	return web.Render(w, r, kit.Page{
		Title: "Find results", Lead: "Nothing was looked for yet.", Nav: "/results", Crumbs: []kit.Crumb{{Name: "Results", Href: "/results"}},
		Status: http.StatusUnprocessableEntity,
		Body:   kit.Sheet(kit.SheetOpts{Title: searchTitle(r), Sub: "recorded", Pad: true, Body: searchForm(r, f, wrong)}),
	})
}

// searchWords say what was looked for, without saying it.
func searchWords(q *results.Query) string {
	var out []string
	if q.Order != "" {
		out = append(out, "an order number")
	}
	if q.PatientID != "" {
		out = append(out, "a patient identifier")
	}
	if q.LastName != "" {
		out = append(out, "a name and birth date")
	}
	return joinAnd(out)
}
