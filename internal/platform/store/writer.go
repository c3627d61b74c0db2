package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"
)

type work struct {
	ctx  context.Context
	fn   func(ctx context.Context, tx *Tx) error
	done chan error
	long bool // a migration takes what it takes
}

type stats struct {
	groups, items, redone atomic.Int64
}

// Stats counts what the writer did since it started.
type Stats struct{ Groups, Items, Redone int64 }

// Stats returns the writer's counters.
func (db *DB) Stats() Stats {
	return Stats{db.stats.groups.Load(), db.stats.items.Load(), db.stats.redone.Load()}
}

// redoGroup bounds a transaction that runs its items under savepoints.
const redoGroup = 50

// Do runs fn in a writing transaction. When it returns nil, what fn wrote is
// on disk. When it returns an error nothing of it is, with one exception:
// ErrUnknown, when a database connection broke during the commit and the server
// could not be asked afterwards. fn's work is never done twice.
func (db *DB) Do(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	return db.enqueue(&work{ctx: ctx, fn: fn, done: make(chan error, 1)})
}

func (db *DB) enqueue(w *work) error {
	ctx := w.ctx
	w.fn = fenced(ctx, w.fn)
	select {
	case <-db.quit:
		return ErrClosed
	default:
	}
	select {
	case db.queue <- w:
	case <-ctx.Done():
		return ctx.Err()
	case <-db.quit:
		return ErrClosed
	}
	// From here on the writer decides: leaving early would make the caller
	// believe that nothing was written.
	select {
	case err := <-w.done:
		return err
	case <-db.gone:
	}
	select { // it may have been among the last
	case err := <-w.done:
		return err
	default:
		return ErrClosed
	}
}

func (db *DB) write() {
	defer close(db.gone)
	group := make([]*work, 0, db.opts.MaxGroup)
	for {
		group = group[:0]
		select {
		case w := <-db.queue:
			group = append(group, w)
		case <-db.quit:
			db.drain()
			return
		}
	fill:
		for len(group) < db.opts.MaxGroup {
			select {
			case w := <-db.queue:
				group = append(group, w)
			default:
				break fill
			}
		}
		db.run(group)
	}
}

// drain finishes what was queued before Close.
func (db *DB) drain() {
	for {
		select {
		case w := <-db.queue:
			db.run([]*work{w})
		default:
			return
		}
	}
}

func (db *DB) run(group []*work) {
	live := group[:0]
	for _, w := range group {
		if err := w.ctx.Err(); err != nil {
			w.done <- err
			continue
		}
		live = append(live, w)
	}
	if len(live) == 0 {
		return
	}
	db.stats.groups.Add(1)
	db.stats.items.Add(int64(len(live)))
	err := db.together(live)
	// One that failed alone would fail again, but for a connection that broke,
	// as it does when this process stood still and the server let go of it.
	// What may be written already is not done again, alone or not.
	if err == nil || errors.Is(err, ErrUnknown) || len(live) == 1 && !db.w.lost() {
		for _, w := range live {
			w.done <- err
		}
		return
	}
	db.stats.redone.Add(int64(len(live)))
	for len(live) > 0 {
		n := min(redoGroup, len(live))
		db.apart(live[:n])
		live = live[n:]
	}
}

// groupContext bounds a transaction. SQLite gets no deadline: it waits for no
// network, and a context that can end costs a goroutine for each statement. A
// migration gets none either: an index over years of results takes its time.
func (db *DB) groupContext(group []*work) (context.Context, context.CancelFunc) {
	if db.engine == SQLite || slices.ContainsFunc(group, func(w *work) bool { return w.long }) {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), db.opts.GroupLimit)
}

// together runs the group without savepoints: all or nothing.
func (db *DB) together(group []*work) error {
	ctx, cancel := db.groupContext(group)
	defer cancel()
	tx := &Tx{db: db}
	if err := db.begin(ctx, tx); err != nil {
		return err
	}
	for _, w := range group {
		if err := db.call(ctx, tx, w); err != nil {
			return db.abort(ctx, tx, err)
		}
	}
	return db.finish(ctx, tx)
}

// apart runs each item under its own savepoint, so that a bad one falls alone.
func (db *DB) apart(group []*work) {
	ctx, cancel := db.groupContext(group)
	defer cancel()
	tx := &Tx{db: db}
	if err := db.begin(ctx, tx); err != nil {
		for _, w := range group {
			w.done <- err
		}
		return
	}
	good := make([]*work, 0, len(group))
	for i, w := range group {
		kept, told := len(tx.emitted), len(tx.after)
		err := db.alone(ctx, tx, w)
		if err == nil {
			good = append(good, w)
			continue
		}
		tx.emitted = tx.emitted[:kept]
		tx.settle(told, false)
		w.done <- err
		if rerr := db.w.rollbackTo(ctx); rerr != nil { // the transaction is lost for all
			rerr = db.abort(ctx, tx, fmt.Errorf("roll back one item: %w", rerr))
			for _, g := range append(good, group[i+1:]...) {
				g.done <- rerr
			}
			return
		}
	}
	err := db.finish(ctx, tx)
	for _, w := range good {
		w.done <- err
	}
}

func (db *DB) alone(ctx context.Context, tx *Tx, w *work) error {
	tx.once = nil // what failed for another was answered for it alone
	if err := db.w.flush(ctx); err != nil {
		return err
	}
	if err := db.w.savepoint(ctx); err != nil {
		return err
	}
	if err := db.call(ctx, tx, w); err != nil {
		return err
	}
	if err := db.w.flush(ctx); err != nil {
		return err
	}
	return db.w.release(ctx)
}

func (db *DB) begin(ctx context.Context, tx *Tx) error {
	if err := db.w.begin(ctx); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	if db.hook != nil {
		if err := db.hook.Begin(tx); err != nil {
			return db.abort(ctx, tx, fmt.Errorf("begin transaction: %w", err))
		}
		tx.asked = false // what the hook asked for comes with the first Base
	} else {
		tx.SetBase(0)
	}
	return nil
}

func (db *DB) finish(ctx context.Context, tx *Tx) error {
	tx.deadline = time.Time{}
	// An answer may undo the group, so it must be in before the commit is
	// sent. Without one everything travels together.
	if tx.asked {
		if err := db.w.flush(ctx); err != nil {
			return db.abort(ctx, tx, err)
		}
	}
	if db.hook != nil {
		if err := db.hook.Commit(tx); err != nil {
			return db.abort(ctx, tx, fmt.Errorf("close the group: %w", err))
		}
	}
	err := db.w.commit(ctx)
	if err != nil {
		_ = db.w.rollback(ctx) // it failed already; the first error is the one that counts
		err = db.w.learn(ctx, err)
	}
	tx.settle(0, err == nil)
	if db.hook != nil {
		db.hook.Done(err == nil)
	}
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (db *DB) abort(ctx context.Context, tx *Tx, err error) error {
	_ = db.w.rollback(ctx) // err says what happened; a rollback that fails ends the connection
	tx.settle(0, false)
	if db.hook != nil {
		db.hook.Done(false)
	}
	return err
}

// call runs an item; a panic in it is that item's error, not the writer's end.
func (db *DB) call(ctx context.Context, tx *Tx, w *work) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("work function panicked: %v\n%s", p, debug.Stack())
		}
	}()
	tx.deadline = time.Time{}
	if !w.long {
		tx.deadline = time.Now().Add(db.opts.ItemLimit)
	}
	return w.fn(ctx, tx)
}

// Queued is how many pieces of work wait for the writer.
func (db *DB) Queued() int { return len(db.queue) }
