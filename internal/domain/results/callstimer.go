package results

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// startTimers writes down, in the message's own transaction, what must be
// acknowledged in time. A shadow delivery starts none: the old path carries.
func (s *Service) startTimers(ctx context.Context, tx *store.Tx, leaf int64, m *newMessage) error {
	if m.flags&(FlagCritical|FlagCorrection) == 0 {
		return nil
	}
	for n, p := range m.plans {
		if p.state == Shadowed {
			continue
		}
		for _, w := range []struct {
			flag int64
			what CallReason
		}{{FlagCritical, CallCritical}, {FlagCorrection, CallCorrection}} {
			if m.flags&w.flag == 0 {
				continue
			}
			if err := tx.Queue(ctx, startTimer, leaf*maxPlans+int64(n), int64(w.what), m.source, p.partner, m.at); err != nil {
				return fmt.Errorf("start the timer of a call: %w", err)
			}
		}
		if err := s.tags.Put(ctx, tx, taggedTimers, leaf*maxPlans+int64(n)); err != nil {
			return err
		}
	}
	return nil
}

const startTimer = `INSERT INTO results_call_timers (subject, what, source, partner, started_at) VALUES ($1, $2, $3, $4, $5)`

// urgentApart says whether what is not taken needs a call when nobody looks at
// it: it cannot be read, or it can and the LIS flagged it critical.
func urgentApart(body []byte) bool {
	m, err := hl7.Parse(body)
	if err != nil {
		return true
	}
	_, controls := m.Controls()
	return flagsOf(m)&FlagCritical != 0 && !controls
}

// sinceFirst lets the time of a message taken from quarantine count from when
// it was first presented.
func (s *Service) sinceFirst(ctx context.Context, tx *store.Tx, apart, message event.ID) error {
	var subjects []any
	err := tx.Query(ctx, `SELECT subject FROM results_call_timers WHERE what = 1 AND subject >= $2 * (SELECT leaf FROM results_messages WHERE id = $1)
		AND subject < $2 * (SELECT leaf + 1 FROM results_messages WHERE id = $1)`, []any{message[:], int64(maxPlans)}, func(row store.Scanner) error {
		var n int64
		err := row.Scan(&n)
		subjects = append(subjects, n)
		return err
	})
	for _, n := range subjects {
		if err != nil {
			break
		}
		_, err = s.tags.Exec(ctx, tx, taggedTimers, n, `UPDATE results_call_timers
			SET started_at = (SELECT received_at FROM results_quarantine WHERE id = $1) WHERE what = 1 AND subject = $2`, apart[:], n)
	}
	if err != nil {
		return fmt.Errorf("date the timer of a call: %w", err)
	}
	return nil
}

// criticalAfter is the director's time for a source and partner: the shorter
// of what is said for either, else the laboratory's.
func (set *Settings) criticalAfter(source, partner string) time.Duration {
	out := time.Duration(0)
	shorter := func(d time.Duration) {
		if d > 0 && (out == 0 || d < out) {
			out = d
		}
	}
	shorter(set.Sources[source].CriticalAfter)
	if p := set.Partners[partner]; p != nil {
		shorter(p.CriticalAfter)
	}
	if out == 0 {
		out = set.CriticalAfter
	}
	if out <= 0 {
		out = defaultCriticalAfter
	}
	return out
}

// clinicalTick is how often timers and stops are looked at.
const clinicalTick = 2 * time.Second

// RunClinical opens phone tasks when their time has come and watches over the
// stops, until ctx ends. It may run on several nodes at once: what it does is
// done in one transaction that finds it undone.
func (s *Service) RunClinical(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.clinical:
		case <-timer.C:
		}
		if err := errors.Join(s.openCalls(ctx), s.tendStops(ctx)); err != nil && ctx.Err() == nil {
			s.slog.Error("the timers of calls and stops could not be looked at; it is tried again", "error", err)
		}
		timer.Reset(clinicalTick)
	}
}

// pokeClinical makes RunClinical look at once: a correction came in.
func (s *Service) pokeClinical() {
	select {
	case s.clinical <- struct{}{}:
	default:
	}
}

type callTimer struct {
	subject         int64
	what            CallReason
	source, partner string
	started         int64
}

// openCalls looks at every timer and opens the tasks that are due.
func (s *Service) openCalls(ctx context.Context) error {
	var failed error
	for last := int64(-1); ; {
		var some []callTimer
		err := s.db.Query(ctx, `SELECT subject, what, source, partner, started_at FROM results_call_timers
			WHERE subject > $1 ORDER BY subject, what LIMIT 500`, []any{last}, func(row store.Scanner) error {
			var t callTimer
			var what int64
			err := row.Scan(&t.subject, &what, &t.source, &t.partner, &t.started)
			t.what = CallReason(what)
			some = append(some, t)
			return err
		})
		if err != nil {
			return errors.Join(failed, fmt.Errorf("read the timers of calls: %w", err))
		}
		for i, t := range some {
			if i == len(some)-1 && len(some) == 500 && i > 0 && some[i-1].subject != t.subject {
				break // the rest of this subject is on the next page
			}
			last = t.subject
			// One that fails must not keep the others from being opened.
			if err := s.dueCall(ctx, t); err != nil {
				failed = errors.Join(failed, err)
			}
		}
		if len(some) < 500 {
			return failed
		}
	}
}

// dueCall looks at one timer: not yet, no longer needed, or a task.
func (s *Service) dueCall(ctx context.Context, t callTimer) error {
	now := s.now()
	if t.what != CallCorrection && now.Sub(time.UnixMicro(t.started)) < s.settings.Load().criticalAfter(t.source, t.partner) {
		return nil
	}
	needed := true
	if t.what == CallCorrection {
		ahead, err := s.originals(ctx, t.subject)
		if err != nil && !errors.Is(err, errUnreadable) && !errors.Is(err, ErrErased) && !errors.Is(err, errFarBehind) {
			return err
		}
		needed = err != nil || len(ahead) > 0 // unreadable, or so much waits that not all was looked through: a person must look anyway
	}
	return s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err := s.tags.Exec(ctx, tx, taggedTimers, t.subject, "DELETE FROM results_call_timers WHERE subject = $1 AND what = $2", t.subject, int64(t.what))
		if err != nil || n == 0 || !needed { // n = 0: another node was faster
			return err
		}
		return s.openCall(ctx, tx, t, now)
	})
}

// openCall opens a task unless the result is acknowledged or has one.
func (s *Service) openCall(ctx context.Context, tx *store.Tx, t callTimer, now time.Time) error {
	var fate outlook
	var raw []byte
	var err error
	if t.what == CallNotTaken {
		var state int64
		err = tx.QueryRow(ctx, "SELECT id, state FROM results_quarantine WHERE leaf = $1", t.subject/maxPlans).Scan(&raw, &state)
		if errors.Is(err, store.ErrNoRows) || err == nil && state != apartOpen {
			return nil // taken, with a timer of its own where it is critical, or refused by a person
		}
		fate.words = "in quarantine"
	} else {
		err = tx.QueryRow(ctx, "SELECT m.id FROM results_deliveries d JOIN results_messages m ON m.leaf = d.message WHERE d.seq = $1", t.subject).Scan(&raw)
		if errors.Is(err, store.ErrNoRows) {
			return nil
		}
		if err == nil {
			fate, err = s.fateOf(ctx, tx, t.subject)
		}
	}
	if err != nil {
		return fmt.Errorf("read what a call is about: %w", err)
	}
	if fate.acked {
		return nil
	}
	var open int64
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM results_calls WHERE subject = $1 AND state < 2", t.subject).Scan(&open); err != nil || open > 0 {
		return err
	}
	message, err := event.IDFromBytes(raw)
	if err != nil {
		return err
	}
	return s.writeCall(ctx, tx, t, message, fate.words, now, callText{})
}

// writeCall writes a task down, with its opening.
func (s *Service) writeCall(ctx context.Context, tx *store.Tx, t callTimer, message event.ID, stopped string, now time.Time, text callText) error {
	id, at := event.NewID(), now.UnixMicro()
	due := now.Add(s.settings.Load().criticalAfter(t.source, t.partner)).UnixMicro()
	_, err := s.tags.Exec(ctx, tx, taggedCalls, id[:], `INSERT INTO results_calls (id, subject, what, message, source, partner, stopped, came_at, opened_at, state, due_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10)`,
		id[:], t.subject, int64(t.what), message[:], t.source, t.partner, stopped, t.started, at, due)
	if err != nil {
		return fmt.Errorf("open phone task: %w", err)
	}
	step := callStep{kind: "opened", by: itself(t.what.String()), text: text}
	if err := s.writeStep(ctx, tx, id, 1, at, step, callAbout(message, t)); err != nil {
		return err
	}
	s.slog.Error("somebody must telephone: labwarden calls list", "call", id.String(), "why", t.what.String(), "source", t.source, "partner", t.partner)
	return nil
}

// callAbout names what the task is about in the fact of its opening.
func callAbout(message event.ID, t callTimer) ledger.Pairs {
	kind := "message"
	switch t.what {
	case CallNotTaken:
		kind = "quarantine"
	case CallUpload:
		return ledger.Pairs{{K: "file", V: message.String()}, {K: "partner", V: ledger.Code(t.partner)}}
	}
	out := ledger.Pairs{{K: kind, V: message.String()}, {K: "source", V: ledger.Code(t.source)}}
	if t.partner != "" {
		out = append(out, ledger.Pair{K: "partner", V: ledger.Code(t.partner)}, ledger.Pair{K: "delivery", V: fmt.Sprint(t.subject)})
	}
	return out
}

// KindCall is the beginning of the facts about phone tasks: call.opened,
// call.taken, call.called, call.closed.
const KindCall = "call."

// callStep is a step to be written.
type callStep struct {
	kind     string
	by       Named
	outcome  string
	readBack bool
	next     time.Time
	text     callText
}

// writeStep writes one step with its fact. Whom and note are sealed; the fact
// is bound to them without telling them.
func (s *Service) writeStep(ctx context.Context, tx *store.Tx, task event.ID, n, at int64, p callStep, about ledger.Pairs) error {
	id := event.NewID()
	salt, err := s.seal.newSalt()
	if err != nil {
		return err
	}
	ev := ledger.Event{
		Kind: KindCall + p.kind, At: at,
		IDs:     append(append(ledger.Pairs{{K: "call", V: task.String()}}, p.by.ids()...), about...),
		Codes:   ledger.Pairs{{K: "reason", V: ledger.Code(p.by.Reason)}},
		Numbers: []ledger.Number{{K: "step", N: n}},
	}
	var back int64
	var next *int64
	if p.outcome != "" {
		ev.Codes = append(ev.Codes, ledger.Pair{K: "outcome", V: p.outcome})
		if p.readBack {
			back = 1
		}
		ev.Numbers = append(ev.Numbers, ledger.Number{K: "read_back", N: back})
	}
	if !p.next.IsZero() {
		v := p.next.UnixMicro()
		next = &v
		ev.Numbers = append(ev.Numbers, ledger.Number{K: "next_at", N: v})
	}
	var sealed []byte
	if !p.text.empty() {
		plain, err := jsonOf(p.text)
		if err != nil {
			return err
		}
		if sealed, err = s.seal.seal("results_call_steps", id, salt, plain); err != nil {
			return err
		}
		c, err := ledger.Commit(salt, ev.Kind, ev.IDs, hash(plain))
		if err != nil {
			return fmt.Errorf("bind the step of a call: %w", err)
		}
		ev.Commit = &c
	}
	leaf, err := bus.Publish(ctx, tx, ev)
	if err != nil {
		return err
	}
	_, err = s.tags.Exec(ctx, tx, taggedSteps, id[:], `INSERT INTO results_call_steps (id, task, n, leaf, at, kind, who, account, reason, outcome, read_back, next_at, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		id[:], task[:], n, leaf, at, p.kind, p.by.Person, p.by.Who, ledger.Code(p.by.Reason), p.outcome, back, next, sealed)
	if err != nil {
		return fmt.Errorf("write step of a phone task: %w", err)
	}
	return nil
}
