package control_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/platform/alarm"
)

func TestAlarmsOverTheSocket(t *testing.T) {
	var desk *alarm.Desk
	r := newRig(t, func(s *control.Server) {
		check(t, s.DB.Migrate(t.Context(), alarm.Migrations()))
		var err error
		desk, err = alarm.New(t.Context(), s.DB, s.Vault, time.Now, slog.New(slog.DiscardHandler))
		check(t, err)
		s.Desk = desk
	})
	ctx := t.Context()
	before, err := r.client.Status(ctx)
	check(t, err)
	if !strings.Contains(strings.Join(before.Advice, " "), "Nobody is on the on-call list") {
		t.Errorf("advice %q", before.Advice)
	}
	desk.Raise(ctx, alarm.Alarm{Key: alarm.Key{Kind: "clock.jumped"}, Severity: alarm.Warning, Once: true, Sentence: "The clock jumped.", Advice: "Look."})
	st, err := r.client.Status(ctx)
	check(t, err)
	if st.State != "needs_you" || len(st.Alarms) != 1 || !strings.HasPrefix(st.Sentences[0], "Alarm 1 (warning, since ") || !strings.HasSuffix(st.Sentences[0], "The clock jumped.") {
		t.Errorf("status %q, %+v", st.Sentences, st.Alarms)
	}
	kind := func(err error) control.Kind {
		var e *control.Error
		if !errors.As(err, &e) {
			t.Errorf("no refusal: %v", err)
			return ""
		}
		return e.Kind
	}
	for _, c := range []struct {
		act, number, reason string
		want                control.Kind
	}{
		{"close", "1", " ", control.Invalid},
		{"close", "99", "why", control.NotFound},
		{"accept", "nonsense", "", control.Invalid},
		{"accept", "0", "", control.Invalid},
	} {
		if _, err := r.client.ActOnAlarm(ctx, c.act, c.number, c.reason); kind(err) != c.want {
			t.Errorf("%s %s: %v", c.act, c.number, err)
		}
	}
	if _, err := r.client.TryWays(ctx); kind(err) != control.Conflict {
		t.Errorf("test without a list: %v", err)
	}
	if _, err := r.client.Alarm(ctx, "99"); kind(err) != control.NotFound {
		t.Errorf("show: %v", err)
	}
	leaves := r.leaves()
	a, err := r.client.ActOnAlarm(ctx, "accept", "1", "")
	check(t, err)
	if a.Alarm.State != alarm.Accepted || a.Alarm.By == "" || r.leaves() != leaves+2 { // raised and accepted
		t.Errorf("%+v, %d leaves more", a, r.leaves()-leaves)
	}
	a, err = r.client.ActOnAlarm(ctx, "close", "1", "mended")
	check(t, err)
	if _, err := r.client.ActOnAlarm(ctx, "close", "1", "again"); kind(err) != control.Conflict || a.Alarm.State != alarm.Closed {
		t.Errorf("closing twice: %v", err)
	}
	list, err := r.client.Alarms(ctx, false, 50)
	check(t, err)
	all, err := r.client.Alarms(ctx, true, 50)
	check(t, err)
	if len(list.Alarms) != 0 || len(all.Alarms) != 1 || all.Alarms[0].Reason != "mended" {
		t.Errorf("list %+v, all %+v", list, all)
	}
}

func TestAHubWithoutAlarmsSaysSo(t *testing.T) {
	r := newRig(t, nil)
	if _, err := r.client.Alarms(t.Context(), false, 50); err == nil || !strings.Contains(err.Error(), "keeps no alarms") {
		t.Errorf("%v", err)
	}
}
