package setupui

import (
	"errors"
	"net/http"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (d Deps) replayRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /config/drafts/{number}/replay", Needs: authz.ConfigReplay, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.drawReplay(w, r, "", "") }},
		{Pattern: "POST /config/drafts/{number}/replay", Needs: authz.ConfigReplay, Handle: d.startReplay},
	}
}

func (d Deps) drawReplay(w http.ResponseWriter, r *http.Request, day, wrong string) error {
	l, err := d.lookAt(r)
	if err != nil {
		return err
	}
	now := d.now(r)
	if day == "" {
		day = now.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	p := kit.Page{
		Title: "Try a day's messages", Nav: nav, Lead: "How would a day's messages fare under this draft?", Rest: "Nothing is sent and nothing changes. That you ask is recorded.",
		Crumbs: []kit.Crumb{{Name: "Configuration", Href: "/config"}, {Name: l.Title, Href: draftPath(l.Number)}}, Live: []string{"config"},
	}
	if wrong != "" {
		p.Status, p.Live = http.StatusUnprocessableEntity, nil
	}
	form := kit.Sheet(kit.SheetOpts{Title: "Choose a day", Pad: true, Body: kit.Form(kit.FormOpts{
		Action: draftPath(l.Number) + "/replay", Submit: "Try it", Fields: []kit.Field{{
			Name: "day", Label: "Day", Kind: kit.DateField, Value: day, Error: wrong, Narrow: true, Hint: "A day as UTC counts it, from midnight to midnight.",
		}},
	})})
	if form, err = d.offered(r, l.Number, form); err != nil {
		return err
	}
	run, err := d.replayFor(r, l.Number)
	switch {
	case errors.Is(err, setup.ErrNoReplay):
		p.Body = form
	case err != nil:
		return err
	default:
		if run.State != setup.RunWaits && run.State != setup.RunGoes {
			p.Lead, p.Rest = replayLead(run)
		}
		p.Body = join(d.replaySheet(l, run, now), form)
	}
	return web.Render(w, r, p)
}

func replayLead(x setup.Run) (lead, rest string) {
	switch {
	case x.Withheld:
		return "What came of it is for who asked.", "The rules of this draft read what belongs to patients."
	case x.State == setup.RunFailed:
		return "The replay did not come to its end.", "Nothing was changed by it."
	case x.Messages == 0:
		return "No messages were stored on that day.", "Choose another one."
	case x.Changed == 0:
		return "Nothing would change for " + things(int(x.Messages), "message", "messages") + " of that day.", ""
	}
	return sentence(howMany(x.Changed, x.Listed) + " of " + kit.Count(int(x.Messages)) + " would fare otherwise."), "Nothing was sent."
}

func (d Deps) replaySheet(l *setup.Look, x setup.Run, now time.Time) templ.Component {
	day := kit.Date(x.Day, now)
	switch x.State {
	case setup.RunWaits:
		return kit.Verdict(kit.Unknown, "It waits for another replay to end", "The page goes on by itself; without JavaScript, load it again.", nil)
	case setup.RunGoes:
		return kit.Verdict(kit.Unknown, things(int(x.Done), "message", "messages")+" so far", "Begun "+kit.Clock(x.Asked.In(d.zone()), now)+". It ends after half an hour at the latest. The page goes on by itself; without JavaScript, load it again.", nil)
	case setup.RunFailed:
		return kit.Verdict(kit.Stopped, x.Problem, "Nothing was changed. Try it again, or another day.", nil)
	}
	if x.Withheld {
		return kit.Verdict(kit.Unknown, "It was tried on "+day, "Asked by "+x.By+", "+kit.Clock(x.Ended.In(d.zone()), now)+". The ledger has it.", nil)
	}
	old := x.Version != l.Version
	t := d.replayTable(l, x, now)
	foot := kit.Foot(kit.Fine, "Looked at "+things(int(x.Messages), "message", "messages")+" of "+day+", "+kit.Clock(x.Ended.In(d.zone()), now)+".")
	if x.Unreadable > 0 {
		foot = join(foot, kit.Foot(kit.Unknown, sentence(howMany(x.Unreadable, x.Listed)+" could not be judged: erased, damaged or kept in part.")))
	}
	if x.More > 0 {
		foot = join(foot, kit.Foot(kit.Unknown, kit.Count(int(x.More))+" more differences are not shown."))
	}
	if old {
		foot = join(foot, kit.Foot(kit.Warn, "The draft was changed since. Try it again."))
	}
	return kit.Sheet(kit.SheetOpts{Title: "What would be different", Sub: day, Body: join(kit.DataTable(t), foot)})
}

func diffWords(f setup.Difference) string {
	switch f.Kind {
	case "refused":
		return "It would be refused: " + f.Becomes
	case "taken":
		return "It would be taken; it was refused: " + f.Was
	case "partner":
		return "It would go to " + f.Partner + " as well"
	case "nopartner":
		return "It would not go to " + f.Partner + " any more"
	case "state":
		return "For " + f.Partner + ": " + f.Becomes + " instead of " + f.Was
	case "bytes":
		return "Other bytes would go to " + f.Partner
	}
	return f.Kind
}

func (d Deps) startReplay(w http.ResponseWriter, r *http.Request) error {
	n, err := number(r, "number", noDraft)
	if err != nil {
		return err
	}
	text := r.FormValue("day")
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return d.drawReplay(w, r, text, "Write a day, like 2026-11-20.")
	}
	err = d.Setup.StartReplay(r.Context(), n, day, person(r), reveals(r))
	if errors.Is(err, setup.ErrOften) || errors.Is(err, setup.ErrReads) {
		return d.drawReplay(w, r, text, sentence(err.Error()))
	}
	if errors.Is(err, setup.ErrDay) {
		return d.drawReplay(w, r, text, "Choose a day that is over, or today.")
	}
	if err != nil {
		return err
	}
	return web.Done(w, r, draftPath(n)+"/replay", "")
}

func eventID(r *http.Request) (event.ID, error) {
	id, err := event.ParseID(r.PathValue("id"))
	if err != nil {
		return id, web.NotFound("There is nothing of this kind.")
	}
	return id, nil
}
