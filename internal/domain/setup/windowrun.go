package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
)

// Alarms are where conditions stand; *alarm.Desk does it.
type Alarms interface {
	Raise(ctx context.Context, a alarm.Alarm)
	Live() []alarm.Record
	Unsilenced()
}

// Contacts tells a partner's contact something by mail. It returns what came of
// it in words; ErrNoContact where the configuration names none.
type Contacts interface {
	Tell(ctx context.Context, partner, subject, text string) (answer string, err error)
}

// ErrNoContact says that nobody can be told.
var ErrNoContact = errors.New("the configuration names no contact with a mail address")

// KindLeft is the alarm about what is not as it was before a window.
const KindLeft = "maintenance.left"

// Silence is what alarm.Desk asks: whether a window keeps people from being called
// about a condition.
func (s *Service) Silence(k alarm.Key, now time.Time) (until time.Time, silent bool) {
	s.windowsMu.Lock()
	defer s.windowsMu.Unlock()
	for _, w := range s.windows {
		if w.Open(now) && w.silences(k) && w.Until.After(until) {
			until, silent = w.Until, true
		}
	}
	return until, silent
}

// OpenWindows are the windows in force, for the banner over every page.
func (s *Service) OpenWindows(now time.Time) []Window {
	s.windowsMu.Lock()
	defer s.windowsMu.Unlock()
	var out []Window
	for _, w := range s.windows {
		if w.Open(now) {
			out = append(out, w)
		}
	}
	return out
}

// RunWindows looks at maintenance windows until ctx ends: the node with the lease
// does it, beside its alarms.
func (s *Service) RunWindows(ctx context.Context) error {
	tick := time.NewTicker(windowEvery)
	defer tick.Stop()
	for {
		if err := s.TickWindows(ctx); err != nil && ctx.Err() == nil {
			s.slog.Error("maintenance windows could not be looked at; it is tried again", "error", err)
		}
		if _, err := s.approvals.Expire(ctx); err != nil && ctx.Err() == nil {
			s.slog.Error("requests for approval that have expired could not be closed; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// TickWindows does what is due: begins windows, tells partners, looks after the
// end what is left.
func (s *Service) TickWindows(ctx context.Context) error {
	all, err := s.refreshWindows(ctx)
	if err != nil || s.alarms == nil {
		return err
	}
	now := s.clock()
	for _, w := range all {
		switch {
		case w.Open(now) && w.Began.IsZero():
			err = s.beginWindow(ctx, w)
		case !w.Began.IsZero() && !w.Open(now) && now.Sub(w.over()) >= settles:
			err = s.recheck(ctx, w)
		case w.Began.IsZero() && !w.Planned(now) && !w.Open(now):
			// The hub did not run in all of its time.
			err = s.changeWindow(ctx, w.ID, "maintenance.missed", "hub", func(w *Window) error {
				w.Rechecked = now
				return nil
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refreshWindows reads the windows anew, so that what they silence is silent, or
// told, from now on.
func (s *Service) refreshWindows(ctx context.Context) ([]Window, error) {
	all, err := s.Windows(ctx, false)
	if err != nil {
		return nil, err
	}
	s.windowsMu.Lock()
	s.windows = all
	s.windowsMu.Unlock()
	if s.alarms != nil {
		s.alarms.Unsilenced()
	}
	return all, nil
}

// over is when a window ended.
func (w Window) over() time.Time {
	if !w.Ended.IsZero() {
		return w.Ended
	}
	return w.Until
}

func (s *Service) beginWindow(ctx context.Context, w Window) error {
	before := s.troubles(w)
	told := s.tell(ctx, w)
	return s.changeWindow(ctx, w.ID, "maintenance.began", "hub", func(x *Window) error {
		x.Began, x.Before, x.Told = s.clock(), before, told
		return nil
	})
}

// tell writes to the partners' contacts. A mail that fails is shown and tried no
// more: the window begins all the same.
func (s *Service) tell(ctx context.Context, w Window) []Told {
	if !w.Tell || s.contacts == nil {
		return nil
	}
	var out []Told
	for _, p := range w.Partners {
		text := fmt.Sprintf("We work on the connection by which your results reach you, from %s to %s.\nResults may come late in this time. None is lost, and critical results are telephoned as always.",
			w.From.Format("2006-01-02 15:04 MST"), w.Until.Format("2006-01-02 15:04 MST"))
		answer, err := s.contacts.Tell(ctx, p, "Maintenance: results may come late", text)
		t := Told{Partner: p, Outcome: answer, OK: err == nil}
		if err != nil {
			t.Outcome = err.Error()
		}
		out = append(out, t)
	}
	return out
}

// troubles are the conditions that stand now about what the window covers, a
// sentence each.
func (s *Service) troubles(w Window) []string {
	var out []string
	for _, r := range s.alarms.Live() {
		if !r.Quiet.IsZero() {
			continue
		}
		of := strings.HasPrefix(r.Kind, "partner.") || strings.HasPrefix(r.Kind, "delivery.")
		if of && slices.Contains(w.Partners, r.About) || !of && r.About != "" && slices.Contains(w.Sources, r.About) {
			out = append(out, r.Kind+" "+r.About)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// recheck looks whether everything is as before, and raises what is not.
func (s *Service) recheck(ctx context.Context, w Window) error {
	var left []string
	sentences := map[string]string{}
	for _, r := range s.alarms.Live() {
		sentences[r.Kind+" "+r.About] = r.Sentence
	}
	var words []string
	for _, x := range s.troubles(w) {
		if !slices.Contains(w.Before, x) {
			left = append(left, x)
			words = append(words, sentences[x])
		}
	}
	if len(left) > 0 {
		s.alarms.Raise(ctx, alarm.Alarm{
			Key: alarm.Key{Kind: KindLeft, About: w.ID.String()[24:]}, Severity: alarm.Urgent, Once: true, Owner: w.By.Account,
			Sentence: "After the maintenance not everything is as it was before: " + strings.Join(words, " "),
			Advice:   "Look at what was worked on, or open another window.",
		})
	}
	return s.changeWindow(ctx, w.ID, "maintenance.rechecked", "hub", func(x *Window) error {
		x.Rechecked, x.Found = s.clock(), left
		if x.Ended.IsZero() {
			x.Ended = x.Until
		}
		return nil
	})
}
