package accountsui

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func recordRoutes(d Deps) []web.Route {
	return []web.Route{
		{Pattern: "GET /record", Needs: authz.RecordSee, Handle: d.record},
		{Pattern: "POST /record/export", Needs: authz.RecordExport, Handle: d.exportRecord, Stream: true},
		{Pattern: "GET /record/mine", Needs: authz.OwnSecurity, Handle: d.mine},
		{Pattern: "POST /record/mine", Needs: authz.OwnSecurity, Handle: d.exportMine, Stream: true},
	}
}

// asked is what somebody looks for, as the form has it.
type asked struct {
	who, class, kind, message, from, to string
}

func askedOf(get func(string) string) asked {
	t := func(k string) string { return strings.TrimSpace(get(k)) }
	return asked{t("who"), t("class"), t("kind"), t("message"), t("from"), t("to")}
}

func (a asked) values() map[string]string {
	return map[string]string{"who": a.who, "class": a.class, "kind": a.kind, "message": a.message, "from": a.from, "to": a.to}
}

// query makes the question of it. people finds the id behind an account.
func (d Deps) query(r *http.Request, a asked) (record.Query, error) {
	q := record.Query{Kind: a.kind}
	if a.who != "" {
		q.Who = []string{a.who}
		people, err := d.Accounts.People(r.Context())
		if err != nil {
			return q, err
		}
		for i := range people {
			if strings.EqualFold(people[i].Account, a.who) {
				q.Who = []string{people[i].Account, record.ByPerson(people[i].ID.String())}
			}
		}
	}
	if a.class != "" {
		var c record.Class
		if err := c.UnmarshalText([]byte(a.class)); err != nil {
			return q, err
		}
		q.Class = &c
	}
	if a.message != "" {
		id, err := event.ParseID(a.message)
		if err != nil {
			return q, web.Invalid("The number of a message has 36 characters.")
		}
		q.Message = id.String()
	}
	zone := d.clock(r).Location()
	for _, x := range []struct {
		text string
		to   *time.Time
		days int
	}{{a.from, &q.From, 0}, {a.to, &q.To, 1}} {
		if x.text == "" {
			continue
		}
		t, err := time.ParseInLocation(time.DateOnly, x.text, zone)
		if err != nil {
			return q, web.Invalid("Write a day as 2026-12-31.")
		}
		*x.to = t.AddDate(0, 0, x.days)
	}
	return q, nil
}

const pageSize = 50

func (d Deps) record(w http.ResponseWriter, r *http.Request) error {
	a := askedOf(r.URL.Query().Get)
	q, err := d.query(r, a)
	if err != nil {
		return err
	}
	at, err := record.ParseCursor(r.URL.Query().Get("before"))
	if err != nil {
		return err
	}
	lines, next, err := d.Record.List(r.Context(), record.By{Account: web.Who(r).Account}, q, at, pageSize)
	if err != nil {
		return err
	}
	names, err := d.recordNames(r.Context())
	if err != nil {
		return err
	}
	var export templ.Component = templ.NopComponent
	if !web.Scope(r, authz.RecordExport).Empty() {
		export = kit.Sheet(kit.SheetOpts{Title: "Take it out", Pad: true, Body: exportForm("/record/export", a.values(), "All entries that fit these filters, newest first. That you take them is in the record.")})
	}
	reach, err := d.reach(r)
	if err != nil {
		return err
	}
	kinds := []kit.Option{{Text: "Everything"}}
	for _, k := range record.Kinds() {
		kinds = append(kinds, kit.Option{Value: k, Text: record.Words(k)})
	}
	if a.kind != "" && !slices.Contains(record.Kinds(), a.kind) {
		kinds = append(kinds, kit.Option{Value: a.kind, Text: record.Words(a.kind)})
	}
	classes := []kit.Option{{Text: "Everything"}}
	for _, c := range record.Classes() {
		classes = append(classes, kit.Option{Value: c.String(), Text: sentenceWord(c.String()) + "s"})
	}
	view := kit.ReadView(r.URL, pageSize)
	view.Values.Del("before")
	t := d.lineTable(r, lines, names)
	t.View, t.Empty = view, "No entry fits."
	t.Filters = []kit.Field{
		{Name: "who", Label: "Who (account)", Value: a.who, Autocomplete: "off"},
		{Name: "class", Label: "What", Kind: kit.SelectField, Value: a.class, Options: classes},
		{Name: "kind", Label: "Kind", Kind: kit.SelectField, Value: a.kind, Options: kinds},
		{Name: "message", Label: "Message", Value: a.message, Mono: true},
		{Name: "from", Label: "From", Kind: kit.DateField, Value: a.from},
		{Name: "to", Label: "Until", Kind: kit.DateField, Value: a.to},
	}
	return web.Render(w, r, kit.Page{
		Title: "Record", Lead: "Who did what, and who looked.", Rest: "That you read this is in it.", Nav: "/record",
		Body: templ.Join(recordTabs(r, "all"), kit.Sheet(kit.SheetOpts{Title: "Entries", Sub: "newest first", Body: templ.Join(kit.DataTable(t), reach, older(r, next))}), export),
	})
}

// recordTabs are the ways to read the record, for those who may.
func recordTabs(r *http.Request, current string) templ.Component {
	var out []kit.Tab
	if !web.Scope(r, authz.RecordSee).Empty() {
		out = append(out, kit.Tab{Name: "Everybody", Href: "/record", Current: current == "all"})
	}
	out = append(out, kit.Tab{Name: "Your own trail", Href: "/record/mine", Current: current == "mine"})
	if !web.Scope(r, authz.RecordPatient).Empty() {
		out = append(out, kit.Tab{Name: "A patient's report", Href: "/record/patient", Current: current == "patient"})
	}
	return kit.Tabs("The record", out)
}

// reach says how far the list goes: what is not read yet is not known.
func (d Deps) reach(r *http.Request) (templ.Component, error) {
	read, all, err := d.Record.Reach(r.Context())
	if err != nil {
		return nil, err
	}
	now := d.clock(r)
	if read < all {
		return kit.Foot(kit.Unknown, "The last "+kit.Many(int(all-read), "line", "lines")+" of the ledger are not in this list yet."), nil
	}
	return kit.Foot(kit.Fine, "The list reaches to line "+kit.Count(int(all))+", the end of the ledger, at "+kit.Second(now, now)+". Each entry above was checked against its hash."), nil
}

func older(r *http.Request, next record.Cursor) templ.Component {
	if next == (record.Cursor{}) {
		return templ.NopComponent
	}
	q := url.Values{}
	for k, v := range r.URL.Query() {
		q[k] = v
	}
	q.Set("before", next.String())
	return kit.Acts(kit.Action{Text: "Older", Href: r.URL.Path + "?" + q.Encode(), Icon: "next"})
}

func (d Deps) lineTable(r *http.Request, lines []record.Line, names record.Names) kit.Table {
	now := d.clock(r)
	t := kit.Table{
		Caption: "Entries of the record, newest first", Total: len(lines), View: kit.View{Path: r.URL.Path, Page: 1, Size: len(lines) + 1},
		Columns: []kit.Column{{Name: "Time"}, {Name: "Who"}, {Name: "What"}, {Name: "About"}},
	}
	for i := range lines {
		l := &lines[i]
		who := "somebody unknown"
		if l.Who != "" {
			who = names.Who(l.Who)
		}
		what := kit.Cell{Text: record.Words(l.Kind), Sub: details(l, names)}
		about := kit.Cell{Text: object(l, names), Mono: true}
		switch {
		case l.Damaged:
			what = kit.CState(kit.Stopped, "", "Damaged: the ledger does not confirm this entry")
			about = kit.C("")
		case l.Class == record.Refusal:
			word := "Refused"
			if l.Kind == "session.noticed" {
				word = "Unusual"
			}
			what = kit.CState(kit.Warn, word, record.Words(l.Kind))
			what.Sub = details(l, names)
		case l.Message != "" && !web.Scope(r, authz.ResultsFind).Empty():
			about.Href = "/results/" + l.Message
		}
		t.Rows = append(t.Rows, kit.Row{Key: strconv.FormatInt(l.Leaf, 10), At: l.Damaged, Cells: []kit.Cell{
			{Text: kit.Second(l.Time(), now), Sub: "line " + kit.Count(int(l.Leaf)), Mono: true}, kit.C(who), what, about,
		}})
	}
	return t
}

// object is what a line is about: people by name, identifiers by their end.
func object(l *record.Line, names record.Names) string {
	key, value, _ := strings.Cut(l.Object(), " ")
	return names.Detail(key, value)
}

// maxDetails keeps a line short; the export has all.
const maxDetails = 4

func details(l *record.Line, names record.Names) string {
	var out []string
	for _, p := range l.Details() {
		if len(out) == maxDetails {
			out = append(out, "…")
			break
		}
		if text := names.Detail(p.K, p.V); text != "" {
			out = append(out, text)
		}
	}
	return strings.Join(out, ", ")
}

func exportForm(action string, hidden map[string]string, hint string) templ.Component {
	return kit.Form(kit.FormOpts{Action: action, Hidden: hidden, Submit: "Download", Fields: []kit.Field{
		{Name: "format", Label: "As", Kind: kit.RadioField, Value: "csv", Hint: hint, Options: []kit.Option{
			{Value: "csv", Text: "CSV", Hint: "For a spreadsheet."}, {Value: "ndjson", Text: "FHIR AuditEvents", Hint: "One a line, patterns of IHE BALP 1.1."},
		}},
	}})
}

func formatOf(v string) (record.Format, error) {
	switch f := record.Format(v); f {
	case record.CSV, record.NDJSON:
		return f, nil
	}
	return "", web.Invalid("Choose CSV or FHIR AuditEvents.")
}

// counted knows whether something has gone out.
type counted struct {
	http.ResponseWriter
	n int
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.n += n
	return n, err
}

// stream sends a file; what breaks off in its midst ends the connection, so that
// nobody takes a part for the whole.
func stream(w http.ResponseWriter, name string, f record.Format, pour func(out *counted) error) error {
	c := &counted{ResponseWriter: w}
	if f == record.CSV {
		kit.CSVHead(w.Header(), name)
	} else {
		w.Header().Set("Content-Type", "application/fhir+ndjson")
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.ndjson"`)
	}
	err := pour(c)
	if err != nil && c.n > 0 {
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		w.Header().Del("Content-Disposition")
	}
	return err
}

func (d Deps) exportRecord(w http.ResponseWriter, r *http.Request) error {
	f, err := formatOf(r.FormValue("format"))
	if err != nil {
		return err
	}
	q, err := d.query(r, askedOf(r.FormValue))
	if err != nil {
		return err
	}
	return stream(w, "record", f, func(out *counted) error {
		sink, err := record.NewSink(f, out, d.Hub())
		return errors.Join(err, d.Record.ExportTo(r.Context(), record.By{Account: web.Who(r).Account}, q, f, sink))
	})
}

// mine is one's own trail.
func (d Deps) mine(w http.ResponseWriter, r *http.Request) error {
	at, err := record.ParseCursor(r.URL.Query().Get("before"))
	if err != nil {
		return err
	}
	me := web.Who(r)
	lines, next, err := d.Record.Own(r.Context(), record.By{Account: me.Account}, me.Person.String(), at, pageSize)
	if err != nil {
		return err
	}
	names, err := d.recordNames(r.Context())
	if err != nil {
		return err
	}
	t := d.lineTable(r, lines, names)
	t.Empty = "Nothing is recorded of you yet."
	reach, err := d.reach(r)
	if err != nil {
		return err
	}
	nav := "/record"
	if web.Scope(r, authz.RecordSee).Empty() {
		nav = "/record/mine"
	}
	return web.Render(w, r, kit.Page{
		Title: "Your own trail", Lead: "This is what the record holds of you.", Rest: "It is yours to take away.", Nav: nav,
		Body: templ.Join(recordTabs(r, "mine"),
			kit.Sheet(kit.SheetOpts{Title: "What you did", Sub: "newest first", Body: templ.Join(kit.DataTable(t), reach, older(r, next))}),
			kit.Sheet(kit.SheetOpts{Title: "Take it with you", Pad: true, Body: exportForm("/record/mine", nil, "All of it: what you did, looked at and took out.")}),
		),
	})
}

func (d Deps) exportMine(w http.ResponseWriter, r *http.Request) error {
	f, err := formatOf(r.FormValue("format"))
	if err != nil {
		return err
	}
	me := web.Who(r)
	return stream(w, "my-trail", f, func(out *counted) error {
		sink, err := record.NewSink(f, out, d.Hub())
		return errors.Join(err, d.Record.OwnTo(r.Context(), record.By{Account: me.Account}, me.Person.String(), f, sink))
	})
}
