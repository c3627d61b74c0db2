package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

var schema = store.Migrations{Domain: "test", Files: fstest.MapFS{
	"0001_a.sql": {Data: []byte("-- a table\nCREATE TABLE test_a (id BIGINT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;\nCREATE TABLE test_b (id BIGINT NOT NULL);\n")},
}}

func count(t *testing.T, db *store.DB, query string, args ...any) int64 {
	t.Helper()
	var n int64
	if err := db.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDoIsDurableAndGrouped(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		db := open(store.Options{})
		if err := db.Migrate(t.Context(), schema); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		const n = 400
		errs := make([]error, n)
		for i := range n {
			wg.Go(func() {
				errs[i] = db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
					if err := tx.Queue(ctx, "INSERT INTO test_a (id, body) VALUES ($1, $2)", int64(i%300), []byte{byte(i)}); err != nil {
						return err
					}
					return tx.Queue(ctx, "INSERT INTO test_b (id) VALUES ($1)", int64(i))
				})
			})
		}
		wg.Wait()
		failed := 0
		for _, err := range errs {
			if err != nil {
				failed++
			}
		}
		if failed != 100 {
			t.Fatalf("%d items failed, want the 100 with a doubled key", failed)
		}
		if a, b := count(t, db, "SELECT count(*) FROM test_a"), count(t, db, "SELECT count(*) FROM test_b"); a != 300 || b != 300 {
			t.Fatalf("a %d, b %d rows; want 300 each: a failed item must leave nothing", a, b)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = open(store.Options{})
		if n := count(t, db, "SELECT count(*) FROM test_b"); n != 300 {
			t.Fatalf("%d rows after reopening, want 300", n)
		}
	})
}

func TestAfterTellsEachRunItsOutcome(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		db := open(store.Options{})
		if err := db.Migrate(t.Context(), schema); err != nil {
			t.Fatal(err)
		}
		// What the writer alone touches needs no lock; the race detector agrees
		// only while that is so.
		known := map[int64]bool{}
		var wg sync.WaitGroup
		for i := range int64(200) {
			wg.Go(func() {
				bad := i%10 == 3
				err := db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
					known[i] = true
					tx.After(func(committed bool) {
						if !committed {
							delete(known, i)
						}
					})
					if bad {
						return errors.New("bad")
					}
					return tx.Queue(ctx, "INSERT INTO test_b (id) VALUES ($1)", i)
				})
				if (err != nil) != bad {
					t.Errorf("item %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if err := db.Do(t.Context(), func(context.Context, *store.Tx) error { return nil }); err != nil {
			t.Fatal(err) // the writer is done with all of them
		}
		if b := count(t, db, "SELECT count(*) FROM test_b"); b != 180 || int64(len(known)) != b {
			t.Fatalf("%d rows, %d known in memory; want 180 of each", b, len(known))
		}
		for i := range known {
			if i%10 == 3 {
				t.Errorf("item %d was rolled back and is known", i)
			}
		}
	})
}

func TestPanicAndSlowItemFallAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		db := open(store.Options{ItemLimit: 20 * time.Millisecond})
		if err := db.Migrate(t.Context(), schema); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		results := make([]error, 3)
		for i, fn := range []func(context.Context, *store.Tx) error{
			func(context.Context, *store.Tx) error { panic("boom") },
			func(ctx context.Context, tx *store.Tx) error {
				<-time.After(40 * time.Millisecond)
				_, err := tx.Exec(ctx, "INSERT INTO test_b (id) VALUES (1)")
				return err
			},
			func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO test_b (id) VALUES (2)")
				return err
			},
		} {
			wg.Go(func() { results[i] = db.Do(t.Context(), fn) })
		}
		wg.Wait()
		if results[0] == nil || !errors.Is(results[1], store.ErrTooLong) || results[2] != nil {
			t.Fatalf("got %v", results)
		}
		if n := count(t, db, "SELECT count(*) FROM test_b"); n != 1 {
			t.Fatalf("%d rows, want the good item's", n)
		}
	})
}

func TestMigrationChangedAfterwardsIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		db := open(store.Options{})
		for range 2 {
			if err := db.Migrate(t.Context(), schema); err != nil {
				t.Fatal(err)
			}
		}
		changed := store.Migrations{Domain: "test", Files: fstest.MapFS{"0001_a.sql": {Data: []byte("SELECT 1;")}}}
		if err := db.Migrate(t.Context(), changed); err == nil {
			t.Fatal("a changed migration was accepted")
		}
	})
}

func TestPlaceholdersMayRepeatAndSkipQuotes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		db := open(store.Options{})
		var a, b, c string
		err := db.QueryRow(t.Context(), "SELECT CAST($2 AS TEXT), CAST($1 AS TEXT) || CAST($2 AS TEXT), '$1'", "x", "y").Scan(&a, &b, &c)
		if got := fmt.Sprint(a, b, c); err != nil || got != "yxy$1" {
			t.Fatalf("got %q, %v", got, err)
		}
		if err := db.QueryRow(t.Context(), "SELECT 1 WHERE 1 = 0").Scan(new(int64)); !errors.Is(err, store.ErrNoRows) {
			t.Fatalf("got %v, want ErrNoRows", err)
		}
	})
}

func TestCloseAnswersEverybody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		db := open(store.Options{})
		if err := db.Migrate(t.Context(), schema); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var done, refused sync.Map
		for i := range 300 {
			wg.Go(func() {
				err := db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
					return tx.Queue(ctx, "INSERT INTO test_b (id) VALUES ($1)", int64(i))
				})
				switch {
				case err == nil:
					done.Store(i, true)
				case errors.Is(err, store.ErrClosed):
					refused.Store(i, true)
				default:
					t.Errorf("item %d: %v", i, err)
				}
			})
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		db = open(store.Options{})
		want := int64(0)
		done.Range(func(any, any) bool { want++; return true })
		if n := count(t, db, "SELECT count(*) FROM test_b"); n != want {
			t.Fatalf("%d rows, %d were promised", n, want)
		}
	})
}

// Opening and closing a database leaves its file as it was: a start that is
// refused (a wrong key) has not written.
func TestOpeningWritesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	for i := range 2 {
		db, err := store.OpenSQLite(t.Context(), path, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, fmt.Sprintf("CREATE TABLE t%d (a BIGINT)", i))
			return err
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.OpenSQLite(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var mode int64
	if err := db.QueryRow(t.Context(), "PRAGMA auto_vacuum").Scan(&mode); err != nil || mode != 2 {
		t.Errorf("auto_vacuum is %d, %v; want 2 (incremental)", mode, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("opening changed the file")
	}
}

// The server lets go of a writer that stood still, or is restarted: what had
// not been committed is done again, and the caller does not notice.
func TestBrokenConnectionBeforeTheCommitIsRepeated(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		db := open(store.Options{})
		if db.Engine() != store.Postgres {
			return // there is no connection that could break
		}
		if err := db.Migrate(t.Context(), schema); err != nil {
			t.Fatal(err)
		}
		runs, outcomes := 0, []bool{}
		err := db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
			runs++
			tx.After(func(committed bool) { outcomes = append(outcomes, committed) })
			var pid int64
			if err := tx.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
				return err
			}
			if runs == 1 {
				var ended bool
				if err := db.QueryRow(ctx, "SELECT pg_terminate_backend($1, 5000)", pid).Scan(&ended); err != nil || !ended {
					t.Errorf("end the session: %v %v", ended, err)
				}
			}
			_, err := tx.Exec(ctx, "INSERT INTO test_b (id) VALUES ($1)", int64(1))
			return err
		})
		if err != nil || runs != 2 || !slices.Equal(outcomes, []bool{false, true}) {
			t.Fatalf("%v after %d runs, outcomes %v; want it done at the second", err, runs, outcomes)
		}
		if n := count(t, db, "SELECT count(*) FROM test_b"); n != 1 {
			t.Errorf("%d rows", n)
		}
	})
}
