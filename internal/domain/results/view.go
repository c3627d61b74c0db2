package results

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// The kinds of facts about looks at patient data.
const (
	KindViewed   = "result.viewed"
	KindExported = "result.exported"
	KindProved   = "result.proof_taken"
	// KindReceipted: a signed receipt was taken.
	KindReceipted = "result.receipt_taken"
)

// View gives one message with its body to a person and records who looked and
// why. It fails closed: when the record cannot be written there is no body.
func (s *Service) View(ctx context.Context, id event.ID, by By) (Summary, []byte, error) {
	return s.view(ctx, KindViewed, id, by)
}

// Export is View for a body that leaves the hub as a file.
func (s *Service) Export(ctx context.Context, id event.ID, by By) (Summary, []byte, error) {
	return s.view(ctx, KindExported, id, by)
}

func (s *Service) view(ctx context.Context, kind string, id event.ID, by By) (Summary, []byte, error) {
	if err := by.check(); err != nil {
		return Summary{}, nil, err
	}
	m, body, err := s.Message(ctx, id)
	if err != nil {
		return Summary{}, nil, err
	}
	if err := s.looked(ctx, kind, id, m.Leaf, by); err != nil {
		return Summary{}, nil, err
	}
	return m, body, nil
}

// opened is a message's body and at which leaf it stands. Whoever calls it must
// record the look before anything is shown.
func (s *Service) opened(ctx context.Context, id event.ID) (leaf int64, body []byte, err error) {
	if err := s.mayShow(); err != nil {
		return 0, nil, err
	}
	var sealed []byte
	err = s.db.QueryRow(ctx, "SELECT leaf, body FROM results_messages WHERE id = $1", id[:]).Scan(&leaf, &sealed)
	if errors.Is(err, store.ErrNoRows) {
		return 0, nil, fmt.Errorf("message %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read message: %w", err)
	}
	_, body, err = s.seal.open("results_messages", id, sealed)
	return leaf, body, err
}

// ViewQuarantined is ShowApart together with what the list says of the message.
// It fails closed like View.
func (s *Service) ViewQuarantined(ctx context.Context, id event.ID, by By) (Apart, []byte, error) {
	if err := by.check(); err != nil {
		return Apart{}, nil, err
	}
	var at, last, state int64
	a := Apart{ID: id}
	err := s.db.QueryRow(ctx, `SELECT source, received_at, last_at, times, cause, detail, size, kept, state
		FROM results_quarantine WHERE id = $1`, id[:]).
		Scan(&a.Source, &at, &last, &a.Times, &a.Cause, &a.Detail, &a.Size, &a.Kept, &state)
	if errors.Is(err, store.ErrNoRows) {
		return Apart{}, nil, fmt.Errorf("quarantined message %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return Apart{}, nil, fmt.Errorf("read quarantine: %w", err)
	}
	a.ReceivedAt, a.LastAt = time.UnixMicro(at).UTC(), time.UnixMicro(last).UTC()
	a.State = [...]string{"open", "released", "refused", "replayed"}[state&3]
	body, err := s.ShowApart(ctx, id, by)
	if err != nil {
		return Apart{}, nil, err
	}
	return a, body, nil
}

// looked records a look at the message that stands at a leaf of the ledger.
func (s *Service) looked(ctx context.Context, kind string, id event.ID, leaf int64, by By) error {
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := s.publishActOf(ctx, tx, ledger.Event{
			Kind: kind, At: s.now().UnixMicro(),
			IDs:   append(ledger.Pairs{{K: "message", V: id.String()}}, by.ids()...),
			Codes: ledger.Pairs{{K: "reason", V: ledger.Code(by.Reason)}},
		}, leaf)
		return err
	})
	if err != nil {
		return fmt.Errorf("record the look at %s: %w", id, err)
	}
	return nil
}
