package record

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is the schema of the table that finds entries.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return store.Migrations{Domain: "record", Files: sub}
}

// Ledger is what the record reads; *bus.Log is one.
type Ledger interface {
	Head(ctx context.Context) (ledger.Head, error)
	Walk(ctx context.Context, from, to int64, each func(first int64, events [][]byte) error) error
	Event(ctx context.Context, leaf int64) ([]byte, error)
	Grown() <-chan struct{}
}

// Entry is a row: where in the ledger something stands that a person did.
type Entry struct {
	Leaf int64
	At   int64 // microseconds
	Kind string
	Class
	Who, Message string
}

// Errors that pages map.
var (
	ErrInvalid  = errors.New("this cannot be looked for as it stands")
	ErrNotFound = errors.New("there is no such entry")
)

// Record reads the ledger for people. Its methods may be called from any
// goroutine; Run follows the ledger, on one node.
type Record struct {
	db   *store.DB
	tags *bus.Tags
	book Ledger
	msgs Messages
	now  func() time.Time
	log  *slog.Logger
}

// New returns the record over a migrated store. keys bind how far it has read.
// msgs may be nil: then there are no reports about patients.
func New(db *store.DB, keys bus.Keys, book Ledger, msgs Messages, now func() time.Time, log *slog.Logger) *Record {
	return &Record{db: db, tags: bus.NewTags(keys), book: book, msgs: msgs, now: now, log: log}
}

var taggedPosition = &bus.Tagged{Table: "record_position", Key: "id", Columns: []string{"next", "rules"}}

// TaggedTables are the tables of this package that carry tags. record_events
// needs none: Audit compares it with the ledger.
func TaggedTables() []string { return []string{taggedPosition.Table} }

func (r *Record) position(ctx context.Context, q store.Queryer) (next, by int64, err error) {
	err = q.QueryRow(ctx, "SELECT next, rules FROM record_position WHERE id = 1").Scan(&next, &by)
	if errors.Is(err, store.ErrNoRows) {
		return 0, rules, nil
	}
	return next, by, err
}

func (r *Record) moveTo(ctx context.Context, tx *store.Tx, next int64) error {
	_, err := r.tags.Exec(ctx, tx, taggedPosition, int64(1), `INSERT INTO record_position (id, next, rules) VALUES (1, $1, $2)
		ON CONFLICT (id) DO UPDATE SET next = excluded.next, rules = excluded.rules`, next, int64(rules))
	return err
}

// Reach is how far the table follows the ledger: leaves read, and all.
func (r *Record) Reach(ctx context.Context) (read, all int64, err error) {
	head, err := r.book.Head(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("read ledger head: %w", err)
	}
	next, _, err := r.position(ctx, r.db)
	if err != nil {
		return 0, 0, fmt.Errorf("read position of the record: %w", err)
	}
	return next, head.Size, nil
}

const (
	// stepEntries is after how many entries a step ends: what one transaction writes.
	stepEntries = 400
	// behind is how long another node's events may wait to be seen.
	behind = time.Second
	// gather is how long events may gather: a step for each committed group would
	// take a tenth of the machine from intake when results come fast.
	gather = 300 * time.Millisecond
	// eraseAtOnce rows are removed in one transaction when the table is made anew.
	eraseAtOnce = 5000
)

var errEnough = errors.New("enough for one step")

// Step reads on and says whether there may be more.
func (r *Record) Step(ctx context.Context) (more bool, err error) {
	from, by, err := r.position(ctx, r.db)
	if err != nil {
		return false, fmt.Errorf("read position of the record: %w", err)
	}
	if by != rules {
		r.log.Info("the rules of the record have changed: its table is made anew")
		return true, r.Rebuild(ctx)
	}
	head, err := r.book.Head(ctx)
	if err != nil {
		return false, fmt.Errorf("read ledger head: %w", err)
	}
	if from >= head.Size {
		return false, nil
	}
	var found []Entry
	next := from
	err = r.book.Walk(ctx, from, head.Size, func(first int64, events [][]byte) error {
		for i, raw := range events { // none where the row is damaged: the ledger's own audit names it
			if e, ok := entry(first+int64(i), raw); ok {
				found = append(found, e)
			}
		}
		if next = first + int64(len(events)); len(found) >= stepEntries {
			return errEnough
		}
		return nil
	})
	if err == nil {
		next = head.Size
	} else if !errors.Is(err, errEnough) {
		return false, fmt.Errorf("read the ledger: %w", err)
	}
	err = r.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		at, _, err := r.position(ctx, tx)
		if err != nil || at != from {
			return err // another node was faster
		}
		for i := range found {
			e := &found[i]
			err := tx.Queue(ctx, `INSERT INTO record_events (leaf, at, kind, class, who, message) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (leaf) DO UPDATE SET at = excluded.at, kind = excluded.kind, class = excluded.class, who = excluded.who, message = excluded.message`,
				e.Leaf, e.At, e.Kind, int64(e.Class), e.Who, e.Message)
			if err != nil {
				return err
			}
		}
		return r.moveTo(ctx, tx, next)
	})
	if err != nil {
		return false, fmt.Errorf("write entries of the record: %w", err)
	}
	return next < head.Size, nil
}

// Rebuild empties the table and begins again.
func (r *Record) Rebuild(ctx context.Context) error {
	for {
		var left int64
		err := r.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			n, err := tx.Exec(ctx, "DELETE FROM record_events WHERE leaf IN (SELECT leaf FROM record_events ORDER BY leaf LIMIT $1)", int64(eraseAtOnce))
			if left = n; err != nil || n == eraseAtOnce {
				return err
			}
			return r.moveTo(ctx, tx, 0)
		})
		if err != nil {
			return fmt.Errorf("make the record's table anew: %w", err)
		}
		if left < eraseAtOnce {
			return nil
		}
	}
}

// Run follows the ledger until ctx ends.
func (r *Record) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		grown := r.book.Grown()
		more, err := r.Step(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // asked to stop
		}
		if more && err == nil {
			continue
		}
		wait, then := behind, gather
		if err != nil {
			r.log.Error("the record does not follow the ledger; it is tried again", "error", err)
			grown, wait, then = nil, 10*behind, 0
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-grown:
		case <-timer.C:
		}
		timer.Reset(then)
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
	}
}
