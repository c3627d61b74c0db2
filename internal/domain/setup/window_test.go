package setup_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// mails keeps what partners were told.
type mails struct{ to []string }

func (m *mails) Tell(_ context.Context, partner, _, text string) (string, error) {
	if partner == "south" {
		return "", setup.ErrNoContact
	}
	m.to = append(m.to, partner+": "+text)
	return "250 taken", nil
}

// windowed is a rig with alarms that silence asks for windows.
type windowed struct {
	*rig
	desk  *alarm.Desk
	mails *mails
	calls *inbox
}

type inbox struct{ subjects []string }

func (b *inbox) Send(_ context.Context, m alarm.Message) (string, error) {
	b.subjects = append(b.subjects, m.Subject)
	return "taken", nil
}

func newWindowed(t *testing.T, open storetest.Opener) *windowed {
	t.Helper()
	w := &windowed{mails: &mails{}, calls: &inbox{}}
	w.rig = newRig(t, func(o store.Options) *store.DB {
		db := open(o)
		if err := db.Migrate(t.Context(), alarm.Migrations()); err != nil {
			t.Fatal(err)
		}
		return db
	})
	var err error
	w.desk, err = alarm.New(t.Context(), w.db, w.vault, func() time.Time { return w.now }, slog.New(slog.DiscardHandler))
	w.must(err)
	w.desk.SetPlan(alarm.Plan{Lab: "Millbrook", People: []alarm.Person{{Name: "Okafor", Ways: []alarm.Way{{Name: "mail", Sender: w.calls}}}}})
	d := w.deps
	d.Alarms, d.Contacts = w.desk, w.mails
	w.service = setup.New(d)
	w.desk.SetSilence(w.service.Silence)
	return w
}

// after lets time pass, in steps in which everybody looks.
func (w *windowed) after(d time.Duration) {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(min(time.Minute, end.Sub(w.now)))
		w.must(w.service.TickWindows(w.t.Context()))
		w.desk.Tick(w.t.Context())
	}
}

func about(kind, about string) alarm.Alarm {
	return alarm.Alarm{Key: alarm.Key{Kind: kind, About: about}, Severity: alarm.Urgent, Sentence: kind + " of " + about + ".", Advice: "Look."}
}

// TestAMaintenanceWindow: nobody is called in it about what it covers, partners
// are told, and what is left at its end is raised.
func TestAMaintenanceWindow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		w := newWindowed(t, open)
		ctx := t.Context()
		w.desk.Raise(ctx, about("partner.slow", "south")) // stood before
		w.after(time.Minute)
		if len(w.calls.subjects) != 1 {
			t.Fatal(w.calls.subjects)
		}
		opened, err := w.service.OpenWindow(ctx, setup.Window{Partners: []string{"north", "south"}, Sources: []string{"lis"}, Until: w.now.Add(2 * time.Hour), Reason: "new firewall", Tell: true}, ann)
		w.must(err)
		w.after(time.Second)
		if len(w.mails.to) != 1 || !strings.Contains(w.mails.to[0], "telephoned as always") {
			t.Fatal(w.mails.to)
		}
		w.desk.Raise(ctx, about("partner.silent", "north"))
		w.desk.Raise(ctx, about("sender.turned_away", "lis"))
		w.after(30 * time.Minute)
		for _, s := range w.calls.subjects[1:] {
			if strings.Contains(s, "north") || strings.Contains(s, "lis") {
				t.Fatalf("somebody was called: %s", s)
			}
		}
		if len(w.desk.Live()) != 3 {
			t.Fatal("an alarm does not stand")
		}
		// What a person must decide, and other partners, are told as always.
		before := len(w.calls.subjects)
		w.desk.Raise(ctx, about("delivery.needs_person", "north"))
		w.desk.Raise(ctx, about("partner.silent", "east"))
		w.desk.Raise(ctx, about("delivery.refused_late", "north"))
		w.after(time.Minute)
		if told := strings.Join(w.calls.subjects[before:], "\n"); !strings.Contains(told, "3 alarms") && !strings.Contains(told, "needs_person") {
			t.Fatal(told)
		}
		w.desk.Over(ctx, alarm.Key{Kind: "sender.turned_away", About: "lis"})
		w.after(100 * time.Minute)
		all, err := w.service.Windows(ctx, true)
		w.must(err)
		if len(all) != 1 || all[0].ID != opened.ID || all[0].Rechecked.IsZero() || len(all[0].Before) != 1 {
			t.Fatalf("%+v", all)
		}
		found := strings.Join(all[0].Found, ",")
		if !strings.Contains(found, "partner.silent north") || strings.Contains(found, "south") || strings.Contains(found, "lis") {
			t.Fatal(found)
		}
		raised := false
		for _, r := range w.desk.Live() {
			raised = raised || r.Kind == setup.KindLeft && strings.Contains(r.Sentence, "partner.silent of north.")
		}
		if !raised {
			t.Error("what is left was not raised")
		}
		w.fits()
	})
}

// TestAWindowEndsBeforeItsTime: then who is to be called is called.
func TestAWindowEndsBeforeItsTime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		w := newWindowed(t, open)
		ctx := t.Context()
		x, err := w.service.OpenWindow(ctx, setup.Window{Partners: []string{"north"}, From: w.now.Add(time.Hour), Until: w.now.Add(2 * time.Hour), Reason: "x"}, ann)
		w.must(err)
		w.desk.Raise(ctx, about("partner.silent", "north")) // before it begins: told
		w.after(time.Minute)
		if len(w.calls.subjects) != 1 {
			t.Fatal("a planned window silences")
		}
		w.desk.Over(ctx, alarm.Key{Kind: "partner.silent", About: "north"})
		w.after(90 * time.Minute)
		w.desk.Raise(ctx, about("partner.slow", "north"))
		w.after(5 * time.Minute)
		n := len(w.calls.subjects)
		w.must(w.service.EndWindow(ctx, x.ID, bob))
		w.after(time.Minute)
		if len(w.calls.subjects) != n+1 {
			t.Fatal("nobody was called at its end")
		}
		w.want(w.service.EndWindow(ctx, x.ID, bob), setup.ErrWindowOver)
		w.after(5 * time.Minute)
		open2, err := w.service.Windows(ctx, false)
		w.must(err)
		if len(open2) != 0 {
			t.Fatalf("%+v", open2)
		}
	})
}

// TestAWindowHasBounds.
func TestAWindowHasBounds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		w := newWindowed(t, open)
		good := setup.Window{Partners: []string{"north"}, Until: w.now.Add(time.Hour), Reason: "x"}
		for _, c := range []struct {
			change func(*setup.Window)
			is     error
		}{
			{func(x *setup.Window) { x.Partners = nil }, setup.ErrWindowWhat},
			{func(x *setup.Window) { x.Reason = " " }, setup.ErrWindowReason},
			{func(x *setup.Window) { x.Until = w.now.Add(25 * time.Hour) }, setup.ErrWindowLong},
			{func(x *setup.Window) { x.Until = w.now.Add(-time.Hour) }, setup.ErrWindowLong},
			{func(x *setup.Window) { x.From = w.now.Add(-time.Hour) }, setup.ErrWindowWhen},
			{func(x *setup.Window) { x.From = w.now.Add(70 * 24 * time.Hour) }, setup.ErrWindowWhen},
		} {
			x := good
			c.change(&x)
			if _, err := w.service.OpenWindow(t.Context(), x, ann); !errors.Is(err, c.is) {
				t.Errorf("%v, want %v", err, c.is)
			}
		}
		// A window the hub slept through ends without a word.
		_, err := w.service.OpenWindow(t.Context(), setup.Window{Partners: []string{"north"}, From: w.now.Add(time.Hour), Until: w.now.Add(2 * time.Hour), Reason: "x"}, ann)
		w.must(err)
		w.now = w.now.Add(5 * time.Hour)
		w.must(w.service.TickWindows(t.Context()))
		if all, err := w.service.Windows(t.Context(), false); err != nil || len(all) != 0 {
			t.Fatal(all, err)
		}
	})
}
