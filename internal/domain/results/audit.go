package results

import (
	"context"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// maxFindings bounds an audit's list: whoever finds so many has another problem.
const maxFindings = 1000

// Finding is one stored row that does not fit the ledger, or is missing. It
// names the row and never holds its content.
type Finding struct {
	Table string `json:"table"`
	Row   string `json:"row"`
	What  string `json:"what"`
}

func (f Finding) String() string { return f.Table + ", row " + f.Row + ": " + f.What }

// Audited is what an audit went through and found.
type Audited struct {
	// Leaves is the size of the ledger that everything was held against, Root its root.
	Leaves      int64  `json:"leaves"`
	Root        string `json:"root"`
	Messages    int64  `json:"messages"`
	Erased      int64  `json:"erased"`
	Deliveries  int64  `json:"deliveries"`
	Delivered   int64  `json:"delivered"`
	Quarantined int64  `json:"quarantined"`
	Controls    int64  `json:"controls"`
	Checkpoints int64  `json:"checkpoints"`
	// Rows is how many rows the ledger has; Sound how many entries lie before its
	// first damage; Damage is that damage, nil where the ledger fits together.
	Rows   int64          `json:"rows"`
	Sound  int64          `json:"sound"`
	Damage *ledger.Damage `json:"damage,omitempty"`
	// Findings are empty where everything fits; Cut says that there are more,
	// Found how many in all.
	Findings []Finding `json:"findings"`
	Cut      bool      `json:"cut,omitempty"`
	Found    int64     `json:"found"`
	// Index is how many of them are about the search index alone: Rebuild mends
	// those.
	Index int64 `json:"index,omitempty"`
}

// auditor is one run of Audit.
type auditor struct {
	s    *Service
	out  Audited
	head ledger.Head
	// acted is what people and the couriers last did to a delivery that is not
	// completed; erased the messages whose bodies are gone by policy.
	acted  map[int64]deed
	erased map[event.ID]bool
	apart  map[event.ID]int64 // what was decided about the quarantined
	known  int64              // up to which leaf they are
	holds  map[event.ID]bool  // legal holds placed
	pause  func() error       // called between batches
	// delivered counts the events; proved those that have their row.
	delivered, proved int64
	near              nearby
}

type deed struct {
	state State
	at    int64
}

func (a *auditor) find(table string, row any, what string) {
	a.out.Found++
	if len(a.out.Findings) == maxFindings {
		a.out.Cut = true
		return
	}
	a.out.Findings = append(a.out.Findings, Finding{table, fmt.Sprint(row), what})
}

// Audit holds every stored row against the ledger and the ledger against
// itself: each event has its row, each row its event, bodies and receipts open
// at their place and are those the events committed to. It may run while the
// hub works and looks at what was there when it began. Memory does not grow
// with the ledger, but for the deliveries a person had to do with and the
// messages erased. What the ledger does not bind carries keyed tags, which are
// looked at too, and the search index is held against the messages. It goes on
// after a finding. progress, if not nil, is called after each batch with the
// number of leaves done and the total; it may take its time, and its error ends
// the audit.
func (s *Service) Audit(ctx context.Context, progress func(done, total int64) error) (*Audited, error) {
	if progress == nil {
		progress = func(int64, int64) error { return nil }
	}
	head, problem, err := s.log.AuditHead(ctx)
	if err != nil {
		return nil, err
	}
	a := &auditor{s: s, head: head, acted: map[int64]deed{}, erased: map[event.ID]bool{}, apart: map[event.ID]int64{}, holds: map[event.ID]bool{}, near: nearby{log: s.log}}
	a.out.Leaves, a.out.Root, a.out.Findings = head.Size, head.Root().String(), []Finding{}
	if problem != "" {
		a.find("ledger_head", 1, problem)
	}
	a.pause = func() error { return progress(head.Size, head.Size) }
	rows := 0
	done, damage, err := s.log.AuditTo(ctx, 0, head, func(int64) error {
		if rows++; rows%batchEvents != 0 {
			return nil
		}
		return progress(0, head.Size)
	})
	if err != nil {
		return nil, err
	}
	a.out.Rows, a.out.Sound, a.out.Damage = done.Rows, done.Sound, damage
	for _, d := range done.Damages {
		table, row := "ledger_groups", fmt.Sprint(d.Row)
		if d.Row < 0 {
			table, row = "ledger_head", "1"
		}
		a.find(table, row, fmt.Sprintf("%s (entry %d cannot be relied on)", d.What, d.Leaf))
	}
	if more := done.Damaged - int64(len(done.Damages)); more > 0 {
		a.out.Found += more
		a.out.Cut = true
	}
	if err := a.catchUp(ctx, head.Size); err != nil {
		return nil, err
	}
	var b batch
	flush := func() error {
		if len(b.events) == 0 && b.lo == b.hi {
			return nil
		}
		err := a.rows(ctx, &b)
		if err == nil {
			err = progress(b.hi, head.Size)
		}
		b = batch{lo: b.hi, hi: b.hi}
		return err
	}
	err = s.log.Walk(ctx, 0, head.Size, func(first int64, events [][]byte) error {
		b.add(first, events)
		if len(b.events) < batchEvents {
			return nil
		}
		return flush()
	})
	if err == nil {
		b.hi = head.Size
		err = flush()
	}
	if err == nil && a.delivered != a.proved {
		err = s.log.Walk(ctx, 0, head.Size, func(first int64, events [][]byte) error { return a.receipts(ctx, first, events) })
	}
	if err = errors.Join(err, a.checkpoints(ctx), a.controls(ctx), a.strays(ctx), a.tagged(ctx), a.searchIndex(ctx)); err != nil {
		return nil, err
	}
	return &a.out, nil
}

// catchUp collects what happened up to before leaf to.
func (a *auditor) catchUp(ctx context.Context, to int64) error {
	if to <= a.known {
		return nil
	}
	err := a.s.log.Walk(ctx, a.known, to, a.deeds)
	a.known = to
	return err
}

// deeds collects what happened to deliveries apart from being sent.
func (a *auditor) deeds(_ int64, events [][]byte) error {
	for _, raw := range events {
		kind := ledger.KindOf(raw)
		if kind == KindReceived || kind == KindDelivered || kind == KindQuarantined {
			continue
		}
		e, err := ledger.ParseEvent(raw)
		if err != nil {
			continue
		}
		if kind == KindErased {
			for _, what := range []string{"message", "quarantine"} {
				if id, err := event.ParseID(e.IDs.Get(what)); err == nil {
					a.erased[id] = true
				}
			}
			continue
		}
		if to, ok := apartStates[kind]; ok {
			if id, err := event.ParseID(e.IDs.Get("quarantine")); err == nil {
				a.apart[id] = to
			}
			continue
		}
		if kind == KindHoldPlaced {
			if id, err := event.ParseID(e.IDs.Get("hold")); err == nil {
				a.holds[id] = true
			}
			continue
		}
		state, ok := map[string]State{KindStopped: NeedsPerson, KindHeld: Held, KindReleased: Waiting, KindRefused: RefusedByPerson, KindSuperseded: Superseded}[kind]
		if seq, err := parseSeq(e.IDs.Get("delivery")); ok && err == nil {
			a.acted[seq] = deed{state, e.At}
		}
	}
	return nil
}

// apartStates are the states that decisions about quarantined messages lead to.
var apartStates = map[string]int64{KindApartReleased: apartReleased, KindApartReplayed: apartReplayed, KindApartRefused: apartRefused}
