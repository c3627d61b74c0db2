package results

import (
	"context"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// stopBatch is how many deliveries are held or let go in one transaction.
const stopBatch = 200

// tendStops finishes what a crash left half done, and tells a stop's owner when
// its time is over. It releases nothing: only a person does.
func (s *Service) tendStops(ctx context.Context) error {
	var ids []event.ID
	err := s.db.Query(ctx, "SELECT id FROM results_stops WHERE lifted_at IS NULL AND spread_at IS NOT NULL", nil, idRow(&ids))
	if err != nil {
		return fmt.Errorf("look for unfinished stops: %w", err)
	}
	var failed error
	for _, id := range ids {
		failed = errors.Join(failed, s.spread(ctx, id))
	}
	return errors.Join(failed, s.free(ctx), s.tell(ctx))
}

func idRow(into *[]event.ID) func(store.Scanner) error {
	return func(row store.Scanner) error {
		var raw []byte
		if err := row.Scan(&raw); err != nil {
			return err
		}
		id, err := event.IDFromBytes(raw)
		*into = append(*into, id)
		return err
	}
}

// spread holds what waited when a stop was placed, from where it had come to.
func (s *Service) spread(ctx context.Context, id event.ID) error {
	partners := map[string]bool{}
	defer func() {
		for p := range partners {
			s.reload(p)
		}
	}()
	for {
		more, err := s.spreadSome(ctx, id, partners)
		if err != nil {
			return fmt.Errorf("hold what stop %s covers: %w", id, err)
		}
		if !more {
			return s.readStanding(ctx)
		}
	}
}

func (s *Service) spreadSome(ctx context.Context, id event.ID, partners map[string]bool) (more bool, err error) {
	x := standing{id: id}
	var scope, by string
	var at *int64
	var lifted *int64
	err = s.db.QueryRow(ctx, "SELECT scope, target, keys, reason, placed_by, spread_at, lifted_at FROM results_stops WHERE id = $1", id[:]).
		Scan(&scope, &x.target, &x.keys, &x.reason, &by, &at, &lifted)
	if err != nil || at == nil || lifted != nil {
		return false, err
	}
	x.scope = Scope(scope)
	from, to := *at, int64(1)<<62
	if x.scope == ScopeMessage {
		m, err := event.ParseID(x.target)
		if err != nil {
			return false, err
		}
		var leaf int64
		if err := s.db.QueryRow(ctx, "SELECT leaf FROM results_messages WHERE id = $1", m[:]).Scan(&leaf); err != nil {
			return false, err
		}
		from = max(from, leaf*maxPlans-1)
		var last int64 // of those a person asked for later
		if err := s.db.QueryRow(ctx, "SELECT COALESCE(max(seq), 0) FROM results_deliveries WHERE message = $1 AND again = 1", leaf).Scan(&last); err != nil {
			return false, err
		}
		to = max((leaf+1)*maxPlans, last+1)
	}
	type row struct {
		seq          int64
		partner      string
		lanes        []byte
		message, raw []byte
	}
	var some []row
	bodies := ""
	if x.scope == ScopeTest {
		bodies = ", m.body"
	}
	err = s.db.Query(ctx, `SELECT d.seq, d.partner, d.lanes, m.id`+bodies+` FROM results_deliveries d JOIN results_messages m ON m.leaf = d.message
		WHERE d.state < 3 AND d.seq > $1 AND d.seq < $2 ORDER BY d.seq LIMIT $3`, []any{from, to, int64(stopBatch)}, func(r store.Scanner) error {
		var y row
		into := []any{&y.seq, &y.partner, &y.lanes, &y.message}
		if bodies != "" {
			into = append(into, &y.raw)
		}
		err := r.Scan(into...)
		some = append(some, y)
		return err
	})
	if err != nil {
		return false, err
	}
	var hit []int64
	for _, y := range some {
		m, err := event.IDFromBytes(y.message)
		if err != nil {
			return false, err
		}
		codes := func() map[string]bool {
			_, body, err := s.seal.open("results_messages", m, y.raw)
			if err != nil {
				return nil // it cannot be sent either
			}
			return testCodes(body)
		}
		if x.covers(m, y.lanes, codes) {
			hit = append(hit, y.seq)
			partners[y.partner] = true
		}
	}
	more = len(some) == stopBatch
	return more, s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, seq := range hit {
			if err := s.cover(ctx, tx, seq, id, by, x.reason); err != nil {
				return err
			}
		}
		var next *int64
		if more {
			next = &some[len(some)-1].seq
		}
		_, err := s.tags.Exec(ctx, tx, taggedStops, id[:], "UPDATE results_stops SET spread_at = $1 WHERE id = $2", next, id[:])
		return err
	})
}

// free lets go what only lifted stops held.
func (s *Service) free(ctx context.Context) error {
	partners := map[string]bool{}
	defer func() {
		for p := range partners {
			s.reload(p)
		}
	}()
	for {
		type row struct {
			seq     int64
			stop    []byte
			by, why string
		}
		var some []row
		err := s.db.Query(ctx, `SELECT c.seq, c.stop, s.lifted_by, s.lift_reason FROM results_stops s JOIN results_stop_covers c ON c.stop = s.id
			WHERE s.lifted_at IS NOT NULL ORDER BY c.seq LIMIT $1`, []any{int64(stopBatch)}, func(r store.Scanner) error {
			var y row
			err := r.Scan(&y.seq, &y.stop, &y.by, &y.why)
			some = append(some, y)
			return err
		})
		if err != nil {
			return fmt.Errorf("look for what a lifted stop held: %w", err)
		}
		if len(some) == 0 {
			return nil
		}
		err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			for _, y := range some {
				p, err := s.uncover(ctx, tx, y.seq, y.stop, y.by, y.why)
				if err != nil {
					return err
				}
				if p != "" {
					partners[p] = true
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("let go what a lifted stop held: %w", err)
		}
	}
}

// uncover takes one stop off a delivery. When it was the last, the delivery waits
// again and its partner is returned.
func (s *Service) uncover(ctx context.Context, tx *store.Tx, seq int64, stop []byte, who, reason string) (string, error) {
	n, err := s.tags.Exec(ctx, tx, taggedCovers, seq, "DELETE FROM results_stop_covers WHERE seq = $1 AND stop = $2", seq, stop)
	if err != nil || n == 0 {
		return "", err
	}
	var left, state int64
	var raw []byte
	d := &delivery{seq: seq}
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM results_stop_covers WHERE seq = $1", seq).Scan(&left); err != nil || left > 0 {
		return "", err
	}
	err = tx.QueryRow(ctx, `SELECT d.partner, d.state, m.id FROM results_deliveries d
		JOIN results_messages m ON m.leaf = d.message WHERE d.seq = $1`, seq).Scan(&d.partner, &state, &raw)
	if errors.Is(err, store.ErrNoRows) || err == nil && State(state) != Held {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read delivery: %w", err)
	}
	if d.id, err = event.IDFromBytes(raw); err != nil {
		return "", err
	}
	return d.partner, s.letGo(ctx, tx, d, who, reason)
}

// letGo makes a delivery wait again.
func (s *Service) letGo(ctx context.Context, tx *store.Tx, d *delivery, who, reason string) error {
	now := s.now().UnixMicro()
	if _, err := s.publishAct(ctx, tx, acted(KindReleased, now, d, who, reason)); err != nil {
		return err
	}
	if err := noteChange(ctx, tx, d.partner); err != nil {
		return err
	}
	return s.tags.Change(ctx, tx, taggedTries, d.seq, func() error {
		_, err := tx.Exec(ctx, `UPDATE results_deliveries SET state = 0, changed_at = $1, next_at = NULL, first_at = NULL, reason = $2
			WHERE seq = $3`, now, ledger.Code(reason), d.seq)
		return err
	})
}

// tell writes down, once, that a stop's time is over or that its effect on
// patients is to be looked at.
func (s *Service) tell(ctx context.Context) error {
	for _, w := range []struct{ kind, due, done, text string }{
		{KindStopExpired, "expired_at IS NULL AND expires_at <= $1", "expired_at = $1", "a stop's time is over; it stays until its owner decides"},
		{KindStopImpact, "impact_told = 0 AND impact_at <= $1", "impact_told = $1", "a stop's effect on patients is to be looked at"},
	} {
		now := s.now().UnixMicro()
		var ids []event.ID
		err := s.db.Query(ctx, "SELECT id FROM results_stops WHERE lifted_at IS NULL AND "+w.due+" LIMIT 500", []any{now}, idRow(&ids))
		if err != nil {
			return fmt.Errorf("look for stops whose time is over: %w", err)
		}
		for _, id := range ids {
			err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
				var owner, scope, kind string
				err := tx.QueryRow(ctx, "SELECT owner, scope, CASE WHEN kind = 1 THEN 'transport' ELSE 'clinical' END FROM results_stops WHERE id = $2 AND lifted_at IS NULL AND "+w.due, now, id[:]).
					Scan(&owner, &scope, &kind)
				if errors.Is(err, store.ErrNoRows) {
					return nil // another node was faster
				}
				if err != nil {
					return err
				}
				if _, err := bus.Publish(ctx, tx, ledger.Event{
					Kind: w.kind, At: now,
					IDs:   ledger.Pairs{{K: "stop", V: id.String()}, {K: "owner", V: ledger.Code(owner)}},
					Codes: ledger.Pairs{{K: "scope", V: scope}, {K: "kind", V: kind}},
				}); err != nil {
					return err
				}
				_, err = s.tags.Exec(ctx, tx, taggedStops, id[:], "UPDATE results_stops SET "+w.done+" WHERE id = $2", now, id[:])
				s.slog.Error(w.text+": labwarden stops list", "stop", id.String(), "kind", kind, "scope", scope, "owner", owner)
				return err
			})
			if err != nil {
				return fmt.Errorf("tell a stop's owner: %w", err)
			}
		}
	}
	return nil
}
