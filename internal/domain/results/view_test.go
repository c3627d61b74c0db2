package results_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

// TestLooksAndTheDaysCount goes through what a person asks of the domain, on
// both engines.
func TestLooksAndTheDaysCount(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		db := open(store.Options{})
		ok(db.Migrate(t.Context(), bus.Migrations(), results.Migrations()))
		log, err := bus.New("test")
		ok(err)
		log.Attach(db)
		now := time.Date(2026, 5, 3, 23, 0, 0, 0, time.UTC)
		s, err := results.New(t.Context(), db, log, vaulttest.New(t), func() time.Time { return now }, slog.New(slog.DiscardHandler))
		ok(err)
		s.Apply(&results.Settings{
			Revision: strings.Repeat("0", 64), Sources: map[string]results.Source{"lis": {Name: "lis", Window: time.Hour}},
			Partners: map[string]*results.Partner{"a": {Key: "a"}, "b": {Key: "b"}},
			Routes:   []results.Route{{Name: "x", To: []string{"a"}, Stage: results.Carry}, {Name: "y", To: []string{"b"}, Stage: results.Shadow}},
		})
		take := func(id, patient string) {
			t.Helper()
			_, err := s.Intake("lis").Handle(t.Context(), channel.Peer{}, []byte("MSH|^~\\&|L|L|||1||ORU^R01|"+id+"|P|2.5.1\rPID|1||"+patient+"\rOBR|1||F"+id+"\r"))
			ok(err)
		}
		if d, err := s.Since(t.Context(), now); err != nil || d != (results.Day{}) {
			t.Errorf("of nothing: %+v, %v", d, err)
		}
		take("1", "7")
		take("2", "7")
		midnight := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
		now = midnight
		take("3", "7")
		now = midnight.Add(time.Minute)
		take("4", "7")
		take("5", "7")
		take("5", "8") // another body under the same id: quarantine
		d, err := s.Since(t.Context(), midnight)
		ok(err)
		if want := (results.Day{Received: 3, Open: 3, Shadowed: 3}); d != want {
			t.Errorf("since midnight %+v, want %+v", d, want)
		}
		if d, err = s.Since(t.Context(), now.Add(time.Hour)); err != nil || d.Received != 0 {
			t.Errorf("of the future: %+v, %v", d, err)
		}
		list, err := s.List(t.Context(), results.Page{Limit: 1})
		ok(err)
		first := list[0].Deliveries[0].Seq
		ok(s.Hold(t.Context(), first, results.By{Who: "ann", Reason: "test"}))
		ok(s.Refuse(t.Context(), first, results.By{Who: "ann", Reason: "test"}))
		if d, err = s.Since(t.Context(), midnight); err != nil || d.Open != 2 || d.Refused != 1 {
			t.Errorf("after a refusal %+v, %v", d, err)
		}

		last := func() ledger.Event {
			t.Helper()
			head, err := log.Head(t.Context())
			ok(err)
			raw, err := log.Event(t.Context(), head.Size-1)
			ok(err)
			e, err := ledger.ParseEvent(raw)
			ok(err)
			return e
		}
		_, body, err := s.View(t.Context(), list[0].ID, results.By{Who: "ann", Reason: "phone call"})
		ok(err)
		if e := last(); !bytes.Contains(body, []byte("|5|P")) || e.Kind != results.KindViewed || e.IDs.Get("by") != "ann" ||
			e.IDs.Get("message") != list[0].ID.String() || e.Codes.Get("reason") != "phone-call" || e.At != now.UnixMicro() {
			t.Errorf("body %q, recorded %+v", body, e)
		}
		if n, err := s.OpenQuarantine(t.Context()); err != nil || n != 1 {
			t.Errorf("%d in quarantine, %v", n, err)
		}
		q, err := s.Quarantine(t.Context(), false, 10)
		ok(err)
		a, body, err := s.ViewQuarantined(t.Context(), q[0].ID, results.By{Who: "ann", Reason: "look"})
		ok(err)
		if e := last(); a != q[0] || !bytes.Contains(body, []byte("PID|1||8")) || e.Kind != results.KindApartShown || e.IDs.Get("quarantine") != a.ID.String() {
			t.Errorf("%+v is not %+v; body %q, recorded %+v", a, q[0], body, e)
		}
		if _, _, err := s.View(t.Context(), event.NewID(), results.By{Who: "ann", Reason: "x"}); !errors.Is(err, results.ErrNotFound) {
			t.Errorf("a message that is not there: %v", err)
		}
		if _, _, err := s.View(t.Context(), list[0].ID, results.By{Who: "ann"}); !errors.Is(err, results.ErrInvalid) {
			t.Errorf("a look without a reason: %v", err)
		}
	})
}
