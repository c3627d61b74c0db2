package results

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// deliveries tells each delivery: its tries, what the partner answered, and
// whether its own list names it.
func (w *walk) deliveries(ctx context.Context) error {
	if len(w.j.Deliveries) == 0 {
		w.add(Step{Kind: StepNowhere, Source: SeenByUs, Leaf: -1})
		return nil
	}
	var never map[string]bool
	for i := range w.j.Deliveries {
		d := &w.j.Deliveries[i]
		tries, err := w.s.tries(ctx, d.Seq)
		if err != nil {
			return err
		}
		st := Step{Source: SeenByUs, Leaf: -1, Delivery: d, Tries: tries}
		switch d.State {
		case Waiting:
			st.Kind = StepWaits
		case Held, NeedsPerson:
			st.Kind = StepStands
		case Shadowed:
			st.Kind, st.At = StepShadow, w.j.ReceivedAt
		case Done:
			if err := w.done(ctx, st); err != nil {
				return err
			}
			if never == nil {
				if never, err = w.uncountable(ctx); err != nil {
					return err
				}
			}
			w.pickedUp(d)
			w.counted(d, !never[d.Partner])
			continue
		default: // refused or superseded: the act says so
			if len(tries) == 0 {
				continue
			}
			st.Kind, st.At = StepStands, d.ChangedAt
		}
		w.add(st)
	}
	return nil
}

func (w *walk) uncountable(ctx context.Context) (map[string]bool, error) {
	list, err := w.s.NotCountable(ctx)
	out := map[string]bool{}
	for _, p := range list {
		out[p] = true
	}
	return out, err
}

func (w *walk) pickedUp(d *Delivery) {
	switch {
	case !d.PickedUpAt.IsZero():
		w.add(Step{Kind: StepPickedUp, Source: SeenByUs, At: d.PickedUpAt, Leaf: -1, Delivery: d})
	case d.WaitsAs != "":
		w.add(Step{Kind: StepUnfetched, Leaf: -1, Delivery: d})
	}
}

func (w *walk) counted(d *Delivery, countable bool) {
	if !d.FoundAt.IsZero() {
		w.add(Step{Kind: StepCounted, Source: SeenByUs, At: d.FoundAt, Leaf: -1, Delivery: d, Countable: true})
		return
	}
	if !d.PickedUpAt.IsZero() || countable && d.WaitsAs != "" {
		return // the pick-up says it, or that it did not happen yet
	}
	w.add(Step{Kind: StepUncounted, Leaf: -1, Delivery: d, Countable: countable})
}

// done tells a completed delivery from the ledger's entry and the sealed
// receipt.
func (w *walk) done(ctx context.Context, st Step) error {
	d := st.Delivery
	e, err := w.entry(d.DoneLeaf)
	if err != nil {
		return err
	}
	if e.Kind != KindDelivered || e.IDs.Get("message") != w.j.ID.String() || e.IDs.Get("delivery") != numbered(d.Seq) {
		return fmt.Errorf("read delivery %d: %w: entry %d is about something else", d.Seq, ledger.ErrDamaged, d.DoneLeaf)
	}
	at := time.UnixMicro(e.At).UTC()
	st.Kind, st.At, st.Leaf, st.Peer, st.Code, st.Level = StepSent, at, d.DoneLeaf, provedIn(&e), e.Codes.Get("code"), e.Codes.Get("level")
	var sealed []byte
	if err := w.s.db.QueryRow(ctx, "SELECT receipt FROM results_deliveries WHERE seq = $1", d.Seq).Scan(&sealed); err != nil {
		return fmt.Errorf("read receipt: %w", err)
	}
	answer := Step{Kind: StepAnswered, Source: SeenByUs, At: at, Leaf: d.DoneLeaf, Delivery: d, Code: st.Code, Level: st.Level, Peer: st.Peer}
	if sealed != nil {
		ev, err := w.s.evidence(d.Seq, sealed)
		if err != nil {
			return err
		}
		if ev.Began != 0 {
			st.Began = time.UnixMicro(ev.Began).UTC()
		}
		st.Same = ev.Sent == nil
		if ev.Sealed != nil {
			st.EncryptedTo = ev.Sealed.To
		}
		if a, err := hl7.ReadAck(ev.Reply); err == nil {
			answer.ReplyFor = Printable(a.ControlID, maxSaid)
		}
	}
	w.add(st)
	w.add(answer)
	return nil
}

// Span is a part of the time a message took, for the bar above its journey.
type Span struct {
	Kind string // lis, here, held, partner
	Took time.Duration
	// Source says who saw it: what the LIS said is not measured by us.
	Source Knowledge
}

// Spans are the parts of one completed delivery's time, in order: from the time
// at which the LIS says it reported the result until it was here, until it was
// sent, and until the partner had answered. Parts whose ends are not known are
// left out, and all of them where the clocks do not fit together. held is the
// time it stood still on a person's word.
func (j *Journey) Spans(seq int64) (total time.Duration, out []Span) {
	var sent, answered *Step
	for i := range j.Steps {
		st := &j.Steps[i]
		if st.Delivery == nil || st.Delivery.Seq != seq {
			continue
		}
		switch st.Kind {
		case StepSent:
			sent = st
		case StepAnswered:
			answered = st
		}
	}
	if sent == nil || answered == nil || answered.At.Before(j.ReceivedAt) {
		return 0, nil
	}
	add := func(kind string, d time.Duration, k Knowledge) {
		if d > 0 {
			out = append(out, Span{kind, d, k})
			total += d
		}
	}
	if s := j.Said; s != nil && len(s.Orders) > 0 && !s.Orders[0].Reported.Day && !s.Orders[0].Reported.At.IsZero() {
		// Longer than a day says more about the field's use than about the way.
		if d := j.ReceivedAt.Sub(s.Orders[0].Reported.At); d > 0 && d < 24*time.Hour {
			add("lis", d, SaidByLIS)
		}
	}
	held := j.heldFor(seq, sent.At)
	if sent.Began.IsZero() || sent.Began.Before(j.ReceivedAt) {
		add("held", held, SeenByUs)
		add("here", sent.At.Sub(j.ReceivedAt)-held, SeenByUs)
		return total, out
	}
	add("held", held, SeenByUs)
	add("here", sent.Began.Sub(j.ReceivedAt)-held, SeenByUs)
	add("partner", answered.At.Sub(sent.Began), SeenByUs)
	return total, out
}

// heldFor adds up the times between a hold of the delivery and its release.
func (j *Journey) heldFor(seq int64, until time.Time) (held time.Duration) {
	var since time.Time
	if n := seq % maxPlans; seq/maxPlans == j.Leaf && n < int64(len(j.states)) && j.states[n] == '0'+byte(Held) {
		since = j.ReceivedAt
	}
	for i := range j.Steps {
		a := j.Steps[i].Act
		if a == nil || a.Delivery != seq || a.At.After(until) {
			continue
		}
		switch a.Kind {
		case KindHeld, KindStopped:
			if since.IsZero() {
				since = a.At
			}
		case KindReleased:
			if !since.IsZero() {
				held += a.At.Sub(since)
				since = time.Time{}
			}
		}
	}
	return held
}
