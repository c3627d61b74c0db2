package control

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/today"
)

// say writes the sentences and decides the state. now carries the zone that
// times are told in; need is what is known to need somebody already. Every sentence rests on something that was looked at for
// this answer.
func (st *Status) say(now time.Time, need []string) {
	if !st.Store.Writable {
		need = append(need, "The store does not take writes: no result is accepted until it does. Look at disk space and the hub's log.")
	}
	need = append(st.clinical(), need...) // who must be telephoned comes first
	need = append(need, st.Nodes.trouble()...)
	for _, p := range st.Partners {
		need = append(need, p.trouble(now)...)
	}
	if n := st.Quarantine; n > 0 {
		need = append(need, fmt.Sprintf("%s in quarantine %s for a person: labwarden quarantine list.", today.Count(n, "message"), today.Plural(n, "waits", "wait")))
	}
	for _, d := range st.Dates {
		if _, due := d.Threshold(now); due {
			// An alarm may have said so already.
			if w := d.Words(now); !slices.ContainsFunc(need, func(x string) bool { return strings.Contains(x, w) }) {
				need = append(need, d.Sentence(now))
			}
		} else if d.Kind == DateException || !d.OnDisk.IsZero() {
			st.Advice = append(st.Advice, d.Sentence(now))
		}
	}
	st.State = "fine"
	if len(need) > 0 {
		st.State = "needs_you"
	}
	st.Sentences = append(need, st.calm(now)...)
}

// clinical says what about phone tasks and stops needs somebody, overdue calls
// first.
func (st *Status) clinical() []string {
	var out []string
	add := func(n int64, what, one, many string) {
		if n > 0 {
			out = append(out, fmt.Sprintf("%s %s", today.Count(n, what), today.Plural(n, one, many)))
		}
	}
	add(st.Calls.Overdue, "phone call", "is overdue: labwarden calls list.", "are overdue: labwarden calls list.")
	add(st.Calls.Open-st.Calls.Overdue, "phone task", "is open: labwarden calls list.", "are open: labwarden calls list.")
	add(st.Stops.Expired, "stop", "has passed its time and waits for its owner: labwarden stops list.", "have passed their time and wait for their owners: labwarden stops list.")
	add(st.Stops.ImpactDue, "stop", "must be looked at for what it does to patients: labwarden stops list.", "must be looked at for what they do to patients: labwarden stops list.")
	add(st.Stops.LiftAsked, "stop", "is to be lifted and waits for a second person: labwarden stops list.", "are to be lifted and wait for a second person: labwarden stops list.")
	add(st.Stops.OverADay, "stop", "has stood for more than 24 hours: labwarden stops list --over 24h.", "have stood for more than 24 hours: labwarden stops list --over 24h.")
	return out
}

// trouble says what about a partner needs somebody.
func (p *Partner) trouble(now time.Time) []string {
	var out []string
	for _, g := range p.Stops {
		out = append(out, fmt.Sprintf("Nothing goes to %s: a %s stop of %s stands since %s.", p.Name, g.Kind, g.Owner, today.Clock(g.Since, now)))
	}
	if !p.DownSince.IsZero() {
		out = append(out, fmt.Sprintf("%s for %s. %s since %s; the next try is at %s.", waits(p.Waiting), p.Name, results.WhyWords(p.Why),
			today.Clock(p.DownSince, now), today.Clock(p.NextTry, now)))
	} else if p.alarmAfter > 0 && !p.Oldest.IsZero() && now.Sub(p.Oldest) > p.alarmAfter {
		out = append(out, fmt.Sprintf("%s for %s, the oldest since %s; that is longer than agreed.", waits(p.Waiting), p.Name, today.Clock(p.Oldest, now)))
	}
	if p.NeedsPerson > 0 {
		out = append(out, fmt.Sprintf("%s to %s %s a person: labwarden results list --partner %s --state \"needs a person\".",
			today.Count(p.NeedsPerson, "result"), p.Name, today.Plural(p.NeedsPerson, "needs", "need"), p.Key))
	}
	if p.Held > 0 {
		out = append(out, fmt.Sprintf("%s to %s %s held: labwarden results list --partner %s --state held.",
			today.Count(p.Held, "result"), p.Name, today.Plural(p.Held, "is", "are"), p.Key))
	}
	return out
}

func waits(n int64) string {
	if n == 0 {
		return "Nothing waits"
	}
	return today.Count(n, "result") + " " + today.Plural(n, "waits", "wait")
}

// calm says what was found in order.
func (st *Status) calm(now time.Time) []string {
	var out []string
	if st.State == "fine" {
		out = append(out, "Everything is running.")
	}
	out = append(out, st.Nodes.calm(st.Node, now)...)
	t := st.Today
	if t.Received == 0 {
		out = append(out, "No result has come in today.")
	} else {
		var parts []string
		add := func(n int64, one, many string) {
			if n > 0 {
				parts = append(parts, today.Group(n)+" "+today.Plural(n, one, many))
			}
		}
		add(t.Acknowledged, "was acknowledged by its receiver", "were acknowledged by their receivers")
		add(t.Placed, "was placed, nobody has confirmed", "were placed, nobody has confirmed")
		add(t.Shadowed, "was recorded only (shadow route)", "were recorded only (shadow route)")
		add(t.Open, "is still open", "are still open")
		add(t.Superseded, "was superseded by a correction", "were superseded by corrections")
		add(t.Refused, "was refused by a person", "were refused by a person")
		s := fmt.Sprintf("%s came in today", today.Count(t.Received, "result"))
		if len(parts) > 0 {
			s += "; of the deliveries " + strings.Join(parts, ", ")
		}
		out = append(out, s+".")
	}
	var waiting int64
	var silent []string
	for _, p := range st.Partners {
		waiting += p.Waiting
		if p.DownSince.IsZero() && p.Heard.IsZero() {
			silent = append(silent, p.Name)
		}
	}
	if waiting == 0 {
		out = append(out, "Nothing waits.")
	} else if st.State == "fine" {
		out = append(out, waits(waiting)+" to be sent.")
	}
	if n := st.Nodes; n != nil && n.Lease.Live && !n.Lease.Mine {
		silent = nil // the node that delivers knows
	}
	if len(silent) > 0 {
		out = append(out, "Not known whether it answers, as nothing was sent since the hub started: "+strings.Join(silent, ", ")+".")
	}
	return out
}
