package results

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// BypassSession is one opening of the bypass.
type BypassSession struct {
	ID                 event.ID
	By, Reason         string
	OpenedAt, ClosedAt time.Time // ClosedAt is that of its last record
	Closed             bool      // false: it was killed
}

// Finish ends the reading of a session whose messages were all taken. What
// still waits in the hub for a partner and is older than a result of the same
// order that this partner got in bypass is held: sent now, it would overwrite
// the newer one. A person decides about it. The session is then a fact of the
// ledger, once.
func (b *BypassIntake) Finish(ctx context.Context, ses BypassSession) (BypassRead, error) {
	for partner, lanes := range b.over {
		if err := b.hold(ctx, partner, lanes); err != nil {
			return b.done, fmt.Errorf("hold what was overtaken in bypass: %w", err)
		}
	}
	err := b.s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err := b.s.tags.Exec(ctx, tx, taggedBypassed, ses.ID[:], `INSERT INTO results_bypassed (id, message, outcome, taken_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (id) DO NOTHING`, ses.ID[:], ses.ID[:], int64(bypassSession), b.s.now().UnixMicro())
		if err != nil || n == 0 {
			return err
		}
		closed := int64(0)
		if ses.Closed {
			closed = 1
		}
		_, err = bus.Publish(ctx, tx, ledger.Event{
			Kind: KindBypassRead, At: b.s.now().UnixMicro(),
			IDs:   ledger.Pairs{{K: "by", V: ledger.Code(ses.By)}, {K: "session", V: ses.ID.String()}},
			Codes: ledger.Pairs{{K: "reason", V: ledger.Code(ses.Reason)}},
			Numbers: []ledger.Number{
				{K: "closed", N: closed},
				{K: "conflicts", N: b.done.Conflicts},
				{K: "first", N: ses.OpenedAt.UnixMicro()},
				{K: "held", N: b.done.Held},
				{K: "last", N: ses.ClosedAt.UnixMicro()},
				{K: "taken", N: b.done.Taken + b.done.Before},
				{K: "too", N: b.done.Too},
				{K: "twice", N: b.done.Twice},
			},
		})
		return err
	})
	if err != nil {
		return b.done, fmt.Errorf("record the bypass session: %w", err)
	}
	return b.done, nil
}

// hold looks through what waits for the partner.
func (b *BypassIntake) hold(ctx context.Context, partner string, lanes map[uint64]int64) error {
	const page = 2000
	for last := int64(-1); ; {
		var found []int64
		n := 0
		err := b.s.db.Query(ctx, `SELECT d.seq, d.lanes, m.received_at FROM results_deliveries d JOIN results_messages m ON m.leaf = d.message
			WHERE d.partner = $1 AND d.state = 0 AND d.state < 3 AND d.seq > $2 ORDER BY d.seq LIMIT $3`, []any{partner, last, int64(page)}, func(row store.Scanner) error {
			var seq, at int64
			var keys []byte
			if err := row.Scan(&seq, &keys, &at); err != nil {
				return err
			}
			n, last = n+1, seq
			if overtaken(keys, at, lanes) {
				found = append(found, seq)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read what waits: %w", err)
		}
		for _, seq := range found {
			err := b.s.act(ctx, seq, By{Who: "labwarden", Reason: "overtaken-in-bypass"}, KindHeld, Held, Waiting)
			if errors.Is(err, ErrConflict) {
				continue // it was sent or stopped meanwhile
			}
			if err != nil {
				return err
			}
			b.done.Held++
		}
		if n < page {
			return nil
		}
	}
}

func overtaken(keys []byte, at int64, lanes map[uint64]int64) bool {
	for i := 0; i+8 <= len(keys); i += 8 {
		if when, ok := lanes[binary.BigEndian.Uint64(keys[i:])]; ok && at < when {
			return true
		}
	}
	return false
}
