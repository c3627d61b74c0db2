package results

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// standing is one stop that is not lifted, as intake and couriers look at it.
type standing struct {
	id     event.ID
	kind   StopKind
	scope  Scope
	target string
	keys   []byte
	reason string
	placed time.Time
	owner  string
}

// stands is a look at all standing stops.
type stands struct {
	read  time.Time
	stops []standing
	// single are those of one delivery, by its number. Its row says that it is
	// held; this is for who sends it without reading the row.
	single map[int64]standing
}

// standAge is how old a look may be: another node may have placed a stop.
const standAge = time.Second

// standing returns the standing stops. Where they cannot be read anew the last
// look counts; without one there is an error and nothing moves.
func (s *Service) standing(ctx context.Context) (*stands, error) {
	st := s.stops.Load()
	if st != nil {
		if age := s.now().Sub(st.read); age >= 0 && age < standAge || !s.standMu.TryLock() {
			return st, nil
		}
		defer s.standMu.Unlock()
		if err := s.loadStanding(ctx); err != nil && ctx.Err() == nil {
			s.slog.Error("the standing stops could not be read; the last look counts", "error", err)
		}
		return s.stops.Load(), nil
	}
	if err := s.readStanding(ctx); err != nil {
		return nil, err
	}
	return s.stops.Load(), nil
}

func (s *Service) readStanding(ctx context.Context) error {
	s.standMu.Lock()
	defer s.standMu.Unlock()
	return s.loadStanding(ctx)
}

// loadStanding reads the stops; under standMu, so that an older look never
// replaces a newer one.
func (s *Service) loadStanding(ctx context.Context) error {
	out := &stands{read: s.now(), single: map[int64]standing{}}
	err := s.db.Query(ctx, `SELECT id, kind, scope, target, keys, reason, placed_at, owner FROM results_stops
		WHERE lifted_at IS NULL ORDER BY placed_at`, nil, func(row store.Scanner) error {
		var st standing
		var id []byte
		var kind, placed int64
		var scope string
		err := row.Scan(&id, &kind, &scope, &st.target, &st.keys, &st.reason, &placed, &st.owner)
		if err != nil {
			return err
		}
		st.id, err = event.IDFromBytes(id)
		st.kind, st.scope, st.placed = StopKind(kind), Scope(scope), time.UnixMicro(placed).UTC()
		if err != nil || st.scope != ScopeDelivery {
			out.stops = append(out.stops, st)
			return err
		}
		seq, err := parseSeq(st.target)
		out.single[seq] = st
		return err
	})
	if err != nil {
		return fmt.Errorf("read the standing stops: %w", err)
	}
	s.stops.Store(out)
	return nil
}

// gates are the stops before a partner's and a route's way; an empty route asks
// for the partner alone.
func (st *stands) gates(partner, route string) []standing {
	var out []standing
	for _, x := range st.stops {
		if x.scope == ScopePartner && x.target == partner || route != "" && x.scope == ScopeRoute && x.target == route {
			out = append(out, x)
		}
	}
	return out
}

// covers says whether a stop that marks deliveries one by one covers this one.
// codes is asked for only where a test code matters.
func (x *standing) covers(message event.ID, lanes []byte, codes func() map[string]bool) bool {
	switch x.scope {
	case ScopeMessage:
		return x.target == message.String()
	case ScopePatient, ScopeOrder:
		return sharesLane(lanes, x.keys)
	case ScopeTest:
		return codes()[strings.ToUpper(x.target)]
	}
	return false
}

// testCodes are the identifiers and alternate identifiers of what was ordered
// and found, in upper case.
func testCodes(body []byte) map[string]bool {
	out := map[string]bool{}
	m, err := hl7.Parse(body)
	if err != nil {
		return out
	}
	for _, w := range []struct {
		segment string
		field   int
	}{{"OBR", 4}, {"OBX", 3}} {
		for s := range m.Segments(w.segment) {
			for _, n := range []int{1, 4} {
				if code := strings.TrimSpace(s.Field(w.field).Part(n).Text()); code != "" {
					out[strings.ToUpper(code)] = true
				}
			}
		}
	}
	return out
}

func lazyCodes(body []byte) func() map[string]bool {
	var codes map[string]bool
	return func() map[string]bool {
		if codes == nil {
			codes = testCodes(body)
		}
		return codes
	}
}

// holdOnArrival marks the plans that a standing stop covers as held, each with
// its stops.
func (s *Service) holdOnArrival(ctx context.Context, m *newMessage, body []byte) error {
	st, err := s.standing(ctx)
	if err != nil || len(st.stops) == 0 {
		return err
	}
	codes := lazyCodes(body)
	for _, x := range st.stops {
		if !x.covers(m.id, m.lanes, codes) {
			continue
		}
		for i := range m.plans {
			p := &m.plans[i]
			if p.state != Waiting && p.state != Held {
				continue
			}
			if p.state == Waiting {
				p.state, p.reason = Held, x.reason
			} else if len(p.stops) == 0 {
				p.mismatch = true
			}
			p.stops = append(p.stops, x.id)
		}
	}
	return nil
}

// coverNew writes down under which stops a new delivery stands. One that is held
// because it is not shown to belong to the partner gets a clinical stop of its
// own, whose owner is the laboratory.
func (s *Service) coverNew(ctx context.Context, tx *store.Tx, seq int64, p *plan) error {
	stops := p.stops
	if p.state == Held && (p.mismatch || len(stops) == 0) {
		id := event.NewID()
		st := Stop{Kind: ClinicalStop, Scope: ScopeDelivery, Target: numbered(seq), Owner: "laboratory", Text: p.reason}
		if err := st.check(); err != nil {
			return err
		}
		if err := s.writeStop(ctx, tx, id, &st, nil, s.now(), itself("not-shown-to-belong-to-the-partner")); err != nil {
			return err
		}
		stops = append(stops[:len(stops):len(stops)], id)
	}
	for _, id := range stops {
		if _, err := s.tags.Exec(ctx, tx, taggedCovers, seq, "INSERT INTO results_stop_covers (seq, stop) VALUES ($1, $2) ON CONFLICT (seq, stop) DO NOTHING", seq, id[:]); err != nil {
			return fmt.Errorf("hold delivery: %w", err)
		}
	}
	return nil
}

// gated says whether a stop stands before everything that goes to the partner.
func (c *courier) gated(ctx context.Context) bool {
	st, err := c.s.standing(ctx)
	return err != nil || len(st.gates(c.partner, "")) > 0
}

// stoppedAt is the last look before a delivery is sent: nothing goes that a
// standing stop covers. next is what to do with the queue then, nil when it may
// go. What came in while a stop was being placed is marked here.
func (c *courier) stoppedAt(ctx context.Context, d *delivery, seq int64) (next func()) {
	s := c.s
	later := func() func() {
		due := s.now().Add(5 * poll)
		return func() { c.q.again(seq, due) }
	}
	st, err := s.standing(ctx)
	if err != nil || len(st.gates(d.partner, d.route)) > 0 {
		return later()
	}
	var over []standing
	if x, ok := st.single[seq]; ok {
		over = append(over, x)
	}
	codes := lazyCodes(d.body)
	for _, x := range st.stops {
		if !x.scope.gate() && x.covers(d.id, d.lanes, codes) {
			over = append(over, x)
		}
	}
	if len(over) == 0 {
		return nil
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, x := range over {
			if err := s.cover(ctx, tx, seq, x.id, x.owner, x.reason); err != nil {
				return err
			}
		}
		return nil
	})
	var state State
	if err == nil {
		state, err = s.stateOf(ctx, seq)
	}
	switch {
	case err != nil:
		s.slog.Error("a stopped result could not be marked; it is not sent", "partner", c.partner, "message", d.id.String(), "error", err)
		return later()
	case state == Waiting:
		return nil // lifted since the last look
	case state >= Done:
		return func() { c.q.done(seq) }
	}
	return func() { c.q.set(seq, state) }
}
