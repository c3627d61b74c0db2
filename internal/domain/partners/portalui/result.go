package portalui

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// look opens a result for the person of the session, and says no to a browser that
// only thinks they might click.
func (s *site) look(r *http.Request, how string) (*portal.Person, *portal.Shown, error) {
	if r.Header.Get("Sec-Purpose") != "" || r.Header.Get("Purpose") == "prefetch" {
		return nil, nil, web.Conflict("This page is opened by a person, never ahead of one.")
	}
	id, err := idOf(r, "id")
	if err != nil {
		return nil, nil, err
	}
	p, err := s.person(r)
	if err != nil {
		return nil, nil, err
	}
	x, err := s.Portal.Open(r.Context(), p, id, how)
	return p, x, err
}

func (s *site) result(w http.ResponseWriter, r *http.Request) error {
	p, x, err := s.look(r, portal.HowPage)
	if err != nil {
		return err
	}
	now, path := web.Now(r), "/results/"+x.ID.String()
	pt := &x.Report.Patient
	name := pt.Name
	if name == "" {
		name = "a patient who is not named"
	}
	out := kit.Page{Title: "Result", Lead: name, Nav: "/", Crumbs: []kit.Crumb{{Name: "Results", Href: "/"}, {Name: "This result"}}}
	if len(x.Label.Tests) > 0 {
		out.Rest = strings.Join(x.Label.Tests, ", ")
	}
	out.Tools = templ.Join(kit.Button(kit.Action{Text: "PDF", Href: path + "/pdf", Icon: "download"}), kit.PrintButton("Print"))
	var parts []templ.Component
	if v := s.verdict(x); v != nil {
		parts = append(parts, v)
	}
	ids := strings.Join(pt.IDs, ", ")
	if ids == "" {
		ids = "none given"
	}
	parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "Patient", Sub: "as the laboratory names them", Body: kit.KeyValues([]kit.KV{
		{Key: "Name", Value: name}, {Key: "Born", Value: orNone(pt.Born)}, {Key: "Sex", Value: orNone(pt.Sex)}, {Key: "Numbers", Value: ids, Mono: true},
	})}))
	for i := range x.Report.Orders {
		parts = append(parts, orderSheet(&x.Report.Orders[i], path))
	}
	if len(x.Report.Notes) > 0 {
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "Comment", Pad: true, Body: texts(x.Report.Notes)}))
	}
	if x.Report.Cut {
		parts = append(parts, kit.Foot(kit.Warn, "This report is longer than what is shown here. Take the message as a file, or ask the laboratory for the whole."))
	}
	beside := []templ.Component{s.versions(x), kit.Sheet(kit.SheetOpts{Title: "About this page", Body: kit.KeyValues([]kit.KV{
		{Key: "From", Value: labOf(x, s.Lab())}, {Key: "Came", Value: kit.Stamp(x.Placed)}, {Key: "First opened", Value: openedWords(x, p)}, {Key: "Opened now by", Value: p.Name + ", " + kit.Stamp(now)}, {Key: "Questions", Value: s.phone()},
	})}), kit.Buttons(
		kit.Action{Text: "We did not get it", Href: path + "/missing", Post: true, Icon: "help"}, kit.Action{Text: "Wrong patient or not ours", Href: path + "/wrong", Icon: "hide"}, kit.Action{Text: "The message as a file", Href: path + "/message", Icon: "download"},
		kit.Action{Text: "Its signed receipt", Href: path + "/receipt", Icon: "proof"},
	), s.critical()}
	out.Body = kit.Columns(kit.Stacked(parts), kit.Stacked(beside))
	return web.Render(w, r, out)
}

// labOf is whose result it is, where one hub serves several laboratories.
func labOf(x *portal.Shown, lab string) string {
	if x.Label.Lab != "" {
		return x.Label.Lab + ", " + lab
	}
	return lab
}

func orNone(s string) string {
	if s == "" {
		return "not given"
	}
	return s
}

func openedWords(x *portal.Shown, p *portal.Person) string {
	if x.Opened.IsZero() {
		return "now, by you"
	}
	if x.OpenedBy == p.ID {
		return kit.Stamp(x.Opened) + ", by you"
	}
	return kit.Stamp(x.Opened) + ", by " + x.OpenedName
}

// verdict is what must be seen first: a later version, another patient, critical.
func (s *site) verdict(x *portal.Shown) templ.Component {
	switch {
	case x.Later != nil:
		return kit.Verdict(kit.Stopped, "Superseded: there is a later version of this result", "Do not use this one. The laboratory has sent all of it again since.", &kit.Action{Text: "Open the latest", Href: "/results/" + x.Later.ID.String(), Primary: true})
	case x.LaterKept:
		return kit.Verdict(kit.Stopped, "Superseded: the laboratory has a later version that is not shown here", "Do not use this one. Call the laboratory: "+s.phone()+".", nil)
	case x.NotSame:
		return kit.Verdict(kit.Stopped, "The version before named another patient", "The laboratory has corrected whose result this is. Compare both, and take the earlier one out of the other patient's chart.", nil)
	case x.Report.Critical:
		return kit.Verdict(kit.Stopped, "The laboratory's system flagged this critical", "The laboratory phones you about critical results; opening this page does not replace the call. Not called yet? "+s.phone(), nil)
	}
	return nil
}

// versions are the other reports about the same orders.
func (s *site) versions(x *portal.Shown) templ.Component {
	var items []kit.Check
	item := func(y *portal.Item, state kit.State, text string) kit.Check {
		return kit.Check{State: state, Title: "Came " + kit.Stamp(y.Placed), Text: text}
	}
	var links []kit.Action
	add := func(y *portal.Item, state kit.State, text, link string) {
		items = append(items, item(y, state, text))
		links = append(links, kit.Action{Text: link, Href: "/results/" + y.ID.String()})
	}
	if x.Later != nil {
		add(x.Later, kit.Fine, "the latest version", "Open the latest")
	}
	for i := range x.Earlier {
		add(&x.Earlier[i], kit.Warn, "superseded by this one", "Open the version of "+x.Earlier[i].Placed.In(s.Zone).Format("2 Jan 15:04"))
	}
	for i := range x.Others {
		add(&x.Others[i], kit.Unknown, "about one of the same orders, with other observations", "Open the report of "+x.Others[i].Placed.In(s.Zone).Format("2 Jan 15:04"))
	}
	if len(items) == 0 {
		return kit.Sheet(kit.SheetOpts{Title: "Versions", Pad: true, Body: kit.Empty("This is the only version here.", nil)})
	}
	return kit.Sheet(kit.SheetOpts{Title: "Versions", Body: templ.Join(kit.Checks(items), kit.Acts(links...))})
}

func orderSheet(o *portal.Order, path string) templ.Component {
	facts := []kit.KV{}
	for _, f := range [][2]string{
		{"Status", o.StatusWord},
		{"Laboratory's number", o.Filler},
		{"Your number", o.Placer},
		{"Specimen", o.Specimen},
		{"Collected", o.Collected},
		{"Received", o.Received},
		{"Reported", o.Reported},
		{"Ordered by", o.Provider},
		{"Copy to", strings.Join(o.CopyTo, "; ")},
	} {
		if f[1] != "" {
			facts = append(facts, kit.KV{Key: f[0], Value: f[1]})
		}
	}
	t := kit.Table{Caption: o.Test, Empty: "No observations.", Total: len(o.Rows), Columns: []kit.Column{{Name: "Test"}, {Name: "Value"}, {Name: "Flag"}, {Name: "Units"}, {Name: "Reference range"}}}
	for i := range o.Rows {
		x := &o.Rows[i]
		value := x.Value
		if len(value) == 0 {
			value = []string{"no value"}
		}
		flag := kit.C("")
		if x.Flag != "" {
			state := kit.Warn
			if x.Urgent {
				state = kit.Stopped
			}
			flag = kit.Cell{State: &state, Word: "flagged", Text: x.Flag, Sub: x.FlagWord}
		}
		name := kit.Cell{Text: x.Name, Sub: x.Status}
		body := texts(value)
		if x.Document > 0 {
			body = templ.Join(body, kit.Button(kit.Action{Text: "Open", Href: path + "/documents/" + strconv.Itoa(x.Document), Icon: "download"}))
		}
		if len(x.Notes) > 0 {
			body = templ.Join(body, comment(x.Notes))
		}
		t.Rows = append(t.Rows, kit.Row{Key: strconv.Itoa(i), At: x.Urgent, Cells: []kit.Cell{name, kit.CBody(body), flag, kit.C(x.Units), kit.C(x.Range)}})
	}
	if len(o.Notes) > 0 {
		facts = append(facts, kit.KV{Key: "Comment", Body: texts(o.Notes)})
	}
	parts := []templ.Component{kit.KeyValues(facts)}
	if len(o.Rows) > 0 { // what came of it first
		parts = append([]templ.Component{kit.DataTable(t)}, parts...)
	}
	return kit.Sheet(kit.SheetOpts{Title: o.Test, Sub: "as the laboratory's system wrote it", Body: templ.Join(parts...)})
}

// download begins a file; a name of ours, never a patient's.
func download(w http.ResponseWriter, name, kind string, inline bool) {
	how := "attachment"
	if inline {
		how = "inline"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", mime.FormatMediaType(how, map[string]string{"filename": name}))
	w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'")
}

func (s *site) message(w http.ResponseWriter, r *http.Request) error {
	_, x, err := s.look(r, portal.HowFile)
	if err != nil {
		return err
	}
	download(w, x.ID.String()+".hl7", "application/octet-stream", false)
	_, _ = w.Write(x.Body) // the reader may have gone
	return nil
}

// receipt is the laboratory's word about the message as a file: that it is this one, and
// when it was placed here.
func (s *site) receipt(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	p, err := s.person(r)
	if err != nil {
		return err
	}
	b, err := s.Portal.Receipt(r.Context(), p, id)
	if err != nil {
		return err
	}
	download(w, id.String()+".hl7.receipt.json", "application/json", false)
	_, _ = w.Write(b) // the reader may have gone
	return nil
}

func (s *site) document(w http.ResponseWriter, r *http.Request) error {
	_, x, err := s.look(r, portal.HowDocument)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 1 || n > len(x.Report.Documents) {
		return web.NotFound("There is no such document in this result.")
	}
	d := &x.Report.Documents[n-1]
	name := fmt.Sprintf("%s-%d", x.ID, n)
	if d.PDF() {
		download(w, name+".pdf", "application/pdf", false)
	} else {
		download(w, name+".bin", "application/octet-stream", false)
	}
	_, _ = w.Write(d.Data) // as above
	return nil
}

func (s *site) fetch(w http.ResponseWriter, r *http.Request) error {
	p, err := s.person(r)
	if err != nil {
		return err
	}
	of := r.FormValue("of")
	if all := p.Partners(); of == "" && len(all) == 1 {
		of = all[0]
	}
	items, messages, err := s.Portal.Batch(r.Context(), p, of)
	if err != nil {
		return err
	}
	name := "results-" + web.Now(r).In(s.Zone).Format("20060102-150405")
	body, kind, ext := portal.BatchFile(messages, s.Lab(), web.Now(r)), "application/octet-stream", ".hl7"
	if r.FormValue("form") == "zip" {
		if body, err = portal.ZipFile(items, messages); err != nil {
			return err
		}
		kind, ext = "application/zip", ".zip"
	}
	download(w, name+ext, kind, false)
	_, _ = w.Write(body) // a file to save, of its own type, sandboxed; the reader may have gone
	return nil
}
