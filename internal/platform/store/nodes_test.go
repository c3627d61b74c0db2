package store_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

func openTwo(t *testing.T) (dsn string, a, b *store.DB) {
	t.Helper()
	dsn = storetest.PostgresDSN(t)
	dbs := make([]*store.DB, 2)
	for i := range dbs {
		db, err := store.OpenPostgres(t.Context(), dsn, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		dbs[i] = db
	}
	return dsn, dbs[0], dbs[1]
}

func exec(db *store.DB, query string) error {
	return db.Do(context.Background(), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, query)
		return err
	})
}

// Two nodes that are started together bring a new database up to date once.
func TestTwoNodesMigrateAtOnce(t *testing.T) {
	_, a, b := openTwo(t)
	m := store.Migrations{Domain: "two", Files: fstest.MapFS{"0001_a.sql": {Data: []byte("CREATE TABLE two (a BIGINT PRIMARY KEY);")}}}
	done := make(chan error, 2)
	for _, db := range []*store.DB{a, b} {
		go func() { done <- db.Migrate(context.Background(), m) }()
	}
	if err := errors.Join(<-done, <-done); err != nil {
		t.Fatal(err)
	}
}

// A fence that no longer holds fails what was begun under it, and nothing else
// of the same group.
func TestFenceFailsOnlyWhatIsUnderIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		db := open(store.Options{})
		if err := exec(db, "CREATE TABLE t (a BIGINT PRIMARY KEY)"); err != nil {
			t.Fatal(err)
		}
		if err := exec(db, "CREATE TABLE epoch (n BIGINT NOT NULL)"); err != nil {
			t.Fatal(err)
		}
		if err := exec(db, "INSERT INTO epoch (n) VALUES (7)"); err != nil {
			t.Fatal(err)
		}
		errOld := errors.New("old")
		var asked atomic.Int64
		under := func(epoch int64) context.Context {
			return store.WithFence(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				return tx.QueueOnce(ctx, epoch, "SELECT n FROM epoch", nil, func(row store.Scanner) error {
					asked.Add(1)
					var n int64
					if err := row.Scan(&n); err != nil {
						return err
					}
					if n != epoch {
						return errOld
					}
					return nil
				})
			})
		}
		// The writer is kept busy so that all that follows is one group.
		hold, held := make(chan struct{}), make(chan struct{})
		go func() {
			_ = db.Do(context.Background(), func(context.Context, *store.Tx) error { close(held); <-hold; return nil })
		}()
		<-held
		insert := func(ctx context.Context, n int64) chan error {
			done := make(chan error, 1)
			go func() {
				done <- db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
					return tx.Queue(ctx, "INSERT INTO t (a) VALUES ($1)", n)
				})
			}()
			return done
		}
		var good, bad []chan error
		for i := range int64(20) {
			good = append(good, insert(under(7), i), insert(t.Context(), 100+i))
			bad = append(bad, insert(under(6), 200+i))
		}
		until(t, func() bool { return db.Queued() == 60 })
		close(hold)
		for _, d := range good {
			if err := <-d; err != nil {
				t.Errorf("what may be written: %v", err)
			}
		}
		for _, d := range bad {
			if err := <-d; !errors.Is(err, errOld) {
				t.Errorf("what is fenced off: %v", err)
			}
		}
		var n, wrong int64
		if err := db.QueryRow(t.Context(), "SELECT count(*), COUNT(CASE WHEN a >= 200 THEN 1 END) FROM t").Scan(&n, &wrong); err != nil || n != 40 || wrong != 0 {
			t.Errorf("%d rows, %d of them fenced off: %v", n, wrong, err)
		}
		// In a group of one kind the question is asked once.
		asked.Store(0)
		hold, held = make(chan struct{}), make(chan struct{})
		go func() {
			_ = db.Do(context.Background(), func(context.Context, *store.Tx) error { close(held); <-hold; return nil })
		}()
		<-held
		good = good[:0]
		for i := range int64(20) {
			good = append(good, insert(under(7), 300+i))
		}
		until(t, func() bool { return db.Queued() == 20 })
		close(hold)
		for _, d := range good {
			if err := <-d; err != nil {
				t.Error(err)
			}
		}
		if asked.Load() != 1 {
			t.Errorf("asked %d times for a group of 20", asked.Load())
		}
	})
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	end := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-end:
			t.Fatal("it does not happen")
		case <-tick.C:
		}
	}
}

// Words reach the other node, also after its listening connection was cut.
func TestHintsReachOtherNodes(t *testing.T) {
	_, a, b := openTwo(t)
	ctx, cancel := context.WithCancel(t.Context())
	got, ended := make(chan string, 100), make(chan struct{})
	go func() {
		b.Hints(ctx, func(yes bool) { got <- fmt.Sprint("hearing ", yes) }, func(w string) { got <- w })
		close(ended)
	}()
	next := func() string {
		select {
		case w := <-got:
			return w
		case <-time.After(10 * time.Second):
			t.Fatal("no word comes")
			return ""
		}
	}
	if w := next(); w != "hearing true" {
		t.Errorf("first: %q", w)
	}
	if err := a.Hint(t.Context(), "d:riverside", "config"); err != nil {
		t.Fatal(err)
	}
	if x, y := next(), next(); x != "d:riverside" || y != "config" {
		t.Errorf("%q %q", x, y)
	}
	cut := `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN %' || md5(current_schema()) || '%'`
	var n int64
	if err := a.QueryRow(t.Context(), cut).Scan(&n); err != nil || n != 1 {
		t.Fatalf("%d connections cut: %v", n, err)
	}
	if x, y := next(), next(); x != "hearing false" || y != "hearing true" {
		t.Errorf("after the cut: %q %q", x, y)
	}
	if err := a.Hint(t.Context(), "again"); err != nil {
		t.Fatal(err)
	}
	if w := next(); w != "again" {
		t.Errorf("%q", w)
	}
	cancel()
	<-ended
}

// A node that stands still in the middle of a transaction holds the lock that
// all need. The server ends its session after some seconds where it sees an idle
// transaction; where the node fell silent within its statements, Unstick does.
func TestStandingNodeDoesNotStopTheOthers(t *testing.T) {
	for name, midway := range map[string]bool{"between statements": false, "within a statement": true} {
		t.Run(name, func(t *testing.T) {
			dsn, a, _ := openTwo(t)
			if err := exec(a, "CREATE TABLE t (a BIGINT)"); err != nil {
				t.Fatal(err)
			}
			conn := sleeper(t, dsn, midway)
			defer conn.Close()
			at, done := time.Now(), make(chan error, 1)
			go func() {
				// Several steps: the wait must not use up the time that they have.
				done <- a.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
					for range 3 {
						if _, err := tx.Exec(ctx, "INSERT INTO t (a) VALUES (1)"); err != nil {
							return err
						}
					}
					return nil
				})
			}()
			ended := 0
			tick := time.NewTicker(200 * time.Millisecond)
			defer tick.Stop()
			for waiting := true; waiting; {
				select {
				case err := <-done:
					if err != nil {
						t.Fatal(err)
					}
					waiting = false
				case <-tick.C:
					if time.Since(at) > 8*time.Second {
						t.Fatal("the other node still waits")
					}
					n, err := a.Unstick(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					ended += n
				}
			}
			if took := time.Since(at); took < time.Second || took > 6*time.Second {
				t.Errorf("the other node waited %v", took)
			}
			t.Logf("the other node waited %v; sessions ended by Unstick: %d", time.Since(at).Round(time.Millisecond), ended)
		})
	}
}

// sleeper is a node that took the writers' lock and says nothing more.
func sleeper(t *testing.T, dsn string, midway bool) net.Conn {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := pgconn.ParseConfig(u.String())
	if err != nil {
		t.Fatal(err)
	}
	if !midway {
		cfg.RuntimeParams["idle_in_transaction_session_timeout"] = "3000" // as the store's writer has it
	}
	c, err := pgconn.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	lock := "SELECT pg_advisory_xact_lock(1818321527, hashtext(current_schema()))" // "labw"
	if !midway {
		if _, err := c.Exec(t.Context(), "BEGIN; "+lock).ReadAll(); err != nil {
			t.Fatal(err)
		}
	} else {
		f := c.Frontend()
		for _, q := range []string{"BEGIN", lock} {
			f.Send(&pgproto3.Parse{Query: q})
			f.Send(&pgproto3.Bind{})
			f.Send(&pgproto3.Execute{})
		}
		f.Send(&pgproto3.Flush{}) // no Sync: more would have come
		if err := f.Flush(); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < 2; {
			m, err := f.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := m.(*pgproto3.CommandComplete); ok {
				n++
			}
		}
	}
	return c.Conn()
}

// TestAMigrationTakesWhatItTakes: longer than any other transaction may.
func TestAMigrationTakesWhatItTakes(t *testing.T) {
	db, err := store.OpenPostgres(t.Context(), storetest.PostgresDSN(t), store.Options{GroupLimit: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	slow := store.Migrations{Domain: "slow", Files: fstest.MapFS{"0001_x.sql": {Data: []byte("SELECT pg_sleep(0.5);\n")}}}
	if err := db.Migrate(t.Context(), slow); err != nil {
		t.Errorf("migrate: %v", err)
	}
}
