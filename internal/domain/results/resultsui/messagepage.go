package resultsui

import (
	"bytes"
	"context"
	"errors"
	"html"
	"io"
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/receipt"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// messageRoutes show patient data. Each is a POST, and the record is written
// before anything is shown.
func messageRoutes(d Deps) []web.Route {
	return []web.Route{
		{Pattern: "POST /results/{id}/name", Needs: authz.ResultsReveal, Handle: d.revealName},
		{Pattern: "POST /results/{id}/message", Needs: authz.ResultsReveal, Handle: d.readMessage},
		{Pattern: "POST /results/{id}/export", Needs: authz.ResultsExport, Handle: d.exportMessage},
		{Pattern: "POST /results/{id}/deliveries/{number}/proof", Needs: authz.ResultsProof, Handle: d.downloadProof},
		{Pattern: "POST /results/{id}/deliveries/{number}/receipt", Needs: authz.ResultsProof, Handle: d.downloadReceipt},
		// A page that a POST drew is lost on a reload: its address leads back.
		{Pattern: "GET /results/{id}/name", Needs: authz.ResultsFind, Handle: toResult},
		{Pattern: "GET /results/{id}/message", Needs: authz.ResultsFind, Handle: toResult},
		{Pattern: "GET /results/{id}/export", Needs: authz.ResultsFind, Handle: toResult},
		{Pattern: "GET /results/{id}/deliveries/{number}/proof", Needs: authz.ResultsFind, Handle: toResult},
		{Pattern: "GET /results/{id}/deliveries/{number}/receipt", Needs: authz.ResultsFind, Handle: toResult},
	}
}

func toResult(w http.ResponseWriter, r *http.Request) error {
	return web.Done(w, r, "/results/"+r.PathValue("id"), "")
}

// shown finds a message whose patient the caller may be shown.
func (d Deps) shown(r *http.Request, p authz.Permission) (results.Summary, error) {
	m, err := d.found(r, r.PathValue("id"))
	if err != nil {
		return m, err
	}
	return m, reaches(r, p, &m)
}

func (d Deps) revealName(w http.ResponseWriter, r *http.Request) error {
	m, err := d.shown(r, authz.ResultsReveal)
	if err != nil {
		return err
	}
	who, err := d.Results.Reveal(r.Context(), m.ID, as(r, "show-name-and-values").By)
	if err != nil {
		return notShown(err)
	}
	return d.drawResult(w, r, &m, &who)
}

// notShown says why a message is not shown, where a person can know.
func notShown(err error) error {
	if errors.Is(err, results.ErrErased) {
		return web.Conflict("The message was erased by the retention policy. Its journey is still there.")
	}
	return missing(err, noResult)
}

func (d Deps) readMessage(w http.ResponseWriter, r *http.Request) error {
	m, err := d.shown(r, authz.ResultsReveal)
	if err != nil {
		return err
	}
	_, body, err := d.Results.View(r.Context(), m.ID, as(r, "read-message").By)
	if err != nil {
		return notShown(err)
	}
	path := "/results/" + m.ID.String()
	p := kit.Page{
		Title: "Message", Lead: "The whole message.", Rest: "This look is recorded.", Nav: "/results",
		Crumbs: append(d.crumbs(&m), kit.Crumb{Name: "This result", Href: path}), Tools: kit.PrintButton("Print"),
	}
	sheets := readable(body)
	acts := []kit.Action{{Text: "Back to the result", Href: path, Icon: "back"}}
	if mayReach(r, authz.ResultsExport, &m) {
		acts = append(acts, kit.Action{Text: "Save as a file (recorded)", Href: path + "/export", Post: true, Icon: "download"})
	}
	p.Body = templ.Join(append(sheets, rawSheet(body), kit.Acts(acts...))...)
	return web.Render(w, r, p)
}

func (d Deps) exportMessage(w http.ResponseWriter, r *http.Request) error {
	m, err := d.shown(r, authz.ResultsExport)
	if err != nil {
		return err
	}
	_, body, err := d.Results.Export(r.Context(), m.ID, as(r, "export").By)
	if err != nil {
		return notShown(err)
	}
	return file(w, "application/octet-stream", m.ID.String()+".hl7", body)
}

// file answers with a file to be saved. name is ours.
func file(w http.ResponseWriter, media, name string, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	_, err := w.Write(body)
	_ = err // the reader may have gone
	return nil
}

func (d Deps) downloadProof(w http.ResponseWriter, r *http.Request) error {
	_, x, err := d.onWay(r, authz.ResultsProof)
	if err != nil {
		return err
	}
	b, _, err := d.Results.TakeProof(r.Context(), x.Seq, as(r, "download").By)
	switch {
	case errors.Is(err, results.ErrErased):
		return web.Conflict("The message was erased by the retention policy, and with it what proves it.")
	case errors.Is(err, results.ErrConflict):
		return web.Conflict("There is a proof once the partner has answered.")
	case err != nil:
		return missing(err, noResult)
	}
	return file(w, "application/json", "labwarden-proof-"+numbered(x.Seq)+".json", b)
}

func (d Deps) downloadReceipt(w http.ResponseWriter, r *http.Request) error {
	_, x, err := d.onWay(r, authz.ResultsProof)
	if err != nil {
		return err
	}
	b, name, err := d.Results.TakeReceipt(r.Context(), x.Seq, as(r, "download").By)
	if err != nil {
		return noReceipt(err)
	}
	return file(w, receipt.ContentType, name, b)
}

func noReceipt(err error) error {
	switch {
	case errors.Is(err, results.ErrUnseen):
		return web.Conflict("There is no receipt: an earlier try had placed the encrypted file, and its bytes were not written down. The proof shows the rest.")
	case errors.Is(err, results.ErrErased):
		return web.Conflict("What was kept of this delivery was erased by the retention policy, and with it the receipt.")
	case errors.Is(err, results.ErrConflict):
		return web.Conflict("There is a receipt once the partner has it.")
	}
	return missing(err, noResult)
}

const (
	maxRawLines = 400
	maxRawLine  = 4000
)

// rawSheet is the message as it stands, a line for each segment, with signs for
// what cannot be printed.
func rawSheet(body []byte) templ.Component {
	lines := bytes.FieldsFunc(body, func(r rune) bool { return r == '\r' || r == '\n' })
	text := ""
	sub := kit.Many(len(body), "byte", "bytes")
	for i, l := range lines {
		if i == maxRawLines {
			text += "…\n"
			sub += ", its beginning"
			break
		}
		text += results.Printable(string(l), maxRawLine) + "\n"
	}
	return kit.Sheet(kit.SheetOpts{Title: "As it stands", Sub: sub, Body: kit.Pre("The message as it stands", []kit.Part{{Text: text}})})
}

const maxValue = 2000

func field(s hl7.Segment, n int) string { return results.Printable(s.Field(n).Text(), maxValue) }

// readable draws a message for people: the patient, each order with its values as
// the LIS wrote them, notes, and by number what has no name here.
func readable(body []byte) []templ.Component {
	m, err := hl7.Parse(body)
	if err != nil {
		return []templ.Component{kit.Sheet(kit.SheetOpts{Title: "Readable", Pad: true, Body: kit.UnknownState("This cannot be read as HL7. Below it stands as it came.")})}
	}
	var out []templ.Component
	var table *kit.Table
	var head []kit.KV
	title, under := "", ""
	flush := func() {
		if title == "" {
			return
		}
		parts := []templ.Component{}
		if len(head) > 0 {
			parts = append(parts, kit.KeyValues(head))
		}
		if table != nil && len(table.Rows) > 0 {
			table.Total = len(table.Rows)
			parts = append(parts, kit.DataTable(*table))
		}
		out = append(out, kit.Sheet(kit.SheetOpts{Title: title, Sub: under, ID: "part-" + kit.Count(len(out)+1), Body: templ.Join(parts...)}))
		title, under, head, table = "", "", nil, nil
	}
	n := 0
	for s := range m.Segments("") {
		if n++; n > maxRawLines {
			break
		}
		switch name := s.Name(); name {
		case "OBR":
			flush()
			title, under = "Order", "as the LIS wrote it"
			head, table = named(s), valueTable()
		case "OBX":
			if title == "" || table == nil {
				flush()
				title, table = "Values", valueTable()
			}
			table.Rows = append(table.Rows, valueRow(s))
		case "NTE":
			note := kit.KV{Key: "Note", Value: field(s, 3)}
			if table != nil && len(table.Rows) > 0 {
				table.Rows = append(table.Rows, kit.Row{Cells: []kit.Cell{kit.C("Note"), kit.CBody(breakable(field(s, 3), "")), kit.C(""), kit.C(""), kit.C("")}})
			} else {
				head = append(head, note)
			}
		default:
			if title != "" && table != nil && len(table.Rows) == 0 && (name == "TQ1" || name == "CTD") {
				head = append(head, named(s)...)
				continue
			}
			flush()
			title = segmentTitle(name)
			head = named(s)
			if len(head) == 0 {
				title = ""
			}
		}
	}
	flush()
	// Who, and what was found, come before how the message was sent.
	if len(out) > 1 {
		out = append(out[1:], out[0])
	}
	return out
}

func valueTable() *kit.Table {
	return &kit.Table{Caption: "Values as the LIS wrote them", Columns: []kit.Column{{Name: "Test"}, {Name: "Value"}, {Name: "Unit"}, {Name: "Range"}, {Name: "Flag and status"}}}
}

// valueRow is one OBX. The flag is the LIS's own, no judgement of ours.
func valueRow(s hl7.Segment) kit.Row {
	test := s.Field(3)
	name := results.Printable(test.Part(2).Text(), 200)
	code := results.Printable(test.Part(1).Text(), 100)
	if name == "" {
		name, code = code, ""
	}
	value := field(s, 5)
	switch string(s.Field(2).Raw()) {
	case "ED", "RP":
		value = "A document of " + kit.Many(len(s.Field(5).Raw()), "byte", "bytes") + " as it is written; it is not shown here."
	case "CE", "CWE", "CNE":
		if t := results.Printable(s.Field(5).Part(2).Text(), maxValue); t != "" {
			value = t
		}
	}
	unit := results.Printable(s.Field(6).Part(1).Text(), 100)
	flag := field(s, 8)
	if st := field(s, 11); st != "" {
		flag = joinText(flag, "("+st+")")
	}
	return kit.Row{Cells: []kit.Cell{
		kit.CBody(breakable(name, code)), kit.CBody(breakable(value, "")), kit.CBody(breakable(unit, "")),
		kit.CBody(breakable(results.Printable(s.Field(7).Text(), 200), "")), kit.CBody(breakable(flag, "")),
	}}
}

// breakable draws a text that may break within a long word: what a message says
// must not make a table wider than the page. by is a quieter second line.
func breakable(text, by string) templ.Component {
	const run = 24
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		var b strings.Builder
		write := func(s string) {
			n := 0
			for _, r := range s {
				if n++; r == ' ' {
					n = 0
				} else if n > run {
					b.WriteString("<wbr>")
					n = 1
				}
				b.WriteString(html.EscapeString(string(r)))
			}
		}
		write(text)
		if by != "" {
			class := "mono" // which does not break
			if len(by) > run {
				class = "long"
			}
			b.WriteString(`<span class="by"><span class="` + class + `">`)
			write(by)
			b.WriteString("</span></span>")
		}
		_, err := io.WriteString(w, b.String())
		return err
	})
}
