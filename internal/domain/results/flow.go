package results

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Hours and days of which a Flow tells.
const (
	FlowHours = 24
	FlowDays  = 14
)

// Flow is what went to one partner lately and what waits for it.
type Flow struct {
	// PartnerStatus counts what is open without a limit.
	PartnerStatus
	// Here: this node delivers to it, so that DownSince, NextTry and Heard are
	// known here. They are not on a node without the lease.
	Here bool
	// Acknowledged counts deliveries by the clock hour in which the partner's own
	// reply came, the running hour last; Placed those that nobody answered for (a
	// file in a folder).
	Acknowledged, Placed [FlowHours]int64
	// Waits counts what waits by the hour it was taken in; what is older stands in
	// the first.
	Waits [FlowHours]int64
	// Days is the same by the day of the zone asked for, today last; of what was
	// taken in these days. nil while they are still being counted.
	Days []FlowDay
	// LastReply is the partner's last own reply of these days, LastPlaced when
	// something was placed last.
	LastReply, LastPlaced time.Time
	// Last is the delivery that LastReply is of; -1 for none.
	Last int64
}

// FlowDay is one day of a Flow.
type FlowDay struct {
	Begins               time.Time
	Acknowledged, Placed int64
}

// Sums of the 24 hours.
func (f *Flow) Sums() (acknowledged, placed int64) {
	for i := range FlowHours {
		acknowledged += f.Acknowledged[i]
		placed += f.Placed[i]
	}
	return acknowledged, placed
}

// Flows is what went where in the last 24 hours, as it was counted at At.
type Flows struct {
	// At is when it was counted; the zero time while that is still under way for
	// the first time: then nothing else is known.
	At time.Time
	// Partners are those of the settings in force, in the order of their keys.
	Partners []Flow
	// Received counts the results of these hours, Unaccounted those of them that
	// have no delivery at all: there must be none. Arrivals says that all of them
	// have been looked at.
	Received, Unaccounted int64
	Arrivals              bool

	bySite map[Place]Flow // only where there are sites
	set    *Settings
}

// Known says whether it has been counted.
func (f Flows) Known() bool { return !f.At.IsZero() }

// Partner is one of Partners; false for one that is not in the settings.
func (f Flows) Partner(key string) (Flow, bool) {
	i, ok := slices.BinarySearchFunc(f.Partners, key, func(f Flow, key string) int {
		switch {
		case f.Partner < key:
			return -1
		case f.Partner > key:
			return 1
		}
		return 0
	})
	if !ok {
		return Flow{}, false
	}
	return f.Partners[i], true
}

// flowWait is how long a picture is waited for.
const flowWait = 250 * time.Millisecond

// Flows tells what went to each partner. It counts what has changed since it was
// asked last: what it costs depends on that and on what is open, not on what is
// stored. When counting takes longer than a moment it returns what was counted
// before, with its time; the next call has the rest.
func (s *Service) Flows(ctx context.Context, zone *time.Location) (Flows, error) {
	timer := time.NewTimer(flowWait)
	defer timer.Stop()
	select {
	case <-s.tally.want(s):
	case <-timer.C:
	case <-ctx.Done():
		return Flows{}, ctx.Err()
	}
	snap, err := s.tally.latest()
	if snap == nil {
		return Flows{}, err
	}
	// What fails after it worked is told by the time of the last success, unless
	// that is long ago.
	if err != nil && s.now().Sub(snap.at) > time.Minute {
		return Flows{}, err
	}
	stops, err := s.standing(ctx)
	if err != nil {
		return Flows{}, err
	}
	out := Flows{At: snap.at, Received: snap.received, Unaccounted: snap.unaccounted, Arrivals: snap.arrivals}
	out.set = s.settings.Load()
	sited := len(out.set.Sites) > 0 || s.sites.Load().any()
	if sited {
		out.bySite = map[Place]Flow{}
	}
	for _, key := range slices.Sorted(maps.Keys(out.set.Partners)) {
		f := Flow{PartnerStatus: PartnerStatus{Partner: key}, Last: -1}
		f.Here = s.line(&f.PartnerStatus, stops)
		if sited {
			f = out.split(f, snap, zone)
		} else if p := snap.partners[Place{Partner: key}]; p != nil {
			p.fill(&f, snap, zone)
		} else if snap.days {
			f.Days = daysOf(nil, snap, zone)
		}
		out.Partners = append(out.Partners, f)
	}
	return out, nil
}

// Down is since when a partner does not answer, and why ("unreachable"); zero while
// it does, or where another node delivers.
func (s *Service) Down(partner string) (since time.Time, why string) {
	s.mu.Lock()
	c := s.couriers[partner]
	s.mu.Unlock()
	if c == nil {
		return since, ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if since = c.down.since; !since.IsZero() {
		why = c.down.class.String()
	}
	return since, why
}

// line fills in how the partner answers and what stands before it; false when
// another node delivers.
func (s *Service) line(p *PartnerStatus, stops *stands) bool {
	for _, g := range stops.gates(p.Partner, "") {
		p.Gates = append(p.Gates, Gate{g.kind, g.owner, g.placed})
	}
	s.mu.Lock()
	c := s.couriers[p.Partner]
	s.mu.Unlock()
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p.DownSince, p.NextTry, p.Heard = c.down.since, c.down.until, c.heard
	if !c.down.since.IsZero() {
		p.Why = c.down.class.String()
	}
	return true
}

// fill tells of one partner as it was counted.
func (p *lane24) fill(f *Flow, snap *counted, zone *time.Location) {
	f.Waits = p.waits
	f.Waiting, f.Held, f.Stopped = p.open[Waiting], p.open[Held], p.open[NeedsPerson]
	if p.oldest != 0 {
		f.Oldest = time.UnixMicro(p.oldest).UTC()
	}
	if p.replied != 0 {
		f.LastReply, f.Last = time.UnixMicro(p.replied).UTC(), p.reply
	}
	if p.placed != 0 {
		f.LastPlaced = time.UnixMicro(p.placed).UTC()
	}
	last := hourOf(snap.at.UnixMicro())
	for i := range FlowHours {
		h := p.hours.at(last - FlowHours + 1 + int64(i))
		f.Acknowledged[i], f.Placed[i] = int64(h.acknowledged), int64(h.placed)
	}
	if snap.days {
		f.Days = daysOf(&p.hours, snap, zone)
	}
}

// daysOf sums hours to days of a zone. A zone that is not whole hours off shares
// an hour between two days; it goes to the one it begins in.
func daysOf(r *ring, snap *counted, zone *time.Location) []FlowDay {
	now := snap.at.In(zone)
	out := make([]FlowDay, FlowDays)
	for i := range out {
		begin := time.Date(now.Year(), now.Month(), now.Day()-FlowDays+1+i, 0, 0, 0, 0, zone)
		end := time.Date(now.Year(), now.Month(), now.Day()-FlowDays+2+i, 0, 0, 0, 0, zone)
		out[i].Begins = begin
		if r == nil {
			continue
		}
		for h := hourOf(begin.UnixMicro() + hour - 1); h < hourOf(end.UnixMicro()+hour-1); h++ {
			x := r.at(h)
			out[i].Acknowledged += int64(x.acknowledged)
			out[i].Placed += int64(x.placed)
		}
	}
	return out
}
