package results

import (
	"cmp"
	"context"
	"slices"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// arrived24 is a message as the tally reads it; lost is 1 where it has no delivery
// of its own.
type arrived24 struct{ leaf, at, lost int64 }

// tallyLook is what one look finds, all of one moment: what is new, a page of it at
// most, and what is open. What is open ascends by partner and number.
type tallyLook struct {
	fresh, open []delivered24
	arrived     []arrived24
}

// The parts of a look, read alone and together.
const (
	tallyDeliveries = "SELECT seq, partner, state, COALESCE(level, 0) AS level, changed_at FROM results_deliveries "
	tallyArrived    = `SELECT m.leaf, m.received_at, CASE WHEN EXISTS (SELECT 1 FROM results_deliveries d
		WHERE d.seq >= m.leaf * 256 AND d.seq < (m.leaf + 1) * 256) THEN 0 ELSE 1 END AS lost
		FROM results_messages m WHERE m.leaf >= $1 ORDER BY m.leaf LIMIT $2`
	// One statement: a page that everybody has open asks this each time, and each
	// statement is a way to the database and back.
	tallyAll = "SELECT 0 AS part, seq, partner, state, level, changed_at FROM (" + tallyDeliveries + "WHERE seq >= $3 ORDER BY seq LIMIT $2) AS fresh" +
		" UNION ALL SELECT 1, leaf, '', lost, 0, received_at FROM (" + tallyArrived + ") AS arrived" +
		" UNION ALL SELECT 2, seq, partner, state, level, changed_at FROM (" + tallyDeliveries + "WHERE state < 3 ORDER BY partner, seq) AS open"
)

// lookTally looks at deliveries from next on and messages from leaf on, rows of
// each at most, and at what is open.
func lookTally(ctx context.Context, s *Service, next, leaf, rows int64) (l tallyLook, err error) {
	err = s.db.Query(ctx, tallyAll, []any{leaf, rows, next}, func(row store.Scanner) error {
		var part int64
		var d delivered24
		if err := row.Scan(&part, &d.seq, &d.partner, &d.state, &d.level, &d.changed); err != nil {
			return err
		}
		switch part {
		case 0:
			l.fresh = append(l.fresh, d)
		case 1:
			l.arrived = append(l.arrived, arrived24{d.seq, d.changed, d.state})
		default:
			l.open = append(l.open, d)
		}
		return nil
	})
	// The parts come in order in practice; nothing promises it.
	slices.SortFunc(l.fresh, func(a, b delivered24) int { return cmp.Compare(a.seq, b.seq) })
	slices.SortFunc(l.arrived, func(a, b arrived24) int { return cmp.Compare(a.leaf, b.leaf) })
	slices.SortFunc(l.open, func(a, b delivered24) int {
		return cmp.Or(cmp.Compare(a.partner, b.partner), cmp.Compare(a.seq, b.seq))
	})
	return l, err
}

// readTally reads deliveries.
func readTally(ctx context.Context, s *Service, where string, args ...any) ([]delivered24, error) {
	var page []delivered24
	err := s.db.Query(ctx, tallyDeliveries+where, args, func(row store.Scanner) error {
		var d delivered24
		err := row.Scan(&d.seq, &d.partner, &d.state, &d.level, &d.changed)
		page = append(page, d)
		return err
	})
	return page, err
}

// readArrived reads messages from a leaf on.
func readArrived(ctx context.Context, s *Service, leaf, rows int64) ([]arrived24, error) {
	var page []arrived24
	err := s.db.Query(ctx, tallyArrived, []any{leaf, rows}, func(row store.Scanner) error {
		var m arrived24
		err := row.Scan(&m.leaf, &m.at, &m.lost)
		page = append(page, m)
		return err
	})
	return page, err
}
