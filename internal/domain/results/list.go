package results

import (
	"context"
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
	Site       string // the one its source had when it came in; empty for none
	ReceivedAt time.Time
	Size       int64
	Critical   bool
	Correction bool
	Erased     bool
	Bypassed   bool // it travelled in bypass and was entered afterwards
	Deliveries []Delivery
}

// Delivery is how far a message has come on its way to one partner.
type Delivery struct {
	Seq       int64
	Partner   string
	Site      string // the message's
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
	// SupersededBy is the correction that was sent alone instead; zero for none.
	SupersededBy event.ID
	// FoundAt is when the partner's own list named it: it has the result. Zero
	// while no list did.
	FoundAt time.Time
	// PickedUpAt is when the partner's pick-up was noticed, PickedUpHow how (see
	// PickedUp). WaitsAs is the name it waits under to be picked up; empty where
	// nobody could tell.
	PickedUpAt  time.Time
	PickedUpHow string
	WaitsAs     string
	// Gated is the first stop that stands before all that goes this way.
	Gated string
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
	err := s.db.Query(ctx, "SELECT "+summaryCols+" FROM results_messages WHERE leaf < $1 ORDER BY leaf DESC LIMIT $2",
		[]any{p.Before, int64(min(p.Limit, 500))}, func(row store.Scanner) error {
			m, err := scanSummary(row)
			out = append(out, m)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("list results: %w", err)
	}
	return s.withDeliveries(ctx, out)
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
	m.Bypassed = flags&FlagBypass != 0
	return m, err
}

const deliveryCols = `d.message, d.seq, d.partner, d.route, d.state, d.attempts, d.reason, d.changed_at, COALESCE(d.next_at, 0),
	COALESCE(d.level, 0), COALESCE(d.code, ''), COALESCE(d.done_leaf, -1), d.again,
	(SELECT x.message FROM results_superseded x WHERE x.seq = d.seq), COALESCE((SELECT f.at FROM results_found f WHERE f.seq = d.seq), 0),
	COALESCE((SELECT p.picked_at FROM results_pickups p WHERE p.seq = d.seq), 0), COALESCE((SELECT p.how FROM results_pickups p WHERE p.seq = d.seq), ''),
	COALESCE((SELECT p.name FROM results_pickups p WHERE p.seq = d.seq), '')`

func scanDelivery(row store.Scanner) (leaf int64, d Delivery, err error) {
	var state, changed, next, level, again, found, picked int64
	var by []byte
	err = row.Scan(&leaf, &d.Seq, &d.Partner, &d.Route, &state, &d.Attempts, &d.Reason, &changed, &next, &level, &d.Code, &d.DoneLeaf, &again, &by, &found, &picked, &d.PickedUpHow, &d.WaitsAs)
	d.State, d.ChangedAt, d.Again = State(state), time.UnixMicro(changed).UTC(), again == 1
	if next != 0 {
		d.NextAt = time.UnixMicro(next).UTC()
	}
	if level != 0 {
		d.Level = channel.Level(level).String()
	}
	if found != 0 {
		d.FoundAt = time.UnixMicro(found).UTC()
	}
	if picked != 0 {
		d.PickedUpAt = time.UnixMicro(picked).UTC()
	}
	if by != nil && err == nil {
		d.SupersededBy, err = event.IDFromBytes(by)
	}
	return leaf, d, err
}

// Message returns one message with its deliveries and its body. Whoever calls
// it shows patient data to somebody and must record that.
func (s *Service) Message(ctx context.Context, id event.ID) (Summary, []byte, error) {
	var sealed []byte
	m, err := s.summary(ctx, id)
	if err != nil {
		return m, nil, err
	}
	if err := s.mayShow(); err != nil {
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
	err = s.db.Query(ctx, "SELECT "+summaryCols+" FROM results_messages WHERE id = $1", []any{id[:]}, func(row store.Scanner) (err error) {
		m, err = scanSummary(row)
		return err
	})
	if err != nil {
		return m, fmt.Errorf("read message: %w", err)
	}
	if m.ID != id {
		return m, fmt.Errorf("message %s: %w", id, ErrNotFound)
	}
	page, err := s.withDeliveries(ctx, []Summary{m})
	if err != nil {
		return m, err
	}
	return page[0], nil
}

// Apart is one quarantined message. It holds no patient data.
type Apart struct {
	ID         event.ID
	Source     string
	Site       string // the one its source had when it came in; empty for none
	ReceivedAt time.Time
	LastAt     time.Time
	Times      int64
	Cause      string
	Detail     string
	Size, Kept int64
	State      string
	// Of one that was decided about, from QuarantinePage and ShowQuarantined: when
	// and by whom, and which message it has become.
	DecidedAt time.Time
	DecidedBy string
	Became    event.ID
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
