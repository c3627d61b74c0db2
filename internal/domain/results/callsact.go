package results

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindCallViewed is the fact that somebody saw what a phone task is about.
const KindCallViewed = "call.viewed"

// Outcomes of a telephone call.
const (
	Reached    = "reached"
	NotReached = "not_reached"
	HandedOver = "handed_over"
)

// CallLog is one telephone call as it is written down.
type CallLog struct {
	Whom     string // who was called, or to whom the task is handed over; sealed
	Outcome  string // Reached, NotReached or HandedOver
	ReadBack bool   // the value was read back by whom it was told
	Next     time.Time
	Note     string // free text; sealed
}

const maxCallText = 4000

func (l CallLog) check(now time.Time) error {
	bad := func(text string) error { return fmt.Errorf("%w: %s", ErrInvalid, text) }
	switch {
	case strings.TrimSpace(l.Whom) == "":
		return bad("name whom you called")
	case len(l.Whom)+len(l.Note) > maxCallText:
		return bad("the text is longer than a phone task takes")
	case l.Outcome != Reached && l.Outcome != NotReached && l.Outcome != HandedOver:
		return bad("the outcome is reached, not_reached or handed_over")
	case l.Outcome == NotReached && !l.Next.After(now):
		return bad("nobody was reached: say when the next try is")
	case l.Outcome != NotReached && !l.Next.IsZero():
		return bad("a next try goes with not_reached")
	case l.ReadBack && l.Outcome != Reached:
		return bad("only who was reached can have read the value back")
	}
	return nil
}

// TakeCall makes by the owner of a phone task. Somebody may take it over from
// another; both are written down.
func (s *Service) TakeCall(ctx context.Context, id event.ID, by Named) error {
	return s.stepCall(ctx, id, callStep{kind: "taken", by: by}, func(tx *store.Tx, c *openTask) error {
		_, err := s.tags.Exec(ctx, tx, taggedCalls, id[:], "UPDATE results_calls SET state = 1, owner = $1, steps = $2 WHERE id = $3", by.Person, c.steps, id[:])
		return err
	})
}

// LogCall writes a telephone call down. Whoever calls has thereby taken the
// task. After NotReached the task is due at Next, after HandedOver its owner is
// whom it was handed over to, and it is due at once.
func (s *Service) LogCall(ctx context.Context, id event.ID, l CallLog, by Named) error {
	now := s.now()
	if err := l.check(now); err != nil {
		return err
	}
	step := callStep{kind: "called", by: by, outcome: l.Outcome, readBack: l.ReadBack, next: l.Next, text: callText{Whom: l.Whom, Note: l.Note}}
	return s.stepCall(ctx, id, step, func(tx *store.Tx, c *openTask) error {
		var due *int64
		owner := by.Person
		switch l.Outcome {
		case NotReached:
			v := l.Next.UnixMicro()
			due = &v
		case HandedOver:
			v := now.Add(s.settings.Load().criticalAfter(c.source, c.partner)).UnixMicro()
			due, owner = &v, strings.TrimSpace(l.Whom)
		}
		_, err := s.tags.Exec(ctx, tx, taggedCalls, id[:], "UPDATE results_calls SET state = 1, owner = $1, due_at = $2, steps = $3 WHERE id = $4", owner, due, c.steps, id[:])
		return err
	})
}

// CloseCall ends a phone task. It needs a call that reached somebody who read
// the value back, or a result that was acknowledged meanwhile; withoutCall
// closes it all the same, and says so in the ledger. Closed again it stays
// closed, without error.
func (s *Service) CloseCall(ctx context.Context, id event.ID, withoutCall bool, by Named) error {
	if err := by.check(); err != nil {
		return err
	}
	c, err := s.ShowCall(ctx, id)
	if err != nil || c.State == "closed" {
		return err
	}
	how := ""
	for _, p := range c.Steps {
		if p.Outcome == Reached && p.ReadBack {
			how = "read_back"
		}
	}
	switch {
	case how != "":
	case c.Acknowledged && c.Why == CallUpload:
		how = "let_through"
	case c.Acknowledged:
		how = "acknowledged"
	case withoutCall:
		how = "without_call"
	default:
		return fmt.Errorf("phone task %s: nobody who read the value back is logged and the result is not acknowledged; log the call, or close it as one without a call: %w", id, ErrConflict)
	}
	return s.stepCall(ctx, id, callStep{kind: "closed", by: by, outcome: how, readBack: how == "read_back"}, func(tx *store.Tx, t *openTask) error {
		_, err := s.tags.Exec(ctx, tx, taggedCalls, id[:], "UPDATE results_calls SET state = 2, due_at = NULL, closed_at = $1, steps = $2 WHERE id = $3", s.now().UnixMicro(), t.steps, id[:])
		return err
	})
}

// openTask is what a step needs of its task.
type openTask struct {
	source, partner string
	steps           int64 // with the new one
}

func (s *Service) stepCall(ctx context.Context, id event.ID, step callStep, change func(*store.Tx, *openTask) error) error {
	if err := step.by.check(); err != nil {
		return err
	}
	return s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var t openTask
		var state int64
		err := tx.QueryRow(ctx, "SELECT state, steps, source, partner FROM results_calls WHERE id = $1", id[:]).Scan(&state, &t.steps, &t.source, &t.partner)
		if errors.Is(err, store.ErrNoRows) {
			return fmt.Errorf("phone task %s: %w", id, ErrNotFound)
		}
		if err != nil {
			return fmt.Errorf("read phone task: %w", err)
		}
		if state == callClosed {
			return fmt.Errorf("phone task %s is closed: %w", id, ErrConflict)
		}
		t.steps++
		if err := s.writeStep(ctx, tx, id, t.steps, s.now().UnixMicro(), step, nil); err != nil {
			return err
		}
		if err := change(tx, &t); err != nil {
			return fmt.Errorf("write phone task: %w", err)
		}
		return nil
	})
}

// CallView is a phone task with what is needed to make the call: patient data.
type CallView struct {
	Call
	// Orders are the order and accession numbers the result names.
	Orders []string
	// File is what its sender called the file, where it is about one.
	File string
	// Unreadable says why there are none; the raw message may still be looked at.
	Unreadable string
}

// ViewCall is ShowCall with what is sealed and with the numbers under which the
// result is found in the LIS. The look is written down first, and nothing is
// shown when it cannot be.
func (s *Service) ViewCall(ctx context.Context, id event.ID, by By) (CallView, error) {
	if err := s.mayShow(); err != nil {
		return CallView{}, err
	}
	if err := by.check(); err != nil {
		return CallView{}, err
	}
	c, err := s.call(ctx, id, s.openStep)
	if err != nil {
		return CallView{}, err
	}
	v := CallView{Call: c}
	if c.Why == CallUpload {
		for _, p := range c.Steps[:min(1, len(c.Steps))] {
			v.File, v.Orders = p.File, p.Orders
		}
	} else if body, err := s.callBody(ctx, &c); err != nil {
		v.Unreadable = "what is stored cannot be opened"
	} else if v.Orders, err = orderNumbers(body, s.settings.Load().Sources[c.Source].AccessionFields); err != nil {
		v.Unreadable = "the message cannot be read; look at what came in and ask the LIS"
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := bus.Publish(ctx, tx, ledger.Event{
			Kind: KindCallViewed, At: s.now().UnixMicro(),
			IDs:   append(ledger.Pairs{{K: "call", V: id.String()}, {K: "about", V: c.Message.String()}}, by.ids()...),
			Codes: ledger.Pairs{{K: "reason", V: ledger.Code(by.Reason)}},
		})
		return err
	})
	if err != nil {
		return CallView{}, fmt.Errorf("record the look at %s: %w", id, err)
	}
	return v, nil
}

func (s *Service) callBody(ctx context.Context, c *Call) ([]byte, error) {
	if c.Why == CallNotTaken {
		a, err := s.apart(ctx, c.Message)
		if err != nil {
			return nil, err
		}
		return a.body, nil
	}
	_, body, err := s.Message(ctx, c.Message)
	return body, err
}

// maxOrders bounds how many numbers of one message are shown.
const maxOrders = 50

// orderNumbers are the filler, placer and accession numbers a message names,
// without their authorities, each once.
func orderNumbers(body []byte, accession []int) ([]string, error) {
	head, err := hl7.ReadHeader(body)
	if err != nil {
		return nil, err
	}
	k := hl7.Keys{AccessionFields: accession}
	if err := hl7.ReadKeys(body, &head, &k); err != nil {
		return nil, err
	}
	var out []string
	seen := map[string]bool{}
	for _, list := range [][][]byte{k.Fillers, k.Placers, k.Accessions, k.Specimens} {
		for _, key := range list {
			id, _, _ := strings.Cut(string(key), string(rune(hl7.KeySep)))
			if !seen[id] && len(out) < maxOrders {
				seen[id] = true
				out = append(out, id)
			}
		}
	}
	return out, nil
}

func jsonOf(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write down: %w", err)
	}
	return b, nil
}
