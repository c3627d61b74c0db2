package results

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// maxFollowing bounds what one Resend sends.
const maxFollowing = 20

// Resend makes a new delivery of a message whose delivery to the partner has
// ended. It goes to the end of its lanes, and behind it goes again what this
// partner has accepted since for the same orders: sent alone, the older result
// would stand at the partner in the place of its correction (SAFETY.md 11). The
// number of the new delivery is returned.
func (s *Service) Resend(ctx context.Context, seq int64, by By) (int64, error) {
	if err := by.check(); err != nil {
		return 0, err
	}
	f, err := s.following(ctx, seq)
	if err != nil {
		return 0, err
	}
	var again int64
	var partner string
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := f.still(ctx, tx); err != nil {
			return err
		}
		var err error
		if again, partner, err = s.resend(ctx, tx, seq, by); err != nil {
			return err
		}
		for _, later := range f.seqs {
			if _, _, err := s.resend(ctx, tx, later, by); err != nil {
				return fmt.Errorf("send the later result of the same order again: %w", err)
			}
		}
		return nil
	})
	if err == nil {
		s.wake(partner)
	}
	return again, err
}

func (s *Service) resend(ctx context.Context, tx *store.Tx, seq int64, by By) (again int64, partner string, err error) {
	d := &delivery{seq: seq}
	var id, lanes []byte
	var message, state, erased int64
	err = tx.QueryRow(ctx, `SELECT d.partner, d.route, d.state, d.message, d.lanes, m.id, CASE WHEN m.body IS NULL THEN 1 ELSE 0 END FROM results_deliveries d
		JOIN results_messages m ON m.leaf = d.message WHERE d.seq = $1`, seq).
		Scan(&d.partner, &d.route, &state, &message, &lanes, &id, &erased)
	switch {
	case errors.Is(err, store.ErrNoRows):
		return 0, "", fmt.Errorf("delivery %d: %w", seq, ErrNotFound)
	case err != nil:
		return 0, "", fmt.Errorf("read delivery: %w", err)
	case State(state) == Superseded:
		return 0, "", fmt.Errorf("delivery %d is superseded by a correction and is never sent: %w", seq, ErrConflict)
	case State(state) < Done:
		return 0, "", fmt.Errorf("delivery %d is %s, it goes out by itself or after a release: %w", seq, State(state), ErrConflict)
	case erased == 1:
		return 0, "", fmt.Errorf("delivery %d: %w", seq, ErrErased)
	}
	if d.id, err = event.IDFromBytes(id); err != nil {
		return 0, "", err
	}
	now := s.now().UnixMicro()
	leaf, err := s.publishAct(ctx, tx, actedBy(KindResent, now, d, by))
	if err != nil {
		return 0, "", err
	}
	again = leaf * maxPlans
	s.missAfter(tx)
	_, err = tx.Exec(ctx, `INSERT INTO results_deliveries (seq, message, partner, route, state, lanes, changed_at, again)
		VALUES ($1, $2, $3, $4, 0, $5, $6, 1)`, again, message, d.partner, d.route, lanes, now)
	return again, d.partner, err
}

// follows is what this partner has of the same orders since.
type follows struct {
	seqs    []int64 // accepted deliveries, in the order of the results
	partner string
	orders  [][]byte // lanes of the orders
	upTo    int64    // the greatest delivery that was looked at
}

// following finds what follows a delivery. Of results that are still on their way
// none may follow: they would arrive before it.
func (s *Service) following(ctx context.Context, seq int64) (follows, error) {
	var f follows
	var message int64
	var id, sealed []byte
	err := s.db.QueryRow(ctx, `SELECT d.partner, d.message, m.id, m.body FROM results_deliveries d JOIN results_messages m ON m.leaf = d.message WHERE d.seq = $1`, seq).
		Scan(&f.partner, &message, &id, &sealed)
	if errors.Is(err, store.ErrNoRows) || err == nil && sealed == nil {
		return f, nil // resend says what is wrong
	}
	if err != nil {
		return f, fmt.Errorf("read delivery: %w", err)
	}
	mid, err := event.IDFromBytes(id)
	if err != nil {
		return f, err
	}
	_, body, err := s.seal.open("results_messages", mid, sealed)
	if err != nil {
		return f, err
	}
	keys, err := s.orderKeys(&f, body)
	if err != nil || len(keys) == 0 {
		return f, err
	}
	if err := s.db.QueryRow(ctx, "SELECT COALESCE(max(seq), 0) FROM results_deliveries").Scan(&f.upTo); err != nil {
		return f, fmt.Errorf("read deliveries: %w", err)
	}
	at, err := s.indexed(ctx, s.db)
	if err != nil {
		return f, err
	}
	later, err := f.notIndexed(ctx, s.db, max(at, message))
	if err != nil {
		return f, err
	}
	for _, k := range keys {
		leaves, err := s.find(ctx, [][]searchKey{k})
		if err != nil {
			return f, err
		}
		for _, leaf := range leaves {
			if leaf > message {
				later = append(later, leaf)
			}
		}
	}
	slices.Sort(later)
	return f, f.accepted(ctx, s.db, slices.Compact(later))
}

// orderKeys are what the filler and placer numbers of a message are found by, a
// list for each.
func (s *Service) orderKeys(f *follows, body []byte) ([][]searchKey, error) {
	head, err := hl7.ReadHeader(body)
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	var k hl7.Keys
	if err := hl7.ReadKeys(body, &head, &k); err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	var out [][]searchKey
	for _, id := range slices.Concat(k.Fillers, k.Placers) {
		number, _, _ := bytes.Cut(id, []byte{hl7.KeySep})
		out = append(out, everyIndex(s.vault)(domainOrder, number))
		for _, x := range s.vault.IndexVersions(domainOrder, number) {
			f.orders = append(f.orders, bytes.Clone(x[:8]))
		}
	}
	return out, nil
}

// notIndexed are the results behind a leaf that the search index does not know yet.
func (f *follows) notIndexed(ctx context.Context, q store.Queryer, leaf int64) (out []int64, err error) {
	// A delivery's number is behind its message's: the range keeps this from reading history.
	err = q.Query(ctx, "SELECT message, lanes FROM results_deliveries WHERE seq > $1 AND seq <= $2 AND partner = $3 AND message > $4", []any{leaf * maxPlans, f.upTo, f.partner, leaf}, func(row store.Scanner) error {
		var message int64
		var lanes []byte
		if err := row.Scan(&message, &lanes); err != nil {
			return err
		}
		if f.same(lanes) {
			out = append(out, message)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	return out, nil
}

// same reports whether a delivery with these lanes is of one of the orders.
func (f *follows) same(lanes []byte) bool {
	for _, x := range f.orders {
		if len(x) == 8 && binary.BigEndian.Uint64(x) != 0 && hasLane(lanes, x) {
			return true
		}
	}
	return false
}

// accepted keeps what the partner has accepted of these results.
func (f *follows) accepted(ctx context.Context, q store.Queryer, messages []int64) error {
	for _, m := range messages {
		var seq, state int64
		err := q.QueryRow(ctx, "SELECT seq, state FROM results_deliveries WHERE message = $1 AND partner = $2 ORDER BY seq DESC LIMIT 1", m, f.partner).Scan(&seq, &state)
		switch {
		case errors.Is(err, store.ErrNoRows):
		case err != nil:
			return fmt.Errorf("read deliveries: %w", err)
		case State(state) < Done:
			return fmt.Errorf("a later result of the same order (delivery %d) is %s: let it arrive or refuse it first, or it would be replaced by the older one: %w", seq, State(state), ErrConflict)
		case State(state) == Done:
			f.seqs = append(f.seqs, seq)
		}
	}
	if len(f.seqs) > maxFollowing {
		return fmt.Errorf("%d later results of the same orders would have to be sent again behind it: send the latest, delivery %d, again: %w", len(f.seqs), f.seqs[len(f.seqs)-1], ErrConflict)
	}
	return nil
}

// still reports a conflict if something of the same orders came in the meantime.
func (f *follows) still(ctx context.Context, tx *store.Tx) error {
	if len(f.orders) == 0 {
		return nil
	}
	came := false
	err := tx.Query(ctx, "SELECT lanes FROM results_deliveries WHERE seq > $1 AND partner = $2", []any{f.upTo, f.partner}, func(row store.Scanner) error {
		var lanes []byte
		if err := row.Scan(&lanes); err != nil {
			return err
		}
		came = came || f.same(lanes)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read deliveries: %w", err)
	}
	if came {
		return fmt.Errorf("a result of the same order came just now; look, and try again: %w", ErrConflict)
	}
	return nil
}
