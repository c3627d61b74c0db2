package results

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindCounted is the fact that a partner's own list was compared.
const KindCounted = "partner.counted"

// maxListed bounds a partner's list of one day.
const maxListed = 200_000

// Way is how it is known what a partner has.
type Way string

// Ways.
const (
	ByList   Way = "list"   // a list of its own names it
	ByPickup Way = "pickup" // it was picked up from where it was placed
	BySearch Way = "search" // its server was asked for it
)

// Counted is what a partner has, held against what was delivered to it.
type Counted struct {
	ID      event.ID
	Partner string
	// Day is the last day of the time, in the hub's zone.
	Day string
	Way Way
	// Since and Until bound when what was counted had been delivered; zero for a
	// list of one day from before ways were kept.
	Since, Until time.Time
	AddedAt      time.Time
	AddedBy      string
	Listed       int64
	// Matched: delivered by us and found there; they have these. Missing: delivered
	// by us and not found. Extra: on their list and not delivered by us in that time.
	Matched, Missing, Extra int64
	// MissingDeliveries are ours, up to 1000; ExtraIDs are as the list has them,
	// up to 1000, and are kept sealed: they are only in the answer to AddCount.
	MissingDeliveries []int64
	ExtraIDs          []string
}

// Machine says that no person asked for the count.
func (c *Counted) Machine() bool { return c.AddedBy == itself("").Person }

// Counting is what is to be counted. Of what was delivered in [Since, Until)
// each must be there; what was delivered later may be.
type Counting struct {
	Partner      string
	Since, Until time.Time
	Zone         *time.Location
	Way          Way
	List         []byte // for ByList
	// Has asks, for BySearch, whether the partner has what was sent. An error ends
	// the count without a word: what was not asked is not missing.
	Has func(ctx context.Context, sent []byte) (bool, error)
}

// Nightly is who counts when nobody asked.
func Nightly() Named { return itself("nightly") }

// AddCount compares a partner's own list of what it has of a day with what was
// delivered to it on that day in zone: one thing a line, see Count. Only what is
// on such a list is said to be there (SAFETY.md 17).
func (s *Service) AddCount(ctx context.Context, partner, day string, zone *time.Location, list []byte, by Named) (Counted, error) {
	begin, err := time.ParseInLocation(time.DateOnly, day, zone)
	if err != nil {
		return Counted{}, fmt.Errorf("%w: write the day like 2026-05-04", ErrInvalid)
	}
	return s.Count(ctx, Counting{Partner: partner, Since: begin, Until: begin.AddDate(0, 0, 1), Zone: zone, Way: ByList, List: list}, by)
}

// Count holds what a partner has against what was delivered to it, and writes
// down what came of it. Nothing is sent again by it.
//
// A list names a message by its control id (MSH-10), by all its filler numbers
// or by the SHA-256 of what was sent, in hex, each as often as the partner has
// it.
func (s *Service) Count(ctx context.Context, q Counting, by Named) (Counted, error) {
	c := Counted{
		ID: event.NewID(), Partner: q.Partner, Day: q.Until.Add(-time.Microsecond).In(q.Zone).Format(time.DateOnly), Way: q.Way,
		Since: q.Since.UTC(), Until: q.Until.UTC(), AddedAt: s.now().UTC(), AddedBy: by.Person,
	}
	if err := by.check(); err != nil {
		return c, err
	}
	if s.settings.Load().Partners[q.Partner] == nil {
		return c, fmt.Errorf("partner %s: %w", q.Partner, ErrNotFound)
	}
	var found []int64
	tell := func(seq int64, has bool) {
		switch {
		case has:
			c.Matched++
			found = append(found, seq)
		default:
			c.Missing++
			if len(c.MissingDeliveries) < 1000 {
				c.MissingDeliveries = append(c.MissingDeliveries, seq)
			}
		}
	}
	var err error
	switch q.Way {
	case ByPickup:
		err = s.countPickups(ctx, &q, tell)
	case BySearch:
		err = s.countSearched(ctx, &q, tell)
	default:
		err = s.countListed(ctx, &q, &c, tell)
	}
	if err != nil {
		return c, err
	}
	if q.Way == ByPickup {
		found = nil // the pick-up itself says so
	}
	return c, s.writeCount(ctx, &c, found, by)
}

func (s *Service) writeCount(ctx context.Context, c *Counted, found []int64, by Named) error {
	salt, err := s.seal.newSalt()
	if err != nil {
		return err
	}
	at := c.AddedAt.UnixMicro()
	ev := ledger.Event{
		Kind: KindCounted, At: at,
		IDs:   append(ledger.Pairs{{K: "count", V: c.ID.String()}, {K: "partner", V: ledger.Code(c.Partner)}}, by.ids()...),
		Codes: ledger.Pairs{{K: "day", V: c.Day}, {K: "way", V: string(c.Way)}, {K: "reason", V: ledger.Code(by.Reason)}},
		Numbers: []ledger.Number{
			{K: "listed", N: c.Listed},
			{K: "matched", N: c.Matched},
			{K: "missing", N: c.Missing},
			{K: "extra", N: c.Extra},
		},
	}
	plain, err := jsonOf(struct {
		Missing []int64  `json:"missing"`
		Extra   []string `json:"extra"`
	}{c.MissingDeliveries, c.ExtraIDs})
	if err != nil {
		return err
	}
	sealed, err := s.seal.seal("results_counts", c.ID, salt, plain)
	if err != nil {
		return err
	}
	commit, err := ledger.Commit(salt, ev.Kind, ev.IDs, hash(plain))
	if err != nil {
		return fmt.Errorf("bind the count: %w", err)
	}
	ev.Commit = &commit
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := bus.Publish(ctx, tx, ev); err != nil {
			return err
		}
		_, err := s.tags.Exec(ctx, tx, taggedCounts, c.ID[:], `INSERT INTO results_counts (id, partner, day, added_at, added_by, added_account, listed, matched, missing, extra, body)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			c.ID[:], c.Partner, c.Day, at, by.Person, by.Who, c.Listed, c.Matched, c.Missing, c.Extra, sealed)
		if err != nil {
			return err
		}
		_, err = s.tags.Exec(ctx, tx, taggedCountWays, c.ID[:], "INSERT INTO results_count_ways (id, way, since, until) VALUES ($1, $2, $3, $4)",
			c.ID[:], string(c.Way), c.Since.UnixMicro(), c.Until.UnixMicro())
		return err
	})
	if err != nil {
		return fmt.Errorf("write count: %w", err)
	}
	s.lately.forget()
	// In parts: a whole day does not fit one transaction's time. A crash between
	// leaves some unsaid; the same list given again says them.
	for len(found) > 0 {
		some := found[:min(len(found), 200)]
		found = found[len(some):]
		err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			for _, seq := range some {
				_, err := s.tags.Exec(ctx, tx, taggedFound, seq, "INSERT INTO results_found (seq, count_id, at) VALUES ($1, $2, $3) ON CONFLICT (seq) DO NOTHING", seq, c.ID[:], at)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("write what the partner has: %w", err)
		}
	}
	return nil
}
