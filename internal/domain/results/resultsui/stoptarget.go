package resultsui

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// what a stop may cover besides a partner or a route; of these the form asks for
// which one besides.
var clinicalScopes = []kit.Option{
	{Value: "delivery", Text: "One result on its way to one partner"},
	{Value: "message", Text: "One result on all its ways"},
	{Value: "patient", Text: "All of one patient, also what is to come"},
	{Value: "order", Text: "All of one order, also what is to come"},
	{Value: "test", Text: "All with a test code, also what is to come"},
}

// whole says whether a scope is one of those that the form lists with what they
// cover: nobody types a partner's or a route's key.
func whole(scope string) bool {
	return scope == string(results.ScopePartner) || scope == string(results.ScopeRoute)
}

// chosen is a stop's scope as the form writes it: "partner:north".
func (f *stopForm) chosen() string {
	if whole(f.Scope) && f.Target != "" {
		return f.Scope + ":" + f.Target
	}
	return f.Scope
}

// choose takes it apart again.
func (f *stopForm) choose() {
	if scope, target, ok := strings.Cut(f.Scope, ":"); ok && whole(scope) {
		f.Scope, f.Target = scope, target
	}
}

// stopFields ask what a stop covers: the partners and routes of the configuration
// that this person may stop, and for a clinical one what else there is.
func (d Deps) stopFields(r *http.Request, k stopKind, f *stopForm) []kit.Field {
	c := d.conf()
	var options []kit.Option
	add := func(scope results.Scope, target, text string) {
		if d.mayStop(r, k.needs, &results.Stopped{Scope: scope, Target: target}) {
			options = append(options, kit.Option{Value: string(scope) + ":" + target, Text: text})
		}
	}
	var keys []string
	for key := range c.Partners {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(d.name(a), d.name(b)) })
	for _, key := range keys {
		add(results.ScopePartner, key, "All that goes to "+d.name(key))
	}
	for _, rt := range c.Routes {
		add(results.ScopeRoute, rt.Name, "All that route "+rt.Name+" sends")
	}
	what := kit.Field{Name: "scope", Label: "It covers", Hint: "Nothing is lost. Critical results it keeps back are told by phone.", Kind: kit.SelectField, Value: f.chosen(), Required: true}
	if k.kind != results.ClinicalStop {
		what.Options = options
		return []kit.Field{what}
	}
	what.Options = append(options, clinicalScopes...)
	which := kit.Field{
		Name: "target", Label: "Which one", Max: 200, Mono: true, Optional: true,
		Hint: "Only for one result, a patient, an order or a test: the delivery's number, the test code, or the id of a result that names it. Never a patient's name.",
	}
	if !whole(f.Scope) {
		which.Value = f.Target
	}
	return []kit.Field{what, which}
}
