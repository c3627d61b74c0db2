package results

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// heardOf is how many of the newest messages and deliveries Heard looks through:
// a source or partner that is not among them was silent for at least as many.
const heardOf = 5000

// Heard is when each source's last message came in and when each partner's
// system last accepted something, of the newest messages and deliveries.
func (s *Service) Heard(ctx context.Context) (sources, partners map[string]time.Time, err error) {
	read := func(query string) (map[string]time.Time, error) {
		out := map[string]time.Time{}
		err := s.db.Query(ctx, query, []any{int64(heardOf)}, func(row store.Scanner) error {
			var key string
			var at int64
			err := row.Scan(&key, &at)
			out[key] = time.UnixMicro(at).UTC()
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read who was heard of: %w", err)
		}
		return out, nil
	}
	if sources, err = read(`SELECT source, MAX(received_at) FROM (SELECT source, received_at FROM results_messages ORDER BY leaf DESC LIMIT $1) AS lately GROUP BY source`); err != nil {
		return nil, nil, err
	}
	partners, err = read(`SELECT partner, MAX(changed_at) FROM (SELECT partner, changed_at, state FROM results_deliveries ORDER BY seq DESC LIMIT $1) AS lately WHERE state = 3 GROUP BY partner`)
	return sources, partners, err
}
