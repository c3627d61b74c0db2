package results

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// KindCompared is the fact of one comparison: which message, how it came out
// and how many differences, never what they are.
const KindCompared = "route.compared"

// The states of a comparison. They are stored.
const (
	stateWaits      = 0
	stateEqual      = 1
	stateDiffers    = 2
	stateOnlyOurs   = 3
	stateOnlyTheirs = 4
	stateNeither    = 5
)

var compareWords = [...]string{"waits", "equal", "differs", "only_ours", "only_theirs", "neither"}

func compareWhere(id []byte) vault.Where {
	return vault.Where{Table: "results_compares", Column: "detail", Row: id}
}

// compareRow is what concluding needs of a row.
type compareRow struct {
	route, partner string
	delivery       *int64
}

// together compares one of ours with its counterpart.
func (c *comparer) together(ctx context.Context, p pair) error {
	var row compareRow
	err := c.s.db.QueryRow(ctx, "SELECT route, partner, delivery FROM results_compares WHERE id = $1", p.compare).Scan(&row.route, &row.partner, &row.delivery)
	if err != nil {
		return fmt.Errorf("read comparison: %w", err)
	}
	r, ok := c.route(row.route)
	if !ok || row.delivery == nil { // the route has another name now: nothing to hold it against
		return c.conclude(ctx, p.compare, p.copy, stateNeither, nil)
	}
	theirs, err := c.body(ctx, "results_copies", "SELECT id, body FROM results_copies WHERE id = $1", p.copy)
	if errors.Is(err, errIncomparable) {
		return c.incomparable(ctx, p, err)
	}
	if err != nil {
		return err
	}
	body, err := c.body(ctx, "results_messages", "SELECT id, body FROM results_messages WHERE leaf = $1", *row.delivery/maxPlans)
	if errors.Is(err, ErrErased) {
		return c.conclude(ctx, p.compare, p.copy, stateNeither, nil)
	}
	if errors.Is(err, errIncomparable) {
		return c.incomparable(ctx, p, err)
	}
	if err != nil {
		return err
	}
	sent, held := c.ours(r, body)
	if held {
		return c.conclude(ctx, p.compare, p.copy, stateDiffers, []Gap{{Class: OnlyTheirs, Path: WholeMessage, Kind: WholeMessage}})
	}
	a, err := hl7.Parse(sent)
	if err != nil {
		return c.incomparable(ctx, p, fmt.Errorf("%w: what we deliver cannot be read: %w", errIncomparable, err))
	}
	b, err := hl7.Parse(theirs)
	if err != nil {
		return c.incomparable(ctx, p, fmt.Errorf("%w: the copy cannot be read: %w", errIncomparable, err))
	}
	gaps := Compare(a, b)
	state := int64(stateEqual)
	if len(gaps) > 0 {
		state = stateDiffers
	}
	return c.conclude(ctx, p.compare, p.copy, state, gaps)
}

// errIncomparable: one of the two messages cannot be had. The others go on.
var errIncomparable = errors.New("the two messages cannot be compared")

// incomparable ends a comparison that could not be made as a difference that a
// person must look at: nothing looked at is never shown as equal.
func (c *comparer) incomparable(ctx context.Context, p pair, why error) error {
	c.s.slog.Error("a message could not be compared with the old path's", "source", c.feed, "error", why)
	return c.conclude(ctx, p.compare, p.copy, stateDiffers, []Gap{{Class: Differs, Path: WholeMessage, Kind: WholeMessage}})
}

func (c *comparer) body(ctx context.Context, table, query string, key any) ([]byte, error) {
	var raw, sealed []byte
	if err := c.s.db.QueryRow(ctx, query, key).Scan(&raw, &sealed); err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	id, err := event.IDFromBytes(raw)
	if err != nil {
		return nil, err
	}
	_, body, err := c.s.seal.open(table, id, sealed)
	if err != nil && !errors.Is(err, ErrErased) && !temporary(err) {
		err = fmt.Errorf("%w: %w", errIncomparable, err)
	}
	return body, err
}

// sealGaps is what is kept of values.
func (s *Service) sealGaps(id []byte, gaps []Gap) ([]byte, error) {
	plain, err := json.Marshal(gaps)
	if err != nil {
		return nil, fmt.Errorf("write down differences: %w", err)
	}
	sealed, err := s.vault.Seal(bodies, compareWhere(id), nil, pack([]byte{packedRaw}, plain))
	if err != nil {
		return nil, fmt.Errorf("seal differences: %w", err)
	}
	return sealed, nil
}

// conclude ends a comparison with its outcome and its fact, in one transaction.
// What a person had explained before is explained from the start.
func (c *comparer) conclude(ctx context.Context, id, other []byte, state int64, gaps []Gap) error {
	var detail []byte
	var err error
	if state == stateDiffers && gaps[0].Kind != WholeMessage {
		if detail, err = c.s.sealGaps(id, gaps); err != nil {
			return err
		}
	}
	now := c.s.now()
	return c.s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var row compareRow
		var have int64
		err := tx.QueryRow(ctx, "SELECT route, partner, delivery, state FROM results_compares WHERE id = $1", id).Scan(&row.route, &row.partner, &row.delivery, &have)
		if err != nil {
			return fmt.Errorf("read comparison: %w", err)
		}
		if have != stateWaits && have != stateOnlyOurs && have != stateNeither {
			return nil // ended meanwhile
		}
		if _, err := c.s.tags.Exec(ctx, tx, taggedGaps, id, "DELETE FROM results_gaps WHERE compare = $1", id); err != nil {
			return err
		}
		open, err := c.s.writeGaps(ctx, tx, id, row.partner, gaps)
		if err != nil {
			return err
		}
		config := ""
		if r, ok := c.route(row.route); ok {
			config = r.Config
		}
		_, err = c.s.tags.Exec(ctx, tx, taggedCompares, id, `UPDATE results_compares SET state = $1, copy = $2, compared_at = $3, unexplained = $4, detail = $5, config = $6 WHERE id = $7`,
			state, other, now.UnixMicro(), open, detail, config, id)
		if err != nil {
			return fmt.Errorf("write comparison: %w", err)
		}
		if other != nil {
			// The copy has done its work; what differs stands in the sealed detail.
			if _, err := c.s.tags.Exec(ctx, tx, taggedCopies, other, "UPDATE results_copies SET state = 1, body = NULL WHERE id = $1", other); err != nil {
				return err
			}
			if err := c.s.unlone(ctx, tx, other); err != nil {
				return err
			}
		}
		return publishCompared(ctx, tx, now, id, &row, state, len(gaps), open)
	})
}

// unlone removes what was noted of a copy when it seemed to be alone.
func (s *Service) unlone(ctx context.Context, tx *store.Tx, other []byte) error {
	ids, err := rowKeys(ctx, tx, "SELECT id FROM results_compares WHERE copy = $1 AND state = 4", other)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := s.tags.Exec(ctx, tx, taggedGaps, id, "DELETE FROM results_gaps WHERE compare = $1", id); err != nil {
			return err
		}
		if _, err := s.tags.Exec(ctx, tx, taggedCompares, id, "DELETE FROM results_compares WHERE id = $1", id); err != nil {
			return err
		}
	}
	return nil
}

// alone ends a copy that nothing of ours belongs to; every route of the feed
// could have been the one to deliver it. early: the comparison had only begun.
func (c *comparer) alone(ctx context.Context, w waiting, early bool) error {
	now := c.s.now()
	return c.s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var state int64
		if err := tx.QueryRow(ctx, "SELECT state FROM results_copies WHERE id = $1", w.id).Scan(&state); err != nil || state != 0 {
			return err
		}
		if early {
			_, err := c.s.tags.Exec(ctx, tx, taggedCopies, w.id, "UPDATE results_copies SET state = 1, body = NULL WHERE id = $1", w.id)
			return err
		}
		if _, err := c.s.tags.Exec(ctx, tx, taggedCopies, w.id, "UPDATE results_copies SET state = 2 WHERE id = $1", w.id); err != nil {
			return err
		}
		for _, r := range c.routes {
			id := event.NewID()
			gaps := []Gap{{Class: OnlyTheirs, Path: WholeMessage, Kind: WholeMessage}}
			open, err := c.s.writeGaps(ctx, tx, id[:], r.To[0], gaps)
			if err != nil {
				return err
			}
			_, err = c.s.tags.Exec(ctx, tx, taggedCompares, id[:], `INSERT INTO results_compares
				(id, feed, route, partner, config, copy, moment, began_at, compared_at, day, state, held, unexplained)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 4, 0, $11)`,
				id[:], c.feed, r.Name, r.To[0], r.Config, w.id, w.moment, w.at, now.UnixMicro(), c.day(w.at), open)
			if err != nil {
				return fmt.Errorf("write comparison: %w", err)
			}
			if err := publishCompared(ctx, tx, now, id[:], &compareRow{r.Name, r.To[0], nil}, stateOnlyTheirs, 1, open); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeGaps writes the places of differences and returns how many nobody has
// explained. A whole message is never covered by a rule.
func (s *Service) writeGaps(ctx context.Context, tx *store.Tx, id []byte, partner string, gaps []Gap) (open int64, err error) {
	rules := map[string][]byte{}
	err = tx.Query(ctx, "SELECT class, kind, id FROM results_explanations WHERE partner = $1 AND compare IS NULL", []any{partner}, func(r store.Scanner) error {
		var class int64
		var kind string
		var rule []byte
		err := r.Scan(&class, &kind, &rule)
		rules[fmt.Sprint(class, kind)] = rule
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read explanations: %w", err)
	}
	return open, s.tags.Write(ctx, tx, taggedGaps, []any{id}, func() error {
		for n, g := range gaps {
			rule := rules[fmt.Sprint(int64(g.Class), g.Kind)]
			if rule == nil {
				open++
			}
			err := tx.Queue(ctx, "INSERT INTO results_gaps (compare, n, class, path, kind, explained) VALUES ($1, $2, $3, $4, $5, $6)",
				id, int64(n), int64(g.Class), g.Path, g.Kind, rule)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func publishCompared(ctx context.Context, tx *store.Tx, now time.Time, id []byte, row *compareRow, state int64, gaps int, open int64) error {
	cid, err := event.IDFromBytes(id)
	if err != nil {
		return err
	}
	e := ledger.Event{
		Kind: KindCompared, At: now.UnixMicro(),
		IDs:     ledger.Pairs{{K: "comparison", V: cid.String()}, {K: "partner", V: row.partner}, {K: "route", V: ledger.Code(row.route)}},
		Codes:   ledger.Pairs{{K: "outcome", V: compareWords[state]}},
		Numbers: []ledger.Number{{K: "differences", N: int64(gaps)}, {K: "unexplained", N: open}},
	}
	if row.delivery != nil {
		e.IDs = append(e.IDs, ledger.Pair{K: "delivery", V: fmt.Sprint(*row.delivery)})
	}
	_, err = bus.Publish(ctx, tx, e)
	return err
}

// forgetCompared takes away values that have been kept long enough.
func (s *Service) forgetCompared(ctx context.Context, now time.Time) error {
	before := now.Add(-s.settings.Load().Adoption.defaults().Keep).UnixMicro()
	for _, q := range []struct {
		d            *bus.Tagged
		find, forget string
	}{
		{
			taggedCompares, "SELECT id FROM results_compares WHERE detail IS NOT NULL AND compared_at < $1 LIMIT 100",
			"UPDATE results_compares SET detail = NULL WHERE id = $1",
		},
		{
			taggedCopies, "SELECT id FROM results_copies WHERE body IS NOT NULL AND received_at < $1 LIMIT 100",
			"UPDATE results_copies SET body = NULL, state = 1 WHERE id = $1",
		},
	} {
		for more := true; more; {
			err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
				ids, err := rowKeys(ctx, tx, q.find, before)
				for _, id := range ids {
					if _, err := s.tags.Exec(ctx, tx, q.d, id, q.forget, id); err != nil {
						return err
					}
				}
				more = len(ids) > 0
				return err
			})
			if err != nil {
				return fmt.Errorf("forget compared values: %w", err)
			}
		}
	}
	return nil
}
