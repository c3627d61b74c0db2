package alarm

import (
	"context"
	"time"
)

// idle is how long the desk rests at most.
const idle = time.Minute

// Run works until ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			// What was raised last goes to disk; it is told after the start.
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			_ = d.save(stop) // logged there
			return nil
		case <-d.woken:
		case <-timer.C:
		}
		timer.Reset(max(d.Tick(ctx).Sub(d.now()), 10*time.Millisecond))
	}
}

// Tick does what is due and returns when to come again at the latest. Tests
// drive it with a clock of their own; Run does it for a hub.
func (d *Desk) Tick(ctx context.Context) time.Time {
	// Telling may find nobody at home, and then the next person's turn is now.
	for range 1 + len(d.planned().People) {
		d.turn()
		serr := d.save(ctx) // logged there; people are told all the same
		jobs := d.due()
		if len(jobs) == 0 {
			break
		}
		d.send(ctx, jobs)
		if serr == nil {
			_ = d.save(ctx)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return d.rest()
}

func (d *Desk) planned() Plan {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.plan
}

// turn ends what is over and decides who is told next.
func (d *Desk) turn() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	for _, r := range d.records {
		switch {
		case !r.Live():
			continue
		case !r.Quiet.IsZero():
			if now.Sub(r.Quiet) >= r.settles() {
				r.State, r.Changed, r.next = Ended, now, time.Time{}
				d.fact(r, "alarm.over")
				d.needless(r.Number, now, "over before it went out", Raised, Again)
				d.tellEnd(r, Over, now)
			}
		case r.next.IsZero() || r.next.After(now):
		case r.State == Accepted:
			r.State, r.By, r.Reason, r.Changed, r.step, r.next = Open, "", "", now, 0, now
			d.fact(r, "alarm.acceptance_ended")
			d.call(r, now)
		default:
			d.call(r, now)
		}
	}
}

// call tells whose turn it is, unless a maintenance window keeps it silent.
func (d *Desk) call(r *record, now time.Time) {
	if until, silent := d.silenced(r, now); silent {
		r.silent, r.next = true, until
		r.rev++
		return
	}
	r.silent = false
	d.escalate(r, now)
}

// escalate tells the person whose turn it is.
func (d *Desk) escalate(r *record, now time.Time) {
	people := d.plan.People
	r.rev++
	if len(people) == 0 {
		r.next = time.Time{}
		return
	}
	p := people[int(r.step)%len(people)]
	what, pause := Raised, p.wait()
	if int(r.step) >= len(people) {
		what, pause = Again, max(pause, d.plan.Repeat)
		d.needless(r.Number, now, "told anew", Again)
	}
	r.step++
	r.next = now.Add(pause)
	if r.Severity == Note {
		r.next = time.Time{}
	}
	d.tell(r, what, p, now)
}

// rest forgets what has ended and finds when something is due again.
func (d *Desk) rest() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	next := now.Add(idle)
	if d.behind {
		next = now.Add(firstPause)
	}
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	wanted := map[int64]bool{}
	kept := d.notices[:0]
	for _, n := range d.notices {
		if n.done.IsZero() || n.rev != n.stored {
			kept = append(kept, n)
			wanted[n.alarm] = true
		}
		if n.done.IsZero() {
			sooner(n.next)
		}
	}
	clear(d.notices[len(kept):])
	d.notices = kept
	for number, r := range d.records {
		switch {
		case !r.Live():
			if !wanted[number] && r.rev == r.stored && now.Sub(r.Changed) > damp {
				delete(d.records, number)
				if d.last[r.Key] == r {
					delete(d.last, r.Key)
				}
			}
		case !r.Quiet.IsZero():
			sooner(r.Quiet.Add(r.settles()))
		default:
			sooner(r.next)
		}
	}
	return next
}
