package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// The kinds of alarms about results. docs/operate/alarms.md lists them.
const (
	kindSilent      = "partner.silent"
	kindSlow        = "partner.slow"
	kindNeedsPerson = "delivery.needs_person"
	kindLateRefusal = "delivery.refused_late"
	kindQuarantine  = "quarantine.waits"
	kindReused      = "control_id.reused"
	kindUnknown     = "sender.unknown"
	kindTurnedAway  = "sender.turned_away"
	kindIndex       = "index.behind"
)

const (
	// manyApart in quarantine at one time do not wait for their limit.
	manyApart = 20
	// indexLate is how long a message may be missing from search; usual is half a
	// second.
	indexLate = 10 * time.Minute
	// awayFor is how long a door that turned somebody away is an alarm.
	awayFor = 10 * time.Minute
)

func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// several writes a count with its word.
func several(n int64, one, many string) string {
	switch {
	case n == 1:
		return "1 " + one
	case n >= results.CountLimit:
		return fmt.Sprintf("at least %d %s", n, many)
	}
	return fmt.Sprintf("%d %s", n, many)
}

// deliveries: partners that do not take results, and results that need somebody.
func (l *lookout) deliveries(ctx context.Context, c *config.Config) ([]string, []alarm.Alarm, error) {
	kinds := []string{kindSilent, kindSlow, kindNeedsPerson}
	all, err := l.h.Results.Partners(ctx)
	if err != nil {
		return nil, nil, err
	}
	var out []alarm.Alarm
	now := l.h.now()
	for _, p := range all {
		conf := c.Partners[p.Partner]
		limit := conf.AlarmAfter.Std()
		why := p.Why
		if said := l.h.dates.refusal("partner " + p.Partner); said != "" {
			why += ": " + said
		}
		switch {
		case !p.DownSince.IsZero() && now.Sub(p.DownSince) > limit:
			out = append(out, alarm.Alarm{
				Key: alarm.Key{Kind: kindSilent, About: p.Partner}, Severity: alarm.Urgent,
				Sentence: fmt.Sprintf("Nothing has got through to %s since %s (%s); %s.", conf.Name, when(p.DownSince), why, several(p.Waiting, "result waits", "results wait")),
				Advice:   "Call them and look at the line. Critical results must be told by phone meanwhile. Nothing is lost; it is tried again by itself.",
			})
		case p.DownSince.IsZero() && !p.Oldest.IsZero() && limit > 0 && now.Sub(p.Oldest) > limit:
			out = append(out, alarm.Alarm{
				Key: alarm.Key{Kind: kindSlow, About: p.Partner}, Severity: alarm.Warning,
				Sentence: fmt.Sprintf("%s for %s, the oldest since %s: longer than agreed.", several(p.Waiting, "result waits", "results wait"), conf.Name, when(p.Oldest)),
				Advice:   "Look with: labwarden results list --partner " + p.Partner + " --state waiting",
			})
		}
		if p.Stopped > 0 {
			out = append(out, alarm.Alarm{
				Key: alarm.Key{Kind: kindNeedsPerson, About: p.Partner}, Severity: alarm.Urgent,
				Sentence: fmt.Sprintf("%s to %s and will not go out without a person.", several(p.Stopped, "result could not be delivered", "results could not be delivered"), conf.Name),
				Advice:   "Look with: labwarden results list --partner " + p.Partner + " --state \"needs a person\"",
			})
		}
	}
	return kinds, out, nil
}

// lateRefusal is what a partner's sender tells of replies that nobody awaited:
// AE or AR for a result that was accepted already means that it is not in their
// system (HL7 v2.5.1 2.9.3: the application's answer after a commit accept).
func (h *Hub) lateRefusal(partner, name string) func(code, controlID string, body []byte) {
	return func(code, _ string, _ []byte) {
		if code = strings.ToUpper(code); code != "AE" && code != "AR" {
			return
		}
		h.Alarms.Raise(context.Background(), alarm.Alarm{
			Key: alarm.Key{Kind: kindLateRefusal, About: partner}, Severity: alarm.Urgent, Once: true,
			Sentence: fmt.Sprintf("%s's system has refused (%s) a result after it had answered for it already.", name, code),
			Advice:   "Ask them which result it was and why, and send it again: labwarden results list --partner " + partner + ", labwarden results resend. Then close this alarm.",
		})
	}
}

// quarantine: messages that were not taken.
func (l *lookout) quarantine(ctx context.Context, c *config.Config) ([]string, []alarm.Alarm, error) {
	kinds := []string{kindQuarantine, kindReused, kindUnknown}
	groups, err := l.h.Results.ApartGroups(ctx)
	if err != nil {
		return nil, nil, err
	}
	const look = "Look with: labwarden quarantine list"
	var out []alarm.Alarm
	now, limit := l.h.now(), c.Alarms.QuarantineAfter.Std()
	rest, oldest := map[string]int64{}, map[string]time.Time{}
	for _, g := range groups {
		switch g.Cause {
		case results.CauseConflict:
			out = append(out, alarm.Alarm{
				Key: alarm.Key{Kind: kindReused, About: g.Source}, Severity: alarm.Urgent,
				Sentence: fmt.Sprintf("Source %s used a control id again for another message: %s in quarantine and not delivered.", g.Source, several(g.Count, "message is", "messages are")),
				Advice:   look + ". If the sender reuses its counter, shorten sources." + g.Source + ".control_id_window.",
			})
		case results.CauseUnknownSender:
			out = append(out, alarm.Alarm{
				Key: alarm.Key{Kind: kindUnknown, About: g.Source}, Severity: alarm.Warning,
				Sentence: fmt.Sprintf("Somebody this laboratory does not know sent %s (source %s).", several(g.Count, "message", "messages"), g.Source),
				Advice:   look + ". A new sender must stand in the configuration; otherwise ask who is on that network.",
			})
		default:
			rest[g.Source] += g.Count
			if t := oldest[g.Source]; t.IsZero() || g.Oldest.Before(t) {
				oldest[g.Source] = g.Oldest
			}
		}
	}
	for _, source := range sorted(rest) {
		n, t := rest[source], oldest[source]
		if n < manyApart && now.Sub(t) <= limit {
			continue
		}
		a := alarm.Alarm{
			Key: alarm.Key{Kind: kindQuarantine, About: source}, Severity: alarm.Warning,
			Sentence: fmt.Sprintf("%s from %s in quarantine, the oldest since %s.", several(n, "message waits", "messages wait"), source, when(t)),
			Advice:   look + ". None of them is delivered before somebody decides.",
		}
		if n >= manyApart {
			a.Severity = alarm.Urgent
		}
		out = append(out, a)
	}
	return kinds, out, nil
}

// doors: connections that were turned away because nobody knows them.
func (l *lookout) doors(away map[string]int64) []alarm.Alarm {
	var out []alarm.Alarm
	now := l.h.now()
	for _, source := range sorted(away) {
		n, was := away[source], l.away[source]
		if n < was.seen { // a new server behind the door counts from nothing
			was.seen = 0
		}
		if n > was.seen {
			was.last = now
		}
		was.seen = n
		l.away[source] = was
		if !was.last.IsZero() && now.Sub(was.last) <= awayFor {
			out = append(out, alarm.Alarm{
				Key: alarm.Key{Kind: kindTurnedAway, About: source}, Severity: alarm.Warning,
				Sentence: fmt.Sprintf("Source %s turned connections away: no certificate it knows, or not from its networks. The last one at %s.", source, when(was.last)),
				Advice:   "If the sender's certificate or address has changed, put the new one into the configuration: its results do not come in. Otherwise find out who tries; the hub's log names the addresses.",
			})
		}
	}
	return out
}

// index: search that does not find what came in.
func (l *lookout) index(ctx context.Context, _ *config.Config) ([]string, []alarm.Alarm, error) {
	t, err := l.h.Results.IndexBehind(ctx)
	if err != nil || t.IsZero() || l.h.now().Sub(t) <= indexLate {
		return []string{kindIndex}, nil, err
	}
	return []string{kindIndex}, []alarm.Alarm{{
		Key: alarm.Key{Kind: kindIndex}, Severity: alarm.Note,
		Sentence: "Search does not find results that came in since " + when(t) + ".",
		Advice:   "Results flow all the same. The hub's log says what keeps the search index from being written.",
	}}, nil
}

// kindCallOverdue is the alarm of phone tasks that nobody has seen to in time.
const kindCallOverdue = "call.overdue"

// calls: phone tasks whose time has passed. Who looks at no page must hear of it
// all the same (SAFETY.md 8, 10).
func (l *lookout) calls(ctx context.Context, _ *config.Config) ([]string, []alarm.Alarm, error) {
	kinds := []string{kindCallOverdue}
	n, err := l.h.Results.CountCalls(ctx)
	if err != nil || n.Overdue == 0 {
		return kinds, nil, err
	}
	return kinds, []alarm.Alarm{{
		Key: alarm.Key{Kind: kindCallOverdue}, Severity: alarm.Urgent,
		Sentence: several(n.Overdue, "phone task is", "phone tasks are") + " overdue: a critical result, a correction or a file that may hold one waits for a call.",
		Advice:   "Open Phone tasks, or labwarden calls list: take each, call, and write down who read the value back. It is over by itself when none is overdue.",
	}}, nil
}
