package bypass

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// Partner is one receiver that the bypass can send to.
type Partner struct {
	Sender channel.Sender
	// Prepare gives the message what the transport needs besides HL7 (a file's
	// name); it leaves Body alone. Nil changes nothing.
	Prepare func(m channel.Message, route string, at time.Time) (channel.Message, error)
}

// Refusal is why a message is not relayed. Text goes to the LIS: no patient data.
type Refusal struct{ Cause, Code, Location, Text string }

// Decide says where a message of a source goes, by the routes of the card
// alone. No ways and no refusal means that it is taken and goes nowhere (a
// control specimen, a route in its shadow stage).
type Decide func(source string, body []byte) ([]Way, *Refusal)

// Relay takes messages and carries them at once. Set its fields before use.
type Relay struct {
	Log      *Log
	Decide   Decide
	Partners map[string]Partner
	Now      func() time.Time
	Slog     *slog.Logger

	memory *memory
	mu     sync.Mutex
	gates  map[string]*sync.Mutex
	counts Counts
}

// Counts are totals since the bypass was opened.
type Counts struct {
	Acknowledged int64     `json:"acknowledged"` // to the LIS, each partner had it
	Repeated     int64     `json:"repeated"`     // acknowledged again, nothing was sent
	Later        int64     `json:"later"`        // answered AR
	Refused      int64     `json:"refused"`      // answered AE
	LastAt       time.Time `json:"last_acknowledged,omitzero"`
}

// Counts returns the totals.
func (r *Relay) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

// Remember reads what earlier sessions relayed, before the first message.
func (r *Relay) Remember(rec Record) {
	if r.memory == nil {
		r.memory = newMemory()
	}
	r.memory.take(rec)
}

// gate lets one message of a source in at a time.
func (r *Relay) gate(source string) *sync.Mutex {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.memory == nil {
		r.memory = newMemory()
	}
	if r.gates == nil {
		r.gates = map[string]*sync.Mutex{}
	}
	if r.gates[source] == nil {
		r.gates[source] = &sync.Mutex{}
	}
	return r.gates[source]
}

// Source is the handler of what the named source sends.
func (r *Relay) Source(source string) channel.Handler {
	gate := r.gate(source)
	return channel.HandlerFunc(func(ctx context.Context, from channel.Peer, body []byte) (channel.Reply, error) {
		gate.Lock()
		defer gate.Unlock()
		return channel.Reply{Body: r.take(ctx, source, from, body)}, nil
	})
}

// TooLarge answers a message over the source's limit; nothing of it is relayed.
func (r *Relay) TooLarge(source string, head []byte, size int64, sum string) []byte {
	h, _ := hl7.ReadHeader(head) // what cannot be read of it is answered in a general form
	return r.refuse(source, &h, Refusal{
		Cause: "too_large", Code: "104",
		Text: "The message is larger than this gateway takes. It stays with the sender.",
	}, size, sum)
}

func (r *Relay) take(ctx context.Context, source string, from channel.Peer, body []byte) []byte {
	now := r.Now()
	h, err := hl7.ReadHeader(body)
	if err != nil || len(h.ControlID) == 0 {
		return r.refuse(source, &h, Refusal{
			Cause: "unparsable", Code: "101", Location: "MSH(1)-10",
			Text: "The gateway runs in bypass and cannot read this message's header or control id. It stays with the sender.",
		}, int64(len(body)), sumOf(body))
	}
	k := r.memory.find(keyOf(source, &h))
	switch {
	case k == nil:
		ways, no := r.Decide(source, body)
		if no != nil {
			return r.refuse(source, &h, *no, int64(len(body)), sumOf(body))
		}
		rec := Record{Kind: Relayed, At: now, ID: event.NewID().String(), Source: source, Peer: from, Ways: ways, Body: body}
		if err := r.Log.Append(rec); err != nil {
			r.Slog.Error("a message could not be written to the bypass log; the sender was told to repeat it", "source", source, "error", err)
			return r.later(&h, now, "The gateway runs in bypass and could not note this message. Send it again.")
		}
		r.memory.take(rec)
		k = r.memory.find(keyOf(source, &h))
	case k.sum != sumOf(body):
		return r.refuse(source, &h, Refusal{
			Cause: "control_id_reused", Code: "205", Location: "MSH(1)-10",
			Text: "This control id was used for a different message before. The gateway runs in bypass; the message stays with the sender.",
		}, int64(len(body)), sumOf(body))
	case len(k.left()) == 0:
		r.count(func(c *Counts) { c.Repeated++ })
		return answer(&h, "A", hl7.AckOptions{ControlID: ackID(k.id), Time: k.at})
	}
	return r.carry(ctx, source, k, &h, body, now)
}

// carry sends the message to every partner that has not accepted it yet, all
// at once, and answers the LIS by what came of it.
func (r *Relay) carry(ctx context.Context, source string, k *known, h *hl7.Header, body []byte, now time.Time) []byte {
	type outcome struct {
		receipt *Receipt
		failure *Failure
	}
	left := k.left()
	got := make([]outcome, len(left))
	var wg sync.WaitGroup
	for i, w := range left {
		wg.Go(func() {
			receipt, err := r.send(ctx, k, w, h, body)
			if err == nil {
				got[i].receipt = &Receipt{w.Partner, receipt}
				return
			}
			f := &Failure{Partner: w.Partner, Class: channel.ClassOf(err).String()}
			var ce *channel.Error
			if errors.As(err, &ce) {
				f.Code, f.Reply = ce.Code, ce.Reply
			}
			r.Slog.Warn("a message could not be delivered in bypass", "partner", w.Partner, "message", k.id, "class", f.Class, "code", f.Code)
			got[i].failure = f
		})
	}
	wg.Wait()
	tried := Record{Kind: Tried, At: r.Now(), ID: k.id, Answer: "AA"}
	for _, o := range got {
		if o.receipt != nil {
			tried.Receipts = append(tried.Receipts, *o.receipt)
			continue
		}
		tried.Failures = append(tried.Failures, *o.failure)
		if c := o.failure.Class; c == channel.Rejected.String() || c == channel.Unfit.String() {
			if tried.Answer == "AA" {
				tried.Answer = "AE"
			}
		} else {
			tried.Answer = "AR" // repeating may help, so that is what is asked for
		}
	}
	if len(left) > 0 {
		if err := r.Log.Append(tried); err != nil {
			r.Slog.Error("what the partners answered could not be written to the bypass log; the sender was told to repeat the message, and the partners may get it twice",
				"source", source, "message", k.id, "error", err)
			return r.later(h, now, "The gateway runs in bypass and could not note this message. Send it again.")
		}
		r.memory.take(tried)
	}
	switch tried.Answer {
	case "AR":
		return r.later(h, now, "The gateway runs in bypass and a receiver cannot be reached at the moment. Send it again.")
	case "AE":
		r.count(func(c *Counts) { c.Refused++ })
		return answer(h, "E", hl7.AckOptions{
			ControlID: ackID(k.id), Time: now, ErrorCode: "207",
			Text: "The gateway runs in bypass and a receiver refused this message or cannot be reached that way. A person must look; the message stays with the sender.",
		})
	}
	r.count(func(c *Counts) { c.Acknowledged++; c.LastAt = tried.At })
	return answer(h, "A", hl7.AckOptions{ControlID: ackID(k.id), Time: k.at})
}

// cannot is the code of a way that the bypass does not support.
const cannot = "not_in_bypass"

var errCannot = errors.New("the bypass does not support this way")

func (r *Relay) send(ctx context.Context, k *known, w Way, h *hl7.Header, body []byte) (channel.Receipt, error) {
	p, ok := r.Partners[w.Partner]
	if w.Cannot != "" || !ok {
		return channel.Receipt{}, &channel.Error{Class: channel.Rejected, Code: cannot, Err: errCannot}
	}
	n := 0
	for i := range k.ways {
		if k.ways[i].Partner == w.Partner {
			n = i
		}
	}
	m := channel.Message{
		ID: fmt.Sprintf("%s-%d", k.id, n), ControlID: string(h.ControlID), ContentType: "x-application/hl7-v2+er7",
		Name: k.id + ".hl7", Body: body, AcceptAck: string(h.AcceptAck), AppAck: string(h.AppAck),
	}
	if p.Prepare != nil {
		var err error
		if m, err = p.Prepare(m, w.Route, k.at); err != nil {
			return channel.Receipt{}, &channel.Error{Class: channel.Misconfigured, Err: err}
		}
	}
	receipt, err := p.Sender.Send(ctx, m)
	receipt.At = r.Now()
	return receipt, err
}

func (r *Relay) refuse(source string, h *hl7.Header, no Refusal, size int64, sum string) []byte {
	now := r.Now()
	r.count(func(c *Counts) { c.Refused++ })
	err := r.Log.Append(Record{Kind: Refused, At: now, Source: source, Cause: no.Cause, SHA256: sum, Size: size, Answer: "AE"})
	if err != nil {
		r.Slog.Error("a refusal could not be written to the bypass log", "source", source, "error", err)
	}
	r.Slog.Warn("a message was refused in bypass; it stays with the sender", "source", source, "cause", no.Cause)
	return answer(h, "E", hl7.AckOptions{ControlID: ackID(event.NewID().String()), Time: now, Text: no.Text, ErrorCode: no.Code, ErrorLocation: no.Location})
}

func (r *Relay) later(h *hl7.Header, now time.Time, text string) []byte {
	r.count(func(c *Counts) { c.Later++ })
	return answer(h, "R", hl7.AckOptions{ControlID: ackID(event.NewID().String()), Time: now, Text: text, ErrorCode: "207"})
}

func (r *Relay) count(f func(*Counts)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.counts)
}

// answer builds the acknowledgement in the mode the sender asks for (HL7
// v2.5.1 2.9.2, 2.9.3); nil where it wants none.
func answer(h *hl7.Header, outcome string, o hl7.AckOptions) []byte {
	ok := outcome == "A"
	switch {
	case hl7.WantsAcceptAck(h, ok):
		o.Code = "C" + outcome
	case hl7.WantsAppAck(h, ok):
		o.Code = "A" + outcome
	default:
		return nil
	}
	return hl7.AppendAck(nil, h, o)
}

// ackID is our MSH-10: the end of the message's id, as in the hub's answers.
func ackID(id string) string {
	var b []byte
	for i := range len(id) {
		if id[i] != '-' {
			b = append(b, id[i])
		}
	}
	return string(b[min(12, len(b)):])
}
