package alarm

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

const (
	// settle is how long a condition must be gone before its alarm is over; it
	// doubles with each return, up to maxSettle.
	settle    = 5 * time.Minute
	maxSettle = time.Hour
	// damp is how soon a condition must return to be the same alarm again.
	damp = time.Hour
	// loudReturns is how often a return is told at once.
	loudReturns = 2
	// countEvery is how often counts and changed wording are written at most.
	countEvery = time.Minute
)

// record is a Record with what only the desk uses. facts are not in the ledger
// yet; rev and stored count changes made and written.
type record struct {
	Record
	flaps, step int64
	next        time.Time
	facts       []ledger.Event
	rev, stored int64
	touched     bool // only counts or wording changed
	silent      bool // nobody is told before next
	written     time.Time
}

// Desk keeps the alarms of one hub and tells people of them. Its methods may be
// called from any goroutine; one Run (or Tick after Tick) does the work.
type Desk struct {
	db   *store.DB
	tags *bus.Tags
	now  func() time.Time
	slog *slog.Logger

	mu      sync.Mutex
	plan    Plan
	silence Silence
	last    map[Key]*record // the latest of each condition
	records map[int64]*record
	top     int64
	notices []*notice
	ways    map[wayKey]*WayState
	behind  bool // the store does not take what is to be written
	woken   chan struct{}

	saving sync.Mutex // one transaction at a time, in order
}

var _ Raiser = (*Desk)(nil)

// New reads the alarms that live, or ended lately, from a migrated store. keys
// bind their rows.
func New(ctx context.Context, db *store.DB, keys bus.Keys, now func() time.Time, log *slog.Logger) (*Desk, error) {
	d := &Desk{
		db: db, tags: bus.NewTags(keys), now: now, slog: log, plan: Plan{}.defaults(), last: map[Key]*record{}, records: map[int64]*record{},
		ways: map[wayKey]*WayState{}, woken: make(chan struct{}, 1),
	}
	if err := d.load(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// SetPlan puts another on-call list in force. An open alarm of which nobody
// could be told is told to the new list.
func (d *Desk) SetPlan(p Plan) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan = p.defaults()
	for _, r := range d.records {
		if r.State == Open && r.step == 0 && r.next.IsZero() {
			r.next = d.now()
			r.rev++
		}
	}
	for k := range d.ways {
		if d.plan.sender(k.person, k.way) == nil {
			delete(d.ways, k)
		}
	}
	d.wake()
}

func (d *Desk) wake() {
	select {
	case d.woken <- struct{}{}:
	default:
	}
}

// Raise implements Raiser.
func (d *Desk) Raise(_ context.Context, a Alarm) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.raise(a, true)
}

// Stands says that of these kinds exactly these alarms stand now: they are
// raised, others of the kinds are over.
func (d *Desk) Stands(_ context.Context, kinds []string, now []Alarm) {
	d.mu.Lock()
	defer d.mu.Unlock()
	there := map[Key]bool{}
	for _, a := range now {
		there[a.Key] = true
		d.raise(a, false)
	}
	for k, r := range d.last {
		if r.Live() && !there[k] && slices.Contains(kinds, k.Kind) {
			d.over(r)
		}
	}
}

func (d *Desk) raise(a Alarm, count bool) {
	now, r := d.now(), d.last[a.Key]
	a.About, a.Sentence, a.Advice = cut(a.About, 120), cut(a.Sentence, 600), cut(a.Advice, 600)
	switch {
	case r == nil || r.State == Closed || r.State == Ended && now.Sub(r.Changed) > damp:
		d.top++
		r = &record{Record: Record{Number: d.top, Alarm: a, Since: now, Last: now, Times: 1, Changed: now}, next: now}
		d.last[a.Key], d.records[r.Number] = r, r
		d.fact(r, "alarm.raised")
		d.slog.Error("ALARM: "+a.Sentence, "alarm", r.Number, "kind", a.Kind, "about", a.About, "severity", a.Severity.String())
	case r.State == Ended:
		r.State, r.Changed, r.Quiet, r.By, r.Reason = Open, now, time.Time{}, "", ""
		r.flaps++
		r.Times++
		r.step, r.next = 0, now
		if r.flaps > loudReturns {
			r.next = now.Add(d.plan.Repeat)
		}
		d.fact(r, "alarm.returned")
	default:
		if count {
			r.Times++
		}
		if !r.Quiet.IsZero() {
			r.Quiet = time.Time{}
			r.flaps++
			if !count {
				r.Times++
			}
			r.rev++
			d.wake()
		}
		if a.Grade > r.Grade || a.Severity > r.Severity {
			r.Grade, r.Severity = max(r.Grade, a.Grade), max(r.Severity, a.Severity)
			r.State, r.By, r.Reason, r.step, r.next, r.Changed = Open, "", "", 0, now, now
			d.fact(r, "alarm.worsened")
		}
	}
	r.touched = r.touched || count || r.Sentence != a.Sentence
	r.Last, r.Sentence, r.Advice, r.Owner, r.Once = now, a.Sentence, a.Advice, a.Owner, a.Once
}

// Over implements Raiser.
func (d *Desk) Over(_ context.Context, k Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.last[k]; r != nil && r.Live() {
		d.over(r)
	}
}

func (d *Desk) over(r *record) {
	if r.Quiet.IsZero() {
		r.Quiet = d.now()
		r.rev++
		d.wake()
	}
}

// settles is how long r must stay quiet.
func (r *record) settles() time.Duration {
	return min(settle<<min(r.flaps, 8), maxSettle)
}

// fact notes a change that goes into the ledger with it.
func (d *Desk) fact(r *record, kind string) {
	e := ledger.Event{
		Kind: kind, At: max(d.now().UnixMicro(), 0),
		IDs:     ledger.Pairs{{K: "about", V: ledger.Code(r.About)}},
		Codes:   ledger.Pairs{{K: "kind", V: ledger.Code(r.Kind)}, {K: "severity", V: r.Severity.String()}},
		Numbers: []ledger.Number{{K: "alarm", N: r.Number}},
	}
	if r.By != "" {
		e.IDs = append(e.IDs, ledger.Pair{K: "by", V: ledger.Code(r.By)})
	}
	if r.Reason != "" {
		e.Codes = append(e.Codes, ledger.Pair{K: "reason", V: ledger.Code(r.Reason)})
	}
	r.facts = append(r.facts, e)
	r.rev++
	d.wake()
}

// Accept notes that somebody has taken an alarm on: nobody else is told until
// the acceptance ends. ErrNotStored means that it is done but not on disk.
func (d *Desk) Accept(ctx context.Context, number int64, by, reason string) (Record, error) {
	return d.act(ctx, number, by, func(r *record, now time.Time) error {
		r.State, r.By, r.Reason, r.Changed, r.next = Accepted, by, reason, now, now.Add(d.plan.AcceptedFor)
		d.fact(r, "alarm.accepted")
		d.needless(r.Number, now, "accepted by "+by+" before it went out", Raised, Again)
		return nil
	})
}

// Close ends an alarm whose condition is past. One whose condition stands is
// refused with ErrStands.
func (d *Desk) Close(ctx context.Context, number int64, by, reason string) (Record, error) {
	if strings.TrimSpace(reason) == "" {
		return Record{}, ErrReason
	}
	return d.act(ctx, number, by, func(r *record, now time.Time) error {
		if !r.Once && r.Quiet.IsZero() {
			return ErrStands
		}
		r.State, r.By, r.Reason, r.Changed, r.next = Closed, by, reason, now, time.Time{}
		d.fact(r, "alarm.closed")
		d.needless(r.Number, now, "closed by "+by+" before it went out", Raised, Again)
		d.tellEnd(r, Shut, now)
		return nil
	})
}

func (d *Desk) act(ctx context.Context, number int64, by string, do func(*record, time.Time) error) (Record, error) {
	if strings.TrimSpace(by) == "" {
		return Record{}, ErrNobody
	}
	d.mu.Lock()
	r := d.records[number]
	var err error
	var out Record
	switch {
	case r == nil:
		err = ErrNotFound
	case !r.Live():
		err = ErrEnded
	default:
		err = do(r, d.now())
		out = r.Record
	}
	d.mu.Unlock()
	if err == nil {
		if serr := d.save(ctx); serr != nil {
			return out, ErrNotStored
		}
		return out, nil
	}
	if r == nil {
		if old, serr := d.read(ctx, number); serr == nil {
			return old, ErrEnded
		}
	}
	return Record{}, err
}

// Live are the open and accepted alarms, the most severe first.
func (d *Desk) Live() []Record {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := []Record{}
	for _, r := range d.records {
		if r.Live() {
			out = append(out, r.Record)
		}
	}
	slices.SortFunc(out, func(a, b Record) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Number, b.Number))
	})
	return out
}

// Counts says how many alarms live and stand, by severity.
func (d *Desk) Counts() map[Severity]int64 {
	out := map[Severity]int64{Note: 0, Warning: 0, Urgent: 0}
	for _, r := range d.Live() {
		if r.Quiet.IsZero() {
			out[r.Severity]++
		}
	}
	return out
}
