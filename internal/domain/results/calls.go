package results

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// defaultCriticalAfter is how long a critical result may go unacknowledged
// where the settings say nothing (SAFETY.md 10).
const defaultCriticalAfter = 10 * time.Minute

// CallReason is why somebody must telephone.
type CallReason int

// The reasons.
const (
	CallCritical   CallReason = iota + 1 // flagged critical by the LIS, not acknowledged in time
	CallNotTaken                         // in quarantine: not readable, or readable and flagged critical
	CallCorrection                       // a correction waits behind an original that is not acknowledged
	CallUpload                           // a partner's file that may hold a critical result did not come through
)

func (r CallReason) String() string {
	switch r {
	case CallCritical:
		return "critical"
	case CallNotTaken:
		return "not_taken"
	case CallCorrection:
		return "correction_waits"
	case CallUpload:
		return "upload_stopped"
	}
	return "unknown"
}

// States of a phone task.
const (
	callOpen = iota
	callTaken
	callClosed
)

// Call is a phone task. It holds no patient data: order and accession numbers
// are shown by ViewCall, which is recorded.
type Call struct {
	ID       event.ID
	Why      CallReason
	Message  event.ID // of the result, or of the quarantined message, or of the file
	Delivery int64    // -1 for a quarantined message and for a file
	Source   string   // empty for a file
	Site     string   // of what it is about; empty for none
	Partner  string   // empty for a quarantined message; of a file who sent it
	// Stopped is what had stopped the result when the task was opened; Now is how
	// it is at present.
	Stopped, Now string
	// Acknowledged: the partner has acknowledged the result meanwhile. The task
	// stays until a person closes it.
	Acknowledged bool
	CameAt       time.Time // when the result came in
	OpenedAt     time.Time
	State        string // open, taken, closed
	Owner        string
	DueAt        time.Time // zero: somebody was reached
	ClosedAt     time.Time
	Overdue      bool
	Steps        []CallStep // only from ShowCall and ViewCall
}

// CallStep is one thing done about a phone task.
type CallStep struct {
	N        int64
	At       time.Time
	Kind     string // opened, taken, called, closed
	Who      string
	Account  string
	Reason   string
	Outcome  string // of a call: reached, not_reached, handed_over
	ReadBack bool
	NextAt   time.Time
	Leaf     int64
	// Only from ViewCall. File and Orders are of the opening of a task about a file.
	Whom, Note, File string
	Orders           []string
}

const callCols = `id, subject, what, message, source, partner, stopped, came_at, opened_at, state, owner, COALESCE(due_at, 0), COALESCE(closed_at, 0)`

func (s *Service) scanCall(row store.Scanner) (Call, error) {
	var c Call
	var id, message []byte
	var what, came, opened, state, due, closed int64
	err := row.Scan(&id, &c.Delivery, &what, &message, &c.Source, &c.Partner, &c.Stopped, &came, &opened, &state, &c.Owner, &due, &closed)
	if err != nil {
		return c, err
	}
	if c.ID, err = event.IDFromBytes(id); err != nil {
		return c, err
	}
	if c.Message, err = event.IDFromBytes(message); err != nil {
		return c, err
	}
	c.Why, c.CameAt, c.OpenedAt = CallReason(what), time.UnixMicro(came).UTC(), time.UnixMicro(opened).UTC()
	c.State = [...]string{"open", "taken", "closed"}[min(max(state, 0), 2)]
	if due != 0 {
		c.DueAt = time.UnixMicro(due).UTC()
		c.Overdue = state < callClosed && s.now().UnixMicro() >= due
	}
	if closed != 0 {
		c.ClosedAt = time.UnixMicro(closed).UTC()
	}
	return c, nil
}

// Calls lists phone tasks: those not closed, overdue ones first and then the
// oldest first; with all also the closed ones, newest first after them.
func (s *Service) Calls(ctx context.Context, all bool, limit int) ([]Call, error) {
	now := s.now().UnixMicro()
	query := "SELECT " + callCols + ` FROM results_calls WHERE state < 2
		ORDER BY CASE WHEN due_at IS NOT NULL AND due_at <= $1 THEN 0 ELSE 1 END, opened_at LIMIT $2`
	out, err := s.readCalls(ctx, query, now, int64(limit))
	if err == nil && all && len(out) < limit {
		var closed []Call
		closed, err = s.readCalls(ctx, "SELECT "+callCols+" FROM results_calls WHERE state = 2 ORDER BY closed_at DESC LIMIT $1", int64(limit-len(out)))
		out = append(out, closed...)
	}
	return out, err
}

func (s *Service) readCalls(ctx context.Context, query string, args ...any) ([]Call, error) {
	var out []Call
	err := s.db.Query(ctx, query, args, func(row store.Scanner) error {
		c, err := s.scanCall(row)
		out = append(out, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list phone tasks: %w", err)
	}
	for i := range out {
		if err := s.present(ctx, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// present fills in how the task's result is now.
func (s *Service) present(ctx context.Context, c *Call) error {
	if c.Why == CallUpload {
		f, err := s.uploadFate(ctx, c)
		c.Delivery, c.Now, c.Acknowledged = -1, f.words, f.acked
		return err
	}
	if c.Why == CallNotTaken {
		c.Site, c.Delivery = s.SiteOf(c.Source, c.Delivery/maxPlans), -1
		f, err := s.apartFate(ctx, s.db, c.Message)
		c.Now, c.Acknowledged = f.words, f.acked
		return err
	}
	if s.sites.Load().any() {
		var leaf int64
		err := s.db.QueryRow(ctx, "SELECT leaf FROM results_messages WHERE id = $1", c.Message[:]).Scan(&leaf)
		if err != nil && !errors.Is(err, store.ErrNoRows) {
			return fmt.Errorf("read where a phone task's result came in: %w", err)
		}
		c.Site = s.SiteOf(c.Source, leaf)
	}
	f, err := s.fateOf(ctx, s.db, c.Delivery)
	c.Now, c.Acknowledged = f.words, f.acked
	return err
}

// CallCount is how many phone tasks there are.
type CallCount struct{ Overdue, Open, Acknowledged int64 }

// CountCalls counts the phone tasks that are not closed, up to CountLimit.
func (s *Service) CountCalls(ctx context.Context) (CallCount, error) {
	var c CallCount
	err := s.db.QueryRow(ctx, `SELECT count(*), COALESCE(sum(CASE WHEN due_at IS NOT NULL AND due_at <= $1 THEN 1 ELSE 0 END), 0) FROM
		(SELECT due_at FROM results_calls WHERE state < 2 LIMIT $2) AS counted`, s.now().UnixMicro(), int64(CountLimit)).Scan(&c.Open, &c.Overdue)
	if err != nil {
		return c, fmt.Errorf("count phone tasks: %w", err)
	}
	return c, nil
}

// ShowCall returns one phone task with its steps, without what is sealed.
func (s *Service) ShowCall(ctx context.Context, id event.ID) (Call, error) {
	return s.call(ctx, id, nil)
}

func (s *Service) call(ctx context.Context, id event.ID, open func(step event.ID, sealed []byte, into *CallStep) error) (Call, error) {
	c, err := s.scanCall(s.db.QueryRow(ctx, "SELECT "+callCols+" FROM results_calls WHERE id = $1", id[:]))
	if errors.Is(err, store.ErrNoRows) {
		return c, fmt.Errorf("phone task %s: %w", id, ErrNotFound)
	}
	if err == nil {
		err = s.present(ctx, &c)
	}
	if err != nil {
		return c, fmt.Errorf("read phone task: %w", err)
	}
	err = s.db.Query(ctx, `SELECT id, n, leaf, at, kind, who, account, reason, outcome, read_back, COALESCE(next_at, 0), body
		FROM results_call_steps WHERE task = $1 ORDER BY n`, []any{id[:]}, func(row store.Scanner) error {
		var p CallStep
		var raw, sealed []byte
		var at, back, next int64
		if err := row.Scan(&raw, &p.N, &p.Leaf, &at, &p.Kind, &p.Who, &p.Account, &p.Reason, &p.Outcome, &back, &next, &sealed); err != nil {
			return err
		}
		p.At, p.ReadBack = time.UnixMicro(at).UTC(), back == 1
		if next != 0 {
			p.NextAt = time.UnixMicro(next).UTC()
		}
		if open != nil && sealed != nil {
			step, err := event.IDFromBytes(raw)
			if err != nil {
				return err
			}
			if err := open(step, sealed, &p); err != nil {
				return err
			}
		}
		c.Steps = append(c.Steps, p)
		return nil
	})
	if err != nil {
		return c, fmt.Errorf("read phone task: %w", err)
	}
	return c, nil
}

// callText is the sealed part of a step.
type callText struct {
	Whom string `json:"whom,omitempty"`
	Note string `json:"note,omitempty"`
	// Of the opening of a task about a file: what its sender called it, and the
	// numbers in it.
	File   string   `json:"file,omitempty"`
	Orders []string `json:"orders,omitempty"`
}

func (s *Service) openStep(step event.ID, sealed []byte, into *CallStep) error {
	_, plain, err := s.seal.open("results_call_steps", step, sealed)
	if err != nil {
		return err
	}
	var t callText
	if err := json.Unmarshal(plain, &t); err != nil {
		return fmt.Errorf("read step of a phone task: %w", err)
	}
	into.Whom, into.Note, into.File, into.Orders = t.Whom, t.Note, t.File, t.Orders
	return nil
}
