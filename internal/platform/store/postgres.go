package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// writerLock is the advisory lock that makes one writer of all nodes on a
// schema: the letters "labw" as a number, beside the schema's name.
const writerLock = 0x6c616277

// OpenPostgres connects to a PostgreSQL database. The server must keep
// synchronous_commit on: it is set for every connection.
func OpenPostgres(ctx context.Context, dsn string, opts Options) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read database address: %w", err)
	}
	encryptedOnly(cfg.ConnConfig)
	cfg.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
	cfg.ConnConfig.RuntimeParams["application_name"] = "labwarden"
	// Every statement here is short. A server whose figures about a table are old
	// takes one for long and would translate it to machine code first, each time:
	// tens of milliseconds.
	cfg.ConnConfig.RuntimeParams["jit"] = "off"
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	if opts.Readers == 0 {
		opts.Readers = 4
	}
	cfg.MaxConns = int32(opts.Readers)
	if opts.OutcomeLimit == 0 {
		opts.OutcomeLimit = 10 * time.Second
	}
	w := &pgWriter{cfg: cfg.ConnConfig.Copy(), outcomeLimit: opts.OutcomeLimit}
	w.cfg.RuntimeParams["idle_in_transaction_session_timeout"] = strconv.FormatInt(stuckAfter.Milliseconds(), 10)
	if err := w.connect(ctx); err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open reading connections: %w", err), w.close())
	}
	return start(Postgres, w, &pgReader{pool: pool}, opts), nil
}

// stuckAfter is how long a node may keep the writers' lock while the server
// waits for its next word. A node that was stopped, or whose network went away,
// in the middle of a transaction would otherwise keep all others from writing.
const stuckAfter = 3 * time.Second

type pgWriter struct {
	cfg   *pgx.ConnConfig
	conn  *pgx.Conn
	batch *pgx.Batch
	begun *pgx.Conn // the connection of the running transaction
	began string    // and the history that it writes to
	xact  string    // its number; "" until the server has told
	sent  bool      // its COMMIT was sent

	history      string // of the server that conn leads to
	outcomeLimit time.Duration
}

func (w *pgWriter) connect(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, w.cfg)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	w.conn, w.history = conn, history(ctx, conn)
	return nil
}

// begin opens the transaction, takes the writers' lock and asks the transaction's
// number, all in the pipeline: they reach the server with the first statements of
// the group.
func (w *pgWriter) begin(ctx context.Context) error {
	if w.conn == nil || w.conn.IsClosed() {
		if err := w.connect(ctx); err != nil {
			return err
		}
	}
	w.begun, w.began, w.xact, w.sent = w.conn, w.history, "", false
	w.batch = &pgx.Batch{}
	w.batch.Queue("BEGIN")
	w.batch.Queue("SELECT pg_advisory_xact_lock($1, hashtext(current_schema()))", int32(writerLock))
	w.batch.Queue("SELECT pg_current_xact_id()::text").QueryRow(func(row pgx.Row) error { return row.Scan(&w.xact) })
	return nil
}

func (w *pgWriter) commit(ctx context.Context) error {
	if w.xact == "" { // without it nobody could say what came of it; see outcome.go
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	if w.batch == nil {
		w.batch = &pgx.Batch{}
	}
	w.sent = true
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

// lost: the connection is gone and the transaction with it; its COMMIT had not
// been sent, or the server has said since that it was not done.
func (w *pgWriter) lost() bool { return !w.sent && w.begun != nil && w.begun.IsClosed() }

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
