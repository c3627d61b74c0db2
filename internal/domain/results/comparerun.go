package results

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

const (
	compareEvery = time.Second
	compareBatch = 100 // small: one item of the writer has a second
	forgetEvery  = time.Hour
)

// RunCompare compares, until ctx ends, what the routes deliver with the copies
// of what the old path delivered. One of it runs on a database at a time.
func (s *Service) RunCompare(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	s.comparing.Store(&wake)
	defer s.comparing.Store(nil)
	said, forgot := "", time.Time{}
	for {
		err := s.CompareNow(ctx)
		if now := s.now(); err == nil && now.Sub(forgot) >= forgetEvery {
			err, forgot = s.forgetCompared(ctx, now), now
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			said = ""
		case err.Error() != said:
			said = err.Error()
			s.slog.Error("the comparison with the old path cannot go on; it is tried again, results flow", "error", err)
		}
		timer := time.NewTimer(compareEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

func (s *Service) wakeCompare() {
	if w := s.comparing.Load(); w != nil {
		select {
		case *w <- struct{}{}:
		default:
		}
	}
}

// feeds are the routes of each old path that is compared, by its source.
func (set *Settings) feeds() map[string][]Route {
	out := map[string][]Route{}
	for _, r := range set.Routes {
		known := slices.ContainsFunc(out[r.OldPath], func(o Route) bool { return o.Name == r.Name })
		if r.OldPath != "" && len(r.To) == 1 && !known { // a route with several sources stands there once for each
			out[r.OldPath] = append(out[r.OldPath], r)
		}
	}
	return out
}

// CompareNow does what there is to compare at this moment.
func (s *Service) CompareNow(ctx context.Context) error {
	set := s.settings.Load()
	feeds := set.feeds()
	if err := s.dropFeeds(ctx, feeds); err != nil {
		return err
	}
	for feed, routes := range feeds {
		c := &comparer{s, set, feed, routes}
		if err := c.run(ctx); err != nil {
			return fmt.Errorf("compare with %s: %w", feed, err)
		}
	}
	return nil
}

// dropFeeds forgets the position of feeds that are compared no longer: taken up
// again, one begins with what comes then.
func (s *Service) dropFeeds(ctx context.Context, now map[string][]Route) error {
	var gone []string
	err := s.db.Query(ctx, "SELECT feed FROM results_feeds", nil, func(row store.Scanner) error {
		var f string
		err := row.Scan(&f)
		if _, ok := now[f]; !ok {
			gone = append(gone, f)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("list feeds: %w", err)
	}
	for _, f := range gone {
		err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, err := s.tags.Exec(ctx, tx, taggedFeeds, f, "DELETE FROM results_feeds WHERE feed = $1", f)
			return err
		})
		if err != nil {
			return fmt.Errorf("forget feed: %w", err)
		}
	}
	return nil
}

// comparer works on one feed.
type comparer struct {
	s      *Service
	set    *Settings
	feed   string
	routes []Route
}

func (c *comparer) route(name string) (Route, bool) {
	for _, r := range c.routes {
		if r.Name == name {
			return r, true
		}
	}
	return Route{}, false
}

func (c *comparer) run(ctx context.Context) error {
	seq, began, err := c.position(ctx)
	if err != nil {
		return err
	}
	for more := true; more; {
		if seq, more, err = c.expect(ctx, seq); err != nil {
			return err
		}
	}
	if err := c.matchControls(ctx); err != nil {
		return err
	}
	before := c.s.now().Add(-c.set.Adoption.defaults().Wait).UnixMicro()
	if err := c.giveUpOurs(ctx, before); err != nil {
		return err
	}
	return c.giveUpTheirs(ctx, before, began)
}

// position is how far the deliveries were taken; a feed that is new begins with
// what comes after this moment.
func (c *comparer) position(ctx context.Context) (seq, began int64, err error) {
	err = c.s.db.QueryRow(ctx, "SELECT seq, began_at FROM results_feeds WHERE feed = $1", c.feed).Scan(&seq, &began)
	if !errors.Is(err, store.ErrNoRows) {
		return seq, began, err
	}
	began = c.s.now().UnixMicro()
	err = c.s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT COALESCE(MAX(seq), -1) FROM results_deliveries").Scan(&seq); err != nil {
			return err
		}
		_, err := c.s.tags.Exec(ctx, tx, taggedFeeds, c.feed, "INSERT INTO results_feeds (feed, seq, began_at) VALUES ($1, $2, $3)", c.feed, seq, began)
		return err
	})
	return seq, began, err
}

// ourSide is a delivery of ours whose counterpart is to come.
type ourSide struct {
	seq, at         int64
	route, partner  string
	control, moment []byte
	held            bool
}

// expect notes new deliveries of the feed's routes.
func (c *comparer) expect(ctx context.Context, from int64) (to int64, more bool, err error) {
	type row struct {
		ourSide
		id, sealed []byte
		again      int64
	}
	var rows []row
	to = from
	err = c.s.db.Query(ctx, `SELECT d.seq, d.route, d.partner, d.again, m.received_at, m.id, m.body FROM results_deliveries d
		JOIN results_messages m ON m.leaf = d.message WHERE d.seq > $1 ORDER BY d.seq LIMIT $2`, []any{from, compareBatch},
		func(r store.Scanner) error {
			var x row
			err := r.Scan(&x.seq, &x.route, &x.partner, &x.again, &x.at, &x.id, &x.sealed)
			to = x.seq
			more = true
			if _, ours := c.route(x.route); ours && x.again == 0 {
				rows = append(rows, x)
			}
			return err
		})
	if err != nil || !more {
		return to, false, err
	}
	var out []ourSide
	for _, x := range rows {
		id, err := event.IDFromBytes(x.id)
		if err != nil {
			return from, false, err
		}
		_, body, err := c.s.seal.open("results_messages", id, x.sealed)
		if temporary(err) {
			return from, false, err
		}
		head, herr := hl7.ReadHeader(body)
		e := x.ourSide
		if err == nil && herr == nil {
			e.control, e.moment, err = c.s.matchKeys(body, &head)
		}
		if err = errors.Join(err, herr); err != nil {
			// Damaged or erased: its copy will show as delivered by the old path alone.
			c.s.slog.Error("a stored message cannot be compared with the old path's", "message", id.String(), "error", err)
			continue
		}
		r, _ := c.route(e.route)
		_, e.held = c.ours(r, body)
		out = append(out, e)
	}
	return to, true, c.s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, e := range out {
			r, _ := c.route(e.route)
			id := event.NewID()
			_, err := c.s.tags.Exec(ctx, tx, taggedCompares, id[:], `INSERT INTO results_compares
				(id, feed, route, partner, config, delivery, control, moment, began_at, day, state, held, unexplained)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, 0) ON CONFLICT (delivery) WHERE delivery IS NOT NULL DO NOTHING`,
				id[:], c.feed, e.route, e.partner, r.Config, e.seq, e.control, e.moment, e.at, c.day(e.at), flag(e.held))
			if err != nil {
				return err
			}
		}
		_, err := c.s.tags.Exec(ctx, tx, taggedFeeds, c.feed, "UPDATE results_feeds SET seq = $1 WHERE feed = $2", to, c.feed)
		return err
	})
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (c *comparer) day(at int64) int64 { return dayOf(time.UnixMicro(at).In(c.s.now().Location())) }

// ours is what the route delivers of a message. held: it would hold it instead,
// because it belongs to somebody else or cannot be transformed.
func (c *comparer) ours(r Route, body []byte) (sent []byte, held bool) {
	if r.Owner != nil {
		if reason, err := r.Owner(r.To[0], LookAt(body)); reason != "" || err != nil {
			return nil, true
		}
	}
	if r.Transform == nil {
		return body, false
	}
	sent, err := r.Transform(body)
	return sent, err != nil
}

// pair is one of ours with one of theirs.
type pair struct{ compare, copy []byte }

// matchControls brings together what has the same MSH-10, also where one of
// them had been given up: the other path was only late.
func (c *comparer) matchControls(ctx context.Context) error {
	for {
		var pairs []pair
		err := c.s.db.Query(ctx, `SELECT p.id, k.id FROM results_compares p JOIN results_copies k ON k.feed = p.feed AND k.control = p.control
			WHERE p.feed = $1 AND p.state IN (0, 3, 5) AND k.state <> 1 ORDER BY p.id, k.id LIMIT $2`, []any{c.feed, compareBatch},
			func(r store.Scanner) error {
				var x pair
				err := r.Scan(&x.compare, &x.copy)
				pairs = append(pairs, x)
				return err
			})
		if err != nil {
			return fmt.Errorf("match: %w", err)
		}
		taken := map[string]bool{}
		for _, x := range pairs {
			if taken[string(x.compare)] || taken[string(x.copy)] {
				continue
			}
			taken[string(x.compare)], taken[string(x.copy)] = true, true
			if err := c.together(ctx, x); err != nil {
				return err
			}
		}
		if len(pairs) == 0 {
			return nil
		}
	}
}

// giveUpOurs ends waiting for the old path's counterpart of what began before:
// by order number and message time, or as delivered by us alone.
func (c *comparer) giveUpOurs(ctx context.Context, before int64) error {
	for {
		var rows []waiting
		err := c.s.db.Query(ctx, `SELECT id, moment, held FROM results_compares
			WHERE feed = $1 AND state = 0 AND began_at < $2 ORDER BY began_at, id LIMIT $3`, []any{c.feed, before, compareBatch}, func(r store.Scanner) error {
			var x waiting
			err := r.Scan(&x.id, &x.moment, &x.held)
			rows = append(rows, x)
			return err
		})
		if err != nil {
			return fmt.Errorf("list what waits: %w", err)
		}
		for _, x := range rows {
			other, err := c.sameMoment(ctx, "SELECT id FROM results_copies WHERE feed = $1 AND moment = $2 AND state <> 1 ORDER BY id LIMIT 1", x.moment)
			switch {
			case err != nil:
				return err
			case other != nil:
				err = c.together(ctx, pair{x.id, other})
			case x.held != 0:
				err = c.conclude(ctx, x.id, nil, stateNeither, nil)
			default:
				err = c.conclude(ctx, x.id, nil, stateOnlyOurs, []Gap{{Class: OnlyOurs, Path: WholeMessage, Kind: WholeMessage}})
			}
			if err != nil {
				return err
			}
		}
		if len(rows) == 0 {
			return nil
		}
	}
}

type waiting struct {
	id, moment []byte
	held, at   int64
}

func (c *comparer) sameMoment(ctx context.Context, query string, moment []byte) ([]byte, error) {
	if moment == nil {
		return nil, nil
	}
	var id []byte
	err := c.s.db.QueryRow(ctx, query, c.feed, moment).Scan(&id)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	return id, err
}

// giveUpTheirs is giveUpOurs for copies. What the old path sent as the
// comparison began belongs to messages from before and says nothing.
func (c *comparer) giveUpTheirs(ctx context.Context, before, began int64) error {
	settled := began + c.set.Adoption.defaults().Wait.Microseconds()
	for {
		var rows []waiting
		err := c.s.db.Query(ctx, `SELECT id, moment, received_at FROM results_copies
			WHERE feed = $1 AND state = 0 AND received_at < $2 ORDER BY received_at, id LIMIT $3`, []any{c.feed, before, compareBatch}, func(r store.Scanner) error {
			var x waiting
			err := r.Scan(&x.id, &x.moment, &x.at)
			rows = append(rows, x)
			return err
		})
		if err != nil {
			return fmt.Errorf("list copies that wait: %w", err)
		}
		for _, x := range rows {
			other, err := c.sameMoment(ctx, "SELECT id FROM results_compares WHERE feed = $1 AND moment = $2 AND state IN (0, 3, 5) ORDER BY id LIMIT 1", x.moment)
			switch {
			case err != nil:
				return err
			case other != nil:
				err = c.together(ctx, pair{other, x.id})
			default:
				err = c.alone(ctx, x, x.at < settled)
			}
			if err != nil {
				return err
			}
		}
		if len(rows) == 0 {
			return nil
		}
	}
}
