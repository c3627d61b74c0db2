package portalui

import (
	"net/http"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func itoa(n int) string { return strconv.Itoa(n) }

func (l lab) copies(w http.ResponseWriter, r *http.Request) error { return l.drawCopies(w, r, nil) }

// drawCopies is the list of patients who asked for their results.
func (l lab) drawCopies(w http.ResponseWriter, r *http.Request, bad *web.Error) error {
	now := web.Now(r)
	list, err := l.Portal.Copies(r.Context(), false, 200)
	if err != nil {
		return err
	}
	done, err := l.Portal.Copies(r.Context(), true, 20)
	if err != nil {
		return err
	}
	late := 0
	var parts []templ.Component
	for i := range list {
		c := &list[i]
		title, note := "Due "+kit.Date(c.Due, now), ""
		if now.After(c.Due) {
			late++
			title = "Overdue since " + kit.Date(c.Due, now)
		}
		if !c.Extended.IsZero() {
			note = "extended once, on " + kit.Date(c.Extended, now)
		}
		body := []templ.Component{kit.KeyValues([]kit.KV{{Key: "Who and what", Value: c.About}, {Key: "Came", Value: kit.Date(c.Asked, now)}, {Key: "Taken by", Value: c.MadeBy}})}
		body = append(body, kit.Form(kit.FormOpts{Action: "/patient-copies/" + c.ID.String() + "/end", Submit: "Done", Fields: []kit.Field{{Name: "outcome", Label: "What came of it", Kind: kit.SelectField, ID: "outcome-" + itoa(i), Options: []kit.Option{
			{Value: portal.CopyGiven, Text: "The patient has it"}, {Value: portal.CopyDenied, Text: "Denied in writing, with the reason"}, {Value: portal.CopyTaken, Text: "The patient took it back"},
		}}}}))
		if c.Extended.IsZero() && now.Before(c.Due) {
			body = append(body, kit.Quick("/patient-copies/"+c.ID.String()+"/extend", "30 more days", "for request "+itoa(i+1)+": the patient was told why in writing"))
		}
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: title, Sub: note, Pad: true, Body: templ.Join(body...)}))
	}
	fields := []kit.Field{
		{Name: "about", Label: "Who asks for what", Hint: "Kept sealed, shown on this page alone.", Kind: kit.TextareaField, Value: r.FormValue("about"), Required: true, Max: 500, Spell: true},
		{Name: "asked", Label: "Came on", Kind: kit.DateField, Value: r.FormValue("asked"), Required: true, Narrow: true},
	}
	out := kit.Page{Title: "Patients' copies", Lead: kit.Many(len(list), "patient waits for a copy.", "patients wait for copies."), Nav: "/patient-copies"}
	if late > 0 {
		out.Rest = kit.Many(late, "is overdue.", "are overdue.")
	}
	if bad != nil {
		out.Status, fields = statusOf(bad), kit.WithErrors(fields, bad.Fields)
	}
	t := kit.Table{Caption: "Done lately", Total: len(done), Empty: "None yet.", Columns: []kit.Column{{Name: "Done"}, {Name: "What came of it"}, {Name: "By"}}}
	for i := range done {
		t.Rows = append(t.Rows, kit.Row{Key: done[i].ID.String(), Cells: []kit.Cell{kit.CMono(kit.Date(done[i].Done, now)), kit.C(done[i].Outcome), kit.C(done[i].DoneBy)}})
	}
	if len(parts) == 0 {
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "Open", Pad: true, Body: kit.Empty("No request is open.", nil)}))
	}
	parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "Done lately", Body: kit.DataTable(t)}))
	out.Body = kit.Columns(kit.Stacked(parts), kit.Stacked([]templ.Component{
		kit.Sheet(kit.SheetOpts{Title: "A patient asks", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/patient-copies", Submit: "Open the request", Fields: fields})}),
		kit.Sheet(kit.SheetOpts{Title: "The clock", Pad: true, Body: kit.Paragraph("Law: 30 days from the day the request came, and once 30 more where the patient is told the reason and the new day in writing within the first 30 (45 CFR 164.524(b)(2)). Your state may give less.")}),
	}))
	return web.Render(w, r, out)
}

func (l lab) askCopy(w http.ResponseWriter, r *http.Request) error {
	asked, err := time.ParseInLocation(time.DateOnly, r.FormValue("asked"), l.Zone)
	if err != nil {
		asked = time.Time{}
	}
	if _, err := l.Portal.AskCopy(r.Context(), r.FormValue("about"), asked, web.Who(r).Account); err != nil {
		e, err := told(err)
		if err != nil {
			return err
		}
		return l.drawCopies(w, r, e)
	}
	return web.Done(w, r, "/patient-copies", "The clock runs.")
}

func (l lab) extendCopy(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if err := l.Portal.ExtendCopy(r.Context(), id, web.Who(r).Account); err != nil {
		return err
	}
	return web.Done(w, r, "/patient-copies", "It has 30 more days, and no more after that.")
}

func (l lab) endCopy(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if err := l.Portal.EndCopy(r.Context(), id, r.FormValue("outcome"), web.Who(r).Account); err != nil {
		return err
	}
	return web.Done(w, r, "/patient-copies", "Noted.")
}
