package setupui

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (d Deps) actRoutes() []web.Route {
	at := func(method, act string, needs authz.Permission, h web.Handler) web.Route {
		return web.Route{Pattern: method + " /config/drafts/{number}/" + act, Needs: needs, Handle: h}
	}
	return []web.Route{
		at("GET", "ask", authz.ConfigDraft, d.page(d.drawAsk)), at("POST", "ask", authz.ConfigDraft, d.ask),
		at("GET", "apply", authz.ConfigApply, d.page(d.drawApply)), at("POST", "apply", authz.ConfigApply, d.apply),
		at("GET", "alone", authz.ConfigApply, d.page(d.drawAlone)), at("POST", "alone", authz.ConfigApply, d.applyAlone),
		at("GET", "refuse", authz.ConfigSee, d.page(d.drawRefuse)), at("POST", "refuse", authz.ConfigSee, d.refuse),
		at("GET", "discard", authz.ConfigDraft, d.page(d.drawDiscard)), at("POST", "discard", authz.ConfigDraft, d.discard),
		at("POST", "refresh", authz.ConfigDraft, d.refresh),
	}
}

// trial is what somebody typed and what is wrong with it.
type trial struct {
	reason, wrong string
	fields        map[string]string
}

type drawing func(w http.ResponseWriter, r *http.Request, l *setup.Look, t trial) error

// page draws a question about the draft of the path.
func (d Deps) page(draw drawing) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		l, err := d.lookAt(r)
		if err != nil {
			return err
		}
		return draw(w, r, l, trial{})
	}
}

func (d Deps) lookAt(r *http.Request) (*setup.Look, error) {
	n, err := number(r, "number", noDraft)
	if err != nil {
		return nil, err
	}
	return d.Setup.Look(r.Context(), n)
}

func (d Deps) question(r *http.Request, l *setup.Look, t trial, title, lead string, body ...templ.Component) kit.Page {
	p := kit.Page{
		Title: title, Lead: lead, Nav: nav, Body: join(body...),
		Crumbs: []kit.Crumb{{Name: "Configuration", Href: "/config"}, {Name: l.Title, Href: draftPath(l.Number)}},
	}
	if t.wrong != "" || len(t.fields) > 0 {
		p.Status = http.StatusUnprocessableEntity
	}
	return p
}

func seenField(l *setup.Look) map[string]string {
	return map[string]string{"seen": hex.EncodeToString(l.Seen[:])}
}

// seen is the hash of what the person had before their eyes.
func seen(r *http.Request) (approval.Hash, error) { return parseHash(r.FormValue("seen")) }

func parseHash(text string) (h approval.Hash, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(h) {
		return h, approval.ErrChanged
	}
	return approval.Hash(b), nil
}

// after answers an act: the draft again, with a word about how it went.
func (d Deps) after(w http.ResponseWriter, r *http.Request, l *setup.Look, err error, notice string) error {
	if err == nil {
		web.Say(r, "config", "today")
		return web.Done(w, r, draftPath(l.Number), notice)
	}
	fresh, lerr := d.Setup.Look(r.Context(), l.Number)
	if lerr != nil {
		return err
	}
	return d.drawDraft(w, r, fresh, err)
}

func (d Deps) drawAsk(w http.ResponseWriter, r *http.Request, l *setup.Look, t trial) error {
	text := "Nobody who wrote a part of it can apply it. The question ends after seven days, and with every edit."
	if l.NeedsDirector() {
		text = "The laboratory director, or a delegate, is asked too: they decide first. " + text
	}
	return web.Render(w, r, d.question(r, l, t, "Ask a second person", "Ask somebody else to apply this draft?",
		kit.Confirm(kit.ConfirmOpts{
			Title: things(len(l.Changes), "thing becomes different", "things become different"), Text: text, Action: draftPath(l.Number) + "/ask", Button: "Ask for it",
			Cancel: draftPath(l.Number), Reason: true, ReasonValue: t.reason, ReasonError: t.wrong,
		}),
		changeSheet("What becomes different", l.Changes), d.directorSheet(l)))
}

func (d Deps) ask(w http.ResponseWriter, r *http.Request) error {
	l, err := d.lookAt(r)
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(r.FormValue("reason"))
	if reason == "" || r.FormValue("confirm") != "yes" {
		return d.drawAsk(w, r, l, trial{wrong: "Say why: whoever applies it reads this."})
	}
	_, err = d.Setup.Ask(r.Context(), l.Number, person(r), reason)
	return d.after(w, r, l, err, "A second person is asked to apply it.")
}

func (d Deps) drawApply(w http.ResponseWriter, r *http.Request, l *setup.Look, t trial) error {
	lead := fmt.Sprintf("Apply this draft as revision %d?", l.Current.Number+1)
	return web.Render(w, r, d.question(r, l, t, "Apply a draft", lead,
		kit.Confirm(kit.ConfirmOpts{
			Title: things(len(l.Changes), "thing becomes different", "things become different"),
			Text:  "Sources, partners and routes change without a restart. If anything of it cannot be built or opened, nothing changes. Revision " + itoa(l.Current.Number) + " can be put back.",
			Facts: []kit.KV{
				{Key: "Written by", Value: names(l.Writers)}, {Key: "Asked by", Value: l.Apply.Author.Account}, {Key: "Why", Value: l.Apply.Reason},
			},
			Action: draftPath(l.Number) + "/apply", Button: "Apply it", Cancel: draftPath(l.Number), Hidden: seenField(l),
		}),
		changeSheet("What becomes different", l.Changes), d.directorSheet(l), hunkSheet(l.Hunks)))
}

func (d Deps) apply(w http.ResponseWriter, r *http.Request) error {
	l, err := d.lookAt(r)
	if err != nil {
		return err
	}
	hash, err := seen(r)
	if err != nil || r.FormValue("confirm") != "yes" {
		return d.drawApply(w, r, l, trial{})
	}
	out, err := d.Setup.Apply(r.Context(), l.Number, person(r), hash)
	return d.after(w, r, l, err, applied(out))
}

// applied says what came of an apply.
func applied(o setup.Outcome) string {
	s := fmt.Sprintf("Revision %d is in force.", o.Number)
	if !o.Running {
		s = fmt.Sprintf("Revision %d is stored; it runs when a hub starts.", o.Number)
	}
	if len(o.Restart) > 0 {
		s += " Some of it is only taken at the next start."
	}
	if o.FileProblem != "" {
		s += " The file labwarden.yaml could not be written and still says what was before."
	}
	return s
}

func (d Deps) drawAlone(w http.ResponseWriter, r *http.Request, l *setup.Look, t trial) error {
	if err := d.Setup.MayAlone(r.Context(), l, person(r), may(r, authz.RoutesApprove)); err != nil {
		return err
	}
	fields := []kit.Field{{
		Name: "statement", Label: "Why do you apply it without a second person?", Kind: kit.TextareaField, Rows: 3, Value: t.reason, Error: t.wrong,
		Hint: "It is recorded before anything changes, and somebody of another role reviews it. Name no patient.", Max: 500, Required: true, Spell: true,
	}}
	fields = kit.WithErrors(append(fields, noPathFields(l)...), t.fields)
	return web.Render(w, r, d.question(r, l, t, "Apply alone", "Nobody else in this laboratory may apply it.",
		kit.Sheet(kit.SheetOpts{Title: "Apply it without a second person", Pad: true, Body: kit.Form(kit.FormOpts{
			Action: draftPath(l.Number) + "/alone", Submit: "Apply it alone", Cancel: draftPath(l.Number), Hidden: seenField(l), Fields: fields,
		})}),
		changeSheet("What becomes different", l.Changes), d.directorSheet(l), hunkSheet(l.Hunks)))
}

func (d Deps) applyAlone(w http.ResponseWriter, r *http.Request) error {
	l, err := d.lookAt(r)
	if err != nil {
		return err
	}
	statement := r.FormValue("statement")
	hash, err := seen(r)
	if err != nil {
		return d.after(w, r, l, err, "")
	}
	none, missing := noPaths(r, l)
	if len(missing) > 0 && !l.Directed() {
		return d.drawAlone(w, r, l, trial{reason: statement, fields: missing})
	}
	out, err := d.Setup.ApplyAlone(r.Context(), l.Number, person(r), hash, may(r, authz.RoutesApprove), none, statement)
	if errors.Is(err, setup.ErrStatement) {
		return d.drawAlone(w, r, l, trial{reason: statement, wrong: "Write a sentence: somebody of another role reads it."})
	}
	return d.after(w, r, l, err, applied(out)+" Another role reviews that you did it alone.")
}

func (d Deps) drawRefuse(w http.ResponseWriter, r *http.Request, l *setup.Look, t trial) error {
	own := l.Apply.Author.Same(person(r))
	if !own && !may(r, authz.ConfigApply) && !may(r, authz.RoutesApprove) {
		return web.NotFound(noDraft)
	}
	lead, button := "Say no to this draft?", "Say no"
	if own {
		lead, button = "Take the question back?", "Take it back"
	}
	return web.Render(w, r, d.question(r, l, t, "Say no", lead, kit.Confirm(kit.ConfirmOpts{
		Title: "The draft stays", Text: "Who wrote it can change it and ask again.", Action: draftPath(l.Number) + "/refuse", Button: button,
		Cancel: draftPath(l.Number), Reason: true, ReasonValue: t.reason, ReasonError: t.wrong,
	})))
}

func (d Deps) refuse(w http.ResponseWriter, r *http.Request) error {
	l, err := d.lookAt(r)
	if err != nil {
		return err
	}
	if err := d.mayRefuse(r, l); err != nil {
		return err
	}
	why := strings.TrimSpace(r.FormValue("reason"))
	if why == "" || r.FormValue("confirm") != "yes" {
		return d.drawRefuse(w, r, l, trial{wrong: "Say why: who wrote it reads this."})
	}
	return d.after(w, r, l, d.Setup.Refuse(r.Context(), l.Number, person(r), why), "The question has ended.")
}

// mayRefuse: who asked takes it back, who is asked says no.
func (d Deps) mayRefuse(r *http.Request, l *setup.Look) error {
	if l.Apply.Author.Same(person(r)) || may(r, authz.RoutesApprove) {
		return nil
	}
	return web.May(r, authz.ConfigApply, authz.Object{})
}

func (d Deps) drawDiscard(w http.ResponseWriter, r *http.Request, l *setup.Look, t trial) error {
	return web.Render(w, r, d.question(r, l, t, "Discard a draft", "Discard this draft?", kit.Confirm(kit.ConfirmOpts{
		Title: "It cannot be applied any more", Text: "Its text is kept and can still be read.", Action: draftPath(l.Number) + "/discard", Button: "Discard it",
		Cancel: draftPath(l.Number), Bad: true,
	})))
}

func (d Deps) discard(w http.ResponseWriter, r *http.Request) error {
	l, err := d.lookAt(r)
	if err != nil {
		return err
	}
	if r.FormValue("confirm") != "yes" {
		return d.drawDiscard(w, r, l, trial{})
	}
	return d.after(w, r, l, d.Setup.Discard(r.Context(), l.Number, person(r)), "The draft was discarded.")
}

func (d Deps) refresh(w http.ResponseWriter, r *http.Request) error {
	l, err := d.lookAt(r)
	if err != nil {
		return err
	}
	_, conflicts, err := d.Setup.Refresh(r.Context(), l.Number, person(r))
	if err == nil && conflicts > 0 {
		web.Say(r, "config")
		return web.Done(w, r, draftPath(l.Number)+"/edit", "Both changed "+things(conflicts, "place", "places")+": choose there, between the marks.")
	}
	return d.after(w, r, l, err, "The draft is up to date. Look at what it changes.")
}
