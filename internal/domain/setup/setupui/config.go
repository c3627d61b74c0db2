package setupui

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

const nav = "/settings"

func (d Deps) configRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /config", Needs: authz.ConfigSee, Handle: d.configPage},
		{Pattern: "GET /config/revisions/{number}", Needs: authz.ConfigSee, Handle: d.revisionPage},
		{Pattern: "GET /config/revisions/{number}/back", Needs: authz.ConfigDraft, Handle: d.backPage},
		{Pattern: "POST /config/revisions/{number}/back", Needs: authz.ConfigDraft, Handle: d.back},
	}
}

// configPage is what is in force, what is being written, and what was before.
func (d Deps) configPage(w http.ResponseWriter, r *http.Request) error {
	now := d.now(r)
	all, err := d.Config.History(r.Context())
	if err != nil {
		return err
	}
	drafts, err := d.Setup.Drafts(r.Context(), false)
	if err != nil {
		return err
	}
	var rows []kit.Row
	waiting := 0
	for _, x := range drafts {
		l, err := d.Setup.Look(r.Context(), x.Number)
		if err != nil {
			return err
		}
		s, word := draftState(l)
		if s == kit.Warn {
			waiting++
		}
		rows = append(rows, kit.Row{Key: itoa(x.Number), Cells: []kit.Cell{
			{Text: x.Title, Sub: "draft " + itoa(x.Number), Href: draftPath(x.Number)},
			kit.C(x.Writers[0].Account), kit.CState(s, word, word), kit.CMono(kit.Clock(x.Changed.In(d.zone()), now)),
		}})
	}
	p := kit.Page{Title: "Configuration", Nav: nav, Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}, {Name: "Configuration"}}, Live: []string{"config"}}
	p.Lead = "No configuration was applied yet."
	if len(all) > 0 {
		cur := all[0]
		p.Lead, p.Rest = fmt.Sprintf("Revision %d is in force.", cur.Number), "Applied by "+cur.AppliedBy+", "+kit.Clock(cur.AppliedAt.In(d.zone()), now)+"."
	}
	t := kit.Table{
		Caption: "Open drafts", View: kit.View{Path: "/config"}, Total: len(rows), Rows: rows, Empty: "Nobody is writing a change.",
		Columns: []kit.Column{{Name: "Draft"}, {Name: "Begun by"}, {Name: "State"}, {Name: "Changed"}},
	}
	if may(r, authz.ConfigDraft) {
		p.Tools = kit.Button(kit.Action{Text: "Change something", Href: "/config/drafts/new", Primary: true, Icon: "edit"})
	}
	waits := ""
	if waiting > 0 {
		waits = things(waiting, "waits for a person", "wait for a person")
	}
	p.Body = join(
		kit.Sheet(kit.SheetOpts{Title: "Drafts", Sub: waits, Body: kit.DataTable(t)}),
		kit.Sheet(kit.SheetOpts{Title: "History", Sub: "newest first", Body: kit.DataTable(d.historyTable(r, all))}),
	)
	return web.Render(w, r, p)
}

func (d Deps) historyTable(r *http.Request, all []setup.Revision) kit.Table {
	now := d.now(r)
	v := kit.ReadView(r.URL, 25)
	t := kit.Table{
		Caption: "Applied revisions, newest first", View: v, Total: len(all), Empty: "Nothing was applied yet.",
		Columns: []kit.Column{{Name: "Revision"}, {Name: "Why"}, {Name: "Applied by"}, {Name: "The director's part", Wide: true}, {Name: "When"}},
	}
	for i, x := range all {
		if i < v.Offset() || i >= v.Offset()+v.Size {
			continue
		}
		director := x.ApprovedBy
		if director == "" {
			director = "none"
		}
		t.Rows = append(t.Rows, kit.Row{Key: itoa(x.Number), Cells: []kit.Cell{
			kit.CLink(itoa(x.Number), revisionPath(x.Number)), kit.C(whyWords(x.Reason)), kit.C(x.AppliedBy), kit.C(director),
			kit.CMono(kit.Clock(x.AppliedAt.In(d.zone()), now)),
		}})
	}
	return t
}

func revisionPath(n int64) string { return "/config/revisions/" + itoa(n) }

// revisionPage is one applied revision: what it changed, who did it, its text.
func (d Deps) revisionPage(w http.ResponseWriter, r *http.Request) error {
	t, before, err := d.revision(r)
	if err != nil {
		return err
	}
	cur, err := d.Config.Revision(r.Context(), 0)
	if err != nil {
		return err
	}
	now := d.now(r)
	facts := []kit.KV{
		{Key: "Applied by", Value: t.AppliedBy},
		{Key: "When", Value: kit.Stamp(t.AppliedAt.In(d.zone()))},
		{Key: "Why", Value: whyWords(t.Reason)},
		{Key: "Fingerprint", Value: t.Hash, Mono: true},
		{Key: "Line in the record", Value: itoa(t.Leaf), Mono: true},
	}
	if was, err := d.Setup.Became(r.Context(), t.Number); err == nil {
		facts = append(facts, kit.KV{Key: "Written by", Value: names(was.Writers)}, kit.KV{Key: "Draft", Value: was.Title})
	}
	if t.ApprovedBy != "" {
		facts = append(facts, kit.KV{Key: "The director's part decided by", Value: t.ApprovedBy})
	}
	p := kit.Page{
		Title: fmt.Sprintf("Revision %d", t.Number), Nav: nav, Crumbs: []kit.Crumb{{Name: "Configuration", Href: "/config"}},
		Lead: fmt.Sprintf("Revision %d is in force.", t.Number), Rest: "Since " + kit.Clock(t.AppliedAt.In(d.zone()), now) + ".",
	}
	if t.Number != cur.Number {
		p.Lead, p.Rest = fmt.Sprintf("Revision %d was in force before.", t.Number), fmt.Sprintf("Now it is revision %d.", cur.Number)
		if may(r, authz.ConfigDraft) {
			p.Tools = kit.Button(kit.Action{Text: "Go back to this revision", Href: revisionPath(t.Number) + "/back"})
		}
	}
	changes := kit.Sheet(kit.SheetOpts{Title: "What it changed", Body: kit.Empty("This is the first revision.", nil)})
	if before.Number > 0 {
		c, err := d.Config.Compare(r.Context(), before.Number, setup.Target{Number: t.Number})
		if err != nil {
			return err
		}
		changes = join(changeSheet(fmt.Sprintf("What it changed in revision %d", before.Number), c.Changes), textSheet(before.Source, t.Source))
	}
	p.Body = kit.Columns(
		join(changes, kit.Sheet(kit.SheetOpts{Title: "Its text", Sub: "as it was written", Body: kit.Pre("The text of this revision", []kit.Part{{Text: t.Source}})})),
		kit.Sheet(kit.SheetOpts{Title: "Who and why", Body: kit.KeyValues(facts), Pad: true}),
	)
	return web.Render(w, r, p)
}

const noRevision = "There is no such revision."

// revision is the one of the path, and the one before it.
func (d Deps) revision(r *http.Request) (t, before setup.Text, err error) {
	n, err := number(r, "number", noRevision)
	if err != nil {
		return t, before, err
	}
	all, err := d.Config.History(r.Context())
	if err != nil {
		return t, before, err
	}
	if len(all) == 0 || n > all[0].Number {
		return t, before, web.NotFound(noRevision)
	}
	if t, err = d.Config.Revision(r.Context(), n); err != nil || n == 1 {
		return t, before, err
	}
	before, err = d.Config.Revision(r.Context(), n-1)
	return t, before, err
}

// backPage asks whether an earlier revision shall be in force again.
func (d Deps) backPage(w http.ResponseWriter, r *http.Request) error { return d.drawBack(w, r, "", "") }

func (d Deps) drawBack(w http.ResponseWriter, r *http.Request, reason, wrong string) error {
	t, _, err := d.revision(r)
	if err != nil {
		return err
	}
	c, err := d.Config.Compare(r.Context(), 0, setup.Target{Number: t.Number})
	if err != nil {
		return err
	}
	p := kit.Page{
		Title: "Back to a revision", Lead: fmt.Sprintf("Go back to revision %d?", t.Number), Nav: nav,
		Crumbs: []kit.Crumb{{Name: "Configuration", Href: "/config"}, {Name: fmt.Sprintf("Revision %d", t.Number), Href: revisionPath(t.Number)}},
		Rest:   things(len(c.Changes), "thing becomes different.", "things become different."),
	}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	p.Body = join(
		kit.Confirm(kit.ConfirmOpts{
			Title: "A second person is asked at once", Text: "Its contents become a new revision when somebody else has looked at it and applied it. Nothing of the history is lost.",
			Action: revisionPath(t.Number) + "/back", Button: "Ask for it", Cancel: revisionPath(t.Number), Reason: true, ReasonValue: reason, ReasonError: wrong,
		}),
		changeSheet("What becomes different", c.Changes),
	)
	return web.Render(w, r, p)
}

// back is a way back in one act: the draft, and the question to a second person.
func (d Deps) back(w http.ResponseWriter, r *http.Request) error {
	t, _, err := d.revision(r)
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(r.FormValue("reason"))
	if reason == "" || r.FormValue("confirm") != "yes" {
		return d.drawBack(w, r, reason, "Say why: whoever applies it reads this.")
	}
	draft, err := d.askBack(r, t.Number, reason)
	if err != nil {
		return err
	}
	web.Say(r, "config", "today")
	return web.Done(w, r, draftPath(draft.Number), "A second person is asked to apply it.")
}

func (d Deps) askBack(r *http.Request, revision int64, reason string) (setup.Draft, error) {
	if strings.TrimSpace(reason) == "" { // before there is a draft that nobody asks about
		return setup.Draft{}, approval.ErrReason
	}
	x, err := d.Setup.BeginBack(r.Context(), revision, person(r))
	if err == nil {
		_, err = d.Setup.Ask(r.Context(), x.Number, person(r), reason)
	}
	return x, err
}

// whyWords puts the reason of a revision that nobody wrote in words.
func whyWords(reason string) string {
	if reason == "first-start" {
		return "The file of the first start"
	}
	return reason
}
