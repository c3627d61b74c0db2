package results

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Summary is one message in a list. It holds no patient data.
type Summary struct {
	ID         event.ID
	Leaf       int64
	Source     string
	ReceivedAt time.Time
	Size       int64
	Critical   bool
	Correction bool
	Erased     bool
	Deliveries []Delivery
}

// Delivery is how far a message has come on its way to one partner.
type Delivery struct {
	Seq       int64
	Partner   string
	Route     string
	State     State
	Attempts  int64
	Reason    string
	ChangedAt time.Time
	NextAt    time.Time // zero: none planned
	Level     string    // placed, committed or accepted once done
	Code      string
	DoneLeaf  int64
	Again     bool
}

// Page asks for a part of the list, newest first.
type Page struct {
	Before int64 // leaf; 0 means from the newest
	Limit  int   // 0 means 50, at most 500
}

// List returns messages, newest first.
func (s *Service) List(ctx context.Context, p Page) ([]Summary, error) {
	if p.Limit <= 0 {
		p.Limit = 50
	}
	if p.Before <= 0 {
		p.Before = 1 << 62
	}
	var out []Summary
	err := s.db.Query(ctx, `SELECT leaf, id, source, received_at, size, flags, CASE WHEN body IS NULL THEN 1 ELSE 0 END
		FROM results_messages WHERE leaf < $1 ORDER BY leaf DESC LIMIT $2`, []any{p.Before, int64(min(p.Limit, 500))},
		func(row store.Scanner) error {
			m, err := scanSummary(row)
			out = append(out, m)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("list results: %w", err)
	}
	for i := range out {
		if out[i].Deliveries, err = s.deliveries(ctx, out[i].Leaf); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func scanSummary(row store.Scanner) (Summary, error) {
	var m Summary
	var id []byte
	var at, flags, erased int64
	if err := row.Scan(&m.Leaf, &id, &m.Source, &at, &m.Size, &flags, &erased); err != nil {
		return m, err
	}
	var err error
	m.ID, err = event.IDFromBytes(id)
	m.ReceivedAt = time.UnixMicro(at).UTC()
	m.Critical, m.Correction, m.Erased = flags&FlagCritical != 0, flags&FlagCorrection != 0, erased == 1
	return m, err
}

// deliveries reads those made at intake (their numbers follow from the leaf)
// and those a person asked for later.
func (s *Service) deliveries(ctx context.Context, leaf int64) ([]Delivery, error) {
	var out []Delivery
	const cols = `SELECT seq, partner, route, state, attempts, reason, changed_at, COALESCE(next_at, 0),
		COALESCE(level, 0), COALESCE(code, ''), COALESCE(done_leaf, -1), again FROM results_deliveries `
	scan := func(row store.Scanner) error {
		var d Delivery
		var state, changed, next, level, again int64
		err := row.Scan(&d.Seq, &d.Partner, &d.Route, &state, &d.Attempts, &d.Reason, &changed, &next, &level, &d.Code, &d.DoneLeaf, &again)
		d.State, d.ChangedAt, d.Again = State(state), time.UnixMicro(changed).UTC(), again == 1
		if next != 0 {
			d.NextAt = time.UnixMicro(next).UTC()
		}
		if level != 0 {
			d.Level = channel.Level(level).String()
		}
		out = append(out, d)
		return err
	}
	if err := s.db.Query(ctx, cols+"WHERE seq >= $1 AND seq < $2 ORDER BY seq", []any{leaf * maxPlans, (leaf + 1) * maxPlans}, scan); err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	if err := s.db.Query(ctx, cols+"WHERE message = $1 AND again = 1 ORDER BY seq", []any{leaf}, scan); err != nil {
		return nil, fmt.Errorf("read repeated deliveries: %w", err)
	}
	return out, nil
}

// Message returns one message with its deliveries and its body. Whoever calls
// it shows patient data to somebody and must record that.
func (s *Service) Message(ctx context.Context, id event.ID) (Summary, []byte, error) {
	var sealed []byte
	m, err := s.summary(ctx, id)
	if err != nil {
		return m, nil, err
	}
	if err := s.db.QueryRow(ctx, "SELECT body FROM results_messages WHERE leaf = $1", m.Leaf).Scan(&sealed); err != nil {
		return m, nil, fmt.Errorf("read message: %w", err)
	}
	_, body, err := s.seal.open("results_messages", id, sealed)
	return m, body, err
}

// Show returns one message with its deliveries, without its body.
func (s *Service) Show(ctx context.Context, id event.ID) (Summary, error) { return s.summary(ctx, id) }

func (s *Service) summary(ctx context.Context, id event.ID) (m Summary, err error) {
	err = s.db.Query(ctx, `SELECT leaf, id, source, received_at, size, flags, CASE WHEN body IS NULL THEN 1 ELSE 0 END
		FROM results_messages WHERE id = $1`, []any{id[:]}, func(row store.Scanner) (err error) {
		m, err = scanSummary(row)
		return err
	})
	if err != nil {
		return m, fmt.Errorf("read message: %w", err)
	}
	if m.ID != id {
		return m, fmt.Errorf("message %s: %w", id, ErrNotFound)
	}
	m.Deliveries, err = s.deliveries(ctx, m.Leaf)
	return m, err
}

// Apart is one quarantined message. It holds no patient data.
type Apart struct {
	ID         event.ID
	Source     string
	ReceivedAt time.Time
	LastAt     time.Time
	Times      int64
	Cause      string
	Detail     string
	Size, Kept int64
	State      string
}

// Quarantine lists what was not taken, newest first; open only unless all.
func (s *Service) Quarantine(ctx context.Context, all bool, limit int) ([]Apart, error) {
	states := "WHERE state = 0"
	if all {
		states = ""
	}
	var out []Apart
	err := s.db.Query(ctx, `SELECT id, source, received_at, last_at, times, cause, detail, size, kept, state
		FROM results_quarantine `+states+` ORDER BY leaf DESC LIMIT $1`, []any{int64(limit)}, func(row store.Scanner) error {
		var a Apart
		var id []byte
		var at, last, state int64
		if err := row.Scan(&id, &a.Source, &at, &last, &a.Times, &a.Cause, &a.Detail, &a.Size, &a.Kept, &state); err != nil {
			return err
		}
		var err error
		a.ID, err = event.IDFromBytes(id)
		a.ReceivedAt, a.LastAt = time.UnixMicro(at).UTC(), time.UnixMicro(last).UTC()
		a.State = [...]string{"open", "released", "refused", "replayed"}[state&3]
		out = append(out, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list quarantine: %w", err)
	}
	return out, nil
}

// PartnerStatus is what waits for one partner and whether it answers.
type PartnerStatus struct {
	Partner                string
	Waiting, Held, Stopped int64
	Oldest                 time.Time // of the waiting; zero when none waits
	DownSince              time.Time // zero while it answers
	Why                    string    // class of the last failure while down
	NextTry                time.Time
	Heard                  time.Time // when it last took something; zero: not since the process started
}

// Partners tells for each configured partner what waits and whether it answers.
func (s *Service) Partners(ctx context.Context) ([]PartnerStatus, error) {
	set := s.settings.Load()
	var out []PartnerStatus
	for key := range set.Partners {
		p := PartnerStatus{Partner: key}
		oldest := int64(-1)
		err := s.db.Query(ctx, `SELECT state, count(*), min(seq) FROM results_deliveries WHERE partner = $1 AND state < 3 GROUP BY state`,
			[]any{key}, func(row store.Scanner) error {
				var state, n, first int64
				if err := row.Scan(&state, &n, &first); err != nil {
					return err
				}
				switch State(state) {
				case Waiting:
					p.Waiting, oldest = n, first
				case Held:
					p.Held = n
				case NeedsPerson:
					p.Stopped = n
				}
				return nil
			})
		if err != nil {
			return nil, fmt.Errorf("count what waits: %w", err)
		}
		if oldest >= 0 {
			var at int64
			err := s.db.QueryRow(ctx, "SELECT changed_at FROM results_deliveries WHERE seq = $1", oldest).Scan(&at)
			if err != nil && !errors.Is(err, store.ErrNoRows) { // delivered in between: nothing old waits
				return nil, fmt.Errorf("read the oldest that waits: %w", err)
			}
			if err == nil {
				p.Oldest = time.UnixMicro(at).UTC()
			}
		}
		s.mu.Lock()
		c := s.couriers[key]
		s.mu.Unlock()
		if c != nil {
			c.mu.Lock()
			p.DownSince, p.NextTry, p.Heard = c.down.since, c.down.until, c.heard
			if !c.down.since.IsZero() {
				p.Why = c.down.class.String()
			}
			c.mu.Unlock()
		}
		out = append(out, p)
	}
	return out, nil
}
