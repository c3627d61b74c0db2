package results

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Knowledge is how a step of a journey is known (SAFETY.md 18).
type Knowledge int

// The kinds of knowledge.
const (
	NotKnown  Knowledge = iota
	SeenByUs            // it happened here, and the ledger or a sealed row has it
	SaidByLIS           // the message says so
)

func (k Knowledge) String() string {
	return [...]string{"not known", "seen by us", "said by the LIS"}[k]
}

// StepKind is what happened.
type StepKind string

// The steps.
const (
	StepCollected  StepKind = "collected"  // said by the LIS
	StepReported   StepKind = "reported"   // said by the LIS
	StepReceived   StepKind = "received"   // with Peer
	StepMatched    StepKind = "matched"    // said by the LIS: the orders; it has no time of its own
	StepSealed     StepKind = "sealed"     // with Sum
	StepAct        StepKind = "act"        // with Act
	StepWaits      StepKind = "waits"      // not sent yet; with Delivery, Tries
	StepStands     StepKind = "stands"     // held, needs a person; with Delivery
	StepShadow     StepKind = "shadow"     // recorded only
	StepSent       StepKind = "sent"       // reached the partner; with Delivery, Tries, Peer
	StepAnswered   StepKind = "answered"   // what the partner's system answered
	StepCounted    StepKind = "counted"    // the partner's own list names it
	StepUncounted  StepKind = "uncounted"  // no list has named it yet
	StepCall       StepKind = "call"       // a phone task
	StepLegalHold  StepKind = "legal-hold" // with By
	StepErased     StepKind = "erased"     // the body is gone
	StepUnreadable StepKind = "unreadable" // what the LIS said cannot be shown, with Why
	StepNowhere    StepKind = "nowhere"    // it goes to nobody
)

// Step is one line of a journey.
type Step struct {
	Kind   StepKind
	Source Knowledge
	At     time.Time // zero: it has no time, or none yet
	Leaf   int64     // of the ledger; -1 for none

	Peer     Proved
	Sum      string // SHA-256 of the bytes received, hex
	Act      *Act
	Delivery *Delivery
	Tries    []Try
	Began    time.Time // of the try that was answered; zero: not kept
	Level    string    // placed, committed, accepted
	Code     string
	// EncryptedTo are the fingerprints of the partner's keys it was encrypted to.
	EncryptedTo []string
	ReplyFor    string // the control id that the reply names; empty: none, or no HL7 reply
	Same        bool   // sent byte for byte as it came
	Order       *OrderSaid
	Call        *Call
	By          string
	Why         string
	Countable   bool
}

// Proved is how the other end proved who it is, as the ledger has it.
type Proved struct {
	Proof, Fingerprint, TLS string
	Bypass                  bool
}

// Journey is everything that is known about one message's way.
type Journey struct {
	Summary
	Said     *Said // nil where the message cannot be opened
	Masked   []MaskedLine
	Steps    []Step
	Looks    []Act // who looked, where that was asked for; newest first
	MoreActs bool  // there are more acts than are listed
	Holds    []LegalHold

	states string // in which state each delivery began, a digit each
}

// JourneyOptions narrow what a journey tells.
type JourneyOptions struct {
	// Sees says of which deliveries it tells; nil: all. A message none of whose
	// deliveries may be seen is not found.
	Sees Sight
	// Identity gives the patient's initials and year of birth, and order numbers and
	// who ordered; without it see Said.Hidden. Looks tells who
	// looked. A journey never tells values: only what is recorded does, see Reveal.
	Identity, Looks bool
}

// Sight says whether somebody may see a delivery; a nil one sees all.
type Sight func(*Delivery) bool

// Narrow keeps the deliveries that may be seen; false where that is none. A
// message that goes to nobody is for those who see all, or all of its site.
func (m *Summary) Narrow(sees Sight) bool {
	if sees == nil {
		return true
	}
	if len(m.Deliveries) == 0 {
		return sees(&Delivery{Site: m.Site})
	}
	m.Deliveries = slices.DeleteFunc(slices.Clone(m.Deliveries), func(d Delivery) bool { return !sees(&d) })
	return len(m.Deliveries) > 0
}

// Journey tells a message's way in order. It shows no more of the message than
// Said and Masked do: whoever may not see a patient is told nothing of one.
func (s *Service) Journey(ctx context.Context, id event.ID, o JourneyOptions) (*Journey, error) {
	m, err := s.summary(ctx, id)
	if err != nil {
		return nil, err
	}
	if !m.Narrow(o.Sees) {
		return nil, fmt.Errorf("message %s: %w", id, ErrNotFound)
	}
	j := &Journey{Summary: m}
	w := &walk{s: s, j: j, o: o, zone: s.now().Location()}
	for _, part := range []func(context.Context) error{w.entries, w.received, w.said, w.acts, w.deliveries, w.calls, w.holds} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	// What has no time yet stands last, and what happened at the same moment in
	// the order in which it was added.
	slices.SortStableFunc(j.Steps, func(a, b Step) int {
		switch {
		case a.At.IsZero() && b.At.IsZero():
			return order(a.Kind) - order(b.Kind)
		case a.At.IsZero():
			return 1
		case b.At.IsZero():
			return -1
		}
		return a.At.Compare(b.At)
	})
	return j, nil
}

// order puts what is not counted yet behind what has not been sent yet.
func order(k StepKind) int {
	if k == StepUncounted {
		return 1
	}
	return 0
}

// walk collects one journey.
type walk struct {
	s    *Service
	j    *Journey
	o    JourneyOptions
	zone *time.Location
	body []byte

	actsAt []int64 // where the acts stand, oldest first
	events map[int64][]byte
}

// entries reads what the journey needs of the ledger in one go; each entry is
// checked against its hash.
func (w *walk) entries(ctx context.Context) (err error) {
	if w.actsAt, w.j.MoreActs, err = w.s.actLeaves(ctx, w.j.Leaf); err != nil {
		return err
	}
	leaves := append(slices.Clone(w.actsAt), w.j.Leaf)
	for i := range w.j.Deliveries {
		if d := &w.j.Deliveries[i]; d.State == Done {
			leaves = append(leaves, d.DoneLeaf)
		}
	}
	w.events, err = w.s.log.EventsOf(ctx, leaves)
	return err
}

// entry is one of those that were read.
func (w *walk) entry(leaf int64) (ledger.Event, error) { return ledger.ParseEvent(w.events[leaf]) }

func (w *walk) add(st Step) { w.j.Steps = append(w.j.Steps, st) }

func provedIn(e *ledger.Event) Proved {
	return Proved{e.Codes.Get("peer_proof"), e.Codes.Get("fingerprint"), e.Codes.Get("tls"), e.Codes.Get("via") != ""}
}

// received is the ledger's own entry of the receipt.
func (w *walk) received(context.Context) error {
	e, err := w.entry(w.j.Leaf)
	if err != nil {
		return err
	}
	if e.Kind != KindReceived || e.IDs.Get("message") != w.j.ID.String() {
		return fmt.Errorf("read message %s: %w: entry %d is about something else", w.j.ID, ledger.ErrDamaged, w.j.Leaf)
	}
	w.j.states = e.Codes.Get("states")
	w.add(Step{Kind: StepReceived, Source: SeenByUs, At: w.j.ReceivedAt, Leaf: w.j.Leaf, Peer: provedIn(&e)})
	return nil
}

// openBody reads the message for what it says of itself.
func (s *Service) openBody(ctx context.Context, m *Summary) ([]byte, error) {
	if err := s.mayShow(); err != nil {
		return nil, err
	}
	var sealed []byte
	if err := s.db.QueryRow(ctx, "SELECT body FROM results_messages WHERE leaf = $1", m.Leaf).Scan(&sealed); err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	_, body, err := s.seal.open("results_messages", m.ID, sealed)
	return body, err
}

func (w *walk) bodySteps(why string) error {
	w.add(Step{Kind: StepUnreadable, At: w.j.ReceivedAt, Leaf: -1, Why: why})
	return nil
}

func (w *walk) readBody(ctx context.Context) error {
	body, err := w.s.openBody(ctx, &w.j.Summary)
	switch {
	case errors.Is(err, ErrErased):
		w.add(Step{Kind: StepErased, Source: SeenByUs, Leaf: -1})
		return nil
	case errors.Is(err, ErrViewsClosed):
		return w.bodySteps("views of messages are closed until a person decides")
	case err != nil:
		return err
	}
	w.body = body
	m, err := hl7.Parse(body)
	if err != nil {
		return w.bodySteps("the message cannot be read as HL7")
	}
	w.j.Said = saidOf(m, w.zone, w.o.Identity)
	w.j.Masked = masked(m, false)
	if !w.o.Identity {
		w.j.Said, w.j.Masked = w.j.Said.Hidden(), withoutNumbers(w.j.Masked)
	}
	return nil
}

func (w *walk) said(ctx context.Context) error {
	if err := w.readBody(ctx); err != nil {
		return err
	}
	if said := w.j.Said; said != nil {
		for i := range said.Orders {
			o := &said.Orders[i]
			if i == 0 && !o.Collected.At.IsZero() {
				w.add(Step{Kind: StepCollected, Source: SaidByLIS, At: o.Collected.At, Leaf: -1, Order: o})
			}
			if i == 0 && !o.Reported.At.IsZero() {
				w.add(Step{Kind: StepReported, Source: SaidByLIS, At: o.Reported.At, Leaf: -1, Order: o})
			}
		}
		w.add(Step{Kind: StepMatched, Source: SaidByLIS, At: w.j.ReceivedAt, Leaf: -1})
	}
	if w.body != nil {
		w.add(Step{Kind: StepSealed, Source: SeenByUs, At: w.j.ReceivedAt, Leaf: w.j.Leaf, Sum: fmt.Sprintf("%x", hash(w.body))})
	}
	return nil
}

// sees says whether a delivery is among those told of.
func (w *walk) sees(seq int64) bool {
	return slices.ContainsFunc(w.j.Deliveries, func(d Delivery) bool { return d.Seq == seq })
}

func (w *walk) acts(context.Context) error {
	for _, leaf := range w.actsAt {
		e, err := w.entry(leaf)
		if err != nil {
			return err
		}
		a, err := actIn(w.j.ID, leaf, &e)
		if err != nil {
			return err
		}
		switch {
		case a.Look():
			if w.o.Looks {
				w.j.Looks = append(w.j.Looks, a)
			}
		case a.Delivery >= 0 && !w.sees(a.Delivery):
		default:
			w.add(Step{Kind: StepAct, Source: SeenByUs, At: a.At, Leaf: a.Leaf, Act: &a, By: a.By})
		}
	}
	slices.Reverse(w.j.Looks)
	return nil
}

func (w *walk) holds(ctx context.Context) error {
	holds, err := w.s.HoldsOn(ctx, w.j.Leaf)
	if err != nil {
		return err
	}
	w.j.Holds = holds
	for _, h := range holds {
		w.add(Step{Kind: StepLegalHold, Source: SeenByUs, At: h.PlacedAt, Leaf: -1, By: h.Owner, Why: h.Reason})
	}
	return nil
}

func (w *walk) calls(ctx context.Context) error {
	if w.o.Sees != nil {
		return nil // whom the laboratory telephones is its own
	}
	var out []Call
	err := w.s.db.Query(ctx, "SELECT "+callCols+" FROM results_calls WHERE message = $1 ORDER BY opened_at LIMIT 50", []any{w.j.ID[:]}, func(row store.Scanner) error {
		c, err := w.s.scanCall(row)
		out = append(out, c)
		return err
	})
	if err != nil {
		return fmt.Errorf("list phone tasks: %w", err)
	}
	for i := range out {
		w.add(Step{Kind: StepCall, Source: SeenByUs, At: out[i].OpenedAt, Leaf: -1, Call: &out[i]})
	}
	return nil
}

// Title is what the message is about, as the LIS names it; empty where it does
// not.
func (s *Said) Title() string {
	var names []string
	for i := range s.Orders {
		if t := s.Orders[i].Test; t != "" && !slices.Contains(names, t) {
			names = append(names, t)
		}
	}
	if len(names) > 2 {
		return fmt.Sprintf("%s and %d more", names[0], len(names)-1+s.More)
	}
	return strings.Join(names, " and ")
}

// Number is the order's number as the laboratory knows it: the filler's, else
// the placer's, of the first order that has one.
func (s *Said) Number() string {
	for i := range s.Orders {
		if n := s.Orders[i].Filler; n != "" {
			return n
		}
	}
	for i := range s.Orders {
		if n := s.Orders[i].Placer; n != "" {
			return n
		}
	}
	return ""
}
