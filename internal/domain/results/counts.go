package results

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindCounted is the fact that a partner's own list was compared.
const KindCounted = "partner.counted"

// maxListed bounds a partner's list of one day.
const maxListed = 200_000

// Counted is a partner's list held against what was delivered to it on a day.
type Counted struct {
	ID      event.ID
	Partner string
	Day     string
	AddedAt time.Time
	AddedBy string
	Listed  int64
	// Matched: delivered by us and on their list; they have these. Missing:
	// delivered by us and not on it. Extra: on it and not delivered by us that day.
	Matched, Missing, Extra int64
	// MissingDeliveries are ours, up to 1000; ExtraIDs are as the list has them,
	// up to 1000, and are kept sealed: they are only in the answer to AddCount.
	MissingDeliveries []int64
	ExtraIDs          []string
}

// AddCount compares a partner's own list of the message control ids (MSH-10) it
// has of a day, one a line, with what was delivered to it on that day in zone.
// A control id that came twice must be listed twice. Only what is on such a list
// is said to be there (SAFETY.md 17).
func (s *Service) AddCount(ctx context.Context, partner, day string, zone *time.Location, list []byte, by Named) (Counted, error) {
	c := Counted{ID: event.NewID(), Partner: partner, Day: day, AddedAt: s.now().UTC(), AddedBy: by.Person}
	if err := by.check(); err != nil {
		return c, err
	}
	begin, err := time.ParseInLocation(time.DateOnly, day, zone)
	if err != nil {
		return c, fmt.Errorf("%w: write the day like 2026-05-04", ErrInvalid)
	}
	if s.settings.Load().Partners[partner] == nil {
		return c, fmt.Errorf("partner %s: %w", partner, ErrNotFound)
	}
	theirs := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(list))
	for lines.Scan() {
		id := strings.TrimSpace(lines.Text())
		if id == "" {
			continue
		}
		if c.Listed++; c.Listed > maxListed {
			return c, fmt.Errorf("%w: the list has more than %d lines", ErrInvalid, maxListed)
		}
		theirs[id]++
	}
	if err := lines.Err(); err != nil {
		return c, fmt.Errorf("%w: the list has a line that is too long", ErrInvalid)
	}
	var found []int64
	err = s.deliveredOn(ctx, partner, begin, begin.AddDate(0, 0, 1), func(seq int64, control string) {
		if theirs[control] > 0 {
			theirs[control]--
			c.Matched++
			found = append(found, seq)
			return
		}
		c.Missing++
		if len(c.MissingDeliveries) < 1000 {
			c.MissingDeliveries = append(c.MissingDeliveries, seq)
		}
	})
	if err != nil {
		return c, err
	}
	for id, n := range theirs {
		c.Extra += int64(n)
		if n > 0 && len(c.ExtraIDs) < 1000 {
			c.ExtraIDs = append(c.ExtraIDs, id)
		}
	}
	return c, s.writeCount(ctx, &c, found, by)
}

// deliveredOn gives each delivery completed in a time with the control id under
// which it went.
func (s *Service) deliveredOn(ctx context.Context, partner string, from, to time.Time, each func(seq int64, control string)) error {
	type row struct {
		seq        int64
		id, sealed []byte
	}
	for last := int64(-1); ; {
		var some []row
		err := s.db.Query(ctx, `SELECT d.seq, m.id, m.body FROM results_deliveries d JOIN results_messages m ON m.leaf = d.message
			WHERE d.seq > $1 AND d.partner = $2 AND d.state = 3 AND d.changed_at >= $3 AND d.changed_at < $4 ORDER BY d.seq LIMIT 200`,
			[]any{last, partner, from.UnixMicro(), to.UnixMicro()}, func(r store.Scanner) error {
				var x row
				err := r.Scan(&x.seq, &x.id, &x.sealed)
				some = append(some, x)
				return err
			})
		if err != nil {
			return fmt.Errorf("read what was delivered: %w", err)
		}
		for _, x := range some {
			last = x.seq
			id, err := event.IDFromBytes(x.id)
			if err != nil {
				return err
			}
			_, body, err := s.seal.open("results_messages", id, x.sealed)
			switch {
			case errors.Is(err, ErrErased):
				each(x.seq, "") // it cannot be matched any more: it counts as missing
				continue
			case err != nil:
				return err
			}
			head, err := hl7.ReadHeader(body)
			if err != nil {
				return fmt.Errorf("read message %s: %w", id, err)
			}
			each(x.seq, string(head.ControlID))
		}
		if len(some) < 200 {
			return nil
		}
	}
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
		Codes: ledger.Pairs{{K: "day", V: c.Day}, {K: "reason", V: ledger.Code(by.Reason)}},
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

// PartnerCounts lists the comparisons, newest first.
func (s *Service) PartnerCounts(ctx context.Context, partner string, limit int) ([]Counted, error) {
	var out []Counted
	err := s.db.Query(ctx, `SELECT id, partner, day, added_at, added_by, listed, matched, missing, extra FROM results_counts
		WHERE $1 = '' OR partner = $1 ORDER BY added_at DESC LIMIT $2`, []any{partner, int64(limit)}, func(row store.Scanner) error {
		var c Counted
		var id []byte
		var at int64
		if err := row.Scan(&id, &c.Partner, &c.Day, &at, &c.AddedBy, &c.Listed, &c.Matched, &c.Missing, &c.Extra); err != nil {
			return err
		}
		var err error
		c.ID, err = event.IDFromBytes(id)
		c.AddedAt = time.UnixMicro(at).UTC()
		out = append(out, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list counts: %w", err)
	}
	return out, nil
}

// NotCountable are the partners that never gave a list: whether they have a
// result cannot be said.
func (s *Service) NotCountable(ctx context.Context) ([]string, error) {
	gave := map[string]bool{}
	err := s.db.Query(ctx, "SELECT DISTINCT partner FROM results_counts", nil, func(row store.Scanner) error {
		var p string
		err := row.Scan(&p)
		gave[p] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list who gives lists: %w", err)
	}
	out := []string{}
	for _, p := range slices.Sorted(maps.Keys(s.settings.Load().Partners)) {
		if !gave[p] {
			out = append(out, p)
		}
	}
	return out, nil
}
