package results

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// The kinds of facts about people and comparisons.
const (
	KindExplained     = "route.difference_explained"
	KindCompareViewed = "route.comparison_viewed"
)

// GapLine is a place that differs, without values.
type GapLine struct {
	Class     string `json:"class"`
	Path      string `json:"path"`
	Kind      string `json:"kind"`
	Explained bool   `json:"explained"`
}

// Comparison is one message of both paths. It holds no patient data.
type Comparison struct {
	ID          string    `json:"id"`
	Route       string    `json:"route"`
	Partner     string    `json:"partner"`
	Delivery    int64     `json:"delivery,omitempty"` // ours; 0 where the old path was alone
	BeganAt     time.Time `json:"began_at"`
	ComparedAt  time.Time `json:"compared_at,omitzero"`
	Outcome     string    `json:"outcome"`
	Unexplained int64     `json:"unexplained"`
	Differences []GapLine `json:"differences"`
}

const compareColumns = "SELECT id, route, partner, COALESCE(delivery, 0), began_at, COALESCE(compared_at, 0), state, unexplained FROM results_compares "

// Comparisons lists a route's comparisons that differ (all: every one), newest
// first, at most limit.
func (s *Service) Comparisons(ctx context.Context, route string, all bool, limit int) ([]Comparison, error) {
	if _, ok := s.settings.Load().route(route); !ok {
		return nil, noRoute(route)
	}
	where := "WHERE route = $1 AND unexplained > 0 "
	if all {
		where = "WHERE route = $1 "
	}
	out := []Comparison{}
	err := s.db.Query(ctx, compareColumns+where+"ORDER BY id DESC LIMIT $2", []any{route, limit}, func(r store.Scanner) error {
		c, err := scanComparison(r)
		out = append(out, c)
		return err
	})
	for i := range out {
		if err == nil {
			err = s.gapLines(ctx, &out[i])
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list comparisons: %w", err)
	}
	return out, nil
}

// Comparison is one of a route's comparisons; ErrNotFound where there is none.
func (s *Service) Comparison(ctx context.Context, route string, id event.ID) (Comparison, error) {
	c, err := scanComparison(s.db.QueryRow(ctx, compareColumns+"WHERE id = $1 AND route = $2", id[:], route))
	if errors.Is(err, store.ErrNoRows) {
		return c, fmt.Errorf("comparison %s: %w", id, ErrNotFound)
	}
	if err == nil {
		err = s.gapLines(ctx, &c)
	}
	if err != nil {
		return c, fmt.Errorf("read comparison: %w", err)
	}
	return c, nil
}

func scanComparison(r store.Scanner) (c Comparison, err error) {
	var raw []byte
	var began, compared, state int64
	if err := r.Scan(&raw, &c.Route, &c.Partner, &c.Delivery, &began, &compared, &state, &c.Unexplained); err != nil {
		return c, err
	}
	id, err := event.IDFromBytes(raw)
	c.ID, c.BeganAt, c.Outcome, c.Differences = id.String(), time.UnixMicro(began).UTC(), compareWords[state], []GapLine{}
	if compared > 0 {
		c.ComparedAt = time.UnixMicro(compared).UTC()
	}
	return c, err
}

func (s *Service) gapLines(ctx context.Context, c *Comparison) error {
	id, err := event.ParseID(c.ID)
	if err != nil {
		return err
	}
	return s.db.Query(ctx, "SELECT class, path, kind, explained FROM results_gaps WHERE compare = $1 ORDER BY n", []any{id[:]}, func(r store.Scanner) error {
		var g GapLine
		var class int64
		var by []byte
		err := r.Scan(&class, &g.Path, &g.Kind, &by)
		g.Class, g.Explained = Class(class).String(), by != nil
		c.Differences = append(c.Differences, g)
		return err
	})
}

// GapKind sums the differences of one kind that nobody has explained.
type GapKind struct {
	Class    string `json:"class"`
	Kind     string `json:"kind"`
	Messages int64  `json:"messages"`
}

// GapKinds sums a route's unexplained differences, the most frequent first.
func (s *Service) GapKinds(ctx context.Context, route string) ([]GapKind, error) {
	out := []GapKind{}
	err := s.db.Query(ctx, `SELECT g.class, g.kind, count(DISTINCT g.compare) FROM results_gaps g JOIN results_compares c ON c.id = g.compare
		WHERE c.route = $1 AND c.unexplained > 0 AND g.explained IS NULL GROUP BY g.class, g.kind ORDER BY 3 DESC, 2, 1`, []any{route}, func(r store.Scanner) error {
		var k GapKind
		var class int64
		err := r.Scan(&class, &k.Kind, &k.Messages)
		k.Class = Class(class).String()
		out = append(out, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sum differences: %w", err)
	}
	return out, nil
}

// ViewComparison gives one comparison with its values: patient data. It records
// who looked and why, and fails closed: without the record there are no values.
// They are gone (ErrErased) once the time to keep them is over; a message that
// only one path delivered has none.
func (s *Service) ViewComparison(ctx context.Context, id event.ID, by By) (Comparison, []Gap, error) {
	if err := by.check(); err != nil {
		return Comparison{}, nil, err
	}
	if err := s.mayShow(); err != nil {
		return Comparison{}, nil, err
	}
	c, err := scanComparison(s.db.QueryRow(ctx, compareColumns+"WHERE id = $1", id[:]))
	if errors.Is(err, store.ErrNoRows) {
		return c, nil, fmt.Errorf("comparison %s: %w", id, ErrNotFound)
	}
	if err == nil {
		err = s.gapLines(ctx, &c)
	}
	if err != nil {
		return c, nil, fmt.Errorf("read comparison: %w", err)
	}
	var sealed []byte
	if err := s.db.QueryRow(ctx, "SELECT detail FROM results_compares WHERE id = $1", id[:]).Scan(&sealed); err != nil {
		return c, nil, fmt.Errorf("read comparison: %w", err)
	}
	if sealed == nil {
		if len(c.Differences) == 0 || c.Differences[0].Kind == WholeMessage {
			return c, nil, nil
		}
		return c, nil, fmt.Errorf("the values of comparison %s: %w", id, ErrErased)
	}
	packed, err := s.vault.Unseal(bodies, compareWhere(id[:]), nil, sealed)
	if err != nil {
		return c, nil, fmt.Errorf("open comparison %s: %w", id, err)
	}
	if len(packed) == 0 {
		return c, nil, fmt.Errorf("open comparison %s: %w", id, errUnsealed)
	}
	plain, err := unpack(packed)
	if err != nil {
		return c, nil, fmt.Errorf("unpack comparison %s: %w", id, err)
	}
	var gaps []Gap
	if err := json.Unmarshal(plain, &gaps); err != nil {
		return c, nil, fmt.Errorf("read comparison %s: %w", id, errUnsealed)
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := bus.Publish(ctx, tx, ledger.Event{
			Kind: KindCompareViewed, At: s.now().UnixMicro(),
			IDs:   append(ledger.Pairs{{K: "comparison", V: id.String()}}, by.ids()...),
			Codes: ledger.Pairs{{K: "reason", V: ledger.Code(by.Reason)}},
		})
		return err
	})
	if err != nil {
		return Comparison{}, nil, fmt.Errorf("record the look at %s: %w", id, err)
	}
	return c, gaps, nil
}

// Explain records why differences are as they should be: those of a class and
// kind (OBX-5) of one route's partner, now and from now on; or, for a message
// that only one path delivered, that one comparison. It returns how many
// messages it covered.
func (s *Service) Explain(ctx context.Context, route string, class Class, kind string, only *event.ID, by By) (int64, error) {
	if err := by.check(); err != nil {
		return 0, err
	}
	r, ok := s.settings.Load().route(route)
	if !ok || len(r.To) != 1 {
		return 0, noRoute(route)
	}
	partner := r.To[0]
	if (kind == WholeMessage) != (only != nil) {
		return 0, fmt.Errorf("%w: a message that only one path delivered is explained one at a time, by the id of its comparison; a field or segment by its kind", ErrInvalid)
	}
	rule, now := event.NewID(), s.now()
	e := ledger.Event{
		Kind: KindExplained, At: now.UnixMicro(),
		IDs:   append(ledger.Pairs{{K: "explanation", V: rule.String()}, {K: "partner", V: partner}}, by.ids()...),
		Codes: ledger.Pairs{{K: "class", V: class.String()}, {K: "kind", V: ledger.Code(kind)}, {K: "reason", V: ledger.Code(by.Reason)}},
	}
	var one []byte
	if only != nil {
		one = only[:]
		e.IDs = append(e.IDs, ledger.Pair{K: "comparison", V: only.String()})
	}
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var n int64
		err := tx.QueryRow(ctx, `SELECT count(*) FROM results_gaps g JOIN results_compares c ON c.id = g.compare
			WHERE c.partner = $1 AND c.route = $2 AND g.class = $3 AND g.kind = $4 AND g.explained IS NULL AND (c.id = $5 OR $6 = 1)`,
			partner, route, int64(class), kind, one, flag(only == nil)).Scan(&n)
		if err != nil {
			return fmt.Errorf("look for the difference: %w", err)
		}
		if n == 0 {
			return fmt.Errorf("no unexplained difference %s of class %s on route %s: %w", kind, class, route, ErrNotFound)
		}
		_, err = s.tags.Exec(ctx, tx, taggedExplanations, rule[:], `INSERT INTO results_explanations (id, partner, class, kind, compare, who, reason, at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`, rule[:], partner, int64(class), kind, one, by.Who, by.Reason, now.UnixMicro())
		if err != nil {
			return fmt.Errorf("write explanation: %w", err)
		}
		_, err = bus.Publish(ctx, tx, e)
		return err
	})
	if err != nil {
		return 0, err
	}
	return s.coverGaps(ctx, rule, partner, class, kind, one)
}

// cover marks what the explanation is about, some at a time: a kind may stand
// in a hundred thousand messages.
func (s *Service) coverGaps(ctx context.Context, rule event.ID, partner string, class Class, kind string, only []byte) (int64, error) {
	total := int64(0)
	for {
		var ids [][]byte
		err := s.db.Query(ctx, `SELECT DISTINCT c.id FROM results_gaps g JOIN results_compares c ON c.id = g.compare
			WHERE c.partner = $1 AND g.class = $2 AND g.kind = $3 AND g.explained IS NULL AND (c.id = $4 OR $5 = 1) LIMIT 50`,
			[]any{partner, int64(class), kind, only, flag(only == nil)}, func(r store.Scanner) error {
				var id []byte
				err := r.Scan(&id)
				ids = append(ids, id)
				return err
			})
		if err != nil {
			return total, fmt.Errorf("find what is explained: %w", err)
		}
		if len(ids) == 0 {
			return total, nil
		}
		err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			for _, id := range ids {
				if _, err := s.tags.Exec(ctx, tx, taggedGaps, id, "UPDATE results_gaps SET explained = $1 WHERE compare = $2 AND class = $3 AND kind = $4 AND explained IS NULL",
					rule[:], id, int64(class), kind); err != nil {
					return err
				}
				if _, err := s.tags.Exec(ctx, tx, taggedCompares, id, `UPDATE results_compares SET unexplained =
					(SELECT count(*) FROM results_gaps g WHERE g.compare = results_compares.id AND g.explained IS NULL) WHERE id = $1`, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return total, fmt.Errorf("mark what is explained: %w", err)
		}
		total += int64(len(ids))
	}
}
