package portal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// sendAgain has a new delivery of a result made that a practice did not get. Where
// that cannot be (it is on its way already, or is kept no longer) the telling stands
// and the laboratory reads on it that nothing has come.
func (s *Service) sendAgain(ctx context.Context, p *Person, x *Item) bool {
	err := s.Results.Again(ctx, x.Delivery, "portal-"+p.Account)
	if err != nil {
		s.Log.Warn("a result that a practice did not get is not sent again; the laboratory must look", "partner", x.Partner, "delivery", x.Delivery, "error", err)
	}
	return err == nil
}

// asked says whether a result was said to be missing and the laboratory has not answered:
// pressed again, nothing more is sent.
func (s *Service) asked(ctx context.Context, q store.Queryer, x *Item) (bool, error) {
	var n int64
	err := q.QueryRow(ctx, `SELECT count(*) FROM partners_portal_asks a JOIN partners_portal_items i ON i.id = a.item
		WHERE a.kind = $1 AND a.done_at = 0 AND i.partner = $2 AND i.message = $3`, Missing, x.Partner, x.Message[:]).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look for an earlier telling: %w", err)
	}
	return n > 0, nil
}

// standsFor takes older copies of the same message from what is new: the newest stands
// for them. Only one that everybody sees who saw those does.
func (s *Service) standsFor(ctx context.Context, tx *store.Tx, id event.ID, p *Parcel) error {
	var older [][]byte
	err := tx.Query(ctx, "SELECT id FROM partners_portal_items WHERE message = $1 AND partner = $2 AND delivery < $3 AND fresh = 1 AND id <> $4",
		[]any{p.Message[:], p.Partner, p.Delivery, id[:]}, func(row store.Scanner) error {
			var x []byte
			err := row.Scan(&x)
			older = append(older, x)
			return err
		})
	for _, x := range older {
		if err == nil {
			_, err = s.tags.Exec(ctx, tx, taggedItems, x, "UPDATE partners_portal_items SET fresh = 0 WHERE id = $1", x)
		}
	}
	return err
}

// sentSince is what the practice can see that was placed after it told that it did not
// get it: how many, and when the first. Of a period these are copies of what was there,
// and what had come in by then and was not there at all.
func (s *Service) sentSince(ctx context.Context, q store.Queryer, t *Told) (n int, first time.Time, err error) {
	sql := `SELECT count(*), COALESCE(min(i.placed_at), 0) FROM partners_portal_items i WHERE i.partner = $1 AND i.placed_at >= $2 AND ` + shownWhere
	args := []any{t.Partner, micro(t.At)}
	if t.Item != (event.ID{}) {
		sql += " AND i.message = (SELECT o.message FROM partners_portal_items o WHERE o.id = $3) AND i.delivery > (SELECT o.delivery FROM partners_portal_items o WHERE o.id = $3)"
		args = append(args, t.Item[:])
	} else {
		until := t.Until
		if t.At.Before(until) {
			until = t.At
		}
		sql += ` AND (i.message >= $3 AND i.message < $4 OR EXISTS (SELECT 1 FROM partners_portal_items o
			WHERE o.message = i.message AND o.partner = i.partner AND o.delivery < i.delivery AND o.placed_at >= $5 AND o.placed_at < $6))`
		args = append(args, firstID(t.From), firstID(until), micro(t.From), micro(t.Until))
	}
	var count, at int64
	if err := q.QueryRow(ctx, sql, args...).Scan(&count, &at); err != nil {
		return 0, time.Time{}, fmt.Errorf("look what was sent since: %w", err)
	}
	return int(count), moment(at), nil
}

// firstID is before every id that is made at a time or later (RFC 9562 5.7: the first 48
// bits are milliseconds).
func firstID(at time.Time) []byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(max(at.UnixMilli(), 0))<<16)
	return b[:]
}

// OnItsWay says whether another copy of what was not got is being sent.
func (s *Service) OnItsWay(ctx context.Context, t *Told) (bool, error) {
	if t.Item == (event.ID{}) || !t.Done.IsZero() || t.Sent > 0 {
		return false, nil
	}
	is, err := s.Results.OnItsWay(ctx, t.Message, t.Partner)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return is, err
}
