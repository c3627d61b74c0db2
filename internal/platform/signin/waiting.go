package signin

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Waiting is somebody whose passwords or codes are not taken for a while, after
// wrong tries. A passkey lets them in all the same.
type Waiting struct {
	// Until is when it ends by itself; zero: never, somebody has to lift it.
	Until time.Time
	// Tries are the wrong ones in a row.
	Tries int64
}

// Waiting says which of these people wait. Counts are kept under blind indexes, so
// whoever is not asked about is not found.
func (s *Service) Waiting(ctx context.Context, people ...PersonInfo) (map[event.ID]Waiting, error) {
	now := s.Now()
	open := map[[16]byte]counted{}
	err := s.DB.Query(ctx, "SELECT id, failures, last_at, until_at FROM signin_attempts WHERE until_at > $1", []any{now.UnixMicro()}, func(row store.Scanner) error {
		var id []byte
		var n counted
		var last, until int64
		if err := row.Scan(&id, &n.failures, &last, &until); err != nil {
			return err
		}
		n.last, n.until = moment(last), moment(until)
		if len(id) == 16 {
			open[[16]byte(id)] = n
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read who waits: %w", err)
	}
	out := map[event.ID]Waiting{}
	if len(open) == 0 {
		return out, nil
	}
	for _, p := range people {
		var most time.Duration
		for _, c := range []counter{s.ofAccount(p.Account), s.ofPerson(p.ID)} {
			n, ok := open[[16]byte(c.id)]
			left := c.left(n, now)
			if !ok || left <= most {
				continue
			}
			most = left
			w := Waiting{Tries: n.failures}
			if left <= longest {
				w.Until = now.Add(left)
			}
			out[p.ID] = w
		}
	}
	return out, nil
}
