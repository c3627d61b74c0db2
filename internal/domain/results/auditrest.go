package results

import (
	"context"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// checkpoints holds the stored checkpoints against their signatures and the
// ledger.
func (a *auditor) checkpoints(ctx context.Context) error {
	known, err := a.s.verifiers()
	if err != nil {
		return err
	}
	type point struct {
		size, witnesses int64
		note            string
	}
	for from := int64(-1); ; {
		var some []point
		err := a.s.db.Query(ctx, "SELECT size, witnesses, note FROM ledger_checkpoints WHERE size > $1 ORDER BY size LIMIT 200", []any{from},
			func(row store.Scanner) error {
				var p point
				err := row.Scan(&p.size, &p.witnesses, &p.note)
				some = append(some, p)
				return err
			})
		if err != nil {
			return fmt.Errorf("audit checkpoints: %w", err)
		}
		if len(some) == 0 {
			return nil
		}
		for _, p := range some {
			from = p.size
			a.out.Checkpoints++
			c, n, err := ledger.OpenCheckpoint([]byte(p.note), known...)
			if err != nil || c.Size != p.size || int64(len(n.UnverifiedSigs)) != p.witnesses {
				a.find("ledger_checkpoints", p.size, "it is not signed by this laboratory, or says another size or number of witnesses than its row")
				continue
			}
			if p.size > a.head.Size {
				now, err := a.s.log.Head(ctx)
				if err != nil {
					return err
				}
				if p.size > now.Size {
					a.find("ledger_checkpoints", p.size, "it is of a longer ledger than this one: entries are missing")
				}
				continue
			}
			root, err := a.s.log.TreeHash(ctx, p.size)
			if err != nil || root != c.Root {
				a.find("ledger_checkpoints", p.size, "it is of another ledger than this one: the past was changed")
			}
		}
	}
}

// controls looks for remembered control ids of messages that are not there.
func (a *auditor) controls(ctx context.Context) error {
	err := a.s.db.Query(ctx, `SELECT c.dup FROM results_controls c LEFT JOIN results_messages m ON m.id = c.message
		WHERE m.id IS NULL LIMIT 1000`, nil, func(row store.Scanner) error {
		var dup []byte
		err := row.Scan(&dup)
		a.find("results_controls", fmt.Sprintf("%x", dup), "it points to a message that is not there")
		return err
	})
	if err != nil {
		return fmt.Errorf("audit control ids: %w", err)
	}
	return nil
}

// strays looks for rows outside the ledger's range. One statement sees one
// state, so rows that come while the audit runs are none.
func (a *auditor) strays(ctx context.Context) error {
	for table, query := range map[string]string{
		"results_messages":   "SELECT leaf FROM results_messages WHERE leaf < 0 OR leaf >= (SELECT size FROM ledger_head WHERE id = 1) LIMIT 100",
		"results_quarantine": "SELECT leaf FROM results_quarantine WHERE leaf < 0 OR leaf >= (SELECT size FROM ledger_head WHERE id = 1) LIMIT 100",
		"results_deliveries": "SELECT seq FROM results_deliveries WHERE seq < 0 OR seq >= 256 * (SELECT size FROM ledger_head WHERE id = 1) LIMIT 100",
	} {
		err := a.s.db.Query(ctx, query, nil, func(row store.Scanner) error {
			var n int64
			err := row.Scan(&n)
			a.find(table, n, noEvent)
			return err
		})
		if err != nil {
			return fmt.Errorf("audit %s: %w", table, err)
		}
	}
	return nil
}
