package postureui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/posture"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Trials are the boxes without results in which clients try themselves.
type Trials interface {
	Make(ctx context.Context, q posture.NewTrial, who string) (posture.MadeTrial, error)
	List(ctx context.Context) ([]posture.Trial, error)
	Report(t *posture.Trial) string
}

// TrialTold is a trial with its report, for programs.
type TrialTold struct {
	posture.Trial
	Report string `json:"report" doc:"how the client did, in words"`
}

const tryPage = "/posture/trials"

func (d Deps) trialRoutes() []web.Route {
	if d.Trials == nil {
		return nil
	}
	return []web.Route{
		{Pattern: "GET " + tryPage, Needs: authz.PartnersTest, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.askTrial(w, r, "") }},
		{Pattern: "POST " + tryPage, Needs: authz.PartnersTest, Handle: d.makeTrial},
		web.Op[struct{}, []TrialTold]{
			Pattern: "GET /api/v1/posture/trials", Needs: authz.PartnersTest, Tag: "Posture", Summary: "Trials of clients on this node in the last day, with their reports",
			Do: func(r *http.Request, _ struct{}) ([]TrialTold, error) { return d.trials(r) },
		}.Route(),
		web.Op[posture.NewTrial, posture.MadeTrial]{
			Pattern: "POST /api/v1/posture/trials", Needs: authz.PartnersTest, Tag: "Posture", Summary: "Open a box without results in which a client tries itself",
			Do: func(r *http.Request, q posture.NewTrial) (posture.MadeTrial, error) { return d.made(r, q) },
		}.Route(),
	}
}

// trials are those that the caller may see.
func (d Deps) trials(r *http.Request) ([]TrialTold, error) {
	all, err := d.Trials.List(r.Context())
	if err != nil {
		return nil, fmt.Errorf("list trials: %w", err)
	}
	out := []TrialTold{}
	for i := range all {
		if web.Scope(r, authz.PartnersTest).Holds(authz.Object{Partner: all[i].Partner}) {
			out = append(out, TrialTold{all[i], d.Trials.Report(&all[i])})
		}
	}
	return out, nil
}

func (d Deps) made(r *http.Request, q posture.NewTrial) (posture.MadeTrial, error) {
	if !web.Scope(r, authz.PartnersTest).Holds(authz.Object{Partner: q.Partner}) {
		return posture.MadeTrial{}, web.NotFound("There is no such partner.")
	}
	return d.Trials.Make(r.Context(), q, web.Who(r).Account)
}

func (d Deps) askTrial(w http.ResponseWriter, r *http.Request, wrong string) error {
	all, err := d.trials(r)
	if err != nil {
		return err
	}
	scope := web.Scope(r, authz.PartnersTest)
	var whom []kit.Option
	for key, name := range d.Partners() {
		if scope.Holds(authz.Object{Partner: key}) {
			whom = append(whom, kit.Option{Value: key, Text: name})
		}
	}
	slices.SortFunc(whom, func(a, b kit.Option) int { return cmp.Compare(a.Text, b.Text) })
	if scope.Holds(authz.Object{}) {
		whom = append([]kit.Option{{Value: "", Text: "Nobody in particular"}}, whom...)
	}
	minutes := r.FormValue("minutes")
	if minutes == "" {
		minutes = "60"
	}
	form := kit.Form(kit.FormOpts{Action: tryPage, Submit: "Open a trial", Cancel: "/posture", Wrong: wrong, Fields: []kit.Field{
		{Name: "partner", Label: "For whom", Kind: kit.SelectField, Value: r.FormValue("partner"), Options: whom},
		{Name: "minutes", Label: "Minutes it lasts", Value: minutes, InputMode: "numeric", Narrow: true, Required: true, Hint: "1440 at most."},
		{Name: "key", Label: "Their public SSH key", Kind: kit.TextareaField, Rows: 3, Mono: true, Optional: true, Value: r.FormValue("key"), Hint: "One line, as in a file whose name ends in .pub. Without it they sign in with the code."},
	}})
	body := []templ.Component{kit.Sheet(kit.SheetOpts{Title: "A new trial", Pad: true, Body: form})}
	for i := range all {
		t := &all[i]
		sub := "for nobody in particular"
		if t.Partner != "" {
			sub = "for " + t.Partner
		}
		body = append(body, kit.Sheet(kit.SheetOpts{Title: t.Name, Sub: sub, Body: kit.Checks(d.checks(&t.Trial))}))
	}
	p := kit.Page{
		Title: "Try a client", Lead: "A partner's client can try itself here, with no result in reach.", Rest: "It finds in REPORT.txt what it negotiated and what to change; you find it below.",
		Nav: "/posture", Crumbs: []kit.Crumb{{Name: "Posture", Href: "/posture"}, {Name: "Try a client"}}, Body: templ.Join(body...),
	}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, p)
}

func (d Deps) makeTrial(w http.ResponseWriter, r *http.Request) error {
	n, err := strconv.Atoi(strings.TrimSpace(r.FormValue("minutes")))
	if err != nil || n < 1 {
		return d.askTrial(w, r, "Write a whole number of minutes, as 60.")
	}
	m, err := d.made(r, posture.NewTrial{Partner: r.FormValue("partner"), Key: r.FormValue("key"), Minutes: n})
	var refused interface{ Wrong() string } // how the hub says what a form can mend
	if errors.As(err, &refused) && refused.Wrong() != "" {
		return d.askTrial(w, r, strings.ToUpper(refused.Wrong()[:1])+refused.Wrong()[1:]+".")
	}
	if err != nil {
		return err
	}
	var ways []string
	for _, x := range m.Ways {
		ways = append(ways, x.What+":\n  "+x.Line)
	}
	return web.Render(w, r, kit.Page{
		Title: "The trial", Lead: "Copy the code now: it is not shown again.", Rest: "The trial lasts until " + kit.Stamp(m.Ends.Local()) + ".", Nav: "/posture",
		Crumbs: []kit.Crumb{{Name: "Posture", Href: "/posture"}, {Name: "Try a client", Href: tryPage}, {Name: "The trial"}},
		Body: kit.Sheet(kit.SheetOpts{Title: "For the people at the other end", Pad: true, Body: templ.Join(
			kit.Pre("User and code", []kit.Part{{Text: "user  " + m.Name + "\ncode  " + m.Code}}),
			kit.Prose("The code is the password. A client that asks for a code besides: leave that empty."),
			kit.Pre("What to try", []kit.Part{{Text: strings.Join(ways, "\n")}}),
			kit.Prose("The client finds its report in results/REPORT.txt. What it puts into inbox is looked at for being whole, and not kept."),
			kit.Buttons(kit.Action{Text: "Done", Href: tryPage}),
		)}),
	})
}

// checks are a trial's connections, each with what was negotiated and what to change.
func (d Deps) checks(t *posture.Trial) []kit.Check {
	var out []kit.Check
	for _, x := range t.Tried {
		j := x.Judge(d.FIPS)
		c := kit.Check{State: kit.Fine, Word: "Nothing to change", Title: x.Protocol}
		if len(j.Change) > 0 {
			c.State, c.Word = kit.Warn, "Something to change"
		}
		if j.Guidance == posture.No {
			c.State = kit.Stopped
		}
		if x.Client != "" {
			c.Title += ", " + x.Client
		}
		what := []string{j.Protocol}
		for _, s := range []string{cipher(j.Cipher), j.Exchange} {
			if s != "" {
				what = append(what, s)
			}
		}
		if x.Proof != "" {
			what = append(what, "signed in by "+x.Proof)
		}
		text := append([]string{strings.Join(what, ", ") + ".", "Post-quantum: " + j.PostQuantum + ". Meets HHS guidance: " + j.Guidance + ". " + j.Why}, j.Change...)
		c.Text = strings.Join(text, " ")
		out = append(out, c)
	}
	for _, done := range t.Did {
		out = append(out, kit.Check{State: kit.Fine, Title: "Done", Text: done})
	}
	if len(out) == 0 {
		out = append(out, kit.Check{State: kit.Unknown, Title: "No connection came yet"})
	}
	return out
}
