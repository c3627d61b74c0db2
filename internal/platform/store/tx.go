package store

import (
	"context"
	"slices"
	"time"
)

// Tx is the writing transaction as one work function sees it. It is valid only
// during the call it was passed to.
type Tx struct {
	db       *DB
	deadline time.Time // of the running item; zero outside of items
	emitted  [][]byte
	after    []func(committed bool)
	base     int64
	hasBase  bool
	asked    bool         // statements with answers were queued
	once     map[any]bool // what QueueOnce has queued for the group, or for the one item
	begun    bool         // the server has answered once: the lock is this node's
}

func (tx *Tx) check() error {
	if !tx.deadline.IsZero() && time.Now().After(tx.deadline) {
		return ErrTooLong
	}
	return nil
}

// flush sends what was queued and reads the answers. The first answer of a group
// comes when the writers' lock is had, which another node that stands still may
// keep for seconds: that time is not the item's.
func (tx *Tx) flush(ctx context.Context) error {
	if tx.begun {
		return tx.db.w.flush(ctx)
	}
	at := time.Now()
	err := tx.db.w.flush(ctx)
	if tx.begun = true; !tx.deadline.IsZero() {
		tx.deadline = tx.deadline.Add(time.Since(at))
	}
	return err
}

// Engine says which engine the transaction is on.
func (tx *Tx) Engine() Engine { return tx.db.engine }

// Exec runs a statement and returns how many rows it touched.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := tx.check(); err != nil {
		return 0, err
	}
	if err := tx.flush(ctx); err != nil {
		return 0, err
	}
	return tx.db.w.exec(ctx, query, args)
}

// Query reads within the transaction, everything queued before included.
func (tx *Tx) Query(ctx context.Context, query string, args []any, each func(Scanner) error) error {
	if err := tx.check(); err != nil {
		return err
	}
	if err := tx.flush(ctx); err != nil {
		return err
	}
	return tx.db.w.query(ctx, query, args, each)
}

// QueryRow reads one row within the transaction.
func (tx *Tx) QueryRow(ctx context.Context, query string, args ...any) Scanner {
	return row{func(each func(Scanner) error) error { return tx.Query(ctx, query, args, each) }}
}

// Queue runs a statement whose result nobody needs. On PostgreSQL it travels
// together with the others of the group; its error shows at the latest when
// the transaction commits.
func (tx *Tx) Queue(ctx context.Context, query string, args ...any) error {
	if err := tx.check(); err != nil {
		return err
	}
	return tx.db.w.queue(ctx, query, args, nil)
}

// QueueRow is Queue for a statement that returns at most one row. row is called
// before the next step of the work runs; its Scan returns ErrNoRows when the
// statement returned nothing.
func (tx *Tx) QueueRow(ctx context.Context, query string, args []any, row func(Scanner) error) error {
	if err := tx.check(); err != nil {
		return err
	}
	tx.asked = true
	return tx.db.w.queue(ctx, query, args, row)
}

// QueueCount is Queue for a statement of which the caller must know how many
// rows it touched; count is called like QueueRow's row.
func (tx *Tx) QueueCount(ctx context.Context, query string, args []any, count func(rows int64) error) error {
	if err := tx.check(); err != nil {
		return err
	}
	tx.asked = true
	return tx.db.w.queueCount(ctx, query, args, count)
}

// After has f called when the outcome is known, by the writer and before the
// next transaction begins: state in memory that must follow the database step
// by step is kept so, before the Hook's Done. f must be quick and must not use the
// database. committed is false too when the outcome is not known (ErrUnknown).
func (tx *Tx) After(f func(committed bool)) { tx.after = append(tx.after, f) }

// settle tells the outcome to those who asked from the given one on: in order
// when it is written, backwards when it is undone.
func (tx *Tx) settle(from int, committed bool) {
	fs := tx.after[from:]
	if !committed {
		slices.Reverse(fs)
	}
	for _, f := range fs {
		f(committed)
	}
	tx.after = tx.after[:from]
}

// QueueOnce is QueueRow for a question that many items of a group ask alike: it
// is sent once for all that name the same key. An error of row fails them all;
// each is then asked for by itself.
func (tx *Tx) QueueOnce(ctx context.Context, key any, query string, args []any, row func(Scanner) error) error {
	if tx.once[key] {
		return nil
	}
	if tx.once == nil {
		tx.once = map[any]bool{}
	}
	tx.once[key] = true
	return tx.QueueRow(ctx, query, args, row)
}

// Clock is the database's time in microseconds: the one clock that all nodes
// of a laboratory share.
func (tx *Tx) Clock(ctx context.Context) (int64, error) {
	query := "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)"
	if tx.Engine() == Postgres {
		query = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
	}
	var at int64
	err := tx.QueryRow(ctx, query).Scan(&at)
	return at, err
}

// Emit adds an event to the ledger within this transaction and returns the
// leaf index it will have. b must not change afterwards. Emit is gone with the
// item if the item fails.
func (tx *Tx) Emit(ctx context.Context, b []byte) (int64, error) {
	base, err := tx.Base(ctx)
	if err != nil {
		return 0, err
	}
	tx.emitted = append(tx.emitted, b)
	return base + int64(len(tx.emitted)) - 1, nil
}

// Base is the leaf index of the first event of this transaction: the size of
// the ledger when it began. Nobody else can write until it ends.
func (tx *Tx) Base(ctx context.Context) (int64, error) {
	if !tx.hasBase {
		if err := tx.flush(ctx); err != nil {
			return 0, err
		}
	}
	return tx.base, nil
}

// SetBase is for the Hook: the leaf index of the first event of this transaction.
func (tx *Tx) SetBase(n int64) { tx.base, tx.hasBase = n, true }

// Emitted is for the Hook: the events of this transaction in order.
func (tx *Tx) Emitted() [][]byte { return tx.emitted }
