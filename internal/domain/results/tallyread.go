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
	tallyDeliveries = "SELECT seq, partner, state, COALESCE(level, 0) AS level, changed_at, '' AS source, 0 AS message FROM results_deliveries "
	// Only where there are sites each delivery's message is looked up too.
	tallySited = "SELECT seq, partner, state, COALESCE(level, 0) AS level, changed_at, COALESCE((SELECT m.source FROM results_messages m WHERE m.leaf = results_deliveries.message), '') AS source, message FROM results_deliveries "

	tallyArrived = `SELECT m.leaf, m.received_at, CASE WHEN EXISTS (SELECT 1 FROM results_deliveries d
		WHERE d.seq >= m.leaf * 256 AND d.seq < (m.leaf + 1) * 256) THEN 0 ELSE 1 END AS lost
		FROM results_messages m WHERE m.leaf >= $1 ORDER BY m.leaf LIMIT $2`
	// One statement: a page that everybody has open asks this each time, and each
	// statement is a way to the database and back.
	tallyColumns  = ", seq, partner, state, level, changed_at, source, message FROM ("
	tallyMiddle   = "WHERE seq >= $3 ORDER BY seq LIMIT $2) AS fresh UNION ALL SELECT 1, leaf, '', lost, 0, received_at, '', 0 FROM (" + tallyArrived + ") AS arrived UNION ALL SELECT 2"
	tallyEnd      = "WHERE state < 3 ORDER BY partner, seq) AS open"
	tallyAll      = "SELECT 0 AS part" + tallyColumns + tallyDeliveries + tallyMiddle + tallyColumns + tallyDeliveries + tallyEnd
	tallyAllSited = "SELECT 0 AS part" + tallyColumns + tallySited + tallyMiddle + tallyColumns + tallySited + tallyEnd
)

// scan reads a delivery behind what stands before it.
func (c *tallied) scan(row store.Scanner, d *delivered24, before ...any) error {
	var source string
	var leaf int64
	err := row.Scan(append(before, &d.seq, &d.place.Partner, &d.state, &d.level, &d.changed, &source, &leaf)...)
	d.place.Site = c.sites.at(source, leaf)
	return err
}

// look looks at deliveries from next on and messages from leaf on, rows of
// each at most, and at what is open.
func (c *tallied) look(ctx context.Context, s *Service, next, leaf, rows int64) (l tallyLook, err error) {
	query := tallyAll
	if c.sites.any() {
		query = tallyAllSited
	}
	err = s.db.Query(ctx, query, []any{leaf, rows, next}, func(row store.Scanner) error {
		var part int64
		var d delivered24
		if err := c.scan(row, &d, &part); err != nil {
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
		return cmp.Or(cmp.Compare(a.place.Partner, b.place.Partner), cmp.Compare(a.seq, b.seq))
	})
	return l, err
}

// read reads deliveries.
func (c *tallied) read(ctx context.Context, s *Service, where string, args ...any) ([]delivered24, error) {
	query := tallyDeliveries
	if c.sites.any() {
		query = tallySited
	}
	var page []delivered24
	err := s.db.Query(ctx, query+where, args, func(row store.Scanner) error {
		var d delivered24
		err := c.scan(row, &d)
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
