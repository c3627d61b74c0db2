package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Hints are short words from node to node that something may have changed. They
// save waiting for the next look and may get lost: whoever listens looks by
// itself from time to time as well.

// hintChannel is the channel of a schema's hints, as an expression.
const hintChannel = "'labwarden_' || md5(current_schema())"

// Hint sends words to the other nodes, and to this one. On SQLite, where there
// is no other, it does nothing.
func (db *DB) Hint(ctx context.Context, words ...string) error {
	r, ok := db.r.(*pgReader)
	if !ok || len(words) == 0 {
		return nil
	}
	if _, err := r.pool.Exec(ctx, "SELECT pg_notify("+hintChannel+", w) FROM unnest($1::text[]) AS w", words); err != nil {
		return fmt.Errorf("send hints: %w", err)
	}
	return nil
}

// Hints calls each for every word from any node until ctx ends. hearing is told
// when words come through from now on, and when they may get lost: between the
// two calls nothing was missed but what a silent network swallowed, which shows
// within some seconds. On SQLite it only waits for ctx.
func (db *DB) Hints(ctx context.Context, hearing func(yes bool), each func(word string)) {
	r, ok := db.r.(*pgReader)
	if !ok {
		<-ctx.Done()
		return
	}
	for ctx.Err() == nil {
		_ = r.listen(ctx, hearing, each) // the connection ended: looking from time to time goes on meanwhile
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// quiet is how long a listening connection may be silent before it is tried.
const quiet = 10 * time.Second

func (r *pgReader) listen(ctx context.Context, hearing func(bool), each func(word string)) error {
	conn, err := pgx.ConnectConfig(ctx, r.pool.Config().ConnConfig.Copy())
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(end) // nothing is lost with it
	}()
	var channel string
	if err := conn.QueryRow(ctx, "SELECT "+hintChannel).Scan(&channel); err != nil {
		return fmt.Errorf("name the channel: %w", err)
	}
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	hearing(true)
	defer hearing(false)
	for {
		wait, cancel := context.WithTimeout(ctx, quiet)
		n, err := conn.WaitForNotification(wait)
		cancel()
		switch {
		case err == nil:
			each(n.Payload)
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case wait.Err() == nil:
			return fmt.Errorf("listen: %w", err)
		}
		ping, cancel := context.WithTimeout(ctx, quiet/2)
		err = conn.Ping(ping)
		cancel()
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
	}
}
