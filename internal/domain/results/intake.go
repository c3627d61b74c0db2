package results

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Outcome says what became of a presented message.
type Outcome int

// The outcomes.
const (
	Taken       Outcome = iota + 1 // on disk with its deliveries
	Repeated                       // the same message as before: nothing new was stored
	Quarantined                    // not taken; kept for a person
)

// Intake is the handler of one source's messages.
type Intake struct {
	s      *Service
	source string
}

// Intake returns the handler for what the named source sends. The name is the
// transport's finding of who the peer is; a source that the configuration does
// not know is quarantined, message by message.
func (s *Service) Intake(source string) *Intake { return &Intake{s, source} }

// Handle implements channel.Handler: it takes the message and answers.
func (in *Intake) Handle(ctx context.Context, from channel.Peer, body []byte) (channel.Reply, error) {
	r := in.s.take(ctx, in.source, from, body)
	return channel.Reply{Body: r.ack}, nil
}

// verdict is what is answered, and what became of the message.
type verdict struct {
	outcome Outcome
	id      event.ID
	ack     []byte
}

// refusal is why a message is not taken.
type refusal struct {
	cause    string // a word for tables and metrics
	text     string // what the sender's log will say; no patient data
	code     string // HL7 table 0357
	location string
	busy     bool // "send it again later" instead of "this is wrong"
}

// Causes of quarantine.
const (
	CauseUnknownSender = "unknown_sender"
	CauseUnparsable    = "unparsable"
	CauseNoControlID   = "no_control_id"
	CauseConflict      = "control_id_reused"
	CauseNoRoute       = "no_route"
	CauseTooManyKeys   = "too_many_identifiers"
	CauseOversize      = "too_large"
	CauseRule          = "rule_failed"
	CauseMixed         = "control_beside_patient"
)

var keysPool = sync.Pool{New: func() any { return new(hl7.Keys) }}

// take is the whole way in.
func (s *Service) take(ctx context.Context, source string, from channel.Peer, body []byte) verdict {
	now := s.now()
	set := s.settings.Load()
	j := judged{keys: keysPool.Get().(*hl7.Keys)}
	defer keysPool.Put(j.keys)
	if r, ok := set.judge(source, body, &j); !ok {
		return s.refuse(ctx, source, &j.head, body, now, r)
	}
	s.giveWay(ctx, j.plans)
	return s.accept(ctx, set, &j, from, body, now)
}

// judged is what is known of a message that may be taken.
type judged struct {
	src   Source
	head  hl7.Header
	keys  *hl7.Keys // given by the caller
	msg   *hl7.Message
	plans []plan
	flags int64
}

// judge decides whether the message may be taken and where it goes. j.head is
// filled as far as it can be read in any case.
func (set *Settings) judge(source string, body []byte, j *judged) (refusal, bool) {
	src, known := set.Sources[source]
	var err error
	j.src = src
	j.head, err = hl7.ReadHeader(body)
	switch {
	case !known:
		return refusal{
			cause: CauseUnknownSender, code: "207",
			text: "This sender is not known to the laboratory's gateway. The message was kept apart for a person to look at.",
		}, false
	case err != nil:
		return unparsable(err), false
	case len(j.head.ControlID) == 0:
		return refusal{
			cause: CauseNoControlID, code: "101", location: "MSH(1)-10",
			text: "MSH-10 (message control id) is empty. Every message needs one of its own.",
		}, false
	}
	m := newLook(body, &j.head, src.Charset)
	msg, err := m.Message()
	if err != nil {
		return unparsable(err), false
	}
	j.msg, j.flags = msg, m.flags()
	if src.Charset != (hl7.Charset{}) {
		if j.msg, err = hl7.Parse(body); err != nil { // the search index goes by the bytes alone
			return unparsable(err), false
		}
	}
	j.keys.AccessionFields = src.AccessionFields
	if err := hl7.ReadKeys(body, &j.head, j.keys); err != nil {
		return refusal{
			cause: CauseTooManyKeys, code: "104",
			text: "The message names more identifiers than one message may. Send it in parts.",
		}, false
	}
	if j.plans, err = set.plan(source, m); err != nil {
		return refusal{
			cause: CauseRule, code: "207",
			text: "A route's condition could not be answered for this message. It was kept apart for a person to look at.",
		}, false
	}
	if len(j.plans) == 0 {
		return refusal{
			cause: CauseNoRoute, code: "207",
			text: "No route leads anywhere for this message. It was kept apart; it can be replayed once a route is there.",
		}, false
	}
	if j.flags&FlagControl != 0 {
		if _, all := j.msg.Controls(); !all {
			return refusal{
				cause: CauseMixed, code: "207",
				text: "The message holds a control or proficiency specimen beside a patient's. It was kept apart for a person to look at; send them in messages of their own.",
			}, false
		}
		j.plans = nil // a control or proficiency specimen is taken and kept, and goes nowhere (SAFETY 12)
	}
	return refusal{}, true
}

func unparsable(err error) refusal {
	r := refusal{cause: CauseUnparsable, code: "207", text: "This is not a readable HL7 message."}
	var e *hl7.Error
	if errors.As(err, &e) {
		r.text = "This is not a readable HL7 message: " + e.Msg + "."
		r.location = e.Location()
		if e.Code != "" {
			r.code = e.Code
		}
	}
	return r
}

// accept stores the message with all that follows from it in one transaction.
func (s *Service) accept(ctx context.Context, set *Settings, j *judged, from channel.Peer, body []byte, now time.Time) verdict {
	src, head := j.src, &j.head
	id := event.NewID()
	fail := func(err error) verdict {
		s.counts.failed.Add(1)
		s.slog.Error("a message could not be stored; the sender was told to repeat it", "source", src.Name, "error", err)
		return verdict{ack: reply(head, id, now, false, refusal{
			busy: true, code: "207",
			text: "The gateway could not store this message and did not take it. Send it again.",
		})}
	}
	m, err := s.prepare(ctx, set, j, from, id, body, now)
	if err != nil {
		return fail(err)
	}
	cutoff := s.steady.now().Add(-src.Window).UnixMicro()
	var before *earlier
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if before, err = s.earlier(ctx, tx, m.control, cutoff, body); err != nil || before != nil {
			return err
		}
		return s.insert(ctx, tx, m)
	})
	if err != nil {
		return fail(err)
	}
	if before == nil {
		s.counts.received.Add(1)
		if j.flags&FlagCorrection != 0 {
			s.pokeClinical()
		}
		return verdict{Taken, id, reply(head, id, now, true, refusal{})}
	}
	if before.same {
		s.counts.repeated.Add(1)
		return verdict{Repeated, before.id, reply(head, before.id, time.UnixMicro(before.at).In(now.Location()), true, refusal{})}
	}
	s.slog.Warn("a control id came again with another body", "source", src.Name, "first_message", before.id.String())
	return s.refuse(ctx, src.Name, head, body, now, refusal{
		cause: CauseConflict, code: "205", location: "MSH(1)-10",
		text: "This control id was used for a different message before. The message was kept apart for a person to release or refuse.",
	})
}

// newMessage is a message with all that is written of it.
type newMessage struct {
	id      event.ID
	source  string
	at      int64 // microseconds
	size    int64
	flags   int64
	control controlKey
	body    []byte // the caller's
	salt    ledger.Salt
	sealed  []byte
	lanes   []byte
	search  []searchKey
	plans   []plan
	fact    ledger.Event
}

// prepare makes what is written of a message that may be taken.
func (s *Service) prepare(ctx context.Context, set *Settings, j *judged, from channel.Peer, id event.ID, body []byte, now time.Time) (*newMessage, error) {
	m := &newMessage{id: id, source: j.src.Name, at: now.UnixMicro(), size: int64(len(body)), flags: j.flags, plans: j.plans}
	m.body = body
	var err error
	if m.salt, err = s.seal.newSalt(); err != nil {
		return nil, err
	}
	if m.sealed, err = s.seal.seal("results_messages", id, m.salt, body); err != nil {
		return nil, err
	}
	m.control = s.controlKey(m.source, j.head.SendingApp, j.head.SendingFacility, j.head.ControlID)
	m.lanes, m.search = s.marks(m.source, j.keys, j.msg)
	if err := s.holdOnArrival(ctx, m, body); err != nil {
		return nil, err
	}
	m.fact, err = received(&intakeFact{id, m.source, from, set.Revision, now, j.flags, m.lanes, j.plans}, m.salt, body)
	return m, err
}

// insert writes message, deliveries and event.
func (s *Service) insert(ctx context.Context, tx *store.Tx, m *newMessage) error {
	leaf, err := bus.Publish(ctx, tx, m.fact)
	if err != nil {
		return err
	}
	err = tx.Queue(ctx, `INSERT INTO results_messages (leaf, id, source, received_at, size, flags, control, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, leaf, m.id[:], m.source, m.at, m.size, m.flags, int64(m.control), m.sealed)
	if err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	for n, p := range m.plans {
		err := tx.Queue(ctx, `INSERT INTO results_deliveries (seq, message, partner, route, state, lanes, changed_at, reason)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			leaf*maxPlans+int64(n), leaf, p.partner, p.route, int64(p.state), m.lanes, m.at, p.reason)
		if err != nil {
			return fmt.Errorf("write delivery: %w", err)
		}
		if p.state == Held {
			if err := s.coverNew(ctx, tx, leaf*maxPlans+int64(n), &p); err != nil {
				return err
			}
		}
		if p.reason != "" {
			if err := s.tags.Put(ctx, tx, taggedTries, leaf*maxPlans+int64(n)); err != nil {
				return err
			}
		}
	}
	s.recent.take(tx, m, leaf)
	if err := s.startTimers(ctx, tx, leaf, m); err != nil {
		return err
	}
	tx.After(func(committed bool) {
		if committed {
			s.handOver(m, leaf)
		}
	})
	return nil
}

// reply builds the acknowledgement; nil where the sender wants none. The same
// message gets the same bytes again: control id and time come from what was
// stored first.
func reply(h *hl7.Header, id event.ID, at time.Time, ok bool, r refusal) []byte {
	o := hl7.AckOptions{ControlID: hex.EncodeToString(id[:])[12:], Time: at, Text: r.text, ErrorCode: r.code, ErrorLocation: r.location}
	letter := "C"
	if !hl7.WantsAcceptAck(h, ok) { // MSH-15 and MSH-16, HL7 v2.5.1 2.9.3, table 0155
		if !hl7.WantsAppAck(h, ok) {
			return nil
		}
		letter = "A"
	}
	switch {
	case ok:
		o.Code = letter + "A"
	case r.busy:
		o.Code = letter + "R"
	default:
		o.Code = letter + "E"
	}
	if !ok && letter == "A" && (r.cause == CauseUnparsable || r.cause == CauseUnknownSender) {
		o.Code = "AR" // HL7 v2.5.1 2.9.2.2: the message itself was not acceptable
	}
	return hl7.AppendAck(nil, h, o)
}
