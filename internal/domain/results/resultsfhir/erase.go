package resultsfhir

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// sweepEvery is how late what is over goes.
const sweepEvery = 10 * time.Minute

// Sweep removes what is over: tokens, used assertions, exports and subscriptions
// past their end.
func (s *Service) Sweep(ctx context.Context) error {
	now := s.now().UnixMicro()
	return errors.Join(
		s.sweepTagged(ctx, taggedGrants, now), s.sweepTagged(ctx, taggedUsed, now), s.sweepTagged(ctx, taggedExports, now),
		s.sweepTagged(ctx, taggedSubscriptions, now),
	)
}

func (s *Service) sweepTagged(ctx context.Context, d *bus.Tagged, now int64) error {
	for {
		var keys []any
		err := s.db.Query(ctx, "SELECT "+d.Key+" FROM "+d.Table+" WHERE ends_at < $1 LIMIT 100", []any{now}, func(sc store.Scanner) error {
			var key []byte
			err := sc.Scan(&key)
			keys = append(keys, key)
			return err
		})
		if err != nil || len(keys) == 0 {
			return err
		}
		err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			for _, key := range keys {
				if err := tx.Queue(ctx, "DELETE FROM "+d.Table+" WHERE "+d.Key+" = $1", key); err != nil {
					return err
				}
				if err := s.tags.Drop(ctx, tx, d, key); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("sweep %s: %w", d.Table, err)
		}
	}
}

// EraseMessage removes what came with a message, in the transaction in which
// retention erases its body. A patient, practitioner or organization that another
// result still names stays; a patient of whom nothing is left goes too.
func (s *Service) EraseMessage(ctx context.Context, tx *store.Tx, leaf int64) error {
	rows, err := s.rows(ctx, tx, "SELECT "+rowCols+" FROM results_fhir_rows WHERE message = $1 ORDER BY seq", leaf)
	if err != nil {
		return err
	}
	e := erasing{s: s, tx: tx, messages: map[int64]bool{leaf: true}, gone: map[int64]bool{}}
	patients := map[event.ID]bool{}
	for _, r := range rows {
		if r.kind.clinical() || !r.current() {
			if err := e.remove(ctx, r); err != nil {
				return err
			}
		}
		if r.patient != (event.ID{}) {
			patients[r.patient] = true
		}
	}
	for id := range patients {
		var n int64
		err := tx.QueryRow(ctx, "SELECT count(*) FROM results_fhir_rows WHERE patient = $1 AND kind <> $2", id[:], int64(kindPatient)).Scan(&n)
		if err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		if err := e.removeAll(ctx, id); err != nil {
			return err
		}
	}
	// What is left of a message that lost something else than by its own end is no
	// longer counted by the audit.
	for leaf := range e.messages {
		if err := e.forget(ctx, leaf); err != nil {
			return err
		}
	}
	return nil
}

// erasing is one run of EraseMessage: which messages lost rows, and which.
type erasing struct {
	s        *Service
	tx       *store.Tx
	messages map[int64]bool
	gone     map[int64]bool
}

// remove takes a version out. With the newest one all go: what was superseded
// must not show as the newest again.
func (e *erasing) remove(ctx context.Context, r *row) error {
	if e.gone[r.seq] {
		return nil
	}
	if r.current() {
		return e.removeAll(ctx, r.rid)
	}
	e.gone[r.seq] = true
	for _, t := range r.tokens {
		if err := e.tx.Queue(ctx, "DELETE FROM results_fhir_tokens WHERE token = $1 AND seq = $2", t, r.seq); err != nil {
			return err
		}
	}
	if err := e.tx.Queue(ctx, "UPDATE results_fhir_rows SET until = $1 WHERE rid = $2 AND until = $3 AND seq < $3", r.until, r.rid[:], r.seq); err != nil {
		return err
	}
	return e.tx.Queue(ctx, "DELETE FROM results_fhir_rows WHERE seq = $1", r.seq)
}

func (e *erasing) removeAll(ctx context.Context, rid event.ID) error {
	all, err := e.s.rows(ctx, e.tx, "SELECT "+rowCols+" FROM results_fhir_rows WHERE rid = $1", rid[:])
	if err != nil {
		return err
	}
	for _, r := range all {
		e.messages[r.message] = true
		r.until = r.seq // none of them is followed
		if err := e.remove(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (e *erasing) forget(ctx context.Context, leaf int64) error {
	var keys []int64
	err := e.tx.Query(ctx, "SELECT delivery FROM results_fhir_placed WHERE message = $1", []any{leaf}, func(sc store.Scanner) error {
		var d int64
		err := sc.Scan(&d)
		keys = append(keys, d)
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range keys {
		if _, err := e.s.tags.Exec(ctx, e.tx, taggedPlaced, d, "DELETE FROM results_fhir_placed WHERE delivery = $1", d); err != nil {
			return err
		}
	}
	return nil
}
