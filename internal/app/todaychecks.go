package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// checks are the lines of the panel Protection: each is looked at when the page
// is drawn, and says so. What does not exist has no line.
func (h *Hub) checks() []today.Check {
	return []today.Check{
		{Name: "Storage", Needs: authz.AlarmsSee, Look: h.checkStorage},
		{Name: "Ledger", Needs: authz.AlarmsSee, Look: h.checkLedger},
		{Name: "Keys", Needs: authz.KeysSee, Look: h.checkKeys},
		{Name: "Alarms", Needs: authz.AlarmsSee, Look: h.checkWays},
		{Name: "Dates", Needs: authz.ConfigSee, Look: h.checkDates},
		{Name: "Machines", Needs: authz.AlarmsSee, Look: h.checkNodes},
	}
}

// bypassSource tells what went round the hub and is not settled.
func (h *Hub) bypassSource() today.Source {
	return today.Source{Name: "the bypass", Needs: authz.AlarmsSee, Look: func(context.Context, *authz.Subject, time.Time) ([]today.Item, error) {
		var out []today.Item
		for _, text := range h.bypassAlarms() {
			out = append(out, today.Item{
				State: kit.Warn, Rank: today.RankPerson, Needs: authz.AlarmsSee, Title: "The bypass needs somebody", Text: text,
				Action: kit.Action{Text: "See alarms", Href: "/alarms"},
			})
		}
		return out, nil
	}}
}

func (h *Hub) checkStorage(ctx context.Context, now time.Time) (today.Line, error) {
	l := today.Line{Name: "Storage", Href: "/alarms", At: now}
	c := h.probe.Check(ctx)
	if c.Err != nil {
		l.State, l.Value, l.Text = kit.Stopped, "takes no writes", "A test write failed. Nothing is acknowledged that is not on disk."
		return l, nil
	}
	l.State, l.Value, l.At = kit.Fine, fmt.Sprintf("writes in %d ms", max(1, c.Took.Milliseconds())), c.At
	conf := h.inForce()
	if conf == nil || conf.Node.Database.Engine == "postgres" {
		l.Text = "A test write was flushed to the database."
		return l, nil
	}
	d, err := statDisk(filepath.Clean(string(conf.Node.Data)))
	if err != nil {
		return l, fmt.Errorf("look at the disk: %w", err)
	}
	l.Text = fmt.Sprintf("%.0f GB are free; a test write was flushed.", float64(d.free)/1e9)
	if limit := int64(conf.Alarms.DiskFree); d.free < limit {
		l.State, l.Text = kit.Warn, fmt.Sprintf("Only %.1f GB are free.", float64(d.free)/1e9)
	}
	return l, nil
}

// checkLedger: whether the last audit found everything to fit, and the witnesses.
func (h *Hub) checkLedger(_ context.Context, now time.Time) (today.Line, error) {
	l := today.Line{Name: "Ledger", Href: "/witnesses", May: authz.KeysSee, At: now}
	st, here := h.Witnesses()
	last := h.lastAudit.Load()
	switch {
	case here && st.Closed != "":
		l.State, l.Value, l.Text = kit.Stopped, "views closed", st.Closed
		return l, nil
	case last != nil && last.failed:
		l.State, l.Value, l.Text, l.At = kit.Warn, "audit not done", "The last audit could not be carried out.", last.at
		return l, nil
	case last != nil && last.found > 0:
		l.State, l.Value, l.Text, l.At = kit.Stopped, fmt.Sprintf("%d findings", last.found), "What is stored does not fit the ledger: "+last.example, last.at
		return l, nil
	}
	late, silent := 0, 0
	for _, w := range st.Witnesses {
		switch {
		case w.Late:
			late++
		case w.At.IsZero():
			silent++
		}
	}
	if !here {
		l.State, l.Value, l.Text = kit.Unknown, "seen by another node", "The node that delivers talks to the witnesses."
		return l, nil
	}
	switch n := len(st.Witnesses); {
	case n == 0:
		l.State, l.Value, l.Text = kit.Warn, "no witness", "Nobody outside would notice a database that was put back to an earlier day."
	case late > 0:
		l.State, l.Strong, l.Value, l.Text = kit.Warn, fmt.Sprint(n-late), fmt.Sprintf("of %d witnesses confirm", n), "The others are late."
	case silent > 0:
		l.State, l.Strong, l.Value, l.Text = kit.Unknown, fmt.Sprint(n-silent), fmt.Sprintf("of %d witnesses confirmed since the start", n), "The others have not answered yet."
	default:
		l.State, l.Strong, l.Value, l.Text = kit.Fine, fmt.Sprint(n), "witnesses confirm", "Each remembers a later state than this database could be put back to."
		if n == 1 {
			l.Value, l.Text = "witness confirms", "It remembers what this database holds."
		}
	}
	if last == nil {
		l.Text += " Not audited since the start."
	} else {
		l.Text += " Audited " + kit.Clock(last.at, now) + "."
	}
	return l, nil
}

func (h *Hub) checkKeys(_ context.Context, now time.Time) (today.Line, error) {
	l := today.Line{Name: "Keys", Href: "/keys", May: authz.KeysSee, At: now}
	st, err := h.keyStatus()
	if err != nil {
		return l, err
	}
	old, _ := oldKeys(st, now)
	alone := 0
	for _, s := range st.Seals {
		if !s.NeedsPerson {
			alone++
		}
	}
	l.State, l.Strong, l.Value = kit.Fine, fmt.Sprint(len(st.Seals)), "seals"
	if len(st.Seals) == 1 {
		l.Value = "seal"
	}
	switch {
	case alone == 0:
		l.State, l.Text = kit.Warn, "After a power cut somebody has to be here: every seal needs a person."
	case len(st.Seals) < 2:
		l.State, l.Text = kit.Warn, "One seal only: if it is lost, the recovery shares are the last way in."
	case st.Recovery == nil:
		l.State, l.Text = kit.Warn, "There are no recovery shares."
	case len(old) > 0:
		l.State, l.Text = kit.Warn, "Some keys are older than a year: make new ones."
	default:
		l.Text = "Starts unattended. Recovery shares exist."
	}
	return l, nil
}

func (h *Hub) checkWays(_ context.Context, now time.Time) (today.Line, error) {
	l := today.Line{Name: "Alarms", Href: "/alarms", At: now}
	ways := h.Alarms.Ways()
	bad, tried := 0, 0
	for _, w := range ways {
		if !w.Since.IsZero() {
			bad++
		}
		if !w.OK.IsZero() {
			tried++
		}
	}
	switch {
	case len(ways) == 0:
		l.State, l.Value, l.Text = kit.Warn, "reach nobody", "There is no on-call list. An alarm stands on these pages only."
	case bad > 0:
		l.State, l.Strong, l.Value, l.Text = kit.Warn, fmt.Sprint(bad), fmt.Sprintf("of %d ways fail", len(ways)), "Alarms go on to the next person."
	case tried == 0:
		l.State, l.Value, l.Text = kit.Unknown, "not tried yet", "No alarm has gone out since the start. Send a test alarm."
	default:
		l.State, l.Strong, l.Value, l.Text = kit.Fine, fmt.Sprint(tried), fmt.Sprintf("of %d ways worked last", len(ways)), "The others were not tried since the start."
		if tried == len(ways) {
			l.Text = "Each worked when it was used last."
		}
	}
	return l, nil
}

func (h *Hub) checkDates(_ context.Context, now time.Time) (today.Line, error) {
	l := today.Line{Name: "Dates", Href: "/dates", At: now}
	c := h.inForce()
	if c == nil {
		return l, errors.New("the hub is starting")
	}
	all := h.endings(c, now)
	due := 0
	var next time.Time
	for _, d := range all {
		if _, is := d.Threshold(now); is {
			due++
		}
		if next.IsZero() || d.Ends.Before(next) {
			next = d.Ends
		}
	}
	switch {
	case len(all) == 0:
		l.State, l.Value, l.Text = kit.Unknown, "none known", "No certificate or exception with an end has been seen yet."
	case due > 0:
		l.State, l.Strong, l.Value, l.Text = kit.Warn, fmt.Sprint(due), "due soon", "Certificates and exceptions end; results do not stop by themselves."
	default:
		l.State, l.Value, l.Text = kit.Fine, "next on "+kit.Date(next, now), "Certificates and exceptions, looked at now."
	}
	return l, nil
}

func (h *Hub) checkNodes(ctx context.Context, now time.Time) (today.Line, error) {
	l := today.Line{Name: "Machines", Href: "/settings", At: now}
	if h.DB.Engine() == store.SQLite {
		l.State, l.Value, l.Text = kit.Unknown, "one box", "If it fails, results wait at the laboratory's system, or go by the bypass."
		return l, nil
	}
	s, err := h.lease.State(ctx)
	if err != nil {
		return l, fmt.Errorf("read who delivers: %w", err)
	}
	if !s.Live {
		l.State, l.Value, l.Text = kit.Stopped, "nobody delivers", "No node holds the lease."
		return l, nil
	}
	l.State, l.Value, l.Text = kit.Fine, s.Node+" delivers", "Another node takes over within ten seconds."
	return l, nil
}
