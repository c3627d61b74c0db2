package lease_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/lease"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// clock is a node's clock that a test can put forward.
type clock struct {
	mu   sync.Mutex
	skip time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.skip)
}

func (c *clock) sleep(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skip += d
}

// node is one node's side of the lease, working.
type node struct {
	*lease.Lease
	db     *store.DB
	clock  *clock
	terms  chan context.Context // each term's context as it begins
	cancel context.CancelFunc
	done   chan error
}

func begin(t *testing.T, dsn, name string, o lease.Options) *node {
	t.Helper()
	db, err := store.OpenPostgres(t.Context(), dsn, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), lease.Migrations()); err != nil {
		t.Fatal(err)
	}
	n := &node{db: db, clock: &clock{}, terms: make(chan context.Context, 16), done: make(chan error, 1)}
	o.Node, o.Now, o.Log = name, n.clock.now, slog.New(slog.DiscardHandler)
	n.Lease = lease.New(db, o)
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	go func() {
		n.done <- n.Run(ctx, func(ctx context.Context) error {
			n.terms <- ctx
			<-ctx.Done()
			return nil
		})
	}()
	go db.Hints(ctx, func(bool) { n.Poke() }, func(string) { n.Poke() })
	t.Cleanup(func() { n.stop(t); _ = db.Close() })
	return n
}

func (n *node) stop(t *testing.T) {
	n.cancel()
	select {
	case err := <-n.done:
		if err != nil {
			t.Errorf("run: %v", err)
		}
		n.done <- nil
	case <-time.After(10 * time.Second):
		t.Error("it does not end")
	}
}

func (n *node) term(t *testing.T, within time.Duration) context.Context {
	t.Helper()
	select {
	case ctx := <-n.terms:
		return ctx
	case <-time.After(within):
		t.Fatalf("no term in %v", within)
		return nil
	}
}

func (n *node) write(ctx context.Context) error {
	return n.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		return tx.Queue(ctx, "CREATE TABLE IF NOT EXISTS written (a BIGINT)")
	})
}

// A stop gives the lease back: the other node begins at once, under the next
// epoch, and what the first began can write nothing more.
func TestStopGivesTheLeaseBackAtOnce(t *testing.T) {
	dsn := storetest.PostgresDSN(t)
	a := begin(t, dsn, "a", lease.Options{TTL: time.Minute, Try: time.Minute}) // time alone would be far too slow
	first := a.term(t, 5*time.Second)
	if err := a.write(first); err != nil {
		t.Fatal(err)
	}
	b := begin(t, dsn, "b", lease.Options{TTL: time.Minute, Try: time.Minute})
	s, err := b.State(t.Context())
	if err != nil || s.Node != "a" || !s.Live || s.Mine || s.Epoch != 1 {
		t.Errorf("b sees %+v %v", s, err)
	}
	at := time.Now()
	a.stop(t)
	second := b.term(t, 5*time.Second)
	t.Logf("taken over %v after the stop began", time.Since(at).Round(time.Millisecond))
	if s, err = a.State(t.Context()); err != nil || s.Node != "b" || s.Epoch != 2 || !s.Live {
		t.Errorf("then a sees %+v %v", s, err)
	}
	if err := a.write(context.WithoutCancel(first)); !errors.Is(err, lease.ErrLost) {
		t.Errorf("what a began before: %v", err)
	}
	if lease.Live(first) || !lease.Live(second) || !lease.Live(t.Context()) {
		t.Error("Live is wrong")
	}
	if err := b.write(second); err != nil {
		t.Error(err)
	}
}

// A node that slept finds its term over by its own clock, before it has asked
// anybody; meanwhile the other may have taken the lease.
func TestSleeperKnowsThatItsTimeIsUp(t *testing.T) {
	dsn := storetest.PostgresDSN(t)
	a := begin(t, dsn, "a", lease.Options{Renew: time.Hour})
	first := a.term(t, 5*time.Second)
	a.clock.sleep(4 * time.Second) // TTL 5 s less a second's margin
	if lease.Live(first) {
		t.Error("it still counts as live")
	}
	select {
	case <-first.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("the term does not end")
	}
}

// A holder that no longer renews, as one that died, is followed by the other
// when its time is up, not before.
func TestDeadHolderIsFollowed(t *testing.T) {
	dsn := storetest.PostgresDSN(t)
	a := begin(t, dsn, "a", lease.Options{TTL: 2 * time.Second, Renew: time.Hour, Margin: -time.Hour, Try: time.Hour})
	first := a.term(t, 5*time.Second)
	at := time.Now()
	b := begin(t, dsn, "b", lease.Options{TTL: 2 * time.Second, Try: 100 * time.Millisecond})
	second := b.term(t, 10*time.Second)
	if took := time.Since(at); took < time.Second || took > 4*time.Second {
		t.Errorf("taken over after %v", took)
	}
	// a, which thinks that it may act, is fenced off in its transaction.
	if !lease.Live(first) {
		t.Fatal("a was to believe that it holds the lease")
	}
	if err := a.write(first); !errors.Is(err, lease.ErrLost) {
		t.Errorf("a wrote: %v", err)
	}
	if err := b.write(second); err != nil {
		t.Error(err)
	}
	select {
	case <-first.Done(): // being refused told it
	case <-time.After(5 * time.Second):
		t.Error("a's term does not end")
	}
}

// A node that must not work gives the lease up and does not take it again.
func TestWithheldNodeDoesNotStand(t *testing.T) {
	dsn := storetest.PostgresDSN(t)
	a := begin(t, dsn, "a", lease.Options{})
	first := a.term(t, 5*time.Second)
	a.Withhold("its configuration cannot be loaded")
	<-first.Done()
	b := begin(t, dsn, "b", lease.Options{})
	b.term(t, 5*time.Second)
	b.stop(t)
	select {
	case <-a.terms:
		t.Fatal("a took it although it is withheld")
	case <-time.After(1500 * time.Millisecond):
	}
	a.Withhold("")
	a.term(t, 5*time.Second)
}

// The database's clock was put back: a lease that seems to last for hours is
// none.
func TestLeaseFromTheFutureIsFree(t *testing.T) {
	dsn := storetest.PostgresDSN(t)
	db, err := store.OpenPostgres(t.Context(), dsn, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context(), lease.Migrations()); err != nil {
		t.Fatal(err)
	}
	err = db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		now, err := tx.Clock(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO lease_holder (id, epoch, node, instance, since, until) VALUES (1, 41, 'gone', 'x', $1, $1)", now+time.Hour.Microseconds())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	n := begin(t, dsn, "n", lease.Options{})
	n.term(t, 5*time.Second)
	if s, ok := n.Mine(); !ok || s.Epoch != 42 {
		t.Errorf("%+v", s)
	}
}

// Many nodes want it: at any time one has it, and epochs grow by one.
func TestOneHolderAtATime(t *testing.T) {
	dsn := storetest.PostgresDSN(t)
	var nodes []*node
	for range 4 {
		nodes = append(nodes, begin(t, dsn, "n", lease.Options{Try: 50 * time.Millisecond}))
	}
	for epoch := int64(1); epoch <= 4; epoch++ {
		var holder *node
		deadline := time.After(10 * time.Second)
		for holder == nil {
			select {
			case <-deadline:
				t.Fatal("nobody holds it")
			case <-time.After(10 * time.Millisecond):
			}
			for _, n := range nodes {
				if s, ok := n.Mine(); ok {
					if holder != nil || s.Epoch != epoch {
						t.Fatalf("two hold it, or the epoch is %d and not %d", s.Epoch, epoch)
					}
					holder = n
				}
			}
		}
		holder.stop(t)
	}
}

// SQLite serves one process: it holds the lease without asking.
func TestOneProcessHoldsItAlways(t *testing.T) {
	db, err := store.OpenSQLite(t.Context(), t.TempDir()+"/x.db", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	l := lease.New(db, lease.Options{Node: "only"})
	l.Withhold("nobody else could")
	ran := false
	err = l.Run(t.Context(), func(ctx context.Context) error {
		s, ok := l.Mine()
		ran = ok && lease.Live(ctx) && s.Node == "only"
		return nil
	})
	if err != nil || !ran {
		t.Errorf("ran: %v, %v", ran, err)
	}
}

// A node that was killed and starts again does not wait for its own lease.
func TestRestartedNodeTakesItsOwnLeaseAtOnce(t *testing.T) {
	dsn := storetest.PostgresDSN(t)
	a := begin(t, dsn, "a", lease.Options{Folder: "folder of a", TTL: time.Minute, Margin: time.Second})
	first := a.term(t, 5*time.Second)
	b := begin(t, dsn, "b", lease.Options{Folder: "folder of b", TTL: time.Minute})
	again := begin(t, dsn, "a", lease.Options{Folder: "folder of a", TTL: time.Minute})
	second := again.term(t, 5*time.Second)
	if err := again.write(second); err != nil {
		t.Error(err)
	}
	if err := a.write(first); !errors.Is(err, lease.ErrLost) {
		t.Errorf("the earlier process wrote: %v", err)
	}
	// Another copy of the folder is no reason to take it back: only a start is.
	select {
	case <-b.terms:
		t.Error("the other took it")
	case <-a.terms:
		t.Error("the earlier one took it back")
	case <-time.After(1500 * time.Millisecond):
	}
}
