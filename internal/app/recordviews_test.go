package app

import (
	"errors"
	"slices"
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// noRecord is a ledger that cannot be written.
type noRecord struct{ store.Hook }

func (noRecord) Commit(*store.Tx) error { return errors.New("the ledger cannot be written") }

// Each look at a result stands in the record; where it cannot be written, there
// is no look, and the record shows none.
func TestViewsStandInTheRecord(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ctx := t.Context()
		h := s.open()
		defer s.close(h)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		h.Results.Apply(&results.Settings{
			Sources: map[string]results.Source{"lis": {Name: "lis"}}, Partners: map[string]*results.Partner{"p": {Key: "p"}},
			Routes: []results.Route{{Name: "all", From: "lis", To: []string{"p"}, Stage: results.Shadow}},
		})
		_, err := h.Results.Intake("lis").Handle(ctx, channel.Peer{Name: "lis"}, []byte(result("A1")))
		must(err)
		var raw []byte
		must(h.DB.QueryRow(ctx, "SELECT id FROM results_messages").Scan(&raw))
		id, err := event.IDFromBytes(raw)
		must(err)
		seen := func() []string {
			for more := true; more; {
				var err error
				more, err = h.rooms.record.Step(ctx)
				must(err)
			}
			lines, _, err := h.rooms.record.List(ctx, record.By{Account: "sofia"}, record.Query{Message: id.String()}, record.Cursor{}, 50)
			must(err)
			out := []string{}
			for _, l := range lines {
				if l.Damaged {
					t.Errorf("leaf %d is damaged", l.Leaf)
				}
				out = append(out, l.Kind+" by "+l.Who)
			}
			return out
		}
		h.DB.SetHook(noRecord{h.Log})
		_, body, err := h.Results.View(ctx, id, results.By{Who: "jdoe", Reason: "the ward asked"})
		h.Log.Attach(h.DB)
		if err == nil || body != nil {
			t.Fatalf("shown without a record: %q %v", body, err)
		}
		if got := seen(); len(got) > 0 {
			t.Fatalf("%q", got)
		}
		_, body, err = h.Results.View(ctx, id, results.By{Who: "jdoe", Reason: "the ward asked"})
		must(err)
		_, _, err = h.Results.Export(ctx, id, results.By{Who: "anna", Reason: "the court asked"})
		must(err)
		if got := seen(); len(body) == 0 || !slices.Equal(got, []string{"result.exported by anna", "result.viewed by jdoe"}) {
			t.Fatalf("%q", got)
		}
	})
}
