package setupui

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (d Deps) settingsRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /settings", Needs: authz.TodaySee, Handle: d.settingsPage},
		{Pattern: "GET /setup", Needs: authz.ConfigSee, Handle: d.setupPage},
		{Pattern: "GET /setup/shares", Needs: authz.KeysSee, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.drawShares(w, r, "", "") }},
		{Pattern: "POST /setup/shares", Needs: authz.KeysSee, Handle: d.showShare},
		web.Op[none, []apiStep]{
			Pattern: "GET /api/v1/setup", Needs: authz.ConfigSee, Tag: "Set-up", Summary: "Steps of the first set-up, as they were looked at just now",
			Do: func(r *http.Request, _ none) ([]apiStep, error) {
				steps, _, err := d.steps(r)
				var out []apiStep
				for _, s := range steps {
					out = append(out, apiStep{s.Name, [...]string{"missing", "advised", "done"}[s.Stand], s.Title, s.Text})
				}
				return out, err
			},
		}.Route(),
	}
}

type apiStep struct {
	Name  string `json:"name"`
	State string `json:"state" doc:"missing, advised or done"`
	Title string `json:"title"`
	Text  string `json:"text"`
}

// settingsPage leads to everything that is set.
func (d Deps) settingsPage(w http.ResponseWriter, r *http.Request) error {
	var items []kit.LedgerItem
	add := func(p authz.Permission, it kit.LedgerItem) {
		if may(r, p) {
			items = append(items, it)
		}
	}
	state, word, value, text := kit.Unknown, "Not known", "", "What runs, who changed it, drafts and the way back."
	if cur, err := d.Config.Revision(r.Context(), 0); err == nil && may(r, authz.ConfigSee) {
		state, word, value = kit.Fine, "In force", "revision "+kit.Strong(itoa(cur.Number))
	}
	add(authz.ConfigSee, kit.LedgerItem{State: state, Word: word, Name: "Configuration", Href: "/config", Value: value, Text: text})
	if may(r, authz.ConfigSee) {
		steps, _, err := d.steps(r)
		if err != nil {
			return err
		}
		s, v := stepsState(steps)
		items = append(items, kit.LedgerItem{State: s, Name: "Set-up", Href: "/setup", Value: v, Text: "What a laboratory needs, as it is now."})
	}
	for _, m := range d.more() {
		add(m.needs, m.item)
	}
	p := kit.Page{Title: "Settings", Lead: "What is set, and by whom.", Nav: nav}
	if len(items) == 0 {
		p.Lead = "There is nothing here for your roles."
		p.Body = kit.Sheet(kit.SheetOpts{Title: "Settings", Body: kit.Empty("Administrators and security officers change settings.", nil)})
		return web.Render(w, r, p)
	}
	if may(r, authz.ConfigDraft) {
		p.Tools = join(kit.Button(kit.Action{Text: "Add a partner", Href: "/setup/partner", Primary: true, Icon: "add"}), kit.Button(kit.Action{Text: "Add a source", Href: "/setup/source"}))
	}
	p.Body = kit.Columns(kit.Sheet(kit.SheetOpts{Title: "Settings", Body: kit.Ledger(items)}), nil)
	return web.Render(w, r, p)
}

type setting struct {
	needs authz.Permission
	item  kit.LedgerItem
}

func stepsState(steps []setup.SetupStep) (kit.State, string) {
	missing, advised := 0, 0
	for _, s := range steps {
		switch s.Stand {
		case setup.StandMissing:
			missing++
		case setup.StandAdvised:
			advised++
		}
	}
	switch {
	case missing > 0:
		return kit.Warn, kit.Strong(kit.Count(missing)) + " missing"
	case advised > 0:
		return kit.Warn, kit.Strong(kit.Count(advised)) + " advised"
	}
	return kit.Fine, "complete"
}

func (d Deps) steps(r *http.Request) ([]setup.SetupStep, setup.Facts, error) {
	f, err := d.Facts(r.Context())
	if err != nil {
		return nil, f, err
	}
	shown, err := d.Setup.SharesShown(r.Context())
	if err != nil {
		return nil, f, err
	}
	return setup.Steps(f, shown.Set), f, nil
}

// mayGo says whether a step leads to a page that the person may open.
func mayGo(r *http.Request, href string) bool {
	switch {
	case strings.HasPrefix(href, "/keys"), strings.HasPrefix(href, "/setup/shares"):
		return may(r, authz.KeysSee)
	case strings.HasPrefix(href, "/people"):
		return may(r, authz.PeopleSee)
	case strings.HasPrefix(href, "/partners/") && strings.HasSuffix(href, "/test"):
		return may(r, authz.PartnersTest)
	}
	return true
}

// setupPage is the way through a first set-up. Every tick was looked at now.
func (d Deps) setupPage(w http.ResponseWriter, r *http.Request) error {
	steps, f, err := d.steps(r)
	if err != nil {
		return err
	}
	var stages []kit.Stage
	var todo []kit.TodoItem
	var done []kit.Check
	current := true
	for _, s := range steps {
		ready := s.Stand == setup.StandDone
		stages = append(stages, kit.Stage{Name: s.Name, Done: ready, Current: !ready && current})
		if ready {
			done = append(done, kit.Check{State: kit.Fine, Word: "Done", Title: s.Title, Text: s.Text})
			continue
		}
		it := kit.TodoItem{State: kit.Warn, Title: s.Title, Text: s.Text}
		if s.Action != "" && mayGo(r, s.Href) {
			it.Action = &kit.Action{Text: s.Action, Href: s.Href, Primary: current}
		}
		todo = append(todo, it)
		current = false
	}
	p := kit.Page{Title: "Set-up", Nav: nav, Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}, {Name: "Set-up"}}, Live: []string{"config", "results"}}
	switch {
	case len(todo) == 0:
		p.Lead, p.Rest = "This laboratory is set up.", "Looked at "+kit.Clock(f.At.In(d.zone()), d.now(r))+"."
	case setup.Ready(steps):
		p.Lead, p.Rest = "Everything that results need is here.", things(len(todo), "more thing is advised.", "more things are advised.")
	default:
		p.Lead, p.Rest = things(len(todo), "step is open.", "steps are open."), "The first of them comes next."
	}
	p.Body = join(kit.Stages(stages))
	if len(todo) > 0 {
		p.Body = join(p.Body, kit.Sheet(kit.SheetOpts{Title: "What comes next", Body: kit.Todo(todo)}))
	}
	if len(done) > 0 {
		p.Body = join(p.Body, kit.Sheet(kit.SheetOpts{Title: "What is there", Sub: "looked at " + kit.Clock(f.At.In(d.zone()), d.now(r)), Body: kit.Checks(done)}))
	}
	return web.Render(w, r, p)
}

func (d Deps) drawShares(w http.ResponseWriter, r *http.Request, line, wrong string) error {
	f, err := d.Facts(r.Context())
	if err != nil {
		return err
	}
	p := kit.Page{
		Title: "Recovery shares", Lead: "Are the recovery shares kept?", Nav: nav, Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}, {Name: "Set-up", Href: "/setup"}},
		Rest: "They are stored nowhere here.",
	}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	if f.Shares == 0 {
		p.Body = kit.Sheet(kit.SheetOpts{Title: "Recovery shares", Body: kit.Empty("No recovery shares were handed out.", nil)})
		return web.Render(w, r, p)
	}
	shown, err := d.Setup.SharesShown(r.Context())
	if err != nil {
		return err
	}
	now := d.now(r)
	facts := []kit.KV{
		{Key: "Handed out", Value: kit.Many(f.Shares, "share", "shares") + ", " + kit.Date(f.SharesAt.In(d.zone()), now)},
		{Key: "Needed to open everything", Value: "any " + kit.Count(f.Threshold) + " of them"},
		{Key: "Set", Value: f.SharesSet, Mono: true},
	}
	if shown.Set == f.SharesSet {
		facts = append(facts, kit.KV{Key: "Shown last", Value: kit.Clock(shown.At.In(d.zone()), now) + ", by " + shown.By})
	}
	p.Body = join(
		kit.Sheet(kit.SheetOpts{Title: "Show one", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/setup/shares", Submit: "Check it", Cancel: "/setup", Fields: []kit.Field{{
			Name: "line", Label: "The first line of any share", Mono: true, Value: line, Error: wrong, Max: 40,
			Hint: "Thirteen characters. The first line says only to which set a share belongs; never type more of it here.",
		}}})}),
		kit.Sheet(kit.SheetOpts{Title: "What was handed out", Body: kit.KeyValues(facts), Pad: true}),
	)
	return web.Render(w, r, p)
}

func (d Deps) showShare(w http.ResponseWriter, r *http.Request) error {
	err := d.shareShown(r, r.FormValue("line"))
	if said := shareWrong(err); said != "" {
		return d.drawShares(w, r, "", said)
	}
	if err != nil {
		return err
	}
	return web.Done(w, r, "/setup", "The share belongs to the present set. That it was shown is recorded.")
}

// shareShown records that somebody has a share of the present set.
func (d Deps) shareShown(r *http.Request, line string) error {
	f, err := d.Facts(r.Context())
	if err != nil {
		return err
	}
	if err := d.Setup.ShowShare(r.Context(), line, f.SharesSet, person(r)); err != nil {
		return err
	}
	web.Say(r, "config")
	return nil
}

// shareWrong is what is wrong with the line itself; empty where nothing is.
func shareWrong(err error) string {
	for _, e := range []error{vault.ErrShareHead, setup.ErrOtherShares, setup.ErrNoShares} {
		if errors.Is(err, e) {
			return sentence(err.Error())
		}
	}
	return ""
}
