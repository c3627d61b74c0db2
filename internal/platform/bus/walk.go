package bus

import (
	"context"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// walkRows is how many ledger rows Walk reads at a time: some 100 kB each at
// most in use, far less as a rule.
const walkRows = 32

// Walk calls each with every stored row of events from the row that starts at
// or after leaf from to before leaf to, in order. events is nil where a row
// cannot be read (Audit names it); otherwise nothing is verified. Rows that are
// missing are not noticed here.
func (l *Log) Walk(ctx context.Context, from, to int64, each func(first int64, events [][]byte) error) error {
	type row struct {
		first  int64
		packed []byte
	}
	for from < to {
		rows := make([]row, 0, walkRows)
		err := l.db.Query(ctx, "SELECT first, events FROM ledger_groups WHERE first >= $1 AND first < $2 ORDER BY first LIMIT $3",
			[]any{from, to, int64(walkRows)}, func(s store.Scanner) error {
				var r row
				err := s.Scan(&r.first, &r.packed)
				rows = append(rows, r)
				return err
			})
		if err != nil {
			return fmt.Errorf("read ledger rows: %w", err)
		}
		for _, r := range rows {
			events, err := l.codec.Unpack(r.packed)
			if err != nil {
				events = nil
			}
			if err := each(r.first, events); err != nil {
				return err
			}
			from = r.first + 1
		}
		if len(rows) < walkRows {
			return nil
		}
	}
	return nil
}

// Events returns all events of the row that holds leaf, and the first leaf of
// that row. They are not verified.
func (l *Log) Events(ctx context.Context, leaf int64) (first int64, events [][]byte, err error) {
	g, err := groups{l}.ByLeaf(ctx, leaf)
	if err != nil {
		return 0, nil, err
	}
	if leaf >= g.First+g.Count {
		return 0, nil, ledger.ErrNotFound
	}
	events, err = l.codec.Unpack(g.Events)
	return g.First, events, err
}

// AuditTo recomputes the ledger up to head, which may have grown since it was
// read, and names the first damage.
func (l *Log) AuditTo(ctx context.Context, head ledger.Head) (ledger.Audited, *ledger.Damage, error) {
	done, damage, err := ledger.Audit(ctx, until{groups{l}, head.Size}, l.codec, 0, head)
	if err != nil || damage != nil {
		return done, damage, err
	}
	// One statement sees one state: rows after the head are none of the ledger's.
	orphan := int64(-1)
	err = l.db.Query(ctx, `SELECT first FROM ledger_groups WHERE first >= COALESCE((SELECT size FROM ledger_head WHERE id = 1), 0)
		ORDER BY first LIMIT 1`, nil, func(s store.Scanner) error { return s.Scan(&orphan) })
	if err != nil {
		return done, nil, fmt.Errorf("audit ledger: %w", err)
	}
	if orphan >= 0 {
		return done, &ledger.Damage{Row: orphan, Leaf: orphan, What: "there is a row after the stored head"}, nil
	}
	return done, nil, nil
}

// until hides the rows that were added after an audit began.
type until struct {
	groups
	size int64
}

func (u until) ByLeaf(ctx context.Context, leaf int64) (ledger.Group, error) {
	return u.read(ctx, "WHERE first <= $1 ORDER BY first DESC LIMIT 1", min(leaf, max(u.size-1, 0)))
}
