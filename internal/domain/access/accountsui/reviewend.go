package accountsui

import (
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (d Deps) askSign(w http.ResponseWriter, r *http.Request) error {
	v, err := d.readReview(r.Context(), r.PathValue("quarter"), by(r))
	if err != nil {
		return err
	}
	at := "/access-review/" + v.Quarter
	if !v.Open || v.open > 0 {
		return web.Conflict("A review is signed when every line is decided, and once.")
	}
	return web.Render(w, r, kit.Page{
		Title: "Sign the review of " + v.Quarter, Lead: "Sign the access review of " + v.Quarter + "?", Nav: navOf(r), Crumbs: []kit.Crumb{{Name: "Access review " + v.Quarter, Href: at}},
		Body: kit.Confirm(kit.ConfirmOpts{
			Title: "Your signature", Text: "The decisions are frozen: their fingerprint goes into the ledger with your name. What is still to be removed goes on as a task.",
			Facts:  []kit.KV{{Key: "Kept", Value: kit.Count(v.keep)}, {Key: "To remove", Value: kit.Count(v.removed)}},
			Action: at + "/sign", Button: "Sign", Cancel: at,
		}),
	})
}

func (d Deps) sign(w http.ResponseWriter, r *http.Request) error {
	if !confirmed(r) {
		return d.askSign(w, r)
	}
	quarter := r.PathValue("quarter")
	if _, err := d.Accounts.Sign(r.Context(), quarter, r.FormValue("remark"), by(r)); err != nil {
		return err
	}
	web.Say(r, "review", "today")
	return web.Done(w, r, "/access-review/"+quarter, "The access review was signed.")
}

// reviewReport is the review on paper.
func (d Deps) reviewReport(w http.ResponseWriter, r *http.Request) error {
	v, err := d.readReview(r.Context(), r.PathValue("quarter"), by(r))
	if err != nil {
		return err
	}
	facts := []kit.KV{
		{Key: "Quarter", Value: v.Quarter},
		{Key: "Opened", Value: kit.Stamp(v.Opened)},
		{Key: "Due", Value: kit.Stamp(v.Due)},
		{Key: "Lines", Value: kit.Count(int(v.Lines))},
		{Key: "Kept", Value: kit.Count(v.keep)},
		{Key: "Removed", Value: kit.Count(v.removed)},
		{Key: "Not decided", Value: kit.Count(v.open)},
	}
	if !v.Signed.IsZero() {
		facts = append(facts, kit.KV{Key: "Signed", Value: v.By + ", " + kit.Stamp(v.Signed)}, kit.KV{Key: "Fingerprint (SHA-256)", Value: v.Hash, Mono: true}, kit.KV{Key: "Ledger line", Value: kit.Count(int(v.Leaf))}, kit.KV{Key: "Seal", Value: v.sealed()})
		if v.Remark != "" {
			facts = append(facts, kit.KV{Key: "Remark", Value: v.Remark})
		}
	} else {
		facts = append(facts, kit.KV{Key: "Signed", Value: "not yet"})
	}
	var parts []templ.Component
	for _, kind := range kindsOf(v.lines) {
		t := kit.Table{Caption: lineKind(kind), View: kit.View{Path: r.URL.Path, Page: 1, Size: len(v.lines)}, Columns: []kit.Column{{Name: "What"}, {Name: "In detail"}, {Name: "Decision"}, {Name: "By"}}}
		for i := range v.lines {
			l := &v.lines[i]
			if l.Kind != kind {
				continue
			}
			said := sentenceWord(l.Decision.String())
			if l.Reason != "" {
				said += ": " + l.Reason
			}
			switch {
			case l.Task():
				said += " (not done yet)"
			case !l.Done.IsZero():
				said += " (done " + dayValue(l.Done) + ")"
			}
			t.Rows = append(t.Rows, kit.Row{Cells: []kit.Cell{kit.C(l.Title), kit.C(l.Detail), kit.C(said), kit.C(who(l))}})
		}
		t.Total = len(t.Rows)
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: lineKind(kind), Sub: kit.Many(len(t.Rows), "line", "lines"), Body: kit.DataTable(t)}))
	}
	return web.Render(w, r, kit.Page{
		Title: "Access review " + v.Quarter, Lead: "Access review " + v.Quarter, Nav: navOf(r), Crumbs: []kit.Crumb{{Name: "Access review " + v.Quarter, Href: "/access-review/" + v.Quarter}},
		Tools: kit.PrintButton("Print"), Body: kit.PrintSheet(facts, templ.Join(parts...), "Printed "+kit.Stamp(web.Now(r))+" by "+web.Who(r).Account+". Self-reported by Labwarden."),
	})
}

func who(l *accounts.Line) string {
	if l.DecidedBy == "" {
		return ""
	}
	return l.DecidedBy + ", " + l.Decided.UTC().Format(time.DateOnly)
}

// kindsOf are the kinds there are, known ones first.
func kindsOf(lines []accounts.Line) []string {
	var out []string
	seen := map[string]bool{}
	for i := range lines {
		seen[lines[i].Kind] = true
	}
	for _, k := range lineKinds {
		if seen[k[0]] {
			out = append(out, k[0])
			delete(seen, k[0])
		}
	}
	for i := range lines {
		if k := lines[i].Kind; seen[k] {
			out = append(out, k)
			delete(seen, k)
		}
	}
	return out
}

func (d Deps) task(w http.ResponseWriter, r *http.Request) error {
	return d.showTask(w, r, nil, "")
}

func (d Deps) oneTask(r *http.Request) (*accounts.Line, error) {
	id, err := idOf(r, "id")
	if err != nil {
		return nil, err
	}
	tasks, err := d.Accounts.Tasks(r.Context())
	if err != nil {
		return nil, err
	}
	for i := range tasks {
		if tasks[i].ID == id {
			return &tasks[i], nil
		}
	}
	return nil, web.NotFound("There is no such task, or it is done.")
}

func (d Deps) showTask(w http.ResponseWriter, r *http.Request, beside map[string]string, whole string) error {
	l, err := d.oneTask(r)
	if err != nil {
		return err
	}
	now := d.clock(r)
	text := "Have it removed there. The next list that no longer shows it closes this task."
	own := strings.HasPrefix(l.Kind, "vendor")
	switch {
	case l.Kind == accounts.LineVendor:
		text = "End what they can reach and the agreement, then end them in the register, or say here how it was done."
	case !own && l.Kind != accounts.LineAccount:
		text = "Labwarden removes this itself and tries again every hour."
	}
	facts := kit.KeyValues([]kit.KV{{Key: "What", Value: l.Title}, {Key: "In detail", Value: l.Detail}, {Key: "Decided", Value: l.DecidedBy + ", " + kit.Date(l.Decided, now)}, {Key: "Reason", Value: l.Reason}, {Key: "So far", Value: orNot(l.Outcome)}})
	body := []templ.Component{kit.Verdict(kit.Warn, "To be removed.", text, nil), kit.Sheet(kit.SheetOpts{Title: "The task", Pad: true, Body: facts})}
	if d.canImport(r, kit.Action{}) != nil && (own || l.Kind == accounts.LineAccount) && !l.Own(by(r)) {
		f := kit.WithErrors([]kit.Field{{Name: "how", Label: "How it was removed", Value: r.FormValue("how"), Max: 500, Required: true, Spell: true}}, beside)
		body = append(body, kit.Sheet(kit.SheetOpts{Title: "It is done", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/removals/" + l.ID.String(), Fields: f, Submit: "Say that it is done", Wrong: whole})}))
	}
	status := 0
	if len(beside) > 0 || whole != "" {
		status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, kit.Page{Title: "To be removed", Lead: l.Title, Nav: navOf(r), Status: status, Crumbs: []kit.Crumb{{Name: "Access reviews", Href: "/access-review"}}, Body: templ.Join(body...)})
}

func (d Deps) taskDone(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	err = d.Accounts.Done(r.Context(), id, r.FormValue("how"), by(r))
	if beside, whole, ok := fields(err); ok {
		return d.showTask(w, r, beside, whole)
	}
	if err != nil {
		return err
	}
	web.Say(r, "review", "today")
	return web.Done(w, r, "/access-review", "The removal was written down.")
}
