package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// A connection that breaks after COMMIT was sent leaves open whether the
// transaction is written. PostgreSQL knows: pg_xact_status tells of a
// transaction by the number it gave it. So each transaction asks its number with
// its first statements, and its COMMIT is sent only when it has it; then the
// server has begun it for certain and holds the writers' lock for it, and it
// either ends written or not at all.
//
// The number means something in one history of one server only. A standby that
// was promoted without the transaction may give the number to another one; so
// each connection notes the server's history (its system identifier and
// timeline), and where that has changed nothing is concluded.

// history names the server's history that a connection writes to; "" where the
// server does not tell, as a standby does not.
func history(ctx context.Context, c *pgx.Conn) string {
	var h string
	err := c.QueryRow(ctx, `SELECT system_identifier::text || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) FROM pg_control_system()`).Scan(&h)
	if err != nil {
		return ""
	}
	return h
}

// The states of pg_xact_status.
const (
	xactCommitted = "committed"
	xactAborted   = "aborted"
	xactRunning   = "in progress"
)

// askEvery is how often a server is asked that does not answer yet, or has not
// noticed yet that its client is gone.
const askEvery = 50 * time.Millisecond

func (w *pgWriter) learn(ctx context.Context, err error) error {
	if !w.sent || w.begun == nil || !w.begun.IsClosed() {
		return err // it was not asked to commit, or the server said no
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.outcomeLimit)
	defer cancel()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		state, aerr := w.ask(ctx)
		switch {
		case aerr == nil && state == xactCommitted:
			return nil
		case aerr == nil && state == xactAborted:
			w.sent = false
			return err
		case errors.Is(aerr, errOtherHistory) || aerr == nil && state != xactRunning:
			return fmt.Errorf("%w: %w", ErrUnknown, errors.Join(err, aerr))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnknown, errors.Join(err, aerr))
		}
	}
}

var (
	errOtherHistory = errors.New("another server answers now, or an earlier state of it")
	errNoHistory    = errors.New("the server does not tell its history; it may be a standby")
)

// ask connects anew if need be and asks what has become of the transaction.
func (w *pgWriter) ask(ctx context.Context) (string, error) {
	if w.conn == nil || w.conn.IsClosed() {
		if err := w.connect(ctx); err != nil {
			return "", err
		}
	}
	switch {
	case w.began == "":
		return "", errOtherHistory // it never told
	case w.history == "":
		_ = w.conn.Close(ctx)
		return "", errNoHistory
	case w.history != w.began:
		return "", errOtherHistory
	}
	var state *string
	if err := w.conn.QueryRow(ctx, "SELECT pg_xact_status($1::text::xid8)", w.xact).Scan(&state); err != nil {
		return "", fmt.Errorf("ask for the transaction: %w", err)
	}
	if state == nil {
		return "", nil // so long ago that the server has forgotten
	}
	return *state, nil
}
