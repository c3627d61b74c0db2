package resultsfhir

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// NotPickedUp counts the deliveries placed for a partner before a time of whose
// reports none was fetched, and tells since when the oldest waits. A report that
// a newer one replaced is not waited for: the newer is. A count that has reached
// results.CountLimit means "at least".
func (s *Service) NotPickedUp(ctx context.Context, partner string, before time.Time) (n int64, oldest time.Time, err error) {
	var at int64
	err = s.db.QueryRow(ctx, `SELECT count(*), COALESCE(min(placed_at), 0) FROM (SELECT p.placed_at FROM results_fhir_placed p
		WHERE p.partner = $1 AND p.picked_at IS NULL AND p.placed_at < $2 AND EXISTS
			(SELECT 1 FROM results_fhir_rows r WHERE r.seq >= p.first_seq AND r.seq <= p.last_seq AND r.kind = $3 AND r.until = $4)
		ORDER BY p.placed_at LIMIT $5) AS waiting`,
		partner, before.UnixMicro(), int64(kindReport), int64(standing), int64(results.CountLimit)).Scan(&n, &at)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("count what was not fetched: %w", err)
	}
	if n > 0 {
		oldest = time.UnixMicro(at).UTC()
	}
	return n, oldest, nil
}

// Failed is how many subscriptions of a partner's program ended in error.
type Failed struct {
	Partner, Client string
	Count           int64
	Since           time.Time // the first
	// Fault is what was wrong with one of them, without patient data.
	Fault string
}

// FailedSubscriptions lists the programs that have asked to be told of results
// and are told no more. A subscription that begins anew, ends or is removed does
// not count.
func (s *Service) FailedSubscriptions(ctx context.Context) ([]Failed, error) {
	var out []Failed
	err := s.db.Query(ctx, `SELECT partner, client, count(*), min(changed_at), min(fault) FROM results_fhir_subscriptions
		WHERE state = $1 AND ends_at > $2 GROUP BY partner, client ORDER BY partner, client`,
		[]any{int64(subError), s.now().UnixMicro()}, func(row store.Scanner) error {
			var f Failed
			var at int64
			err := row.Scan(&f.Partner, &f.Client, &f.Count, &at, &f.Fault)
			f.Since = time.UnixMicro(at).UTC()
			out = append(out, f)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("list subscriptions that failed: %w", err)
	}
	return out, nil
}
