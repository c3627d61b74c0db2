package results

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// apartGroupsOfSites is ApartGroups where sources have sites, and may have had
// others before.
func (s *Service) apartGroupsOfSites(ctx context.Context) ([]ApartGroup, error) {
	var out []ApartGroup
	at := map[[3]string]int{}
	err := s.db.Query(ctx, "SELECT leaf, source, cause, received_at, last_at FROM results_quarantine WHERE state = 0 ORDER BY leaf LIMIT $1",
		[]any{int64(CountLimit)}, func(row store.Scanner) error {
			var leaf, received, last int64
			var source, cause string
			if err := row.Scan(&leaf, &source, &cause, &received, &last); err != nil {
				return err
			}
			came, presented := time.UnixMicro(received).UTC(), time.UnixMicro(last).UTC()
			key := [3]string{source, cause, s.SiteOf(source, leaf)}
			i, ok := at[key]
			if !ok {
				i, at[key] = len(out), len(out)
				out = append(out, ApartGroup{Source: source, Cause: cause, Site: key[2], Oldest: came, Last: presented})
			}
			g := &out[i]
			g.Count++
			if came.Before(g.Oldest) {
				g.Oldest = came
			}
			if presented.After(g.Last) {
				g.Last = presented
			}
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("count quarantine: %w", err)
	}
	slices.SortFunc(out, func(a, b ApartGroup) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Cause, b.Cause), cmp.Compare(a.Site, b.Site))
	})
	return out, nil
}

// callsOfSites is CallsOf where sources have sites.
func (s *Service) callsOfSites(ctx context.Context) (map[Place]CallCount, error) {
	now := s.now().UnixMicro()
	out := map[Place]CallCount{}
	err := s.db.Query(ctx, `SELECT c.partner, c.source, c.subject, c.what, COALESCE(c.due_at, 0), COALESCE(m.leaf, -1)
		FROM results_calls c LEFT JOIN results_messages m ON m.id = c.message WHERE c.state < 2 ORDER BY c.opened_at LIMIT $1`,
		[]any{int64(CountLimit)}, func(row store.Scanner) error {
			var partner, source string
			var subject, what, due, leaf int64
			if err := row.Scan(&partner, &source, &subject, &what, &due, &leaf); err != nil {
				return err
			}
			if CallReason(what) == CallNotTaken {
				leaf = subject / maxPlans
			}
			at := Place{partner, s.SiteOf(source, leaf)}
			c := out[at]
			c.Open++
			if due != 0 && due <= now {
				c.Overdue++
			}
			out[at] = c
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("count phone tasks: %w", err)
	}
	return out, nil
}

// countSeen is how many open quarantined messages up to a leaf the filter chooses.
func (s *Service) countSeen(ctx context.Context, f *ApartFilter, last int64) (n int64, err error) {
	err = s.db.Query(ctx, "SELECT leaf, source FROM results_quarantine WHERE state = 0 AND cause = $1 AND ($2 = '' OR source = $2) AND leaf <= $3",
		[]any{f.Cause, f.Source, last}, func(row store.Scanner) error {
			var leaf int64
			var source string
			err := row.Scan(&leaf, &source)
			if f.Sees(s.SiteOf(source, leaf)) {
				n++
			}
			return err
		})
	if err != nil {
		return 0, fmt.Errorf("count quarantine: %w", err)
	}
	return n, nil
}
