package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/ledger/witness"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindDecided is the event of a person's decision about an alarm.
const KindDecided = "ledger.alarm_decided"

// Errors of DecideAlarm.
var (
	ErrNoAlarm    = errors.New("there is no alarm to decide about")
	ErrNoDecision = errors.New("name who decides and why")
)

// WitnessStatus is how the ledger stands with its witnesses.
type WitnessStatus struct {
	// Closed is why views of patient data are closed, in words; empty when open.
	Closed string `json:"closed,omitempty"`
	// Alarms are what stands undecided, in words.
	Alarms    []string       `json:"alarms"`
	Witnesses []WitnessState `json:"witnesses"`
	// Signed is the size of the last checkpoint signed since the start.
	Signed int64 `json:"signed"`
}

// Witnesses tells how the ledger stands with its witnesses; false while the hub
// is not serving.
func (h *Hub) Witnesses() (WitnessStatus, bool) {
	g := h.guard.Load()
	if g == nil {
		return WitnessStatus{}, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	st := WitnessStatus{Closed: h.Results.ViewsClosed(), Alarms: []string{}, Witnesses: []WitnessState{}, Signed: g.latest.size}
	for _, a := range g.alarms {
		st.Alarms = append(st.Alarms, a.Text)
	}
	slices.Sort(st.Alarms)
	for _, w := range g.all {
		st.Witnesses = append(st.Witnesses, w.state)
	}
	return st, true
}

// views opens or closes the views by what is known. The caller does not hold mu.
func (g *guard) views() {
	g.mu.Lock()
	defer g.mu.Unlock()
	reason := ""
	if g.waiting {
		reason = "the witnesses are being asked what they remember; this takes some seconds after a start"
	}
	texts := make([]string, 0, len(g.alarms))
	for _, a := range g.alarms {
		texts = append(texts, a.Text)
	}
	if len(texts) > 0 {
		slices.Sort(texts)
		reason = strings.Join(texts, " ")
	}
	g.h.Results.SetViewsClosed(reason)
	select { // only the latest counts
	case <-g.closed:
	default:
	}
	g.closed <- reason
}

// answered ends the wait of the start.
func (g *guard) answered() {
	g.mu.Lock()
	g.waiting = false
	g.mu.Unlock()
	g.views()
}

// checkStore holds the ledger against the last checkpoint kept beside it: that
// shows what was cut off or changed by somebody who forgot the checkpoints.
func (g *guard) checkStore(ctx context.Context) error {
	head, err := g.h.Log.Head(ctx)
	if err != nil {
		return err
	}
	var seen []witness.Seen
	size, signed, err := g.h.Log.LastCheckpoint(ctx)
	if err != nil {
		return err
	}
	if signed != nil {
		text, _, _ := strings.Cut(string(signed), "\n\n")
		c, err := ledger.ParseCheckpoint(text + "\n")
		if err != nil || c.Size != size {
			return g.raise(ctx, witness.Alarm{Verdict: witness.Broken, Text: "The last checkpoint kept in the database cannot be read. " +
				"Patient views stay closed until a person has run the audit and decided."})
		}
		seen = append(seen, witness.SeenCheckpoint(ownStore, c, time.Time{}))
	}
	a, err := witness.CheckStart(ctx, g.h.Log, head, seen...)
	if err != nil {
		return err
	}
	if a.Raised() {
		return g.raise(ctx, a)
	}
	return g.trust(ctx, ownStore)
}

// trust ends a decision about a witness that confirms again.
func (g *guard) trust(ctx context.Context, name string) error {
	decided, err := g.h.Log.Decided(ctx, name)
	if err != nil || !decided {
		return err
	}
	g.h.slog.Info("a witness about which a person had decided confirms the ledger again", "witness", name)
	return g.h.Log.Undecide(ctx, name)
}

// ownStore is the name under which the checkpoints in our own database speak.
const ownStore = "(the database's own checkpoints)"

// raise closes the views, unless a person has decided about this witness. A
// ledger that does not fit together is an alarm after every start until it does.
func (g *guard) raise(ctx context.Context, a witness.Alarm) error {
	decided := false
	var err error
	if a.Witness != "" {
		decided, err = g.h.Log.Decided(ctx, a.Witness)
	}
	if err != nil {
		g.h.slog.Error("decisions about alarms could not be read", "error", err)
	}
	if decided {
		g.h.slog.Warn("a witness remembers another ledger; a person has decided about it", "witness", a.Witness, "verdict", a.Verdict.String())
		return err
	}
	g.mu.Lock()
	was, old := g.alarms[a.Witness]
	if !old || was.Verdict != a.Verdict { // as it was found: the ledger grows meanwhile
		g.alarms[a.Witness] = a
	}
	g.mu.Unlock()
	if !old {
		g.h.slog.Error("ALARM: "+a.Text, "witness", a.Witness, "verdict", a.Verdict.String(), "missing", a.Missing)
	}
	g.views()
	return err
}

// heard takes what came of bringing a checkpoint to a witness.
func (g *guard) heard(ctx context.Context, w *watcher, size int64, err error) {
	var stale *witness.StaleError
	seen := witness.Seen{Witness: w.state.Name}
	switch {
	case err == nil:
		if !w.trusted {
			if terr := g.trust(ctx, w.state.Name); terr != nil {
				g.h.slog.Error("a decision about a witness could not be ended", "error", terr)
			} else {
				w.trusted = true
			}
		}
		g.mu.Lock()
		w.state.Size, w.state.At, w.state.Problem, w.state.Late, w.since = size, g.h.now().UTC(), "", false, time.Time{}
		g.mu.Unlock()
	case errors.Is(err, witness.ErrRollback) && errors.As(err, &stale):
		seen.Size = stale.Size
		head, herr := g.h.Log.Head(ctx)
		if herr != nil {
			break
		}
		a, cerr := witness.CheckStart(ctx, g.h.Log, head, seen)
		if cerr == nil && a.Raised() {
			g.tell(w, a.Text)
			_ = g.raise(ctx, a) // logged there
		}
	case errors.Is(err, witness.ErrFork):
		a := witness.Alarm{Verdict: witness.Rewritten, Witness: w.state.Name, Text: fmt.Sprintf(
			"The ledger is not a continuation of what witness %s confirmed: the past was changed. "+
				"Patient views stay closed until a person decides.", w.state.Name)}
		g.tell(w, a.Text)
		_ = g.raise(ctx, a)
	case errors.Is(err, ledger.ErrDamaged), errors.Is(err, ledger.ErrNotFound):
		a := witness.Alarm{Verdict: witness.Broken, Text: "The stored ledger does not fit together. Rows were changed, moved or removed. " +
			"Patient views stay closed until a person has run the audit and decided."}
		g.tell(w, a.Text)
		_ = g.raise(ctx, a)
	default:
		g.mu.Lock()
		fresh := w.state.Problem == ""
		w.state.Problem = "it could not be reached or did not confirm"
		if errors.Is(err, witness.ErrRefused) {
			w.state.Problem = "it does not know this laboratory's key, or refused"
		}
		g.mu.Unlock()
		if fresh {
			g.h.slog.Warn("a witness did not confirm a checkpoint; it is tried again", "witness", w.state.Name, "error", err)
		}
	}
	g.late(w, err != nil)
	g.mu.Lock()
	w.asked = true
	all := true
	for _, x := range g.all {
		all = all && x.asked
	}
	done := all && g.waiting
	g.mu.Unlock()
	if done {
		g.answered()
	}
}

func (g *guard) tell(w *watcher, problem string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.state.Problem = problem
}

// late raises its voice when a witness has not confirmed for too long.
func (g *guard) late(w *watcher, open bool) {
	now := g.h.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case !open:
		w.since = time.Time{}
	case w.since.IsZero():
		w.since = now
	case !w.state.Late && now.Sub(w.since) > lateAfter*w.every:
		w.state.Late = true
		g.h.slog.Error("ALARM: a witness has not confirmed the ledger for several of its intervals; a rolled-back database would not be noticed by it",
			"witness", w.state.Name, "since", w.since.UTC())
	}
}

// DecideAlarm records that a person has looked at all that stands and takes the
// ledger as it is: views open again. What witnesses remember does not change;
// a witness that remembers another ledger must be replaced by one with an empty
// memory, and until then the same finding is a warning, no alarm.
func (h *Hub) DecideAlarm(ctx context.Context, by, reason string) error {
	if strings.TrimSpace(by) == "" || strings.TrimSpace(reason) == "" {
		return ErrNoDecision
	}
	g := h.guard.Load()
	if g == nil {
		return ErrNoAlarm
	}
	g.mu.Lock()
	alarms := make([]witness.Alarm, 0, len(g.alarms))
	for _, a := range g.alarms {
		alarms = append(alarms, a)
	}
	g.mu.Unlock()
	if len(alarms) == 0 {
		return ErrNoAlarm
	}
	head, err := h.Log.Head(ctx)
	if err != nil {
		return err
	}
	now := h.now().UnixMicro()
	err = h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, a := range alarms {
			leaf, err := bus.Publish(ctx, tx, ledger.Event{
				Kind: KindDecided, At: now, IDs: ledger.Pairs{{K: "by", V: ledger.Code(by)}, {K: "witness", V: ledger.Code(a.Witness)}},
				Codes:   ledger.Pairs{{K: "reason", V: ledger.Code(reason)}, {K: "verdict", V: ledger.Code(a.Verdict.String())}},
				Numbers: []ledger.Number{{K: "missing", N: a.Missing}, {K: "size", N: head.Size}},
			})
			if err != nil {
				return err
			}
			if a.Witness == "" {
				continue
			}
			if err := h.Log.Decide(ctx, tx, a.Witness, a.Verdict.String(), now, by, leaf); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record decision: %w", err)
	}
	g.mu.Lock()
	for _, a := range alarms {
		if g.alarms[a.Witness].Text == a.Text {
			delete(g.alarms, a.Witness)
		}
	}
	g.mu.Unlock()
	h.slog.Warn("a person has decided about the ledger's alarms", "by", ledger.Code(by), "alarms", len(alarms))
	g.views()
	return nil
}

// alarms are the sentences of `labwarden status` about ledger and witnesses.
func (h *Hub) alarms() []string {
	st, ok := h.Witnesses()
	if closed := h.Results.ViewsClosed(); !ok && closed != "" {
		return []string{"Views of patient data are closed on this node; results flow: " + closed + "."}
	}
	if !ok {
		return h.storeAlarms()
	}
	out := st.Alarms
	if len(out) > 0 {
		out = append(out, "Views of patient data are closed; results flow. Once you know why, run `labwarden ledger decide --reason WHY`.")
	}
	for _, w := range st.Witnesses {
		if w.Late {
			out = append(out, fmt.Sprintf("Witness %s has not confirmed the ledger for more than %d of its intervals: %s.", w.Name, lateAfter, w.Problem))
		}
	}
	return append(out, h.storeAlarms()...)
}

// decide is DecideAlarm for the control socket.
func (h *Hub) decide(ctx context.Context, by, reason string) error {
	err := h.DecideAlarm(ctx, by, reason)
	s, holds := h.lease.Mine()
	switch {
	case errors.Is(err, ErrNoAlarm) && !holds:
		if other, err := h.lease.State(ctx); err == nil && other.Live {
			s = other
		}
		return &control.Error{Kind: control.Conflict, Message: "The node that holds the lease asks the witnesses: decide there (" + s.Node + ")."}
	case errors.Is(err, ErrNoAlarm):
		return &control.Error{Kind: control.Conflict, Message: "There is no alarm about the ledger to decide about."}
	case errors.Is(err, ErrNoDecision):
		return &control.Error{Kind: control.Invalid, Message: "Name who decides and why."}
	}
	return err
}
