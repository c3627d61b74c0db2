package results

import (
	"context"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Sent is the body of a delivery as its partner was sent it. ErrConflict says that it
// is not completed (yet), ErrErased that it is kept no longer. Whoever calls it shows
// patient data to somebody and must record that first.
func (s *Service) Sent(ctx context.Context, seq int64) ([]byte, error) {
	if err := s.mayShow(); err != nil {
		return nil, err
	}
	var id, sealed, receipt []byte
	var state int64
	err := s.db.QueryRow(ctx, `SELECT d.state, d.receipt, m.id, m.body FROM results_deliveries d JOIN results_messages m ON m.leaf = d.message WHERE d.seq = $1`, seq).
		Scan(&state, &receipt, &id, &sealed)
	switch {
	case errors.Is(err, store.ErrNoRows):
		return nil, fmt.Errorf("delivery %d: %w", seq, ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("read delivery: %w", err)
	case State(state) != Done:
		return nil, fmt.Errorf("delivery %d is %s: %w", seq, State(state), ErrConflict)
	case sealed == nil:
		return nil, fmt.Errorf("delivery %d: %w", seq, ErrErased) // what was made of it goes with it
	}
	e, err := s.evidence(seq, receipt)
	if err != nil {
		return nil, err
	}
	if e.Sent != nil {
		return e.Sent, nil
	}
	message, err := event.IDFromBytes(id)
	if err != nil {
		return nil, err
	}
	_, body, err := s.seal.open("results_messages", message, sealed)
	return body, err
}
