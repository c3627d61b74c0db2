package alarm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

const (
	// sendLimit bounds one try over one way.
	sendLimit = 20 * time.Second
	// firstPause is the pause after a failed try; it doubles up to maxPause.
	firstPause = 5 * time.Second
	maxPause   = 10 * time.Minute
	// endFor is how long it is tried to tell somebody that an alarm has ended.
	endFor = 24 * time.Hour
	// atOnce is how many ways are used at one time.
	atOnce = 8
)

// notice is one thing to tell one person over one way.
type notice struct {
	id          event.ID
	alarm       int64
	what        string
	person, way string
	made, next  time.Time
	done        time.Time // zero: still to be sent
	sent        bool      // a way has taken it
	tries       int64
	outcome     string
	fact        *ledger.Event
	rev, stored int64
}

// Told is what became of telling one person over one way.
type Told struct {
	What    string    `json:"what"`
	Person  string    `json:"person"`
	Way     string    `json:"way"`
	Made    time.Time `json:"made"`
	Tries   int64     `json:"tries"`
	Done    time.Time `json:"done,omitzero"` // zero: still tried
	Sent    bool      `json:"sent"`          // the other side has taken it
	Outcome string    `json:"outcome,omitempty"`
}

func (n *notice) told() Told {
	return Told{n.what, n.person, n.way, n.made, n.tries, n.done, n.sent, n.outcome}
}

type wayKey struct{ person, way string }

// WayState is how a way does.
type WayState struct {
	Person string    `json:"person"`
	Way    string    `json:"way"`
	OK     time.Time `json:"last_ok,omitzero"`
	// Since is when it began to fail; zero while it works or was not tried.
	Since   time.Time `json:"failing_since,omitzero"`
	Problem string    `json:"problem,omitempty"`
}

// Ways tells how each way of the plan does.
func (d *Desk) Ways() []WayState {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := []WayState{}
	for _, p := range d.plan.People {
		for _, w := range p.Ways {
			s := WayState{Person: p.Name, Way: w.Name}
			if x := d.ways[wayKey{p.Name, w.Name}]; x != nil {
				s = *x
			}
			out = append(out, s)
		}
	}
	return out
}

// tell makes a notice for each of the person's ways.
func (d *Desk) tell(r *record, what string, p Person, now time.Time) {
	for _, w := range p.Ways {
		d.notices = append(d.notices, &notice{
			id: event.NewID(), alarm: r.Number, what: what, person: p.Name, way: w.Name, made: now, next: now, rev: 1,
		})
	}
}

// tellEnd tells everybody who was told of r that it has ended.
func (d *Desk) tellEnd(r *record, what string, now time.Time) {
	n := min(int(r.step), len(d.plan.People))
	for _, p := range d.plan.People[:n] {
		d.tell(r, what, p, now)
	}
}

// needless ends notices that need not go out any more.
func (d *Desk) needless(alarm int64, now time.Time, why string, what ...string) {
	for _, n := range d.notices {
		if n.alarm == alarm && n.done.IsZero() && slices.Contains(what, n.what) {
			n.done, n.outcome = now, why
			n.rev++
		}
	}
}

// bundle is from how many notices on that go to one person over one way become
// one message: when a line is cut, every partner behind it is silent.
const bundle = 4

// job is a message on its way: one notice, or several alarms at once.
type job struct {
	ns     []*notice
	sender Sender
	m      Message
	answer string
	err    error
}

// due takes the notices that are to be sent now.
func (d *Desk) due() []*job {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	var jobs []*job
	calls := map[wayKey][]*notice{}
	var order []wayKey
	for _, n := range d.notices {
		if !n.done.IsZero() || n.next.After(now) {
			continue
		}
		r := d.records[n.alarm]
		sender := d.plan.sender(n.person, n.way)
		if r == nil || sender == nil {
			n.done, n.outcome = now, "no longer on the on-call list"
			n.rev++
			continue
		}
		if n.what == Over || n.what == Shut {
			jobs = append(jobs, &job{ns: []*notice{n}, sender: sender, m: letter(d.plan.Lab, d.plan.Pages, n, r, now)})
			continue
		}
		k := wayKey{n.person, n.way}
		if calls[k] == nil {
			order = append(order, k)
		}
		calls[k] = append(calls[k], n)
	}
	for _, k := range order {
		ns, sender := calls[k], d.plan.sender(k.person, k.way)
		if len(ns) >= bundle {
			rs := make([]*record, len(ns))
			for i, n := range ns {
				rs[i] = d.records[n.alarm]
			}
			jobs = append(jobs, &job{ns: ns, sender: sender, m: several(d.plan.Lab, d.plan.Pages, ns[0], rs, now)})
			continue
		}
		for _, n := range ns {
			jobs = append(jobs, &job{ns: []*notice{n}, sender: sender, m: letter(d.plan.Lab, d.plan.Pages, n, d.records[n.alarm], now)})
		}
	}
	// Ends go last: who is called must not wait for them.
	slices.SortStableFunc(jobs, func(a, b *job) int { return cmp.Compare(b.ns[0].what, a.ns[0].what) })
	return jobs
}

// send sends them, some at one time, and notes what came of it.
func (d *Desk) send(ctx context.Context, jobs []*job) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, j := range jobs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			j.answer, j.err = attempt(ctx, j.sender, j.m)
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return // asked to stop: what was not answered is tried at the next start
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range jobs {
		for _, n := range j.ns {
			d.note(n, j)
		}
	}
	for _, j := range jobs {
		for _, n := range j.ns {
			d.skip(n)
		}
	}
}

func attempt(ctx context.Context, s Sender, m Message) (answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the way failed badly: %v", p)
		}
	}()
	return s.Send(ctx, m)
}

func (d *Desk) note(n *notice, j *job) {
	now := d.now()
	n.tries++
	n.rev++
	w := d.way(n.person, n.way, now, j.err)
	if j.err == nil {
		n.done, n.sent, n.outcome = now, true, cut(j.answer, 200)
		n.fact = &ledger.Event{
			Kind: "alarm.told", At: max(now.UnixMicro(), 0),
			IDs:     ledger.Pairs{{K: "person", V: ledger.Code(n.person)}, {K: "way", V: ledger.Code(n.way)}, {K: "notice", V: n.id.String()}},
			Codes:   ledger.Pairs{{K: "what", V: n.what}},
			Numbers: []ledger.Number{{K: "alarm", N: n.alarm}, {K: "tries", N: n.tries}},
		}
		return
	}
	n.outcome = w.Problem
	n.next = now.Add(min(firstPause<<min(n.tries-1, 10), maxPause))
	if (n.what == Over || n.what == Shut) && now.Sub(n.made) > endFor {
		n.done = now
	}
}

func (d *Desk) way(person, way string, now time.Time, err error) *WayState {
	k := wayKey{person, way}
	w := d.ways[k]
	if w == nil {
		w = &WayState{Person: person, Way: way}
		d.ways[k] = w
	}
	if err == nil {
		if !w.Since.IsZero() {
			d.slog.Info("a way to tell of alarms works again", "person", person, "way", way)
		}
		w.OK, w.Since, w.Problem = now, time.Time{}, ""
		return w
	}
	if w.Since.IsZero() {
		w.Since = now
		d.slog.Error("a way to tell of alarms fails; it is tried again", "person", person, "way", way, "error", err)
	}
	w.Problem = cut(err.Error(), 200)
	return w
}

// skip goes on to the next person at once where none of this person's ways
// works.
func (d *Desk) skip(n *notice) {
	if n.sent || n.tries != 1 || n.what != Raised {
		return
	}
	for _, x := range d.notices {
		if x.alarm == n.alarm && x.person == n.person && x.what == n.what && (x.sent || x.tries == 0) {
			return
		}
	}
	if r := d.records[n.alarm]; r.State == Open && int(r.step) < len(d.plan.People) {
		r.next = d.now()
		r.rev++
	}
}

// Tried is what came of testing one way.
type Tried struct {
	Person string        `json:"person"`
	Way    string        `json:"way"`
	OK     bool          `json:"ok"`
	Answer string        `json:"answer"` // the other side's answer, or what went wrong
	Took   time.Duration `json:"took_ns"`
}

// ErrNoPeople: nobody is on the on-call list.
var ErrNoPeople = errors.New("nobody is on the on-call list: write alarms.on_call into the configuration and apply it")

// Try sends a marked test to everybody over every way, at once and only once.
func (d *Desk) Try(ctx context.Context, by string) ([]Tried, error) {
	d.mu.Lock()
	plan := d.plan
	d.mu.Unlock()
	var out []*Tried
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, p := range plan.People {
		for _, w := range p.Ways {
			t := &Tried{Person: p.Name, Way: w.Name}
			out = append(out, t)
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				begin := d.now()
				answer, err := attempt(ctx, w.Sender, testLetter(plan.Lab, event.NewID().String(), p.Name, by, begin))
				now := d.now()
				t.Took, t.OK, t.Answer = now.Sub(begin), err == nil, cut(answer, 200)
				d.mu.Lock()
				defer d.mu.Unlock()
				if s := d.way(p.Name, w.Name, now, err); err != nil {
					t.Answer = s.Problem
				}
			})
		}
	}
	wg.Wait()
	if len(out) == 0 {
		return nil, ErrNoPeople
	}
	all := make([]Tried, len(out))
	for i, t := range out {
		all[i] = *t
	}
	return all, nil
}
