package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"

	"modernc.org/sqlite" // the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// OpenSQLite opens (or creates) the database file at path. Every commit is
// flushed to the disk (synchronous=FULL) before Do returns.
func OpenSQLite(ctx context.Context, path string, opts Options) (*DB, error) {
	dsn := func(extra url.Values) string {
		extra.Add("_pragma", "busy_timeout(5000)")
		extra.Add("_pragma", "foreign_keys(1)")
		return (&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: extra.Encode()}).String()
	}
	// Made before the driver does, so that nobody else on the machine can read
	// it; its journal takes the same mode.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	i, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	pragmas := []string{
		"journal_mode(WAL)", "synchronous(FULL)",
		"wal_autocheckpoint(10000)", "cache_size(-16000)", "secure_delete(1)", "temp_store(2)",
	}
	if i.Size() == 0 {
		// Only on a new file: setting auto_vacuum writes to the header each time,
		// and whoever opens with a wrong key must not have written anything.
		pragmas = append([]string{"page_size(4096)", "auto_vacuum(2)"}, pragmas...)
	}
	wdb, err := sql.Open("sqlite", dsn(url.Values{"_pragma": pragmas}))
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	wdb.SetMaxOpenConns(1)
	conn, err := wdb.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, onDisk(err)), wdb.Close())
	}
	if opts.Readers == 0 {
		opts.Readers = 4
	}
	rdb, err := sql.Open("sqlite", dsn(url.Values{"_pragma": {"query_only(1)", "cache_size(-4000)"}}))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), conn.Close(), wdb.Close())
	}
	rdb.SetMaxOpenConns(opts.Readers)
	rdb.SetMaxIdleConns(opts.Readers)
	w := &sqliteWriter{db: wdb, conn: conn, cache: map[string]prepared{}}
	return start(SQLite, w, &sqliteReader{db: rdb}, opts), nil
}

// onDisk says of an error that the disk caused what a person can do about it:
// the library gives a number.
func onDisk(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff { // the primary result code, https://sqlite.org/rescode.html
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("%w: the disk may be full, read-only or failing; free space in the data folder or look at the system's log, then start again", err)
	}
	return err
}

type prepared struct {
	rewritten
	stmt *sql.Stmt
}

type sqliteWriter struct {
	db    *sql.DB
	conn  *sql.Conn
	cache map[string]prepared // only the writer goroutine uses it
}

func (w *sqliteWriter) prepare(ctx context.Context, query string) (prepared, error) {
	if p, ok := w.cache[query]; ok {
		return p, nil
	}
	p := prepared{rewritten: rewrite(query)}
	var err error
	if p.stmt, err = w.conn.PrepareContext(ctx, p.query); err != nil {
		return p, fmt.Errorf("prepare: %w", err)
	}
	w.cache[query] = p
	return p, nil
}

func (w *sqliteWriter) plain(ctx context.Context, query string) error {
	_, err := w.exec(ctx, query, nil)
	return err
}

func (w *sqliteWriter) begin(ctx context.Context) error      { return w.plain(ctx, "BEGIN IMMEDIATE") }
func (w *sqliteWriter) commit(ctx context.Context) error     { return w.plain(ctx, "COMMIT") }
func (w *sqliteWriter) rollback(ctx context.Context) error   { return w.plain(ctx, "ROLLBACK") }
func (w *sqliteWriter) savepoint(ctx context.Context) error  { return w.plain(ctx, "SAVEPOINT item") }
func (w *sqliteWriter) release(ctx context.Context) error    { return w.plain(ctx, "RELEASE item") }
func (w *sqliteWriter) rollbackTo(ctx context.Context) error { return w.plain(ctx, "ROLLBACK TO item") }
func (w *sqliteWriter) flush(context.Context) error          { return nil }
func (w *sqliteWriter) lost() bool                           { return false }

func (w *sqliteWriter) learn(_ context.Context, err error) error { return err }

func (w *sqliteWriter) exec(ctx context.Context, query string, args []any) (int64, error) {
	p, err := w.prepare(ctx, query)
	if err != nil {
		return 0, err
	}
	res, err := p.stmt.ExecContext(ctx, p.args(args)...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (w *sqliteWriter) query(ctx context.Context, query string, args []any, each func(Scanner) error) error {
	p, err := w.prepare(ctx, query)
	if err != nil {
		return err
	}
	rows, err := p.stmt.QueryContext(ctx, p.args(args)...)
	if err != nil {
		return err
	}
	return eachRow(rows, each)
}

func (w *sqliteWriter) queue(ctx context.Context, query string, args []any, one func(Scanner) error) error {
	if one == nil {
		_, err := w.exec(ctx, query, args)
		return err
	}
	return one(row{func(each func(Scanner) error) error { return w.query(ctx, query, args, each) }})
}

func (w *sqliteWriter) queueCount(ctx context.Context, query string, args []any, count func(int64) error) error {
	n, err := w.exec(ctx, query, args)
	if err != nil {
		return err
	}
	return count(n)
}

func (w *sqliteWriter) close() error {
	var errs []error
	for _, p := range w.cache {
		errs = append(errs, p.stmt.Close())
	}
	return errors.Join(append(errs, w.conn.Close(), w.db.Close())...)
}

type sqliteReader struct {
	db    *sql.DB
	cache sync.Map // query -> prepared
}

func (r *sqliteReader) query(ctx context.Context, query string, args []any, each func(Scanner) error) error {
	var p prepared
	if v, ok := r.cache.Load(query); ok {
		p = v.(prepared)
	} else {
		p.rewritten = rewrite(query)
		var err error
		if p.stmt, err = r.db.PrepareContext(ctx, p.query); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		if old, loaded := r.cache.LoadOrStore(query, p); loaded {
			_ = p.stmt.Close() // another goroutine was first; its statement serves
			p = old.(prepared)
		}
	}
	rows, err := p.stmt.QueryContext(ctx, p.args(args)...)
	if err != nil {
		return err
	}
	return eachRow(rows, each)
}

func (r *sqliteReader) close() error { return r.db.Close() }

func eachRow(rows *sql.Rows, each func(Scanner) error) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
