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

// copyStand is how a request stands, in words.
var copyStand = map[kit.State]string{kit.Unknown: "The clocks run.", kit.Warn: "Our own day is over; the law's is not.", kit.Stopped: "The law's day is over."}

func itoa(n int) string { return strconv.Itoa(n) }

func (l lab) copies(w http.ResponseWriter, r *http.Request) error { return l.drawCopies(w, r, nil) }

const (
	copyRule  = "45 CFR 164.524(b)(2)"
	copyCheck = "check: read in OCR's guidance, not in the rule's text"
)

// copyGrounds are what the clocks rest on.
func (l lab) copyGrounds() []kit.Ground {
	own := kit.Ground{Basis: kit.Policy, Text: "This laboratory has none of its own: portal.copy_within is not set."}
	if d := l.Portal.Settings().CopyWithin; d > 0 {
		own.Text = "Within " + kit.Many(int(d/(24*time.Hour)), "day", "days") + " after the day the request came (portal.copy_within)."
	}
	return []kit.Ground{
		{Basis: kit.Law, Text: "At the latest 30 days after the day the request came.", Source: copyRule, Read: copyCheck},
		{Basis: kit.Law, Text: "Once 30 more, where the patient is told the reason and the new day in writing within the first 30.", Source: copyRule + "(ii)", Read: copyCheck},
		{Basis: kit.Law, Text: "Your state may give less time.", Read: "check", Source: "State law"},
		own,
		{Basis: kit.Policy, Text: "Today reminds of a request ten days before its first clock runs out."},
	}
}

// copyClocks are a request's clocks, each under its label, and how the worst stands.
func copyClocks(c *portal.Copy, now time.Time, zone *time.Location) (grounds []kit.Ground, state kit.State, title string) {
	last := func(t time.Time) string { return kit.Date(t.Add(-time.Second), now) }
	law := kit.Ground{Basis: kit.Law, Text: "By " + last(c.Due) + ". Today is day " + itoa(c.Day(now, zone)) + " of " + itoa(c.Days()) + ".", Source: copyRule, Read: "check"}
	state, title = kit.Unknown, "Due by "+last(c.Due)
	if !c.Extended.IsZero() {
		law.Text += " Extended once, on " + kit.Date(c.Extended, now) + "."
	}
	grounds = []kit.Ground{law}
	if !c.Policy.IsZero() && c.Policy.Before(c.Due) {
		own := kit.Ground{Basis: kit.Policy, Text: "By " + last(c.Policy) + "."}
		title = "Due by " + last(c.Policy) + " by our policy, by " + last(c.Due) + " by law"
		if !now.Before(c.Policy) {
			own.Text = "It was to be done by " + last(c.Policy) + "."
			state, title = kit.Warn, "Later than our policy; due by "+last(c.Due)+" by law"
		}
		grounds = append(grounds, own)
	}
	if !now.Before(c.Due) {
		state, title = kit.Stopped, "Overdue by law since "+kit.Date(c.Due, now)
	}
	return grounds, state, title
}

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
		grounds, state, title := copyClocks(c, now, l.Zone)
		if state == kit.Stopped {
			late++
		}
		body := []templ.Component{kit.KeyValues([]kit.KV{{Key: "Who and what", Value: c.About}, {Key: "Came", Value: kit.Date(c.Asked, now)}, {Key: "Taken by", Value: c.MadeBy}}), kit.Grounds(grounds)}
		body = append(body, kit.Form(kit.FormOpts{Action: "/patient-copies/" + c.ID.String() + "/end", Submit: "Done", Fields: []kit.Field{{Name: "outcome", Label: "What came of it", Kind: kit.SelectField, ID: "outcome-" + itoa(i), Options: []kit.Option{
			{Value: portal.CopyGiven, Text: "The patient has it"}, {Value: portal.CopyDenied, Text: "Denied in writing, with the reason"}, {Value: portal.CopyTaken, Text: "The patient took it back"},
		}}}}))
		if c.Extended.IsZero() && now.Before(c.Due) {
			told := kit.Field{Name: "told", Label: "The patient was told in writing why it takes longer, and that it is due by " + kit.Date(c.Due.In(l.Zone).AddDate(0, 0, 30).Add(-time.Second), now), Kind: kit.CheckboxField, ID: "told-" + itoa(i)}
			if bad != nil && r.PathValue("id") == c.ID.String() {
				told.Error = bad.Fields["told"]
			}
			body = append(body, kit.Form(kit.FormOpts{Action: "/patient-copies/" + c.ID.String() + "/extend", Submit: "30 more days", Fields: []kit.Field{told}}))
		}
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: title, Pad: true, Body: kit.Stacked(append([]templ.Component{kit.Foot(state, copyStand[state])}, body...)), ID: "copy-" + itoa(i)}))
	}
	fields := []kit.Field{
		{Name: "about", Label: "Who asks for what", Hint: "Kept sealed, shown on this page alone.", Kind: kit.TextareaField, Value: r.FormValue("about"), Required: true, Max: 500, Spell: true},
		{Name: "asked", Label: "Came on", Kind: kit.DateField, Value: r.FormValue("asked"), Required: true, Narrow: true},
	}
	out := kit.Page{Title: "Patients' copies", Lead: kit.Many(len(list), "patient waits for a copy.", "patients wait for copies."), Nav: "/patient-copies"}
	if late > 0 {
		out.Rest = kit.Many(late, "is overdue by law.", "are overdue by law.")
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
		kit.Sheet(kit.SheetOpts{Title: "The clocks", Body: kit.Grounds(l.copyGrounds())}),
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
	if err := l.Portal.ExtendCopy(r.Context(), id, r.FormValue("told") != "", web.Who(r).Account); err != nil {
		if e := Kinds(err); e != nil && e.Fields["told"] != "" {
			return l.drawCopies(w, r, e)
		}
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
