package resultsui

import (
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

const (
	noHold    = "There is no such legal hold."
	holdsPath = "/legal-holds"
	holdPage  = 50
)

// legalRoutes are the legal holds, those on whole patients among them. A patient's
// number stands in no address: it comes in a form, and what is stored of it is a
// fingerprint.
func legalRoutes(d Deps) []web.Route {
	return []web.Route{
		{Pattern: "GET /legal-holds", Needs: authz.LegalHold, Handle: d.holdsPage},
		{Pattern: "POST /legal-holds", Needs: authz.LegalHold, Handle: d.placeHold},
		{Pattern: "GET /legal-holds/{hold}/lift", Needs: authz.LegalHold, Handle: d.askLift},
		{Pattern: "POST /legal-holds/{hold}/lift", Needs: authz.LegalHold, Handle: d.liftAny},
	}
}

func (d Deps) holdsPage(w http.ResponseWriter, r *http.Request) error {
	return d.drawHolds(w, r, "", "", "")
}

// drawHolds lists the holds; with wrong, the form below says what is wrong with
// the number that was typed.
func (d Deps) drawHolds(w http.ResponseWriter, r *http.Request, number, authority, wrong string) error {
	if err := laboratory(r, authz.LegalHold); err != nil {
		return err
	}
	now := d.clock(r)
	lifted := r.URL.Query().Get("show") == "lifted"
	view := kit.ReadView(r.URL, holdPage)
	list, total, err := d.Results.LegalHolds(r.Context(), lifted, view.Size, view.Offset())
	if err != nil {
		return err
	}
	standing := total
	if lifted {
		if _, standing, err = d.Results.LegalHolds(r.Context(), false, 1, 0); err != nil {
			return err
		}
	}
	p := kit.Page{Title: "Legal holds", Nav: holdsPath, Lead: "No legal hold stands.", Rest: "Retention erases what is old enough."}
	if standing > 0 {
		p.Lead, p.Rest = kit.Many(int(standing), "legal hold stands.", "legal holds stand."), "Retention erases nothing under them."
	}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	empty := "No legal hold stands. Place one below on a patient, or on one result from its page."
	if lifted {
		empty = "No legal hold was lifted yet."
	}
	t := kit.Table{
		Caption: "Legal holds, newest first", View: view, Total: int(total), Empty: empty,
		Columns: []kit.Column{{Name: "On"}, {Name: "Since", Num: true}, {Name: "By"}, {Name: "Reason", Wide: true}, {Name: "Until"}},
	}
	for i := range list {
		t.Rows = append(t.Rows, d.holdRow(r, &list[i], now))
	}
	p.Body = stack(
		kit.Tabs("Legal holds", []kit.Tab{{Name: "Standing", Href: holdsPath, Current: !lifted}, {Name: "Lifted", Href: holdsPath + "?show=lifted", Current: lifted}}),
		kit.Sheet(kit.SheetOpts{Title: "Legal holds", Sub: "newest first", Body: kit.DataTable(t)}),
		kit.Sheet(kit.SheetOpts{Title: "A patient’s results", Sub: "that you looked is recorded", Pad: true, Body: templ.Join(
			kit.Prose("All results of one patient are kept, also those still to come. The next page says how many are here and which holds stand on this patient; nothing is done before you confirm there."),
			kit.Form(kit.FormOpts{Action: holdsPath, Submit: "Look at this patient", Fields: []kit.Field{
				{Name: "patient", Label: "The patient’s number", Hint: "As the LIS has it, exactly. It is kept as a fingerprint alone.", Value: number, Error: wrong, Required: true, Autocomplete: "off"},
				{Name: "authority", Label: "Who assigned it", Hint: "As it stands in the message (PID-3, fourth part). Empty: whoever has this number from anybody.", Value: authority, Optional: true, Autocomplete: "off"},
			}}),
		)}),
	)
	return web.Render(w, r, p)
}

func (d Deps) holdRow(r *http.Request, h *results.LegalHold, now time.Time) kit.Row {
	on := kit.Cell{Text: "All results of a patient", Sub: "the number is not kept; the reason says which case"}
	if !h.OnPatient() {
		on = kit.Cell{Text: "One result", Sub: kit.Mono(h.Message.String())}
		if !web.Scope(r, authz.ResultsFind).Empty() {
			on.Href = "/results/" + h.Message.String()
		}
	}
	where := kit.C("lifted " + kit.Clock(h.LiftedAt, now))
	if h.LiftedAt.IsZero() {
		where = kit.CLink("Lift it", holdsPath+"/"+h.ID.String()+"/lift")
	}
	return kit.Row{Key: h.ID.String(), Cells: []kit.Cell{on, kit.CMono(kit.Clock(h.PlacedAt, now)), kit.C(h.Owner), kit.C(words(h.Reason)), where}}
}

// ofPatient reads which patient a form names.
func ofPatient(r *http.Request) (number, authority, wrong string) {
	number = strings.TrimSpace(r.PostFormValue("patient"))
	authority = strings.TrimSpace(r.PostFormValue("authority"))
	switch {
	case number == "":
		wrong = "Write the patient’s number as the LIS has it."
	case len(number) > 200 || len(authority) > 200:
		wrong = "A number has at most 200 characters."
	}
	return number, authority, wrong
}

// placeHold is both steps: what there is of the patient, then the hold.
func (d Deps) placeHold(w http.ResponseWriter, r *http.Request) error {
	if err := laboratory(r, authz.LegalHold); err != nil {
		return err
	}
	number, authority, wrong := ofPatient(r)
	if wrong != "" {
		return d.drawHolds(w, r, number, authority, wrong)
	}
	if r.PostFormValue("confirm") != "yes" {
		return d.askHold(w, r, number, authority, "", "")
	}
	reason, wrong := reasonOf(r)
	if wrong != "" {
		return d.askHold(w, r, number, authority, reason, wrong)
	}
	if _, err := d.Results.HoldPatient(r.Context(), number, authority, as(r, reason).By); err != nil {
		return err
	}
	return web.Done(w, r, holdsPath, "The legal hold stands on all results of this patient.")
}

func (d Deps) askHold(w http.ResponseWriter, r *http.Request, number, authority, value, wrong string) error {
	kept, err := d.Results.LookAtPatient(r.Context(), number, authority, as(r, "legal-hold").By)
	if err != nil {
		return err
	}
	now := d.clock(r)
	p := kit.Page{Title: "Legal hold", Lead: "Keep all results of this patient whatever their age?", Rest: "That you looked is recorded.", Nav: holdsPath, Crumbs: []kit.Crumb{{Name: "Legal holds", Href: holdsPath}}}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	body := []templ.Component{}
	if len(kept.Holds) > 0 {
		var rows []kit.KV
		var lift []kit.Action
		for _, h := range kept.Holds {
			rows = append(rows, kit.KV{Key: "Since " + kit.Clock(h.PlacedAt, now), Value: "by " + h.Owner + ". Reason: " + words(h.Reason) + "."})
			lift = append(lift, kit.Action{Text: "Lift the hold of " + kit.Clock(h.PlacedAt, now), Href: holdsPath + "/" + h.ID.String() + "/lift"})
		}
		body = append(body, kit.Sheet(kit.SheetOpts{Title: "What stands on this patient already", Body: templ.Join(kit.KeyValues(rows), kit.Acts(lift...))}))
	}
	by := authority
	if by == "" {
		by = "anybody"
	}
	here := "no result; look at the number again, or hold what is still to come"
	switch {
	case kept.More:
		here = "more than " + kit.Count(kept.Results) + " results"
	case kept.Results > 0:
		here = kit.Many(kept.Results, "result", "results")
	}
	p.Body = stack(append(body, kit.Confirm(kit.ConfirmOpts{
		Title: "Place a legal hold", Text: "Retention erases none of this patient’s results, also none still to come, until every hold on them is lifted. Their delivery is not touched. What is kept of the number is a fingerprint: write the case into the reason, never the patient’s name.",
		Facts: []kit.KV{
			{Key: "Number", Value: results.Printable(number, 200), Mono: true},
			{Key: "Assigned by", Value: results.Printable(by, 200)},
			{Key: "Here now", Value: here},
		},
		Action: holdsPath, Button: "Place the hold", Cancel: holdsPath, Hidden: map[string]string{"patient": number, "authority": authority},
		Reason: true, ReasonValue: value, ReasonError: wrong,
	}))...)
	return web.Render(w, r, p)
}

// standingHold is the hold in the address, which must still stand.
func (d Deps) standingHold(r *http.Request) (h results.LegalHold, err error) {
	if err := laboratory(r, authz.LegalHold); err != nil {
		return h, err
	}
	id, err := event.ParseID(r.PathValue("hold"))
	if err != nil {
		return h, web.NotFound(noHold)
	}
	if h, err = d.Results.LegalHold(r.Context(), id); err != nil {
		return h, missing(err, noHold)
	}
	if !h.LiftedAt.IsZero() {
		return h, web.Conflict("This hold was lifted before.")
	}
	return h, nil
}

func (d Deps) askLift(w http.ResponseWriter, r *http.Request) error {
	h, err := d.standingHold(r)
	if err != nil {
		return err
	}
	return d.drawLift(w, r, &h, "", "")
}

func (d Deps) drawLift(w http.ResponseWriter, r *http.Request, h *results.LegalHold, value, wrong string) error {
	on := "all results of a patient"
	if !h.OnPatient() {
		on = "one result"
	}
	p := kit.Page{Title: "Lift a legal hold", Lead: "Let retention erase what this hold keeps?", Nav: holdsPath, Crumbs: []kit.Crumb{{Name: "Legal holds", Href: holdsPath}}}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	p.Body = kit.Confirm(kit.ConfirmOpts{
		Title: "Lift a legal hold", Text: "From then on retention erases what is old enough, unless another hold stands on it. What is erased does not come back.",
		Facts: []kit.KV{
			{Key: "On", Value: on},
			{Key: "Since", Value: kit.Clock(h.PlacedAt, d.clock(r)) + " by " + h.Owner},
			{Key: "Reason", Value: words(h.Reason)},
		},
		Action: holdsPath + "/" + h.ID.String() + "/lift", Button: "Lift the hold", Bad: true, Cancel: holdsPath,
		Reason: true, ReasonValue: value, ReasonError: wrong,
	})
	return web.Render(w, r, p)
}

func (d Deps) liftAny(w http.ResponseWriter, r *http.Request) error {
	h, err := d.standingHold(r)
	if err != nil {
		return err
	}
	reason, wrong := reasonOf(r)
	if wrong != "" || r.PostFormValue("confirm") != "yes" {
		return d.drawLift(w, r, &h, reason, wrong)
	}
	if err := d.Results.LiftHold(r.Context(), h.ID, as(r, reason).By); err != nil {
		return missing(err, noHold)
	}
	return web.Done(w, r, holdsPath, "The legal hold is lifted.")
}
