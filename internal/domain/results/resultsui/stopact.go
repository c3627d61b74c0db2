package resultsui

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (d Deps) stopNew(k stopKind) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q := r.URL.Query()
		return d.askStop(w, r, k, &stopForm{Scope: q.Get("scope"), Target: q.Get("target"), Hours: "24", Basis: "171.203"}, nil)
	}
}

// stopForm is a stop as it was typed.
type stopForm struct{ Scope, Target, Owner, Basis, Text, Hours, Reason string }

func (d Deps) askStop(w http.ResponseWriter, r *http.Request, k stopKind, f *stopForm, errs map[string]string) error {
	lead, text := "Place a transport stop.", "What waits and what comes is held, in its place."
	if k.kind == results.ClinicalStop {
		lead = "Place a clinical stop."
	}
	fields := kit.WithErrors(append(d.stopFields(r, k, f), []kit.Field{
		{Name: "basis", Label: "Why it is no information blocking", Kind: kit.SelectField, Value: f.Basis, Required: true, Options: []kit.Option{
			{Value: "171.203", Text: "Security (45 CFR 171.203)"},
			{Value: "171.205", Text: "Health IT performance (45 CFR 171.205)"},
			{Value: "other", Text: "Other, said below"},
		}},
		{Name: "text", Label: "In words", Kind: kit.TextareaField, Rows: 2, Value: f.Text, Max: 2000, Spell: true, Hint: "It is kept sealed; who reads it is recorded. Needed when the ground is another one."},
		{Name: "hours", Label: "Hours until it goes to its owner", Kind: kit.NumberField, Value: f.Hours, Narrow: true, Required: true, InputMode: "numeric", Hint: "At most 168. It does not end by itself: at that time its owner decides."},
		{Name: "owner", Label: "Owner", Value: f.Owner, Optional: true, Max: 100, Hint: "To whom it goes; you, where this is empty."},
		kit.ReasonField(f.Reason, ""),
	}...), errs)
	p := kit.Page{
		Title: "Place a stop", Lead: lead, Rest: text, Nav: "/stops", Crumbs: []kit.Crumb{{Name: "Stops", Href: "/stops"}, {Name: "Place a stop"}},
		Body: kit.Columns(kit.Sheet(kit.SheetOpts{Title: "What is stopped, and why", Pad: true, Body: kit.Form(kit.FormOpts{
			Action: k.path(), Fields: fields, Submit: "Place the stop", Cancel: "/stops", Bad: true,
		})}), nil),
	}
	if len(errs) > 0 {
		p.Status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, p)
}

// place checks who may stop this and places it.
func (d Deps) place(r *http.Request, k stopKind, st results.Stop, reason string) (event.ID, error) {
	st.Kind = k.kind
	of := d.ofStop(&results.Stopped{Scope: st.Scope, Target: st.Target}) // nobody's in particular: only who may everywhere
	if err := mayAll(r, k.needs, slices.Concat(of...)); err != nil {
		return event.ID{}, err
	}
	id, err := d.Results.PlaceStop(r.Context(), st, as(r, reason))
	if err == nil {
		web.Say(r, "results", web.Topic("partner:"+st.Target))
	}
	return id, err
}

func (d Deps) stopPlace(k stopKind) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		v := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
		f := &stopForm{v("scope"), v("target"), v("owner"), v("basis"), v("text"), v("hours"), v("reason")}
		f.choose()
		errs, which := map[string]string{}, "target"
		if whole(f.Scope) {
			which = "scope"
		}
		if f.Target == "" {
			errs[which] = "Say which."
		}
		if f.Reason == "" {
			errs["reason"] = "Say why, in a few words."
		}
		if f.Basis == "other" && f.Text == "" && f.Scope != string(results.ScopeDelivery) {
			errs["text"] = "Say in words why this is no information blocking."
		}
		until, ok := hours(f.Hours)
		if !ok {
			errs["hours"] = "Write a whole number from 1 to 168."
		}
		if len(errs) > 0 {
			return d.askStop(w, r, k, f, errs)
		}
		id, err := d.place(r, k, results.Stop{Scope: results.Scope(f.Scope), Target: f.Target, Owner: f.Owner, Basis: f.Basis, Text: f.Text, For: until}, f.Reason)
		if e := Kinds(err); e != nil && err != nil {
			return d.askStop(w, r, k, f, map[string]string{which: e.Message})
		}
		if err != nil {
			return err
		}
		return web.Done(w, r, "/stops/"+id.String(), "The stop stands.")
	}
}

// tend does one act about a stop and says what came of it.
func (d Deps) tend(r *http.Request, k stopKind, act, reason string, more time.Duration) (string, error) {
	s, err := d.findStop(r)
	if err != nil {
		return "", err
	}
	if s.Kind != k.kind {
		return "", web.NotFound(noStop)
	}
	if err := mayAll(r, k.needs, slices.Concat(d.ofStop(s)...)); err != nil {
		return "", err
	}
	by := as(r, reason)
	var out results.Lift
	text := ""
	switch act {
	case "review":
		text, err = "It is written down that you looked.", d.Results.ReviewStop(r.Context(), s.ID, by)
	case "extend":
		text, err = "The stop has more time.", d.Results.ExtendStop(r.Context(), s.ID, by, more)
	case "lift":
		out, err = d.Results.LiftStop(r.Context(), s.ID, k.kind, by)
	case "confirm":
		out, err = d.Results.ConfirmLift(r.Context(), s.ID, k.kind, by)
	}
	if err != nil {
		return "", err
	}
	switch {
	case out.Waits:
		text = "More than one result would go: another person has to confirm."
	case out.Lifted:
		text = "The stop is lifted. What it kept goes out in order."
	}
	topics := []web.Topic{"results"}
	for _, of := range d.ofStop(s) {
		topics = append(topics, web.Topic("partner:"+of[0].Partner))
	}
	web.Say(r, topics...)
	return text, nil
}

func (d Deps) stopTend(k stopKind, act string) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		s, err := d.findStop(r)
		if err != nil {
			return err
		}
		reason := strings.TrimSpace(r.PostFormValue("reason"))
		if reason == "" {
			return d.showStop(w, r, s, map[string]string{act + ".reason": "Say why, in a few words."})
		}
		var more time.Duration
		if act == "extend" {
			var ok bool
			if more, ok = hours(r.PostFormValue("hours")); !ok || more > results.MaxStopExtended {
				return d.showStop(w, r, s, map[string]string{"hours": "Write a whole number from 1 to 72."})
			}
		}
		text, err := d.tend(r, k, act, reason, more)
		if err != nil {
			return err
		}
		return web.Done(w, r, "/stops/"+s.ID.String(), text)
	}
}

// StopAnswer is a stop for programs.
type StopAnswer struct {
	ID          string     `json:"id"`
	Kind        string     `json:"kind" doc:"transport or clinical"`
	Scope       string     `json:"scope"`
	Target      string     `json:"target" doc:"a partner, route, delivery or result; left out for a test code"`
	Owner       string     `json:"owner"`
	Reason      string     `json:"reason"`
	Basis       string     `json:"basis" doc:"why it is no information blocking: 171.203, 171.205 or other"`
	PlacedBy    string     `json:"placed_by"`
	PlacedAt    time.Time  `json:"placed_at"`
	ExpiresAt   time.Time  `json:"expires_at" doc:"when it goes to its owner; it does not end by itself"`
	Expired     bool       `json:"expired"`
	ImpactAt    time.Time  `json:"impact_at" doc:"when somebody must look at what it does to patients"`
	ImpactDue   bool       `json:"impact_due"`
	LiftAskedBy string     `json:"lift_asked_by,omitempty"`
	LiftedAt    *time.Time `json:"lifted_at,omitempty"`
	LiftedBy    string     `json:"lifted_by,omitempty"`
	Keeps       int64      `json:"keeps" doc:"open deliveries it keeps; 10000 means at least so many, -1 that it is not told: it concerns sites outside of the caller's scope"`
}

func stopAnswer(s *results.Stopped) StopAnswer {
	out := StopAnswer{
		ID: s.ID.String(), Kind: s.Kind.String(), Scope: string(s.Scope), Target: s.Target, Owner: s.Owner, Reason: s.Reason, Basis: s.Basis, PlacedBy: s.PlacedBy,
		PlacedAt: s.PlacedAt, ExpiresAt: s.ExpiresAt, Expired: s.Expired, ImpactAt: s.ImpactAt, ImpactDue: s.ImpactDue, LiftAskedBy: s.LiftAskedBy,
		LiftedAt: moment(s.LiftedAt), LiftedBy: s.LiftedBy, Keeps: s.Keeps,
	}
	if s.Scope == results.ScopeTest {
		out.Target = ""
	}
	return out
}

// StopsAnswer lists them.
type StopsAnswer struct {
	Stops []StopAnswer `json:"stops" doc:"those whose time is over first"`
}

type stopsIn struct {
	All   bool `query:"all" doc:"also lifted ones"`
	Hours int  `query:"over_hours" doc:"only those that stand for longer than this"`
}

type stopPlaceIn struct {
	Scope  string `json:"scope" doc:"partner or route; clinical also delivery, message, patient, order, test"`
	Target string `json:"target" doc:"what it covers; for patient and order a result that names it"`
	Owner  string `json:"owner,omitempty" doc:"to whom it goes at its end; empty: you"`
	Basis  string `json:"basis" doc:"171.203, 171.205 or other"`
	Text   string `json:"text,omitempty" doc:"needed with other; kept sealed"`
	Hours  int    `json:"hours" doc:"until it goes to its owner, 1 to 168"`
	Reason string `json:"reason" doc:"for the ledger; no patient data"`
}

type stopActIn struct {
	ID     string `path:"id" doc:"the stop's id"`
	Hours  int    `json:"hours,omitempty" doc:"to extend: hours from now, 1 to 72"`
	Reason string `json:"reason" doc:"for the ledger; no patient data"`
}

// StopDone is what came of an act.
type StopDone struct {
	ID    string `json:"id"`
	Words string `json:"words"`
}

func stopOps(d Deps) []web.Route {
	const tag = "Stops"
	out := []web.Route{web.Op[stopsIn, StopsAnswer]{
		Pattern: "GET /api/v1/stops", Needs: authz.PartnersSee, Tag: tag, Summary: "Stops",
		Do: func(r *http.Request, in stopsIn) (StopsAnswer, error) {
			list, err := d.stops(r, results.StopFilter{All: in.All, Over: time.Duration(in.Hours) * time.Hour})
			a := StopsAnswer{[]StopAnswer{}}
			for i := range list {
				a.Stops = append(a.Stops, stopAnswer(&list[i]))
			}
			return a, err
		},
	}.Route()}
	for _, k := range stopKinds() {
		name := k.kind.String()
		out = append(out, web.Op[stopPlaceIn, StopDone]{
			Pattern: "POST /api/v1/stops/" + name, Needs: k.needs, Tag: tag, Summary: "Place a " + name + " stop",
			Do: func(r *http.Request, in stopPlaceIn) (StopDone, error) {
				id, err := d.place(r, k, results.Stop{
					Scope: results.Scope(in.Scope), Target: in.Target, Owner: in.Owner, Basis: in.Basis, Text: in.Text, For: time.Duration(in.Hours) * time.Hour,
				}, in.Reason)
				return StopDone{id.String(), "The stop stands."}, err
			},
		}.Route())
		for _, a := range []struct{ act, summary string }{
			{"review", "Write down that somebody looked at what a " + name + " stop does to patients"},
			{"extend", "Give a " + name + " stop more time"},
			{"lift", "Lift a " + name + " stop; more than one result takes a second person"},
			{"confirm", "Confirm, as the second person, that a " + name + " stop is lifted"},
		} {
			out = append(out, web.Op[stopActIn, StopDone]{
				Pattern: "POST /api/v1/stops/" + name + "/{id}/" + a.act, Needs: k.needs, Tag: tag, Summary: a.summary,
				Do: func(r *http.Request, in stopActIn) (StopDone, error) {
					text, err := d.tend(r, k, a.act, in.Reason, time.Duration(in.Hours)*time.Hour)
					return StopDone{in.ID, text}, err
				},
			}.Route())
		}
	}
	return out
}
