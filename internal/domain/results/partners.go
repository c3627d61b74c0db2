package results

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// CountLimit is up to where what waits is counted: whoever looks at a page needs
// to know that it is very many, and must not make the database read them all.
const CountLimit = 10_000

// PartnerStatus is what waits for one partner and whether it answers. A count
// that has reached CountLimit means "at least".
type PartnerStatus struct {
	Partner                string
	Waiting, Held, Stopped int64
	Oldest                 time.Time // when the first of the waiting was taken; zero when none waits
	DownSince              time.Time // zero while it answers
	Why                    string    // class of the last failure while down
	NextTry                time.Time
	Heard                  time.Time // when it last took something; zero: not since the process started
	Gates                  []Gate    // stops before all that goes to it
}

// Gate is a stop before all that goes to a partner.
type Gate struct {
	Kind  StopKind
	Owner string
	Since time.Time
}

// Partners tells for each configured partner what waits and whether it answers,
// in the order of their keys.
func (s *Service) Partners(ctx context.Context) ([]PartnerStatus, error) {
	stops, err := s.standing(ctx)
	if err != nil {
		return nil, err
	}
	var out []PartnerStatus
	for _, key := range slices.Sorted(maps.Keys(s.settings.Load().Partners)) {
		p := PartnerStatus{Partner: key}
		if err := s.countOpen(ctx, &p); err != nil {
			return nil, err
		}
		s.line(&p, stops)
		out = append(out, p)
	}
	return out, nil
}

func (s *Service) countOpen(ctx context.Context, p *PartnerStatus) error {
	err := s.db.Query(ctx, `SELECT state, count(*) FROM (SELECT state FROM results_deliveries
		WHERE partner = $1 AND state IN (1, 2) ORDER BY seq LIMIT $2) AS counted GROUP BY state`, []any{p.Partner, int64(CountLimit)},
		func(row store.Scanner) error {
			var state, n int64
			err := row.Scan(&state, &n)
			if State(state) == Held {
				p.Held = n
			} else {
				p.Stopped = n
			}
			return err
		})
	if err != nil {
		return fmt.Errorf("count what is stopped: %w", err)
	}
	// The index of open deliveries answers this alone, without the rows.
	err = s.db.QueryRow(ctx, `SELECT count(*) FROM (SELECT seq FROM results_deliveries
		WHERE partner = $1 AND state < 3 ORDER BY seq LIMIT $2) AS counted`, p.Partner, CountLimit+p.Held+p.Stopped).Scan(&p.Waiting)
	if err != nil {
		return fmt.Errorf("count what waits: %w", err)
	}
	if p.Waiting = max(p.Waiting-p.Held-p.Stopped, 0); p.Waiting == 0 {
		return nil
	}
	var at int64
	err = s.db.QueryRow(ctx, `SELECT changed_at FROM results_deliveries WHERE partner = $1 AND state < 3 AND state = 0
		ORDER BY seq LIMIT 1`, p.Partner).Scan(&at)
	if errors.Is(err, store.ErrNoRows) {
		return nil // delivered in between
	}
	if err != nil {
		return fmt.Errorf("read the oldest that waits: %w", err)
	}
	p.Oldest = time.UnixMicro(at).UTC()
	return nil
}

// WhyWords is the class of a partner's last failure (PartnerStatus.Why) as the
// beginning of a sentence that goes on with "since".
func WhyWords(class string) string {
	switch class {
	case "unreachable":
		return "Their server has not been reachable"
	case "unanswered":
		return "Their server has not answered"
	case "busy":
		return "Their server has said that it is busy"
	case "rejected":
		return "Their server has refused us"
	case "misconfigured":
		return "Our own side could not send"
	}
	return "Sending has failed"
}
