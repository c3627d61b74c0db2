package results

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// ApartGroup is what waits in quarantine from one source for one cause. A count
// that has reached CountLimit means "at least". What came from a source for
// several sites is counted for each.
type ApartGroup struct {
	Source, Cause string
	Site          string
	Count         int64
	Oldest        time.Time
	Last          time.Time // when one of them was presented last
}

// ApartGroups tells what waits in quarantine, in the order of source and cause.
func (s *Service) ApartGroups(ctx context.Context) ([]ApartGroup, error) {
	if s.sites.Load().any() {
		return s.apartGroupsOfSites(ctx)
	}
	var out []ApartGroup
	err := s.db.Query(ctx, `SELECT source, cause, count(*), MIN(received_at), MAX(last_at)
		FROM (SELECT source, cause, received_at, last_at FROM results_quarantine WHERE state = 0 ORDER BY leaf LIMIT $1) AS counted
		GROUP BY source, cause ORDER BY source, cause`, []any{int64(CountLimit)}, func(row store.Scanner) error {
		var g ApartGroup
		var oldest, last int64
		err := row.Scan(&g.Source, &g.Cause, &g.Count, &oldest, &last)
		g.Oldest, g.Last = time.UnixMicro(oldest).UTC(), time.UnixMicro(last).UTC()
		out = append(out, g)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count quarantine: %w", err)
	}
	return out, nil
}

// IndexBehind tells when the oldest message that search does not find yet was
// received; the zero time when it finds all.
func (s *Service) IndexBehind(ctx context.Context) (time.Time, error) {
	at, err := s.indexed(ctx, s.db)
	if err != nil {
		return time.Time{}, err
	}
	var received int64
	err = s.db.QueryRow(ctx, "SELECT received_at FROM results_messages WHERE leaf > $1 ORDER BY leaf LIMIT 1", at).Scan(&received)
	if errors.Is(err, store.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("look how far the search index is: %w", err)
	}
	return time.UnixMicro(received).UTC(), nil
}
