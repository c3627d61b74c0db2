package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// writerLock is the advisory lock that makes one writer of all nodes: the
// letters "labw" as a number.
const writerLock = 0x6c616277

// OpenPostgres connects to a PostgreSQL database. The server must keep
// synchronous_commit on: it is set for every connection.
func OpenPostgres(ctx context.Context, dsn string, opts Options) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read database address: %w", err)
	}
	cfg.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
	cfg.ConnConfig.RuntimeParams["application_name"] = "labwarden"
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	if opts.Readers == 0 {
		opts.Readers = 4
	}
	cfg.MaxConns = int32(opts.Readers)
	w := &pgWriter{cfg: cfg.ConnConfig.Copy(), exclusive: opts.Exclusive}
	// A process that was killed a moment ago may still hold the lock: the server
	// notices when its connection breaks.
	for begin := time.Now(); ; {
		err := w.connect(ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrInUse) || time.Since(begin) > exclusivePatience {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open reading connections: %w", err), w.close())
	}
	return start(Postgres, w, &pgReader{pool: pool}, opts), nil
}

// exclusivePatience is how long OpenPostgres waits for another process to let go.
const exclusivePatience = 5 * time.Second

// ErrInUse: another process writes to this database.
var ErrInUse = errors.New("another hub is running on this database: stop that one first")

type pgWriter struct {
	cfg       *pgx.ConnConfig
	exclusive bool
	conn      *pgx.Conn
	batch     *pgx.Batch
}

func (w *pgWriter) connect(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, w.cfg)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	if w.exclusive {
		// Held by this very connection: without the lock there is nothing to
		// write with, after a lost connection as well.
		var ok bool
		err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtext('labwarden hub ' || current_schema()))").Scan(&ok)
		if err == nil && !ok {
			err = ErrInUse
		}
		if err != nil {
			return errors.Join(err, conn.Close(ctx))
		}
	}
	w.conn = conn
	return nil
}

// begin opens the transaction and takes the writers' lock, both in the
// pipeline: they reach the server with the first statements of the group.
func (w *pgWriter) begin(ctx context.Context) error {
	if w.conn == nil || w.conn.IsClosed() {
		if err := w.connect(ctx); err != nil {
			return err
		}
	}
	w.batch = &pgx.Batch{}
	w.batch.Queue("BEGIN")
	w.batch.Queue("SELECT pg_advisory_xact_lock($1)", int64(writerLock))
	return nil
}

func (w *pgWriter) commit(ctx context.Context) error {
	if w.batch == nil {
		w.batch = &pgx.Batch{}
	}
	w.batch.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return fmt.Errorf("the database answered %s", tag)
		}
		return nil
	})
	return w.flush(ctx)
}

func (w *pgWriter) rollback(ctx context.Context) error {
	w.batch = nil
	if w.conn == nil {
		return nil
	}
	if w.conn.IsClosed() || w.conn.PgConn().TxStatus() == 'I' {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, err := w.conn.Exec(ctx, "ROLLBACK"); err != nil {
		_ = w.conn.Close(ctx) // a connection in an unknown state is not used again
		w.conn = nil
		return err
	}
	return nil
}

func (w *pgWriter) savepoint(ctx context.Context) error { return w.plain(ctx, "SAVEPOINT item") }
func (w *pgWriter) release(ctx context.Context) error   { return w.plain(ctx, "RELEASE item") }
func (w *pgWriter) rollbackTo(ctx context.Context) error {
	w.batch = nil
	return w.plain(ctx, "ROLLBACK TO item")
}

func (w *pgWriter) plain(ctx context.Context, query string) error {
	_, err := w.exec(ctx, query, nil)
	return err
}

func (w *pgWriter) exec(ctx context.Context, query string, args []any) (int64, error) {
	tag, err := w.conn.Exec(ctx, query, args...)
	return tag.RowsAffected(), err
}

func (w *pgWriter) query(ctx context.Context, query string, args []any, each func(Scanner) error) error {
	rows, err := w.conn.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	return eachPgRow(rows, each)
}

func (w *pgWriter) queue(_ context.Context, query string, args []any, one func(Scanner) error) error {
	if w.batch == nil {
		w.batch = &pgx.Batch{}
	}
	q := w.batch.Queue(query, args...)
	if one != nil {
		q.Query(func(rows pgx.Rows) error {
			return one(row{func(each func(Scanner) error) error { return eachPgRow(rows, each) }})
		})
	}
	return nil
}

func (w *pgWriter) queueCount(_ context.Context, query string, args []any, count func(int64) error) error {
	if w.batch == nil {
		w.batch = &pgx.Batch{}
	}
	w.batch.Queue(query, args...).Exec(func(tag pgconn.CommandTag) error { return count(tag.RowsAffected()) })
	return nil
}

// flush sends what was queued in one go and reads all answers.
func (w *pgWriter) flush(ctx context.Context) error {
	if w.batch == nil || w.batch.Len() == 0 {
		return nil
	}
	b := w.batch
	w.batch = nil
	if err := w.conn.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("run statements: %w", err)
	}
	return nil
}

func (w *pgWriter) close() error {
	if w.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return w.conn.Close(ctx)
}

type pgReader struct{ pool *pgxpool.Pool }

func (r *pgReader) query(ctx context.Context, query string, args []any, each func(Scanner) error) error {
	rows, err := r.pool.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	return eachPgRow(rows, each)
}

func (r *pgReader) close() error { r.pool.Close(); return nil }

func eachPgRow(rows pgx.Rows, each func(Scanner) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
