package results

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

const countCols = `n.partner, n.id, n.day, n.added_at, n.added_by, n.listed, n.matched, n.missing, n.extra,
	COALESCE((SELECT w.way FROM results_count_ways w WHERE w.id = n.id), 'list'), COALESCE((SELECT w.since FROM results_count_ways w WHERE w.id = n.id), 0),
	COALESCE((SELECT w.until FROM results_count_ways w WHERE w.id = n.id), 0)`

func scanCount(row store.Scanner, more ...any) (Counted, error) {
	var c Counted
	var id []byte
	var at, since, until int64
	var way string
	if err := row.Scan(append([]any{&c.Partner, &id, &c.Day, &at, &c.AddedBy, &c.Listed, &c.Matched, &c.Missing, &c.Extra, &way, &since, &until}, more...)...); err != nil {
		return c, err
	}
	c.AddedAt, c.Way = time.UnixMicro(at).UTC(), Way(way)
	if until != 0 {
		c.Since, c.Until = time.UnixMicro(since).UTC(), time.UnixMicro(until).UTC()
	}
	var err error
	c.ID, err = event.IDFromBytes(id)
	return c, err
}

// PartnerCounts lists the comparisons, newest first.
func (s *Service) PartnerCounts(ctx context.Context, partner string, limit int) ([]Counted, error) {
	var out []Counted
	err := s.db.Query(ctx, "SELECT "+countCols+` FROM results_counts n
		WHERE $1 = '' OR n.partner = $1 ORDER BY n.added_at DESC LIMIT $2`, []any{partner, int64(limit)}, func(row store.Scanner) error {
		c, err := scanCount(row)
		out = append(out, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list counts: %w", err)
	}
	return out, nil
}

// NotCountable are the partners of which nothing was ever counted: whether they
// have a result cannot be said.
func (s *Service) NotCountable(ctx context.Context) ([]string, error) {
	gave := map[string]bool{}
	err := s.db.Query(ctx, "SELECT DISTINCT partner FROM results_counts", nil, func(row store.Scanner) error {
		var p string
		err := row.Scan(&p)
		gave[p] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list who gives lists: %w", err)
	}
	out := []string{}
	for _, p := range slices.Sorted(maps.Keys(s.settings.Load().Partners)) {
		if !gave[p] {
			out = append(out, p)
		}
	}
	return out, nil
}

// Lacking is a delivery that a count did not find at the partner.
type Lacking struct {
	Delivery
	Message event.ID
}

// LackingOf are the deliveries that a count did not find, as they are now, the
// oldest first and up to limit: what was picked up or found since says so. It
// holds no patient data.
func (s *Service) LackingOf(ctx context.Context, count event.ID, limit int) ([]Lacking, error) {
	var sealed []byte
	err := s.db.QueryRow(ctx, "SELECT body FROM results_counts WHERE id = $1", count[:]).Scan(&sealed)
	switch {
	case errors.Is(err, store.ErrNoRows):
		return nil, fmt.Errorf("count %s: %w", count, ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("read count: %w", err)
	}
	_, plain, err := s.seal.open("results_counts", count, sealed)
	if err != nil {
		return nil, err
	}
	var kept struct {
		Missing []int64 `json:"missing"`
	}
	if err := json.Unmarshal(plain, &kept); err != nil {
		return nil, fmt.Errorf("read count: %w", err)
	}
	var out []Lacking
	for _, seq := range kept.Missing[:min(len(kept.Missing), limit)] {
		err := s.db.Query(ctx, "SELECT m.id, "+deliveryCols+" FROM results_deliveries d JOIN results_messages m ON m.leaf = d.message WHERE d.seq = $1", []any{seq}, func(row store.Scanner) error {
			var id []byte
			_, d, err := scanDelivery(before{row, &id})
			if err != nil {
				return err
			}
			x := Lacking{Delivery: d}
			x.Message, err = event.IDFromBytes(id)
			out = append(out, x)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read what a count did not find: %w", err)
		}
	}
	return out, nil
}

// before reads one more column in front of those that are asked for.
type before struct {
	store.Scanner
	first any
}

func (b before) Scan(to ...any) error { return b.Scanner.Scan(append([]any{b.first}, to...)...) }

// LastNightly is when a partner was last counted without a person asking; zero:
// never.
func (s *Service) LastNightly(ctx context.Context, partner string) (time.Time, error) {
	var at int64
	err := s.db.QueryRow(ctx, "SELECT COALESCE(max(added_at), 0) FROM results_counts WHERE partner = $1 AND added_by = $2", partner, Nightly().Person).Scan(&at)
	if err != nil {
		return time.Time{}, fmt.Errorf("read when %s was counted: %w", partner, err)
	}
	if at == 0 {
		return time.Time{}, nil
	}
	return time.UnixMicro(at).UTC(), nil
}
