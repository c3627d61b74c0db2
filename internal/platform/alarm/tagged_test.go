package alarm_test

import (
	"context"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// TestAlarmsChangedBehindTheDeskAreFound: also after the desk has written the
// row again.
func TestAlarmsChangedBehindTheDeskAreFound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.desk.Raise(t.Context(), silent)
		r.desk.Tick(t.Context())
		found := func() (tables []string) {
			t.Helper()
			check(t, r.desk.Audit(t.Context(), func(table, _, _ string) { tables = append(tables, table) }))
			return tables
		}
		if got := found(); len(got) > 0 {
			t.Fatalf("before anything was changed: %v", got)
		}
		damage := func(query string) {
			t.Helper()
			check(t, r.db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.Exec(ctx, query)
				return err
			}))
		}
		damage("UPDATE alarm_alarms SET about = 'another'")
		if got := found(); len(got) != 1 || got[0] != "alarm_alarms" {
			t.Fatalf("%v", got)
		}
		_, err := r.desk.Accept(t.Context(), 1, "Okafor", "looking")
		check(t, err)
		if got := found(); len(got) != 1 {
			t.Fatalf("accepting it has hidden the change: %v", got)
		}
		damage("DELETE FROM alarm_notices")
		if got := found(); len(got) < 2 {
			t.Fatalf("a notice that was removed: %v", got)
		}
	})
}
