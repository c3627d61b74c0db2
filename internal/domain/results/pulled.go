package results

import (
	"context"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Pulled is a message of which something goes to a partner's own program.
type Pulled struct {
	ID   event.ID
	Leaf int64
}

// pulledAtOnce is how many looks one transaction records.
const pulledAtOnce = 200

// RecordPulls writes down that a partner's program looks at these messages, or
// takes them out as files, before it is given anything. It fails closed: with an
// error, or while views are closed, nothing may be given.
func (s *Service) RecordPulls(ctx context.Context, messages []Pulled, export bool, by By) error {
	if err := by.check(); err != nil {
		return err
	}
	if err := s.mayShow(); err != nil {
		return err
	}
	kind := KindViewed
	if export {
		kind = KindExported
	}
	for len(messages) > 0 {
		n := min(len(messages), pulledAtOnce)
		err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			for _, m := range messages[:n] {
				_, err := s.publishActOf(ctx, tx, ledger.Event{
					Kind: kind, At: s.now().UnixMicro(),
					IDs:   append(ledger.Pairs{{K: "message", V: m.ID.String()}}, by.ids()...),
					Codes: ledger.Pairs{{K: "reason", V: ledger.Code(by.Reason)}},
				}, m.Leaf)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("record what a partner pulls: %w", err)
		}
		messages = messages[n:]
	}
	return nil
}
