package bus_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// TestManyLeaves: what is read in one go is what is read one at a time, and what
// is damaged or missing is refused alike.
func TestManyLeaves(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		db := open(store.Options{})
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		ok(db.Migrate(t.Context(), bus.Migrations()))
		log, err := bus.New("test")
		ok(err)
		log.Attach(db)
		total := int64(0)
		for n := range 40 { // rows of 1 to 13 events
			ok(db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				for i := range n%13 + 1 {
					e := ledger.Event{Kind: "test.done", At: 1, IDs: ledger.Pairs{{K: "n", V: fmt.Sprint(n, "-", i)}}}
					if _, err := bus.Publish(ctx, tx, e); err != nil {
						return err
					}
				}
				return nil
			}))
			total += int64(n%13 + 1)
		}
		for _, step := range []int64{1, 2, 7, 50, total - 1} {
			var leaves []int64
			for x := total - 1; x >= 0; x -= step { // in any order, some twice
				leaves = append(leaves, x, x)
			}
			got, err := log.EventsOf(t.Context(), leaves)
			ok(err)
			for _, x := range leaves {
				want, err := log.Event(t.Context(), x)
				ok(err)
				if string(got[x]) != string(want) {
					t.Fatalf("leaf %d: %q, want %q", x, got[x], want)
				}
			}
		}
		for _, leaves := range [][]int64{{0, total}, {-1, 3}, {total + 5}} {
			if _, err := log.EventsOf(t.Context(), leaves); !errors.Is(err, ledger.ErrNotFound) {
				t.Errorf("leaves %v: %v", leaves, err)
			}
		}
		harm := func(query string, args ...any) {
			t.Helper()
			ok(db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.Exec(ctx, query, args...)
				return err
			}))
		}
		refused := func(what string) {
			t.Helper()
			_, one := log.Event(t.Context(), 3)
			_, many := log.EventsOf(t.Context(), []int64{0, 3, total - 1})
			if one == nil || many == nil || errors.Is(one, ledger.ErrDamaged) != errors.Is(many, ledger.ErrDamaged) {
				t.Errorf("%s: alone %v, among others %v", what, one, many)
			}
		}
		var events []byte
		ok(db.QueryRow(t.Context(), "SELECT events FROM ledger_groups WHERE first = 6").Scan(&events))
		var own []byte
		ok(db.QueryRow(t.Context(), "SELECT events FROM ledger_groups WHERE first = 3").Scan(&own))
		harm("UPDATE ledger_groups SET events = $1 WHERE first = 3", events)
		refused("another row's events")
		harm("UPDATE ledger_groups SET events = $1, count = 90 WHERE first = 3", own)
		refused("a wrong count")
		harm("UPDATE ledger_groups SET count = -90 WHERE first = 3")
		refused("a negative count")
		harm("DELETE FROM ledger_groups WHERE first = 3")
		refused("no row")
	})
}
