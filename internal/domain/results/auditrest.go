package results

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

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
				now, _, err := a.s.log.AuditHead(ctx)
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

// controls holds the rows of results_controls against the messages they cover.
func (a *auditor) controls(ctx context.Context) error {
	type row struct {
		first, last, messages, at int64
		keys                      []byte
	}
	window := time.Duration(0)
	for _, src := range a.s.settings.Load().Sources {
		window = max(window, src.Window)
	}
	reach, err := a.s.indexed(ctx, a.s.db) // they are written together with the search index
	if err != nil {
		return err
	}
	from, end := int64(0), int64(0) // messages before end stand in a row
	for more := true; more; {
		var rows []row
		err := a.s.db.Query(ctx, "SELECT first, last, messages, at, keys FROM results_controls WHERE first >= $1 ORDER BY first LIMIT 50", []any{from},
			func(r store.Scanner) error {
				var x row
				err := r.Scan(&x.first, &x.last, &x.messages, &x.at, &x.keys)
				rows = append(rows, x)
				return err
			})
		if err != nil {
			return fmt.Errorf("audit control ids: %w", err)
		}
		more = len(rows) == 50
		for _, x := range rows {
			from = x.first + 1
			a.out.Controls += x.messages
			var there []byte
			at, n := int64(0), int64(0)
			err := a.s.db.Query(ctx, "SELECT leaf, received_at, control FROM results_messages WHERE leaf >= $1 AND leaf <= $2 ORDER BY leaf", []any{end, x.last},
				func(r store.Scanner) error {
					var m controlMark
					if err := r.Scan(&m.leaf, &m.at, &m.key); err != nil {
						return err
					}
					if m.leaf < x.first {
						if a.s.steady.now().UnixMicro()-m.at < window.Microseconds() {
							a.find("results_controls", m.leaf, "no row covers this message: its control id is not remembered though its time is not over")
						}
						return nil
					}
					there = appendControl(there, x.first, m)
					at = max(at, m.at)
					n++
					return nil
				})
			if err != nil {
				return fmt.Errorf("audit control ids: %w", err)
			}
			if !bytes.Equal(there, x.keys) || at != x.at || n != x.messages || x.last < end {
				a.find("results_controls", x.first, "it does not say what the messages it covers say")
			}
			end = x.last + 1
		}
	}
	if end <= reach {
		a.find("results_controls", end, "rows are missing: they end before the search index does")
	}
	if reach, err = a.s.indexed(ctx, a.s.db); err != nil {
		return err
	}
	if end > reach+1 {
		a.find("results_controls", from-1, "it says that it covers messages that the search index does not reach")
	}
	return nil
}

// tagged looks at the rows that carry keyed tags, and for legal holds that the
// ledger knows and nobody finds.
func (a *auditor) tagged(ctx context.Context) error {
	in := func(table string) func(row, what string) { return func(row, what string) { a.find(table, row, what) } }
	for _, d := range taggedWhole() {
		if err := a.s.tags.Audit(ctx, a.s.db, d, in(d.Table)); err != nil {
			return err
		}
	}
	if err := a.sealed(ctx); err != nil {
		return err
	}
	if err := a.s.tags.AuditOrphans(ctx, a.s.db, taggedTries, in(taggedTries.Table)); err != nil {
		return err
	}
	if err := a.s.log.AuditRows(ctx, func(table, row, what string) { a.find(table, row, what) }); err != nil {
		return err
	}
	for id := range a.holds {
		var one int64
		err := a.s.db.QueryRow(ctx, "SELECT 1 FROM results_holds WHERE id = $1", id[:]).Scan(&one)
		if errors.Is(err, store.ErrNoRows) {
			a.find("results_holds", fmt.Sprintf("%x", id[:]), "it is missing: the ledger says that this legal hold was placed")
		} else if err != nil {
			return fmt.Errorf("audit legal holds: %w", err)
		}
	}
	return nil
}

// strays looks for rows outside the ledger's range. One statement sees one
// state, so rows that come while the audit runs are none.
func (a *auditor) strays(ctx context.Context) error {
	for table, query := range map[string]string{
		"results_messages":   "SELECT leaf FROM results_messages WHERE leaf < 0 OR leaf >= (SELECT size FROM ledger_head WHERE id = 1) LIMIT 100",
		"results_quarantine": "SELECT leaf FROM results_quarantine WHERE leaf < 0 OR leaf >= (SELECT size FROM ledger_head WHERE id = 1) LIMIT 100",
		"results_acts":       "SELECT leaf FROM results_acts WHERE leaf < 0 OR leaf >= (SELECT size FROM ledger_head WHERE id = 1) LIMIT 100",
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
