package app

import (
	"context"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/domain/results/resultsui"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// countWaiting is what waits for partners, of those the person sees. What is not
// known yet has no number: the page says so.
func (h *Hub) countWaiting(ctx context.Context, who *authz.Subject) (int, bool, string) {
	f, err := h.Results.Flows(ctx, time.Local)
	if err != nil || !f.Known() {
		return 0, false, ""
	}
	scope := who.Scope(authz.ResultsFind, h.now())
	n := int64(0)
	for _, p := range f.Of(func(p results.Place) bool { return scope.Holds(authz.Object{Partner: p.Partner, Site: p.Site}) }).Partners {
		n += p.Waiting
	}
	return int(n), true, "waiting"
}

// countQuarantine is what waits for a decision, of the sites the person sees: what
// was not taken belongs to no partner yet.
func (h *Hub) countQuarantine(ctx context.Context, who *authz.Subject) (int, bool, string) {
	scope := who.Scope(authz.QuarantineSee, h.now())
	if scope.All {
		n, err := h.Results.OpenQuarantine(ctx)
		if err != nil {
			return 0, false, ""
		}
		return int(n), false, "to decide"
	}
	groups, err := h.Results.ApartGroups(ctx)
	if err != nil {
		return 0, false, ""
	}
	n := int64(0)
	for _, g := range groups {
		if scope.Holds(authz.Object{Site: g.Site}) {
			n += g.Count
		}
	}
	return int(n), false, "to decide"
}

// countCalls is who must be telephoned, of what the person sees.
func (h *Hub) countCalls(ctx context.Context, who *authz.Subject) (int, bool, string) {
	scope := who.Scope(authz.CallsSee, h.now())
	if !scope.All {
		by, err := h.Results.CallsOf(ctx)
		if err != nil {
			return 0, false, ""
		}
		var c results.CallCount
		for of, n := range by {
			if scope.Holds(authz.Object{Partner: of.Partner, Site: of.Site}) {
				c.Open, c.Overdue = c.Open+n.Open, c.Overdue+n.Overdue
			}
		}
		return int(c.Open), c.Overdue > 0, "open"
	}
	c, err := h.Results.CountCalls(ctx)
	if err != nil {
		return 0, false, ""
	}
	return int(c.Open), c.Overdue > 0, "open" // the overdue ones are among the open
}

func (h *Hub) countAlarms(context.Context, *authz.Subject) (int, bool, string) {
	return len(h.Alarms.Live()), false, "open"
}

// channelDates are the ends of one channel, in words.
func (h *Hub) channelDates(of string, now time.Time) []resultsui.Date {
	c := h.inForce()
	if c == nil {
		return nil
	}
	var out []resultsui.Date
	for _, d := range h.endings(c, now) {
		if of != "" && d.Of != of {
			continue
		}
		_, due := d.Threshold(now)
		out = append(out, resultsui.Date{What: d.Kind, Ends: d.Ends, Words: d.Words(now), Due: due})
	}
	return out
}

// moveRoute takes a route one stage forward or back for a page.
func (h *Hub) moveRoute(ctx context.Context, route string, forward bool, director, who, reason string) (string, error) {
	m, err := adoption{h}.Move(ctx, route, forward, director, who, reason)
	return m.To, err
}
