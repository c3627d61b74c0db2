package results

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// StopKind is whose stop it is (SAFETY.md 9). Neither kind lifts the other.
type StopKind int

// The kinds.
const (
	TransportStop StopKind = iota + 1 // security: how results travel is in doubt
	ClinicalStop                      // the laboratory director's delegates: what they say is
)

func (k StopKind) String() string {
	switch k {
	case TransportStop:
		return "transport"
	case ClinicalStop:
		return "clinical"
	}
	return "unknown"
}

// Scope is what a stop covers.
type Scope string

// The scopes. Partner and route are for either kind, the others are clinical.
const (
	ScopePartner  Scope = "partner"  // all that goes to a partner
	ScopeRoute    Scope = "route"    // all that a route sends
	ScopeDelivery Scope = "delivery" // one message on its way to one partner
	ScopeMessage  Scope = "message"  // one message on all its ways
	ScopePatient  Scope = "patient"  // what names a patient of the named message, also what is to come
	ScopeOrder    Scope = "order"    // what names an order of the named message, also what is to come
	ScopeTest     Scope = "test"     // what has a test code (OBR-4 or OBX-3), also what is to come
)

// gate: the stop stands before the partner's or the route's way; what waits there
// is not marked one by one.
func (s Scope) gate() bool { return s == ScopePartner || s == ScopeRoute }

// Bases are why a hold may be no information blocking: the security and the
// infeasibility of 45 CFR 171.203 and 171.205, or another one, in words.
var bases = []string{"171.203", "171.205", "other"}

// Times of a stop.
const (
	DefaultStopTime = 24 * time.Hour     // until it goes to its owner
	MaxStopTime     = 7 * 24 * time.Hour // at most at once; it can be extended
	DefaultImpact   = 4 * time.Hour      // until somebody must look at the patients it keeps waiting
	MaxStopExtended = 72 * time.Hour
)

// Stop is a stop to be placed.
type Stop struct {
	Kind   StopKind
	Scope  Scope
	Target string // partner, route, delivery number, message id, test code; for patient and order a message that names it
	Owner  string // to whom it goes at its end; empty: who places it
	Basis  string // one of 171.203, 171.205, other; empty: other
	Text   string // sealed; needed with basis other unless it is a single delivery
	// For is until it goes to its owner, Impact how often its effect on patients
	// is looked at; 0 takes the default.
	For, Impact time.Duration
}

func (st *Stop) check() error {
	bad := func(text string) error { return fmt.Errorf("%w: %s", ErrInvalid, text) }
	if st.Basis == "" {
		st.Basis = "other"
	}
	if st.For == 0 {
		st.For = DefaultStopTime
	}
	if st.Impact == 0 {
		st.Impact = DefaultImpact
	}
	switch {
	case st.Kind != TransportStop && st.Kind != ClinicalStop:
		return bad("a stop is transport or clinical")
	case !slices.Contains([]Scope{ScopePartner, ScopeRoute, ScopeDelivery, ScopeMessage, ScopePatient, ScopeOrder, ScopeTest}, st.Scope):
		return bad("a stop covers a partner, route, delivery, message, patient, order or test")
	case st.Kind == TransportStop && !st.Scope.gate():
		return bad("a transport stop covers a partner or a route; what a message says is for a clinical stop")
	case strings.TrimSpace(st.Target) == "" || len(st.Target) > 200:
		return bad("name what the stop covers")
	case !slices.Contains(bases, st.Basis):
		return bad("the basis is 171.203, 171.205 or other")
	case st.Basis == "other" && strings.TrimSpace(st.Text) == "" && st.Scope != ScopeDelivery:
		return bad("with basis other say in words why this is not information blocking")
	case len(st.Text) > maxCallText || len(st.Owner) > 100:
		return bad("the text or the owner's name is too long")
	case st.For < time.Minute || st.For > MaxStopTime:
		return bad("a stop goes to its owner after at least a minute and at most 7 days")
	case st.Impact < time.Minute || st.Impact > 24*time.Hour:
		return bad("its effect on patients is looked at after at least a minute and at most 24 hours")
	}
	return nil
}

// Facts about stops.
const (
	KindStopPlaced   = "stop.placed"
	KindStopExpired  = "stop.expired"
	KindStopImpact   = "stop.impact_due"
	KindStopReviewed = "stop.reviewed"
	KindStopExtended = "stop.extended"
	KindLiftAsked    = "stop.lift_asked"
	KindStopLifted   = "stop.lifted"
)

// PlaceStop places a stop: from its return on nothing it covers begins to be
// sent by this node, by another one within a second. What is on the wire at that
// moment is not called back. What waits and what comes is held, in its place.
func (s *Service) PlaceStop(ctx context.Context, st Stop, by Named) (event.ID, error) {
	id := event.NewID()
	if err := errors.Join(st.check(), by.check()); err != nil {
		return id, err
	}
	if strings.TrimSpace(st.Owner) == "" {
		st.Owner = by.Person
	}
	keys, err := s.stopKeys(ctx, &st)
	if err != nil {
		return id, err
	}
	var partner string
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if st.Scope == ScopeDelivery {
			if partner, err = holdable(ctx, tx, st.Target); err != nil {
				return err
			}
		}
		if err := s.writeStop(ctx, tx, id, &st, keys, s.now(), by); err != nil {
			return err
		}
		if st.Scope == ScopeDelivery {
			seq, _ := parseSeq(st.Target) // holdable has read it
			return s.cover(ctx, tx, seq, id, by.Person, by.Reason)
		}
		return nil
	})
	if err != nil {
		return id, err
	}
	if st.Scope == ScopeDelivery {
		s.reload(partner)
		return id, nil
	}
	if err := s.readStanding(ctx); err != nil {
		return id, err
	}
	if st.Scope.gate() {
		s.reloadAll()
		return id, nil
	}
	return id, s.spread(ctx, id)
}

// stopKeys checks the target and makes the lanes a patient or an order has.
func (s *Service) stopKeys(ctx context.Context, st *Stop) ([]byte, error) {
	set := s.settings.Load()
	switch st.Scope {
	case ScopePartner:
		if set.Partners[st.Target] == nil {
			return nil, fmt.Errorf("partner %s: %w", st.Target, ErrNotFound)
		}
	case ScopeRoute:
		if _, ok := set.route(st.Target); !ok {
			return nil, fmt.Errorf("route %s: %w", st.Target, ErrNotFound)
		}
	case ScopeMessage, ScopePatient, ScopeOrder:
		id, err := event.ParseID(st.Target)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		m, err := s.summary(ctx, id)
		if err != nil || st.Scope == ScopeMessage {
			return nil, err
		}
		var sealed []byte
		if err := s.db.QueryRow(ctx, "SELECT body FROM results_messages WHERE leaf = $1", m.Leaf).Scan(&sealed); err != nil {
			return nil, fmt.Errorf("read message: %w", err)
		}
		_, body, err := s.seal.open("results_messages", id, sealed)
		if err != nil {
			return nil, err
		}
		head, err := hl7.ReadHeader(body)
		if err != nil {
			return nil, fmt.Errorf("read message %s: %w", id, ErrConflict)
		}
		var k hl7.Keys
		if err := hl7.ReadKeys(body, &head, &k); err != nil {
			return nil, fmt.Errorf("read message %s: %w", id, ErrConflict)
		}
		want := hl7.Keys{PatientIDs: k.PatientIDs}
		if st.Scope == ScopeOrder {
			want = hl7.Keys{Placers: k.Placers, Fillers: k.Fillers}
		}
		if len(want.PatientIDs)+len(want.Placers)+len(want.Fillers) == 0 {
			return nil, fmt.Errorf("message %s names no %s: %w", id, st.Scope, ErrConflict)
		}
		return s.lanesOf(&want), nil
	}
	return nil, nil
}

// holdable finds the partner of a delivery that waits or needs a person.
func holdable(ctx context.Context, tx *store.Tx, number string) (string, error) {
	seq, err := parseSeq(number)
	if err != nil {
		return "", fmt.Errorf("%w: %q is not the number of a delivery", ErrInvalid, number)
	}
	var partner string
	var state int64
	err = tx.QueryRow(ctx, "SELECT partner, state FROM results_deliveries WHERE seq = $1", seq).Scan(&partner, &state)
	switch {
	case errors.Is(err, store.ErrNoRows):
		return "", fmt.Errorf("delivery %d: %w", seq, ErrNotFound)
	case err != nil:
		return "", fmt.Errorf("read delivery: %w", err)
	case State(state) != Waiting && State(state) != NeedsPerson:
		return "", fmt.Errorf("delivery %d is %s: %w", seq, State(state), ErrConflict)
	}
	return partner, nil
}

func (s *Service) writeStop(ctx context.Context, tx *store.Tx, id event.ID, st *Stop, keys []byte, now time.Time, by Named) error {
	salt, err := s.seal.newSalt()
	if err != nil {
		return err
	}
	target := st.Target
	if st.Scope == ScopeTest {
		target = "-" // a test code may tell what is looked for; it stands in the row alone
	}
	at, expires := now.UnixMicro(), now.Add(st.For).UnixMicro()
	ev := ledger.Event{
		Kind: KindStopPlaced, At: at,
		IDs: append(ledger.Pairs{
			{K: "stop", V: id.String()},
			{K: "scope", V: string(st.Scope)},
			{K: "target", V: ledger.Code(target)},
			{K: "owner", V: ledger.Code(st.Owner)},
		}, by.ids()...),
		Codes:   ledger.Pairs{{K: "kind", V: st.Kind.String()}, {K: "basis", V: st.Basis}, {K: "reason", V: ledger.Code(by.Reason)}},
		Numbers: []ledger.Number{{K: "expires_at", N: expires}},
	}
	var sealed []byte
	if st.Text != "" {
		if sealed, err = s.seal.seal("results_stops", id, salt, []byte(st.Text)); err != nil {
			return err
		}
		c, err := ledger.Commit(salt, ev.Kind, ev.IDs, hash([]byte(st.Text)))
		if err != nil {
			return fmt.Errorf("bind the text of a stop: %w", err)
		}
		ev.Commit = &c
	}
	if _, err := bus.Publish(ctx, tx, ev); err != nil {
		return err
	}
	var spread *int64
	if !st.Scope.gate() && st.Scope != ScopeDelivery {
		none := int64(-1)
		spread = &none
	}
	_, err = s.tags.Exec(ctx, tx, taggedStops, id[:], `INSERT INTO results_stops (id, kind, scope, target, keys, reason, basis, owner, placed_at, placed_by, placed_account,
		spread_at, expires_at, impact_every, impact_at, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		id[:], int64(st.Kind), string(st.Scope), st.Target, keys, ledger.Code(by.Reason), st.Basis, st.Owner, at, by.Person, by.Who,
		spread, expires, st.Impact.Microseconds(), now.Add(st.Impact).UnixMicro(), sealed)
	if err != nil {
		return fmt.Errorf("write stop: %w", err)
	}
	return nil
}

// cover holds one open delivery under a stop. One that needs a person stays so.
func (s *Service) cover(ctx context.Context, tx *store.Tx, seq int64, stop event.ID, who, reason string) error {
	d := &delivery{seq: seq}
	var raw []byte
	var state int64
	err := tx.QueryRow(ctx, `SELECT d.partner, d.state, m.id FROM results_deliveries d
		JOIN results_messages m ON m.leaf = d.message WHERE d.seq = $1`, seq).Scan(&d.partner, &state, &raw)
	if err != nil {
		return fmt.Errorf("read delivery: %w", err)
	}
	var lifted int64
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM results_stops WHERE id = $1 AND lifted_at IS NOT NULL", stop[:]).Scan(&lifted); err != nil {
		return fmt.Errorf("read stop: %w", err)
	}
	if State(state) >= Done || lifted > 0 {
		return nil
	}
	if _, err := s.tags.Exec(ctx, tx, taggedCovers, seq, "INSERT INTO results_stop_covers (seq, stop) VALUES ($1, $2) ON CONFLICT (seq, stop) DO NOTHING", seq, stop[:]); err != nil {
		return fmt.Errorf("hold delivery: %w", err)
	}
	if State(state) != Waiting {
		return nil
	}
	if d.id, err = event.IDFromBytes(raw); err != nil {
		return err
	}
	now := s.now().UnixMicro()
	ev := acted(KindHeld, now, d, who, reason)
	ev.IDs = append(ev.IDs, ledger.Pair{K: "stop", V: stop.String()})
	if _, err := s.publishAct(ctx, tx, ev); err != nil {
		return err
	}
	if err := noteChange(ctx, tx, d.partner); err != nil {
		return err
	}
	return s.tags.Change(ctx, tx, taggedTries, seq, func() error {
		_, err := tx.Exec(ctx, `UPDATE results_deliveries SET state = 1, changed_at = $1, next_at = NULL, first_at = NULL, reason = $2
			WHERE seq = $3`, now, ledger.Code(reason), seq)
		return err
	})
}

func (s *Service) reloadAll() {
	s.mu.Lock()
	all := make([]string, 0, len(s.couriers))
	for key := range s.couriers {
		all = append(all, key)
	}
	s.mu.Unlock()
	for _, key := range all {
		s.reload(key)
	}
}

func numbered(seq int64) string { return strconv.FormatInt(seq, 10) }
