package record

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// A page costs a page: every question goes along an index in the order in which
// the list stands, so nothing is read whole and nothing is sorted.
func TestPagesGoAlongAnIndex(t *testing.T) {
	db, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "x.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context(), Migrations()); err != nil {
		t.Fatal(err)
	}
	view, at := View, Cursor{5, 7}
	for name, c := range map[string]struct {
		q   Query
		who string
	}{
		"all": {}, "person": {who: "jdoe"}, "class": {q: Query{Class: &view}}, "kind": {q: Query{Kind: "result.viewed"}},
		"message": {q: Query{Message: "x"}}, "time": {q: Query{From: time.Unix(1, 0), To: time.Unix(2, 0)}},
		"person and time": {q: Query{From: time.Unix(1, 0)}, who: "jdoe"}, "person and class": {q: Query{Class: &view}, who: "jdoe"},
	} {
		for _, from := range []Cursor{{}, at} {
			query, args := statement(&c.q, c.who, from, 50)
			var plan []string
			err := db.Query(t.Context(), "EXPLAIN QUERY PLAN "+query, args, func(s store.Scanner) error {
				var id, parent, unused int64
				var detail string
				err := s.Scan(&id, &parent, &unused, &detail)
				plan = append(plan, detail)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Join(plan, "; ")
			if !strings.Contains(text, "USING INDEX record_events_") || strings.Contains(text, "TEMP B-TREE") {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
}
