package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Engine names a database engine.
type Engine string

// The two engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// ErrNoRows is what Scan returns when a QueryRow found nothing.
var ErrNoRows = errors.New("no rows")

// ErrClosed is returned by Do after Close.
var ErrClosed = errors.New("store is closed")

// ErrTooLong is returned by a work function's statements once it has used up
// its second.
var ErrTooLong = errors.New("work function used up its time")

// ErrUnknown is returned by Do when the connection to the database broke during
// the commit and the database could not be asked what came of it: look before
// doing it again.
var ErrUnknown = errors.New("the connection to the database broke while this was written, and it is not known whether it is; look before you do it again")

// Scanner reads one row. The standard conversions of database/sql hold;
// []byte destinations receive a copy.
type Scanner interface{ Scan(dest ...any) error }

// Queryer is what both a DB and a Tx can do: read.
type Queryer interface {
	// QueryRow reads one row; Scan returns ErrNoRows when there is none.
	QueryRow(ctx context.Context, query string, args ...any) Scanner
	// Query calls each for every row, in order, until each returns an error.
	Query(ctx context.Context, query string, args []any, each func(Scanner) error) error
}

// Options of Open. The zero value is right for production.
type Options struct {
	// MaxGroup is how many work items share a transaction at most; 0 means 256.
	MaxGroup int
	// ItemLimit is the time one work function has, the wait for other nodes' writers
	// not counted; 0 means one second.
	ItemLimit time.Duration
	// GroupLimit bounds a whole transaction on PostgreSQL, where the network can
	// go silent; 0 means 30 seconds.
	GroupLimit time.Duration
	// OutcomeLimit is how long a PostgreSQL server that broke the connection during
	// a commit is asked what came of it; 0 means 10 seconds.
	OutcomeLimit time.Duration
	// Readers is the number of reading connections; 0 means 4.
	Readers int
}

// Hook takes part in every writing transaction of the node. The ledger is one.
type Hook interface {
	// Begin runs right after the transaction began and the writer's lock is
	// held. It may queue reads; it must call tx.SetBase from their callback.
	Begin(tx *Tx) error
	// Commit runs last, before the commit, and may write what tx.Emitted holds.
	Commit(tx *Tx) error
	// Done tells the outcome of the transaction, so that the hook can keep
	// state in memory across transactions.
	Done(committed bool)
}

// DB is an open database.
type DB struct {
	engine Engine
	opts   Options
	hook   Hook
	w      backend
	r      reader
	queue  chan *work
	quit   chan struct{}
	gone   chan struct{} // closed when the writer has ended
	closed sync.Once
	stats  stats
}

// backend is the writing half of an engine.
type backend interface {
	begin(ctx context.Context) error
	commit(ctx context.Context) error
	rollback(ctx context.Context) error
	savepoint(ctx context.Context) error
	rollbackTo(ctx context.Context) error
	release(ctx context.Context) error
	exec(ctx context.Context, query string, args []any) (int64, error)
	query(ctx context.Context, query string, args []any, each func(Scanner) error) error
	// queue adds a statement to the pipeline; row is called by flush with the
	// first row (or a Scanner that returns ErrNoRows); nil ignores the result.
	queue(ctx context.Context, query string, args []any, row func(Scanner) error) error
	// queueCount does the like with the number of rows the statement touched.
	queueCount(ctx context.Context, query string, args []any, count func(int64) error) error
	flush(ctx context.Context) error
	// lost says of the transaction that failed just now that its connection broke
	// and that nothing of it is written.
	lost() bool
	// learn finds out whether the transaction whose commit failed just now with err
	// is written after all: nil where it is, err where nothing of it is, ErrUnknown
	// where it cannot be known.
	learn(ctx context.Context, err error) error
	close() error
}

// reader is the reading half of an engine.
type reader interface {
	query(ctx context.Context, query string, args []any, each func(Scanner) error) error
	close() error
}

// Engine says which engine the database is on.
func (db *DB) Engine() Engine { return db.engine }

// SetHook makes h take part in every writing transaction from now on. Call it
// after Migrate (the hook's own tables must be there) and before other writes.
func (db *DB) SetHook(h Hook) { db.hook = h }

func start(engine Engine, w backend, r reader, opts Options) *DB {
	if opts.MaxGroup == 0 {
		opts.MaxGroup = 256
	}
	if opts.ItemLimit == 0 {
		opts.ItemLimit = time.Second
	}
	if opts.GroupLimit == 0 {
		opts.GroupLimit = 30 * time.Second
	}
	db := &DB{
		engine: engine, opts: opts, w: w, r: r,
		queue: make(chan *work, 4*opts.MaxGroup),
		quit:  make(chan struct{}),
		gone:  make(chan struct{}),
	}
	go db.write()
	return db
}

// Close lets work in the queue finish and closes the database.
func (db *DB) Close() error {
	var err error
	db.closed.Do(func() {
		close(db.quit)
		<-db.gone
		err = errors.Join(db.r.close(), db.w.close())
	})
	return err
}

// Query implements Queryer on the last committed state.
func (db *DB) Query(ctx context.Context, query string, args []any, each func(Scanner) error) error {
	return db.r.query(ctx, query, args, each)
}

// QueryRow implements Queryer on the last committed state.
func (db *DB) QueryRow(ctx context.Context, query string, args ...any) Scanner {
	return row{func(each func(Scanner) error) error { return db.r.query(ctx, query, args, each) }}
}

type row struct {
	run func(each func(Scanner) error) error
}

var errStop = errors.New("stop")

func (r row) Scan(dest ...any) error {
	found := false
	err := r.run(func(s Scanner) error {
		found = true
		if err := s.Scan(dest...); err != nil {
			return err
		}
		return errStop
	})
	if err != nil && !errors.Is(err, errStop) {
		return fmt.Errorf("read row: %w", err)
	}
	if !found {
		return ErrNoRows
	}
	return nil
}
