package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// Several nodes write at once: every fact has a leaf of its own, leaves have no
// gap, the tree fits together, and each row names its node.
func TestNodesWriteOneLedger(t *testing.T) {
	dsn := storetest.PostgresDSN(t)
	const nodes, each, clients = 3, 40, 4
	var logs []*bus.Log
	done := make(chan error, nodes*clients)
	leaves := make(chan string, nodes*clients*each)
	for i := range nodes {
		db, err := store.OpenPostgres(t.Context(), dsn, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		if err := db.Migrate(t.Context(), bus.Migrations()); err != nil {
			t.Fatal(err)
		}
		log, err := bus.New(fmt.Sprintf("n%d", i))
		if err != nil {
			t.Fatal(err)
		}
		log.Attach(db)
		logs = append(logs, log)
		for c := range clients {
			go func() {
				for k := range each {
					id := fmt.Sprintf("%d-%d-%d", i, c, k)
					var leaf int64
					err := db.Do(context.Background(), func(ctx context.Context, tx *store.Tx) error {
						var err error
						leaf, err = bus.Publish(ctx, tx, ledger.Event{Kind: "test.done", At: time.Now().UnixMicro(), IDs: ledger.Pairs{{K: "id", V: id}}})
						if k%10 == 9 {
							return errors.Join(err, errors.New("undone")) // leaves no leaf behind
						}
						return err
					})
					switch {
					case k%10 == 9 && err == nil:
						err = errors.New("what was to fail did not")
					case k%10 == 9:
						err = nil
					case err == nil:
						leaves <- fmt.Sprintf("%d %s", leaf, id)
					}
					if err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
	}
	for range nodes * clients {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	close(leaves)
	want := map[int64]string{}
	for l := range leaves {
		var leaf int64
		var id string
		if _, err := fmt.Sscan(l, &leaf, &id); err != nil {
			t.Fatal(err)
		}
		if want[leaf] != "" {
			t.Fatalf("leaf %d is that of %s and of %s", leaf, want[leaf], id)
		}
		want[leaf] = id
	}
	for i, log := range logs { // each node sees the same
		a, damage, err := log.Audit(t.Context(), 0)
		if err != nil || damage != nil || a.Leaves != int64(len(want)) {
			t.Fatalf("node %d: %+v %v %v", i, a, damage, err)
		}
	}
	names := map[byte]bool{}
	for leaf, id := range want {
		first, events, err := logs[0].Events(t.Context(), leaf)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(events[leaf-first]), `"`+id+`"`) {
			t.Errorf("leaf %d is not that of %s", leaf, id)
		}
		names[id[0]] = true
	}
	if len(want) != nodes*clients*each*9/10 || len(names) != nodes {
		t.Errorf("%d leaves of %d nodes", len(want), len(names))
	}
}
