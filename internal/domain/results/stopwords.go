package results

import (
	"context"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindStopRead is the fact that somebody read a stop's sealed words.
const KindStopRead = "stop.words_read"

// StopWords are the words a stop was given beside its reason; empty where there
// were none. They are kept sealed, as they may say whose results are stopped: who
// read them is recorded first, and without a record there are none.
func (s *Service) StopWords(ctx context.Context, id event.ID, by Named) (string, error) {
	if err := by.check(); err != nil {
		return "", err
	}
	if err := s.mayShow(); err != nil {
		return "", err
	}
	var sealed []byte
	err := s.db.QueryRow(ctx, "SELECT body FROM results_stops WHERE id = $1", id[:]).Scan(&sealed)
	if errors.Is(err, store.ErrNoRows) {
		return "", fmt.Errorf("stop %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return "", fmt.Errorf("read the words of a stop: %w", err)
	}
	var words []byte
	if sealed != nil {
		if _, words, err = s.seal.open("results_stops", id, sealed); err != nil {
			return "", err
		}
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := bus.Publish(ctx, tx, ledger.Event{
			Kind: KindStopRead, At: s.now().UnixMicro(),
			IDs:   append(ledger.Pairs{{K: "stop", V: id.String()}}, by.ids()...),
			Codes: ledger.Pairs{{K: "reason", V: ledger.Code(by.Reason)}},
		})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("record the look at a stop's words: %w", err)
	}
	return string(words), nil
}
