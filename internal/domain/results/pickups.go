package results

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindPickedUp is the fact that a partner fetched what was placed for it.
const KindPickedUp = "result.picked_up"

// How a pick-up was noticed.
const (
	// PickupGone: the file has left the folder in which it was placed. Who took it
	// away is not seen.
	PickupGone = "gone"
	// PickupRead: the signed-in partner read the whole of it from its box.
	PickupRead = "read"
)

// Pickup is a result that waits to be picked up.
type Pickup struct {
	Seq      int64
	Name     string // see channel.Receipt.PickUp
	PlacedAt time.Time
}

// awaitPickup remembers that a completed delivery waits to be fetched, in the
// transaction that completes it. It waits for nothing.
func (s *Service) awaitPickup(ctx context.Context, tx *store.Tx, d *delivery, r *channel.Receipt) error {
	if r.PickUp == "" {
		return nil
	}
	at := r.At.UnixMicro()
	if err := tx.Queue(ctx, "INSERT INTO results_pickups (seq, partner, name, placed_at) VALUES ($1, $2, $3, $4)", d.seq, d.partner, r.PickUp, at); err != nil {
		return fmt.Errorf("remember what waits to be picked up: %w", err)
	}
	return s.tags.PutNew(ctx, tx, taggedPickups, d.seq, d.partner, r.PickUp, at, nil, "")
}

// PickedUp writes down that the partner fetched a completed delivery: seq is its
// number (the part behind the last hyphen of channel.Message.ID, see
// DeliveryOf), at when that was noticed, how one of PickupGone and PickupRead.
// From then on the journey says "Northgate picked it up".
//
// The first word counts: later ones change nothing and are no error. It need
// not have been said before that the delivery waits to be fetched. A delivery
// that is not there is ErrNotFound, one that was not completed ErrConflict.
// It does not end a phone task: that takes the director's word (SAFETY.md 10).
func (s *Service) PickedUp(ctx context.Context, seq int64, at time.Time, how string) error {
	if how != PickupGone && how != PickupRead {
		return fmt.Errorf("%w: a pick-up is noticed by %s or %s", ErrInvalid, PickupGone, PickupRead)
	}
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var partner string
		var id []byte
		var state, placed int64
		err := tx.QueryRow(ctx, `SELECT d.partner, d.state, d.changed_at, m.id FROM results_deliveries d JOIN results_messages m ON m.leaf = d.message
			WHERE d.seq = $1`, seq).Scan(&partner, &state, &placed, &id)
		switch {
		case errors.Is(err, store.ErrNoRows):
			return fmt.Errorf("delivery %d: %w", seq, ErrNotFound)
		case err != nil:
			return fmt.Errorf("read delivery: %w", err)
		case State(state) != Done:
			return fmt.Errorf("delivery %d is %s, nobody can have picked it up: %w", seq, State(state), ErrConflict)
		}
		message, err := event.IDFromBytes(id)
		if err != nil {
			return err
		}
		var n int64
		err = s.tags.Write(ctx, tx, taggedPickups, []any{seq}, func() error {
			n, err = tx.Exec(ctx, `INSERT INTO results_pickups (seq, partner, name, placed_at, picked_at, how) VALUES ($1, $2, '', $3, $4, $5)
				ON CONFLICT (seq) DO UPDATE SET picked_at = excluded.picked_at, how = excluded.how WHERE results_pickups.picked_at IS NULL`,
				seq, partner, placed, at.UnixMicro(), how)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
		_, err = bus.Publish(ctx, tx, ledger.Event{
			Kind: KindPickedUp, At: at.UnixMicro(),
			IDs:   ledger.Pairs{{K: "delivery", V: numbered(seq)}, {K: "message", V: message.String()}, {K: "partner", V: partner}},
			Codes: ledger.Pairs{{K: "how", V: how}},
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("write down a pick-up: %w", err)
	}
	return nil
}

// DeliveryOf is the delivery's number in a channel.Message.ID.
func DeliveryOf(id string) (int64, error) {
	if len(id) < 38 || id[36] != '-' {
		return 0, fmt.Errorf("%w: %q names no delivery", ErrInvalid, id)
	}
	seq, err := parseSeq(id[37:])
	if err != nil {
		return 0, fmt.Errorf("%w: %q names no delivery", ErrInvalid, id)
	}
	return seq, nil
}

// AwaitPickup lists what waits to be picked up by a partner, in the order of
// the deliveries' numbers, from the one behind after on. limit bounds it.
func (s *Service) AwaitPickup(ctx context.Context, partner string, after int64, limit int) ([]Pickup, error) {
	var out []Pickup
	err := s.db.Query(ctx, `SELECT seq, name, placed_at FROM results_pickups WHERE partner = $1 AND seq > $2 AND picked_at IS NULL ORDER BY seq LIMIT $3`,
		[]any{partner, after, int64(limit)}, func(row store.Scanner) error {
			var p Pickup
			var at int64
			err := row.Scan(&p.Seq, &p.Name, &at)
			p.PlacedAt = time.UnixMicro(at).UTC()
			out = append(out, p)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("list what waits to be picked up: %w", err)
	}
	return out, nil
}

// NotPickedUp counts what a partner has left where it was placed before a time,
// and tells since when the oldest waits. A count that has reached CountLimit
// means "at least".
func (s *Service) NotPickedUp(ctx context.Context, partner string, before time.Time) (n int64, oldest time.Time, err error) {
	var at int64
	err = s.db.QueryRow(ctx, `SELECT count(*), COALESCE(min(placed_at), 0) FROM (SELECT placed_at FROM results_pickups
		WHERE partner = $1 AND picked_at IS NULL AND placed_at < $2 ORDER BY seq LIMIT $3) AS waiting`, partner, before.UnixMicro(), int64(CountLimit)).Scan(&n, &at)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("count what was not picked up: %w", err)
	}
	if n > 0 {
		oldest = time.UnixMicro(at).UTC()
	}
	return n, oldest, nil
}
