package app

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// TestWhatNobodyFetchesOrCallsAboutAlarms: a partner's program that does not come,
// one that can no longer be told, and a phone task that nobody takes.
func TestWhatNobodyFetchesOrCallsAboutAlarms(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ctx, clock := t.Context(), &late{}
		p := newPuller(t, s)
		partners := strings.Replace(p.partners, "requests_per_minute: 100000", "picked_up_within: 4h", 1)
		h := s.openLate(clock)
		addrs, _ := s.serve(h, s.parse(strings.Replace(s.source(partners, "north", "carry"), "sources:\n", p.node+"sources:\n", 1)))
		if code, err := dial(t, addrs["lis"]).send(critical("M1")); err != nil || code != "AA" {
			t.Fatal(code, err)
		}
		eventually(t, "the result to be placed", func() bool {
			var n int64
			return h.DB.QueryRow(ctx, "SELECT count(*) FROM results_fhir_placed").Scan(&n) == nil && n == 1
		})
		l := newLookout(h)
		l.look(ctx)
		for _, kind := range []string{kindNotPickedUp, kindNotTold} {
			if a := live(h, kind, "north"); a.Number != 0 {
				t.Errorf("at once: %+v", a)
			}
		}
		err := h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error { // as after twenty tries in a row
			id := event.NewID()
			_, err := tx.Exec(ctx, `INSERT INTO results_fhir_subscriptions (id, partner, client, made_at, changed_at, ends_at, version, state, seq, tries, next_at, fault, body)
				VALUES ($1, 'north', 'north-ehr', 1, 2, $2, 1, 2, 0, 20, 0, 'the endpoint answered 502', $1)`, id[:], h.now().Add(48*time.Hour).UnixMicro())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		clock.by.Store(int64(5 * time.Hour))
		l.look(ctx)
		want(t, h, kindNotPickedUp, "north", alarm.Urgent, "North has not picked up 1 result")
		want(t, h, kindNotTold, "north", alarm.Urgent, "(the endpoint answered 502)")
		eventually(t, "the phone task", func() bool {
			n, err := h.Results.CountCalls(ctx)
			return err == nil && n.Open == 1
		})
		if a := live(h, kindCallOverdue, ""); a.Number != 0 {
			t.Errorf("before the director's time: %+v", a)
		}
		clock.by.Store(int64(6 * time.Hour))
		l.look(ctx)
		want(t, h, kindCallOverdue, "", alarm.Urgent, "1 phone task is overdue")
	})
}
