package accountsui

import (
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func patientRoutes(d Deps) []web.Route {
	return []web.Route{
		{Pattern: "GET /record/patient", Needs: authz.RecordPatient, Handle: d.askPatient},
		{Pattern: "POST /record/patient", Needs: authz.RecordPatient, Handle: d.patient},
		{Pattern: "POST /record/patient/file", Needs: authz.RecordPatient, Handle: d.patientFile},
	}
}

func (d Deps) askPatient(w http.ResponseWriter, r *http.Request) error {
	return d.patientForm(w, r, "")
}

func (d Deps) patientForm(w http.ResponseWriter, r *http.Request, whole string) error {
	status := 0
	if whole != "" {
		status = http.StatusUnprocessableEntity
	}
	f := []kit.Field{
		{Name: "id", Label: "Patient's identifier", Value: r.PostFormValue("id"), Required: true, Mono: true, Max: 250, Autocomplete: "off", Hint: "The whole identifier, as the LIS writes it in PID-3."},
		{Name: "authority", Label: "Who assigned it", Value: r.PostFormValue("authority"), Optional: true, Mono: true, Max: 250, Autocomplete: "off", Hint: "The assigning authority, where the same number may be another's patient."},
		{Name: "from", Label: "From", Kind: kit.DateField, Value: r.PostFormValue("from"), Narrow: true, Optional: true},
		{Name: "to", Label: "Until", Kind: kit.DateField, Value: r.PostFormValue("to"), Narrow: true, Optional: true},
	}
	return web.Render(w, r, kit.Page{
		Title: "A patient's report", Lead: "Who looked at a patient's results, and to whom did they go?", Rest: "That you ask is recorded with each message.", Nav: "/record", Status: status,
		Crumbs: []kit.Crumb{{Name: "Record", Href: "/record"}},
		Body: templ.Join(recordTabs(r, "patient"), kit.Columns(
			kit.Sheet(kit.SheetOpts{Title: "The patient", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/record/patient", Fields: f, Submit: "Make the report", Cancel: "/record", Wrong: whole})}),
			kit.Sheet(kit.SheetOpts{Title: "What it is for", Pad: true, Body: kit.KeyValues([]kit.KV{
				{Key: "What it lists", Value: "Every view and every delivery of what carries this identifier, those for treatment included."},
				{Key: "Our own policy", Value: "Also who looked inside the laboratory."},
			})}),
		)),
	})
}

func (d Deps) report(r *http.Request) (*record.Report, error) {
	ask := record.Ask{ID: r.PostFormValue("id"), Authority: r.PostFormValue("authority")}
	q, err := d.query(r, asked{from: strings.TrimSpace(r.PostFormValue("from")), to: strings.TrimSpace(r.PostFormValue("to"))})
	if err != nil {
		return nil, err
	}
	ask.From, ask.To = q.From, q.To
	return d.Record.Patient(r.Context(), record.By{Account: web.Who(r).Account}, ask)
}

func (d Deps) patient(w http.ResponseWriter, r *http.Request) error {
	rep, err := d.report(r)
	if _, whole, ok := fields(err); ok {
		return d.patientForm(w, r, whole)
	}
	if err != nil {
		return err
	}
	names, err := d.names(r.Context())
	if err != nil {
		return err
	}
	facts := []kit.KV{
		{Key: "Patient's identifier", Value: rep.Ask.ID, Mono: true},
		{Key: "Assigned by", Value: orNot(rep.Ask.Authority)},
		{Key: "Time", Value: span(&rep.Ask)},
		{Key: "Messages", Value: kit.Count(len(rep.Messages))},
		{Key: "Report", Value: rep.ID.String(), Mono: true},
		{Key: "Made", Value: kit.Stamp(rep.Made) + " by " + rep.By},
	}
	var body []templ.Component
	for _, m := range rep.Missing {
		body = append(body, kit.Verdict(kit.Unknown, "The report may not be whole.", m, nil))
	}
	body = append(body, d.disclosureSheet(r, rep))
	t := d.lineTable(r, rep.Access, names)
	for i := range t.Rows { // on paper a time needs its day
		t.Rows[i].Cells[0].Text = kit.Stamp(rep.Access[i].Time())
	}
	t.Caption, t.Empty = "Who looked and acted", "Nobody inside the laboratory looked at it in this time."
	body = append(body, kit.Sheet(kit.SheetOpts{Title: "Who looked and acted", Sub: kit.Many(len(rep.Access), "entry", "entries"), Body: kit.DataTable(t)}))
	hidden := map[string]string{"id": rep.Ask.ID, "authority": rep.Ask.Authority, "from": r.PostFormValue("from"), "to": r.PostFormValue("to")}
	body = append(body, kit.Sheet(kit.SheetOpts{Title: "Take it out", Pad: true, Body: exportForm("/record/patient/file", hidden, "The report is made anew and recorded again.")}))
	return web.Render(w, r, kit.Page{
		Title: "A patient's report", Lead: kit.Many(len(rep.Disclosures), "delivery", "deliveries") + " and " + kit.Many(len(rep.Access), "entry", "entries") + " about this patient.",
		Nav: "/record", Crumbs: []kit.Crumb{{Name: "Record", Href: "/record"}}, Tools: kit.PrintButton("Print"),
		Body: kit.PrintSheet(facts, templ.Join(body...), "Every delivery is listed, those for treatment included. Accepted means that their system acknowledged it, no more. Self-reported by Labwarden."),
	})
}

func span(a *record.Ask) string {
	from, to := "the beginning", "now"
	if !a.From.IsZero() {
		from = a.From.Format(time.DateOnly)
	}
	if !a.To.IsZero() {
		to = a.To.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	return from + " to " + to
}

func (d Deps) disclosureSheet(r *http.Request, rep *record.Report) templ.Component {
	names := map[string]string{}
	if d.Partners != nil {
		for _, p := range d.Partners() {
			names[p[0]] = p[1]
		}
	}
	t := kit.Table{
		Caption: "To whom it went", View: kit.View{Path: r.URL.Path, Page: 1, Size: len(rep.Disclosures) + 1}, Total: len(rep.Disclosures), Empty: "Nothing was accepted by a partner in this time.",
		Columns: []kit.Column{{Name: "Accepted"}, {Name: "To whom"}, {Name: "What"}, {Name: "From"}},
	}
	for i := range rep.Disclosures {
		x := &rep.Disclosures[i]
		name := names[x.Partner]
		if name == "" {
			name = x.Partner
		}
		t.Rows = append(t.Rows, kit.Row{Cells: []kit.Cell{kit.CMono(kit.Stamp(x.Accepted)), kit.C(name), {Text: "Result", Sub: x.Message.ID}, kit.C(x.Message.Source)}})
	}
	return kit.Sheet(kit.SheetOpts{Title: "To whom it went", Sub: kit.Many(len(rep.Disclosures), "delivery", "deliveries"), Body: kit.DataTable(t)})
}

func (d Deps) patientFile(w http.ResponseWriter, r *http.Request) error {
	f, err := formatOf(r.PostFormValue("format"))
	if err != nil {
		return err
	}
	rep, err := d.report(r)
	if err != nil {
		return err
	}
	return stream(w, "patient-report-"+rep.ID.String()[:8], f, func(out *counted) error { return record.WriteReport(out, rep, f, d.Hub()) })
}
