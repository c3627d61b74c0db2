package resultsui

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Sources are what results and alarms contribute to Today.
func Sources(d Deps) []today.Source {
	return []today.Source{
		{Name: "the partners", Needs: authz.PartnersSee, Look: d.partnerItems},
		{Name: "the partners' lists", Needs: authz.PartnersSee, Look: d.listItems},
		{Name: "the phone tasks", Needs: authz.CallsSee, Look: d.callItems},
		{Name: "the stops", Needs: authz.PartnersSee, Look: d.stopItems},
		{Name: "the quarantine", Needs: authz.QuarantineSee, Look: d.quarantineItems},
		{Name: "the alarms", Needs: authz.AlarmsSee, Look: d.alarmItems},
	}
}

// partnerItems: partners that do not answer, results that wait too long or need a
// person, and results that nobody accounts for.
func (d Deps) partnerItems(ctx context.Context, who *authz.Subject, now time.Time) ([]today.Item, error) {
	f, err := d.flows(ctx, now.Location())
	if err != nil {
		return nil, err
	}
	if !f.Known() {
		return []today.Item{{
			State: kit.Unknown, Rank: today.RankUnknown, Needs: authz.ResultsFind, Title: "What waits for partners is still being counted",
			Text: "This takes a moment after a start. Results flow meanwhile.", Action: kit.Action{Text: "Look again", Href: "/"},
		}}, nil
	}
	var out []today.Item
	if f.Unaccounted > 0 {
		out = append(out, today.Item{
			State: kit.Stopped, Rank: today.RankStopped, Needs: authz.ResultsFind,
			Title:  kit.Many(int(f.Unaccounted), "result of the last 24 hours has no delivery", "results of the last 24 hours have no delivery"),
			Text:   "Each result that is taken in gets its deliveries in the same step; rows were removed from the database. Verify the ledger: it names them.",
			Action: kit.Action{Text: "Find results", Href: "/results"},
		})
	}
	c, scope := d.conf(), who.Scope(authz.PartnersSee, now)
	for _, flow := range seenFlows(f, scope).Partners {
		v := d.partnerView(c, flow, f.At)
		at := held(scope, d.ofPartner(flow.Partner))
		for _, it := range v.items(now) {
			it.Site = at.Site
			out = append(out, it)
		}
	}
	return out, nil
}

// items are what about one partner needs somebody.
func (v *partnerView) items(now time.Time) []today.Item {
	var out []today.Item
	item := func(s kit.State, rank int, since time.Time, title, text, act string) {
		out = append(out, today.Item{
			State: s, Rank: rank, Since: since, Needs: authz.PartnersSee, Partner: v.Partner, Title: title, Text: text,
			Action: kit.Action{Text: act, Href: "/partners/" + v.Partner},
		})
	}
	defer func() {
		for i := range v.Gates { // they come first
			out[i].Action.Href = "/stops"
		}
	}()
	for _, g := range v.Gates {
		item(kit.Stopped, today.RankPerson, g.Since, "Nothing goes to "+v.name,
			fmt.Sprintf("A %s stop of %s stands since %s. %s.", g.Kind, g.Owner, kit.Clock(g.Since, now), v.kept()), "Look at the stop")
	}
	switch {
	case !v.DownSince.IsZero():
		title := v.name + " does not answer"
		if v.Waiting > 0 {
			title = v.waits("waiting for " + v.name)
		}
		item(kit.Stopped, today.RankStopped, v.DownSince, title, fmt.Sprintf("%s since %s. %s", results.WhyWords(v.Why), kit.Clock(v.DownSince, now), v.doing(now)), "See what to do")
	case v.late():
		item(kit.Warn, today.RankPerson, v.Oldest, v.waits("waiting for "+v.name+", longer than agreed"),
			fmt.Sprintf("The oldest since %s; agreed are %s. %s.", kit.Clock(v.Oldest, now), kit.Span(v.limit), v.kept()), "See why")
	}
	if v.Stopped > 0 {
		item(kit.Stopped, today.RankPerson, time.Time{}, kit.Many(int(v.Stopped), "result to "+v.name+" needs a person", "results to "+v.name+" need a person"),
			"What was refused or cannot be sent as it is does not go out by itself. What belongs to the same patient or order waits behind it.", "Decide")
	}
	return out
}

func (v *partnerView) waits(rest string) string {
	return kit.Many(int(v.Waiting), "result is ", "results are ") + rest
}

// kept says that nothing is lost.
func (v *partnerView) kept() string {
	switch v.Waiting {
	case 0:
		return "Nothing waits"
	case 1:
		return "The one that waits is kept"
	}
	return "All " + kit.Count(int(v.Waiting)) + " that wait are kept"
}

// doing says what happens by itself.
func (v *partnerView) doing(now time.Time) string {
	s := v.kept() + "; "
	if v.NextTry.After(now) {
		return s + "we try again at " + kit.Second(v.NextTry, now) + " and at least every " + kit.Span(v.retry) + "."
	}
	return s + "we are trying again now."
}

// callItems: telephone calls that somebody must make.
func (d Deps) callItems(ctx context.Context, who *authz.Subject, now time.Time) ([]today.Item, error) {
	by, err := d.Results.CallsOf(ctx)
	if err != nil {
		return nil, err
	}
	item := func(of results.Place, c results.CallCount) (out []today.Item) {
		to := ""
		if of.Partner != "" {
			to = " to " + d.name(of.Partner)
		}
		if of.Site != "" {
			to += " at " + d.siteWords(of.Site)
		}
		x := today.Item{Needs: authz.CallsSee, Partner: of.Partner, Site: of.Site, Action: kit.Action{Text: "Take a call", Href: "/calls"}}
		if !who.Scope(authz.CallsAct, now).Holds(authz.Object{Partner: of.Partner, Site: of.Site}) {
			x.Action.Text = "See the calls" // others make them
		}
		if c.Overdue > 0 {
			x.State, x.Rank = kit.Stopped, today.RankPatient
			x.Title = kit.Many(int(c.Overdue), "phone call"+to+" is overdue", "phone calls"+to+" are overdue")
			x.Text = "A critical result or a correction was not acknowledged in the director's time, or a file that may hold one did not come through. Somebody must telephone now."
			out = append(out, x)
		}
		if n := c.Open - c.Overdue; n > 0 {
			x.State, x.Rank = kit.Warn, today.RankPatient
			x.Title = kit.Many(int(n), "phone task"+to+" is open", "phone tasks"+to+" are open")
			x.Text = "Each is closed when somebody was reached and has read the value back."
			out = append(out, x)
		}
		return out
	}
	if who.Scope(authz.CallsSee, now).All { // one line for all of them
		var all results.CallCount
		for _, c := range by {
			all.Open += c.Open
			all.Overdue += c.Overdue
		}
		return item(results.Place{}, all), nil
	}
	var out []today.Item
	for of, c := range by { // those of others the board leaves out
		if of != (results.Place{}) {
			out = append(out, item(of, c)...)
		}
	}
	return out, nil
}

// stopItems: stops that wait for a decision.
func (d Deps) stopItems(ctx context.Context, who *authz.Subject, now time.Time) ([]today.Item, error) {
	if !who.Scope(authz.PartnersSee, now).All {
		return nil, nil // a partner's own stops are told with the partner
	}
	c, err := d.Results.CountStops(ctx)
	if err != nil {
		return nil, err
	}
	var out []today.Item
	item := func(n int64, s kit.State, one, many, text string) {
		if n > 0 {
			out = append(out, today.Item{
				State: s, Rank: today.RankPerson, Needs: authz.PartnersSee, Title: kit.Many(int(n), "stop "+one, "stops "+many), Text: text,
				Action: kit.Action{Text: "Look at stops", Href: "/stops"},
			})
		}
	}
	item(c.ImpactDue, kit.Stopped, "must be looked at for what it does to patients", "must be looked at for what they do to patients",
		"Results wait behind it. Somebody looks at which patients, and writes down that they did.")
	item(c.Expired, kit.Warn, "has passed its time", "have passed their time", "It stands on until its owner extends or lifts it.")
	item(c.LiftAsked, kit.Warn, "is to be lifted and waits for a second person", "are to be lifted and wait for a second person", "More than one result would go; another person confirms.")
	item(c.OverADay, kit.Warn, "has stood for more than 24 hours", "have stood for more than 24 hours", "Each says why it is no information blocking.")
	return out, nil
}

// quarantineItems: messages that were not taken.
func (d Deps) quarantineItems(ctx context.Context, who *authz.Subject, now time.Time) ([]today.Item, error) {
	groups, err := d.Results.ApartGroups(ctx)
	if err != nil {
		return nil, err
	}
	n, oldest, at := int64(0), time.Time{}, ""
	var sources []string
	scope := who.Scope(authz.QuarantineSee, now)
	for _, g := range groups {
		if !scope.Holds(authz.Object{Site: g.Site}) {
			continue
		}
		n, at = n+g.Count, g.Site
		if oldest.IsZero() || g.Oldest.Before(oldest) {
			oldest = g.Oldest
		}
		if len(sources) == 0 || sources[len(sources)-1] != g.Source {
			sources = append(sources, g.Source)
		}
	}
	if n == 0 {
		return nil, nil
	}
	if scope.Holds(authz.Object{}) {
		at = ""
	}
	from := "from " + sources[0]
	if len(sources) > 1 {
		from = "from " + numeral(len(sources)) + " sources"
	}
	act := "Decide"
	if who.Scope(authz.QuarantineAct, now).Empty() {
		act = "Look"
	}
	return []today.Item{{
		State: kit.Warn, Rank: today.RankPerson, Since: oldest, Needs: authz.QuarantineSee, Site: at,
		Title:  kit.Many(int(n), "message "+from+" was not taken", "messages "+from+" were not taken"),
		Text:   fmt.Sprintf("The oldest since %s. None of them is delivered before somebody decides.", kit.Clock(oldest, now)),
		Action: kit.Action{Text: act, Href: "/quarantine"},
	}}, nil
}

// itself names the kinds of alarms whose matter Today tells by itself.
func itself(kind string) bool {
	switch kind {
	case "partner.silent", "partner.slow", "delivery.needs_person", "quarantine.waits", "control_id.reused", "sender.unknown":
		return true
	}
	return false
}

// alarmItems: alarms that nobody has accepted, and ways that do not work.
func (d Deps) alarmItems(_ context.Context, _ *authz.Subject, now time.Time) ([]today.Item, error) {
	if d.Alarms == nil {
		return nil, nil
	}
	var out []today.Item
	for _, a := range d.Alarms.Live() {
		if !a.Quiet.IsZero() || itself(a.Kind) {
			continue
		}
		x := today.Item{
			State: kit.Warn, Rank: today.RankSoon, Since: a.Since, Needs: authz.AlarmsSee, Title: kit.Here(a.Sentence, now), Text: a.Advice,
			Action: kit.Action{Text: "Look at it", Href: alarmPath(a.Number)},
		}
		if a.Severity == alarm.Urgent {
			x.State, x.Rank = kit.Stopped, today.RankStopped
		}
		if a.State == alarm.Accepted {
			x.State, x.Rank = kit.Warn, today.RankLater
			x.Text = a.By + " has accepted it. " + x.Text
		}
		out = append(out, x)
	}
	for _, w := range d.Alarms.Ways() {
		if !w.Since.IsZero() {
			out = append(out, today.Item{
				State: kit.Warn, Rank: today.RankSoon, Since: w.Since, Needs: authz.AlarmsSee,
				Title:  fmt.Sprintf("Alarms do not reach %s by %s", w.Person, w.Way),
				Text:   fmt.Sprintf("Since %s: %s. Others on the list are told.", kit.Clock(w.Since, now), w.Problem),
				Action: kit.Action{Text: "See who is told", Href: "/alarms"},
			})
		}
	}
	return out, nil
}
