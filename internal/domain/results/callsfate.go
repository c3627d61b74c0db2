package results

import (
	"context"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// outlook is whether a result has been acknowledged, and in words how it stands.
type outlook struct {
	acked bool
	words string
}

// maxSuperseded bounds how many corrections of corrections are followed.
const maxSuperseded = 100

// fateOf tells whether what a delivery carries was acknowledged: by its own
// receipt, by that of a later sending of the same message to the same partner,
// or by that of the correction that replaced it. Merely placed is not.
func (s *Service) fateOf(ctx context.Context, q store.Queryer, seq int64) (outlook, error) {
	for range maxSuperseded {
		var message, state, level int64
		var partner string
		err := q.QueryRow(ctx, "SELECT message, partner, state, COALESCE(level, 0) FROM results_deliveries WHERE seq = $1", seq).
			Scan(&message, &partner, &state, &level)
		if errors.Is(err, store.ErrNoRows) {
			return outlook{words: "the delivery is no longer there"}, nil
		}
		if err != nil {
			return outlook{}, fmt.Errorf("read delivery: %w", err)
		}
		var again int64
		err = q.QueryRow(ctx, `SELECT count(*) FROM results_deliveries WHERE message = $1 AND again = 1
			AND partner = $2 AND state = 3 AND level >= $3`, message, partner, int64(channel.Committed)).Scan(&again)
		if err != nil {
			return outlook{}, fmt.Errorf("read repeated deliveries: %w", err)
		}
		switch {
		case State(state) == Done && channel.Level(level) >= channel.Committed || again > 0:
			return outlook{true, "the partner's system accepted this result"}, nil
		case State(state) == Done:
			return outlook{false, "placed, nobody has confirmed"}, nil
		case State(state) != Superseded:
			return outlook{false, State(state).String()}, nil
		}
		if err := q.QueryRow(ctx, "SELECT replaced_by FROM results_superseded WHERE seq = $1", seq).Scan(&seq); err != nil {
			return outlook{}, fmt.Errorf("find the correction: %w", err)
		}
	}
	return outlook{words: "superseded"}, nil
}

// apartFate is fateOf for a message in quarantine. What was let through is
// acknowledged once every partner has acknowledged it; what a person refused was
// looked at by that person.
func (s *Service) apartFate(ctx context.Context, q store.Queryer, id event.ID) (outlook, error) {
	state, m, err := apartState(ctx, q, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return outlook{words: "no longer there"}, nil
	case err != nil:
		return outlook{}, err
	case state == apartOpen:
		return outlook{words: "in quarantine"}, nil
	case state == apartRefused:
		return outlook{words: "refused by a person"}, nil
	case m == nil:
		return outlook{words: "taken"}, nil
	}
	var leaf int64
	if err := q.QueryRow(ctx, "SELECT leaf FROM results_messages WHERE id = $1", m[:]).Scan(&leaf); err != nil {
		return outlook{}, fmt.Errorf("read message: %w", err)
	}
	var all, acked int64
	err = q.QueryRow(ctx, `SELECT count(*), COALESCE(sum(CASE WHEN state = 3 AND level >= $3 THEN 1 ELSE 0 END), 0)
		FROM results_deliveries WHERE seq >= $1 AND seq < $2 AND state <> 4 AND again = 0`,
		leaf*maxPlans, (leaf+1)*maxPlans, int64(channel.Committed)).Scan(&all, &acked)
	if err != nil {
		return outlook{}, fmt.Errorf("read deliveries: %w", err)
	}
	if all > 0 && acked == all {
		return outlook{true, "taken from quarantine; every partner's system accepted it"}, nil
	}
	return outlook{false, "taken from quarantine, not yet acknowledged"}, nil
}
