package setupui

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// maxText is the greatest body of a form with a whole configuration in it, which
// the browser may write three times as long.
const maxText = 1 << 20

func (d Deps) draftRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /config/drafts/new", Needs: authz.ConfigDraft, Handle: d.newDraftPage},
		{Pattern: "POST /config/drafts", Needs: authz.ConfigDraft, Handle: d.newDraft},
		{Pattern: "GET /config/drafts/{number}", Needs: authz.ConfigSee, Handle: d.draftPage},
		{Pattern: "GET /config/drafts/{number}/edit", Needs: authz.ConfigDraft, Handle: d.editPage},
		{Pattern: "POST /config/drafts/{number}", Needs: authz.ConfigDraft, Handle: d.saveDraft, MaxBody: maxText},
	}
}

func draftPath(n int64) string { return "/config/drafts/" + itoa(n) }

func titleField(value, wrong string) kit.Field {
	return kit.Field{
		Name: "title", Label: "What is it for?", Hint: "A few words for who looks at it: \"Harbor Reference Lab as a partner\".",
		Value: value, Error: wrong, Max: 200, Required: true, Spell: true, Autofocus: true,
	}
}

func (d Deps) newDraftPage(w http.ResponseWriter, r *http.Request) error {
	return d.drawNew(w, r, "", "")
}

func (d Deps) drawNew(w http.ResponseWriter, r *http.Request, title, wrong string) error {
	p := kit.Page{
		Title: "A change of the configuration", Lead: "What do you want to change?", Nav: nav, Crumbs: []kit.Crumb{{Name: "Configuration", Href: "/config"}},
		Body: join(
			kit.Sheet(kit.SheetOpts{Title: "Write a draft", Pad: true, Body: kit.Form(kit.FormOpts{
				Action: "/config/drafts", Submit: "Begin", Cancel: "/config", Fields: []kit.Field{titleField(title, wrong)},
			})}),
			kit.Sheet(kit.SheetOpts{Title: "Or let a form write it", Pad: true, Body: kit.Buttons(kit.Action{Text: "Add a partner", Href: "/setup/partner", Icon: "add"}, kit.Action{Text: "Add a source", Href: "/setup/source", Icon: "add"})}),
		),
	}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, p)
}

func (d Deps) newDraft(w http.ResponseWriter, r *http.Request) error {
	title := r.FormValue("title")
	x, err := d.Setup.Begin(r.Context(), title, person(r))
	if errors.Is(err, setup.ErrTitle) {
		return d.drawNew(w, r, title, "Say in a few words what it is for.")
	}
	if err != nil {
		return err
	}
	web.Say(r, "config")
	return web.Done(w, r, draftPath(x.Number)+"/edit", "")
}

// editPage is the draft's text, with what is wrong beside its lines.
func (d Deps) editPage(w http.ResponseWriter, r *http.Request) error {
	n, err := number(r, "number", noDraft)
	if err != nil {
		return err
	}
	l, err := d.Setup.Look(r.Context(), n)
	if err != nil {
		return err
	}
	if l.State != setup.DraftOpen {
		return setup.ErrEnded
	}
	return d.drawEdit(w, r, l, editing{Title: l.Title, Text: string(l.Source), Version: l.Version, Problems: l.Problems})
}

func (d Deps) drawEdit(w http.ResponseWriter, r *http.Request, l *setup.Look, e editing) error {
	e.Action, e.Cancel = draftPath(l.Number), draftPath(l.Number)
	p := kit.Page{
		Title: "Edit draft " + itoa(l.Number), Lead: "Draft " + itoa(l.Number) + ", " + l.Title, Nav: nav,
		Crumbs: []kit.Crumb{{Name: "Configuration", Href: "/config"}, {Name: "Draft " + itoa(l.Number), Href: draftPath(l.Number)}},
		Rest:   "Saving it applies nothing.", Body: stacked(editor(e)),
	}
	if e.Wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	if l.Asked() {
		p.Notice, p.NoticeState = "A second person is asked about this draft. What you save ends that question; ask again afterwards.", kit.Warn
	}
	return web.Render(w, r, p)
}

func (d Deps) saveDraft(w http.ResponseWriter, r *http.Request) error {
	n, err := number(r, "number", noDraft)
	if err != nil {
		return err
	}
	l, err := d.Setup.Look(r.Context(), n)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return web.Invalid("The form was not whole. Send it again.")
	}
	version, err := strconv.ParseInt(r.PostFormValue("version"), 10, 64)
	if err != nil {
		return web.Invalid("The form was not whole. Open the draft again.")
	}
	// Browsers send lines with CR LF, whatever the text had.
	text := strings.ReplaceAll(r.PostFormValue("text"), "\r\n", "\n")
	e := editing{Title: r.PostFormValue("title"), Text: text, Version: version, Problems: l.Problems}
	saved, err := d.Setup.Save(r.Context(), n, version, e.Title, []byte(text), person(r))
	switch {
	case errors.Is(err, setup.ErrTitle):
		e.Wrong = "Say in a few words what it is for."
	case errors.Is(err, setup.ErrTooLong):
		e.Wrong = "A configuration may have at most 256 KiB."
	case errors.Is(err, setup.ErrEdited):
		e.Wrong = "Somebody else has changed this draft meanwhile, and your text was not stored. Copy what you need, then open the draft again."
	case err != nil:
		return err
	default:
		web.Say(r, "config")
		after, err := d.Setup.Look(r.Context(), saved.Number)
		if err == nil && len(after.Problems.Errors()) > 0 {
			return web.Done(w, r, draftPath(n)+"/edit#problems", "Saved, with "+things(len(after.Problems.Errors()), "error.", "errors."))
		}
		return web.Done(w, r, draftPath(n), "Saved.")
	}
	return d.drawEdit(w, r, l, e)
}

// draftPage is the draft as who decides about it sees it.
func (d Deps) draftPage(w http.ResponseWriter, r *http.Request) error {
	n, err := number(r, "number", noDraft)
	if err != nil {
		return err
	}
	l, err := d.Setup.Look(r.Context(), n)
	if err != nil {
		return err
	}
	return d.drawDraft(w, r, l, nil)
}

// drawDraft draws it; wrong is why what was just tried did not go.
func (d Deps) drawDraft(w http.ResponseWriter, r *http.Request, l *setup.Look, wrong error) error {
	p := kit.Page{Title: "Draft " + itoa(l.Number), Nav: nav, Crumbs: []kit.Crumb{{Name: "Configuration", Href: "/config"}, {Name: l.Title}}}
	p.Lead, p.Rest = draftLead(l)
	if wrong != nil {
		e := Kinds(wrong)
		if e == nil {
			return wrong
		}
		p.Notice, p.NoticeState, p.Status = e.Message, kit.Stopped, statusOf(e)
	} else {
		p.Live = []string{"config"}
	}
	edit := ""
	if l.State == setup.DraftOpen && may(r, authz.ConfigDraft) {
		edit = draftPath(l.Number) + "/edit"
		p.Tools = join(
			kit.Button(kit.Action{Text: "Edit", Href: edit, Icon: "edit"}),
			kit.Button(kit.Action{Text: "Discard", Href: draftPath(l.Number) + "/discard"}),
		)
	}
	wide := join(d.draftVerdict(r, l), problemSheet(l.Problems, edit), d.draftChanges(l))
	p.Body = kit.Columns(wide, join(d.draftFacts(r, l), d.requests(r, l)))
	return web.Render(w, r, p)
}

func statusOf(e *web.Error) int {
	switch e.Kind {
	case web.KindConflict:
		return http.StatusConflict
	case web.KindDenied:
		return http.StatusForbidden
	case web.KindNotFound:
		return http.StatusNotFound
	}
	return http.StatusUnprocessableEntity
}

func (d Deps) draftChanges(l *setup.Look) templ.Component {
	if l.State != setup.DraftOpen {
		return kit.Sheet(kit.SheetOpts{Title: "Its text", Body: kit.Pre("The text of this draft", []kit.Part{{Text: string(l.Source)}})})
	}
	if len(l.Problems.Errors()) > 0 {
		return hunkSheet(l.Hunks)
	}
	title := fmt.Sprintf("What becomes different from revision %d", l.Current.Number)
	if l.Moved { // what others changed meanwhile reads as if this draft took it back
		title = fmt.Sprintf("What it would undo and change in revision %d as it stands", l.Current.Number)
	}
	return join(changeSheet(title, l.Changes), d.directorSheet(l), hunkSheet(l.Hunks))
}

// directorSheet is what of it only the laboratory director decides.
func (d Deps) directorSheet(l *setup.Look) templ.Component {
	if !l.NeedsDirector() {
		return nil
	}
	s, word := kit.Warn, "Not decided"
	if l.Directed() {
		s, word = kit.Fine, "Decided by "+l.Director.By.Account
	}
	var items []kit.Check
	for _, x := range l.NeedApproval {
		items = append(items, kit.Check{State: s, Word: word, Title: sentence(x)})
	}
	for _, x := range l.Steps {
		for _, m := range x.Missing {
			items = append(items, kit.Check{State: kit.Stopped, Word: "Missing", Title: "Route " + x.Route + " lacks something", Text: sentence(m)})
		}
	}
	return kit.Sheet(kit.SheetOpts{Title: "What only the laboratory director decides", Sub: word, Body: kit.Checks(items)})
}

// draftVerdict says what comes next, with the one thing to do.
func (d Deps) draftVerdict(r *http.Request, l *setup.Look) templ.Component {
	path := draftPath(l.Number)
	drafts, applies := may(r, authz.ConfigDraft), may(r, authz.ConfigApply)
	act := func(text, to string) *kit.Action { return &kit.Action{Text: text, Href: path + to, Primary: true} }
	switch {
	case l.State == setup.DraftApplied:
		return d.testVerdict(r, l)
	case l.State != setup.DraftOpen || len(l.Problems.Errors()) > 0:
		return nil
	case l.Moved && drafts:
		return kit.Verdict(kit.Warn, "Bring it up to date", "What was applied meanwhile is taken into this text. Where both changed the same lines, both stand there for you to choose.",
			&kit.Action{Text: "Bring it up to date", Href: path + "/refresh", Post: true, Primary: true})
	case l.Moved || len(l.Changes) == 0:
		return nil
	case l.Asked() && !l.Directed():
		var a *kit.Action
		if may(r, authz.RoutesApprove) && l.Director.Bars(person(r)) == nil {
			a = act("Decide about it", "/director")
		}
		return kit.Verdict(kit.Warn, "The laboratory director decides first", "Or whom the director delegated it to in writing. Then a second person applies it.", a)
	case l.Asked():
		own := l.Apply.Bars(person(r)) != nil
		switch {
		case applies && !own:
			return kit.Verdict(kit.Warn, "You can apply this draft", "Look at what becomes different first. It is in force a moment later; every revision before it can be put back.", act("Apply it", "/apply"))
		case own:
			return kit.Verdict(kit.Warn, "Somebody else has to apply it", "You wrote or asked for it yourself. "+l.Apply.Author.Account+" asked: "+l.Apply.Reason, d.aloneAction(r, l))
		}
		return kit.Verdict(kit.Warn, "It waits for somebody who may apply it", "Asked by "+l.Apply.Author.Account+": "+l.Apply.Reason, nil)
	case drafts:
		return kit.Verdict(kit.Unknown, "Ask a second person to apply it", "Nobody applies what they wrote themselves.", act("Ask for it", "/ask"))
	}
	return nil
}

// testVerdict offers a test message to a partner that the draft has added.
func (d Deps) testVerdict(r *http.Request, l *setup.Look) templ.Component {
	added, err := d.newPartners(r.Context(), l.Revision)
	if err != nil || len(added) == 0 || !may(r, authz.PartnersTest) {
		return nil // the draft is in force; what can be done next is only not offered
	}
	name := added[0]
	f, err := d.Facts(r.Context())
	if err != nil {
		return nil
	}
	for _, p := range f.Partners {
		if p.Key != added[0] {
			continue
		}
		if !p.Tested.IsZero() || !p.Last.IsZero() {
			return nil // something was sent, and its page says what came of it
		}
		name = p.Name
	}
	return kit.Verdict(kit.Unknown, "Nothing has been accepted by "+name+" yet", "A test message says whether the line works. It is plainly a test and belongs to no patient.",
		&kit.Action{Text: "Send a test message", Href: "/partners/" + url.PathEscape(added[0]) + "/test", Primary: true})
}

// aloneAction is offered to the only person of a laboratory who may apply.
func (d Deps) aloneAction(r *http.Request, l *setup.Look) *kit.Action {
	if !may(r, authz.ConfigApply) || d.Setup.MayAlone(r.Context(), l, person(r), may(r, authz.RoutesApprove)) != nil {
		return nil
	}
	return &kit.Action{Text: "There is nobody else", Href: draftPath(l.Number) + "/alone"}
}

func (d Deps) draftFacts(r *http.Request, l *setup.Look) templ.Component {
	now := d.now(r)
	facts := []kit.KV{
		{Key: "What for", Value: l.Title},
		{Key: "Written by", Value: names(l.Writers)},
		{Key: "Begun", Value: kit.Clock(l.MadeAt.In(d.zone()), now)},
		{Key: "Changed", Value: kit.Clock(l.Changed.In(d.zone()), now)},
		{Key: "Written against", Value: fmt.Sprintf("revision %d", l.Base)},
	}
	if l.Of > 0 {
		facts = append(facts, kit.KV{Key: "It is", Value: fmt.Sprintf("revision %d again", l.Of)})
	}
	o := kit.SheetOpts{Title: "This draft", Body: kit.KeyValues(facts), Pad: true}
	if l.Ready() && may(r, authz.ConfigReplay) {
		o.More = &kit.Action{Text: "Try a day's messages on it", Href: draftPath(l.Number) + "/replay"}
	}
	return kit.Sheet(o)
}

// requests says what became of the questions to others.
func (d Deps) requests(r *http.Request, l *setup.Look) templ.Component {
	var items []kit.Check
	now := d.now(r)
	for _, x := range []struct {
		name string
		q    approval.Request
	}{{"The laboratory director", l.Director}, {"A second person", l.Apply}} {
		if x.q.MadeAt.IsZero() {
			continue
		}
		c := kit.Check{Title: x.name, Text: "Asked by " + x.q.Author.Account + ", " + kit.Clock(x.q.MadeAt.In(d.zone()), now) + ": " + sentence(x.q.Reason)}
		by := x.q.By.Account
		switch x.q.State {
		case approval.Open:
			c.State, c.Word = kit.Unknown, "Waits"
			c.Text += " It ends " + kit.Clock(x.q.Expires.In(d.zone()), now) + "."
		case approval.Approved:
			c.State, c.Word, c.Title = kit.Fine, "Approved", x.name+": approved by "+by
		case approval.Used:
			c.State, c.Word, c.Title = kit.Fine, "Done", x.name+": approved by "+by
		case approval.Refused:
			c.State, c.Word, c.Title, c.Text = kit.Stopped, "Refused", x.name+": refused by "+by, x.q.Why
		default:
			c.State, c.Word, c.Title, c.Text = kit.Unknown, x.q.State.String(), x.name+": the question has ended", sentence(x.q.Why)
		}
		items = append(items, c)
	}
	if len(items) == 0 {
		return nil
	}
	o := kit.SheetOpts{Title: "Who was asked", Body: kit.Checks(items)}
	if l.Asked() && (may(r, authz.ConfigApply) || l.Apply.Author.Same(person(r))) {
		text := "Say no to it"
		if l.Apply.Author.Same(person(r)) {
			text = "Take it back"
		}
		o.More = &kit.Action{Text: text, Href: draftPath(l.Number) + "/refuse"}
	}
	return kit.Sheet(o)
}
