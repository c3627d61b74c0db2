package results

import (
	"context"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindSearched is the fact that somebody looked for a patient or an order.
const KindSearched = "results.searched"

// RecordSearch writes down that somebody looks for what the query names, before
// the search is made. The entry holds no name and no number: patient and order
// stand in it as the keyed fingerprint by which the search finds them, so that
// whoever may compute it (Marks) can tell who looked for a patient.
func (s *Service) RecordSearch(ctx context.Context, q Query, by By) error {
	if err := by.check(); err != nil {
		return err
	}
	wanted, err := s.wanted(q)
	if err != nil {
		return err
	}
	ev := ledger.Event{
		Kind: KindSearched, At: s.now().UnixMicro(),
		IDs:   by.ids(),
		Codes: ledger.Pairs{{K: "reason", V: ledger.Code(by.Reason)}},
	}
	// wanted stands in the order: order, patient, person; the key in force is first.
	for i, what := range q.named() {
		ev.Codes = append(ev.Codes, ledger.Pair{K: what, V: mark(wanted[i][0])})
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := bus.Publish(ctx, tx, ev)
		return err
	})
	if err != nil {
		return fmt.Errorf("record the search: %w", err)
	}
	return nil
}

// named lists what wanted makes keys of, in its order.
func (q *Query) named() (out []string) {
	if q.Order != "" {
		out = append(out, "order")
	}
	if q.PatientID != "" {
		out = append(out, "patient")
	}
	if q.LastName != "" || q.BirthDate != "" {
		out = append(out, "person")
	}
	return out
}

func mark(k searchKey) string { return fmt.Sprintf("%016x", int64(k)) }

// Marks are the fingerprints under which a search for the query stands in the
// ledger, under every key there was.
func (s *Service) Marks(q Query) ([]string, error) {
	wanted, err := s.wanted(q)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, keys := range wanted {
		for _, k := range keys {
			out = append(out, mark(k))
		}
	}
	return out, nil
}
