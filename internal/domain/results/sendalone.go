package results

import (
	"context"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/lease"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Facts about corrections that were sent without their original.
const (
	KindSentAlone  = "result.sent_alone"
	KindSuperseded = "result.superseded"
)

// farBehind is how many open deliveries are looked through for the original of
// a correction. Beyond it the partner is so far behind that a person must look
// in any case.
const farBehind = 100_000

// errFarBehind: so many wait that the originals were not all looked for.
var errFarBehind = errors.New("too many results wait for this partner to find every original")

// originals are the open deliveries to the same partner that stand before seq
// and name one of its orders (filler or placer number; where it names none, any
// of its lanes). Oldest first.
func (s *Service) originals(ctx context.Context, seq int64) ([]int64, error) {
	d, err := s.delivery(ctx, seq)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if d.state >= Done {
		return nil, nil // it does not wait
	}
	keys, err := s.orderLanes(ctx, d)
	if err != nil {
		return nil, err
	}
	var out []int64
	looked := 0
	// Newest first: the original is as a rule not far.
	err = s.db.Query(ctx, `SELECT seq, lanes FROM results_deliveries WHERE partner = $1 AND state < 3 AND seq < $2
		ORDER BY seq DESC LIMIT $3`, []any{d.partner, seq, int64(farBehind)}, func(row store.Scanner) error {
		var other int64
		var lanes []byte
		if err := row.Scan(&other, &lanes); err != nil {
			return err
		}
		looked++
		if sharesLane(lanes, keys) {
			out = append([]int64{other}, out...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for the original: %w", err)
	}
	if looked == farBehind {
		return out, errFarBehind
	}
	return out, nil
}

// orderLanes are the lanes of the orders a delivery's message names.
func (s *Service) orderLanes(ctx context.Context, d *delivery) ([]byte, error) {
	head, err := hl7.ReadHeader(d.body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	var k hl7.Keys
	if err := hl7.ReadKeys(d.body, &head, &k); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	orders := hl7.Keys{Placers: k.Placers, Fillers: k.Fillers}
	if len(orders.Placers)+len(orders.Fillers) > 0 {
		return s.lanesOf(&orders), nil
	}
	var lanes []byte
	err = s.db.QueryRow(ctx, "SELECT lanes FROM results_deliveries WHERE seq = $1", d.seq).Scan(&lanes)
	return lanes, err
}

func sharesLane(lanes, keys []byte) bool {
	for i := 0; i+8 <= len(keys); i += 8 {
		if hasLane(lanes, keys[i:i+8]) {
			return true
		}
	}
	return false
}

// SentAlone is what SendAlone did.
type SentAlone struct {
	Delivery   int64
	Superseded []int64
}

// SendAlone lets a correction go without the originals it waits behind, as
// their complete replacement: each of them is checked (see replaces), kept,
// marked superseded and never delivered. A correction that replaces less than
// the whole is refused. What else shares the correction's lanes keeps its place.
func (s *Service) SendAlone(ctx context.Context, seq int64, by Named) (SentAlone, error) {
	out := SentAlone{Delivery: seq}
	if err := by.check(); err != nil {
		return out, err
	}
	d, err := s.delivery(ctx, seq)
	if errors.Is(err, store.ErrNoRows) {
		return out, fmt.Errorf("delivery %d: %w", seq, ErrNotFound)
	}
	if err != nil {
		return out, err
	}
	m, err := s.summary(ctx, d.id)
	if err != nil {
		return out, err
	}
	switch {
	case !m.Correction:
		return out, fmt.Errorf("delivery %d is not marked as a correction by the LIS: %w", seq, ErrConflict)
	case d.state != Waiting:
		return out, fmt.Errorf("delivery %d is %s, it does not wait: %w", seq, d.state, ErrConflict)
	}
	ctx, here := s.asCourier(ctx, d.partner)
	if !here {
		return out, errNotHere
	}
	originals, err := s.originals(ctx, seq)
	if err != nil {
		return out, fmt.Errorf("delivery %d: %w: %w", seq, err, ErrConflict)
	}
	if len(originals) == 0 {
		return out, fmt.Errorf("delivery %d waits behind no original that is not acknowledged: %w", seq, ErrConflict)
	}
	// From here to the commit no courier takes them: what reads "superseded" has
	// not left after it was looked at.
	back, busy, ok := s.claims.keep(originals)
	if !ok {
		return out, fmt.Errorf("the original, delivery %d, is being sent at this moment; try again: %w", busy, ErrConflict)
	}
	defer func() {
		s.reload(d.partner) // whatever came of it: a commit may have an unknown outcome
		back()
	}()
	ids := map[int64]event.ID{}
	for _, o := range originals {
		was, err := s.delivery(ctx, o)
		if err != nil {
			return out, fmt.Errorf("the original, delivery %d, cannot be compared: %w", o, ErrConflict)
		}
		if err := replaces(d.body, was.body); err != nil {
			return out, fmt.Errorf("the correction does not replace delivery %d completely: %w: %w", o, err, ErrConflict)
		}
		ids[o] = was.id
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		return s.supersede(ctx, tx, d, originals, ids, by)
	})
	if errors.Is(err, lease.ErrLost) {
		return out, errNotHere
	}
	if err != nil {
		return out, err
	}
	out.Superseded = originals
	return out, nil
}

// supersede ends the originals and says what replaces them. It fails when one of
// them, or the correction, is no longer as it was.
func (s *Service) supersede(ctx context.Context, tx *store.Tx, d *delivery, originals []int64, ids map[int64]event.ID, by Named) error {
	now := s.now().UnixMicro()
	var state, ahead int64
	if err := tx.QueryRow(ctx, "SELECT state FROM results_deliveries WHERE seq = $1", d.seq).Scan(&state); err != nil {
		return fmt.Errorf("read delivery: %w", err)
	}
	if State(state) != Waiting {
		return fmt.Errorf("delivery %d is %s now: %w", d.seq, State(state), ErrConflict)
	}
	for _, o := range originals {
		old := &delivery{seq: o, id: ids[o], partner: d.partner}
		ev := acted(KindSuperseded, now, old, by.Person, by.Reason)
		ev.IDs = by.under(append(ev.IDs, ledger.Pair{K: "account", V: ledger.Code(by.Who)}, ledger.Pair{K: "replaced_by", V: d.id.String()}))
		if _, err := s.publishAct(ctx, tx, ev); err != nil {
			return err
		}
		var n int64
		err := s.tags.Change(ctx, tx, taggedTries, o, func() (err error) {
			n, err = tx.Exec(ctx, `UPDATE results_deliveries SET state = 6, changed_at = $1, next_at = NULL, reason = $2 WHERE seq = $3 AND state < 3`,
				now, "superseded by message "+d.id.String(), o)
			return err
		})
		if err != nil {
			return fmt.Errorf("mark the original: %w", err)
		}
		if n == 0 {
			return fmt.Errorf("the original, delivery %d, was delivered or ended meanwhile: %w", o, ErrConflict)
		}
		_, err = s.tags.Exec(ctx, tx, taggedSuperseded, o, "INSERT INTO results_superseded (seq, replaced_by, message) VALUES ($1, $2, $3)", o, d.seq, d.id[:])
		if err != nil {
			return fmt.Errorf("mark the original: %w", err)
		}
		if err := s.endHolds(ctx, tx, o, now, by); err != nil {
			return err
		}
		ahead++
	}
	ev := acted(KindSentAlone, now, d, by.Person, by.Reason)
	ev.IDs = by.under(append(ev.IDs, ledger.Pair{K: "account", V: ledger.Code(by.Who)}))
	ev.Numbers = []ledger.Number{{K: "superseded", N: ahead}}
	if _, err := s.publishAct(ctx, tx, ev); err != nil {
		return err
	}
	return noteChange(ctx, tx, d.partner)
}

// errNotHere: another node's courier may be sending to the partner.
var errNotHere = fmt.Errorf("another node delivers, and only it knows what is being sent at this moment; do this on the node that holds the lease (labwarden status names it): %w", ErrConflict)

// asCourier lets what is written under the returned context be written only as
// long as this node is the one that delivers to the partner; false when it is not.
func (s *Service) asCourier(ctx context.Context, partner string) (context.Context, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.couriers[partner]
	if c == nil {
		return ctx, s.elsewhere.Load() == nil
	}
	return store.WithFence(ctx, c.fence), true
}

// lanesOf are the lanes of some identifiers alone.
func (s *Service) lanesOf(k *hl7.Keys) []byte {
	lanes, _ := s.marks("", k, &hl7.Message{})
	return lanes
}
