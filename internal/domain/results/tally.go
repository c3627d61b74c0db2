package results

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// The tally counts, for Today and the partners' pages, what was delivered by
// hour. It is this node's memory and nothing else: no row, no index and no word
// on the way of a result. It follows the deliveries as they are on disk, so every
// node has its own and none must tell another:
//
//   - deliveries get their numbers in the order of their commits, so what is new
//     is what lies behind the last number it has read;
//   - what was open when it read it, and is not in the (partial) index of open
//     deliveries any more, has been completed since: these rows are read again.
//
// After a start it reads the last 24 hours, then the days before them.

const (
	hour = int64(time.Hour / time.Microsecond)
	// tallyHours is how far back it counts; a day more than is shown, as a
	// laboratory's day begins up to 14 hours away from UTC's.
	tallyHours = (FlowDays + 1) * 24
	tallyPage  = 2000
	// tallyLimit bounds one round of counting.
	tallyLimit = time.Minute
)

// hourOf numbers the hours since 1970.
func hourOf(micro int64) int64 { return micro / hour }

type hourCount struct{ acknowledged, placed int32 }

// ring keeps the last tallyHours hours.
type ring struct {
	of [tallyHours]int64 // which hour a place holds
	n  [tallyHours]hourCount
}

func (r *ring) place(h int64) *hourCount {
	i := h % tallyHours
	if r.of[i] != h {
		if r.of[i] > h {
			return nil // too old to matter
		}
		r.of[i], r.n[i] = h, hourCount{}
	}
	return &r.n[i]
}

func (r *ring) at(h int64) hourCount {
	if i := h % tallyHours; h >= 0 && r.of[i] == h {
		return r.n[i]
	}
	return hourCount{}
}

// lane24 is what is counted of one partner.
type lane24 struct {
	hours           ring
	open            [3]int64 // by state
	waits           [FlowHours]int64
	oldest          int64 // when the first of the waiting was taken
	replied, placed int64 // last times
	reply           int64 // the delivery that replied is of
}

// counted is a picture of the tally. It is not changed once it is handed out.
type counted struct {
	at                    time.Time
	partners              map[Place]*lane24
	received, unaccounted int64
	arrivals              bool // all that arrived in these hours has been looked at
	days                  bool // all days have been counted
}

// tally is the counting and its latest picture.
type tally struct {
	mu      sync.Mutex
	snap    *counted
	err     error
	running bool
	waiting chan struct{} // closed when there is a picture that began after it was asked for; nil: nobody asks
	ended   time.Time     // monotonic: when the last picture was made
	took    time.Duration

	counts tallied // of the one goroutine that runs
}

// want asks for a picture that is begun from now on, and returns what is closed
// when there is one.
func (t *tally) want(s *Service) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting == nil {
		t.waiting = make(chan struct{})
	}
	if !t.running {
		t.running = true
		go t.run(s)
	}
	return t.waiting
}

func (t *tally) latest() (*counted, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.snap, t.err
}

// tallyCheap is how long a round may take that nobody has to wait for the next one:
// the other questions of a page take as long, and pages that ask together share it.
const tallyCheap = 10 * time.Millisecond

// pause is how long the next picture has to wait, so that counting that costs
// something never takes more than a fifth of one processor. Called under the lock.
func (t *tally) pause() time.Duration {
	if t.took < tallyCheap {
		return 0
	}
	return 4*t.took - time.Since(t.ended)
}

// run makes pictures while somebody asks, and in between counts the days that
// are missing. It ends when there is neither to do.
func (t *tally) run(s *Service) {
	for {
		t.mu.Lock()
		asked, pause, whole := t.waiting, t.pause(), t.counts.whole()
		if asked == nil && (whole || t.err != nil) {
			t.running = false
			t.mu.Unlock()
			return
		}
		if asked != nil && pause <= 0 {
			t.waiting = nil
		}
		t.mu.Unlock()
		switch {
		case asked != nil && pause <= 0:
			t.round(s, true)
			close(asked)
		case !whole && t.counts.begun:
			t.round(s, false)
		default:
			<-time.After(pause)
		}
	}
}

// round makes a picture, after what is new has been counted or a page of the days
// before.
func (t *tally) round(s *Service, follow bool) {
	ctx, cancel := context.WithTimeout(context.Background(), tallyLimit)
	defer cancel()
	begin := time.Now()
	var err error
	if follow {
		err = t.counts.follow(ctx, s)
	} else {
		err = t.counts.back(ctx, s)
	}
	var snap *counted
	if err != nil {
		err = fmt.Errorf("count deliveries: %w", err)
		s.slog.Error("the deliveries of the last days could not be counted", "error", err)
	} else if follow || t.counts.whole() {
		snap = t.counts.picture()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
	if snap != nil {
		t.snap = snap
	}
	if follow {
		t.took, t.ended = time.Since(begin), time.Now()
	}
}

// tallied is what is counted so far.
type tallied struct {
	begun    bool
	page     int64     // rows read at a time; 0 is tallyPage
	at       time.Time // of the last look at what is new
	next     int64     // the first delivery number that has not been read
	low      int64     // deliveries before this one have not been read
	floor    int64     // where the days begin
	leaf     int64     // the first message that has not been looked at
	behind   bool      // there are more messages than were looked at
	sites    *sites    // as it was counted by; with others it begins anew
	partners map[Place]*lane24
	shown    map[Place]*lane24  // copies of those that did not change since
	open     map[Place][]int64  // numbers, ascending
	day      map[int64]arrivals // by hour of arrival
}

type arrivals struct{ received, unaccounted int64 }

func (c *tallied) rows() int64 {
	if c.page > 0 {
		return c.page
	}
	return tallyPage
}

// whole says that nothing of the days before is missing.
func (c *tallied) whole() bool { return c.begun && c.low <= c.floor && !c.behind }

// follow reads what has changed since it was called last.
func (c *tallied) follow(ctx context.Context, s *Service) error {
	now := s.now()
	if !c.begun || c.sites != s.sites.Load() {
		first, err := s.leafAt(ctx, now.Add(-FlowHours*time.Hour))
		if err != nil {
			return err
		}
		floor, err := s.leafAt(ctx, now.Add(-FlowDays*24*time.Hour))
		if err != nil {
			return err
		}
		*c = tallied{
			page: c.rows(), next: first * maxPlans, low: first * maxPlans, floor: floor * maxPlans, leaf: first, sites: s.sites.Load(),
			partners: map[Place]*lane24{}, shown: map[Place]*lane24{}, open: map[Place][]int64{}, day: map[int64]arrivals{},
		}
	}
	for behind := !c.begun; ; {
		for behind {
			page, err := c.read(ctx, s, "WHERE seq >= $1 ORDER BY seq LIMIT $2", c.next, c.rows())
			if err != nil {
				return err
			}
			c.fresh(page)
			behind = int64(len(page)) == c.rows()
		}
		l, err := c.look(ctx, s, c.next, c.leaf, c.rows())
		if err != nil {
			return err
		}
		c.fresh(l.fresh)
		c.arrived(l.arrived)
		if behind = int64(len(l.fresh)) == c.rows(); behind {
			continue // what is open was read together with no more than a page of what is new
		}
		if err := c.stillOpen(ctx, s, l.open, hourOf(now.UnixMicro())-FlowHours+1); err != nil {
			return err
		}
		c.at, c.begun = now, true
		return nil
	}
}

// fresh takes in deliveries that it has not read, in the order of their numbers.
func (c *tallied) fresh(page []delivered24) {
	for i := range page {
		d := &page[i]
		if c.next = d.seq + 1; State(d.state) < Done {
			c.open[d.place] = append(c.open[d.place], d.seq)
		} else {
			c.count(d)
		}
	}
}

// delivered24 is a row as the tally reads it.
type delivered24 struct {
	seq, state, level, changed int64
	place                      Place
}

// count adds a completed delivery to its hour.
func (c *tallied) count(d *delivered24) {
	if State(d.state) != Done {
		return
	}
	p := c.partner(d.place)
	at := p.hours.place(hourOf(d.changed))
	if channel.Level(d.level) >= channel.Committed {
		if d.changed > p.replied {
			p.replied, p.reply = d.changed, d.seq
		}
		if at != nil {
			at.acknowledged++
		}
		return
	}
	p.placed = max(p.placed, d.changed)
	if at != nil {
		at.placed++
	}
}

// partner is what is counted of one at a site, to be changed.
func (c *tallied) partner(key Place) *lane24 {
	delete(c.shown, key)
	p := c.partners[key]
	if p == nil {
		p = &lane24{}
		c.partners[key] = p
	}
	return p
}

// back reads a page of what was there before: messages of these hours, then the
// days, newest first.
func (c *tallied) back(ctx context.Context, s *Service) error {
	if c.behind {
		page, err := readArrived(ctx, s, c.leaf, c.rows())
		c.arrived(page)
		return err
	}
	page, err := c.read(ctx, s, "WHERE seq >= $1 AND seq < $2 ORDER BY seq DESC LIMIT $3", c.floor, c.low, c.rows())
	if err != nil {
		return err
	}
	for i := range page {
		d := &page[i]
		// One that was open when it was last looked at is counted when it is found
		// closed.
		if _, open := slices.BinarySearch(c.open[d.place], d.seq); !open {
			c.count(d)
		}
	}
	c.low = c.floor
	if int64(len(page)) == c.rows() {
		c.low = page[len(page)-1].seq
	}
	return nil
}

// arrived takes in messages that it has not looked at: each has a delivery of its
// own, or is one that nobody accounts for.
func (c *tallied) arrived(page []arrived24) {
	for _, m := range page {
		a := c.day[hourOf(m.at)]
		a.received++
		a.unaccounted += m.lost
		c.day[hourOf(m.at)] = a
		c.leaf = m.leaf + 1
	}
	c.behind = int64(len(page)) == c.rows()
}

// stillOpen counts the deliveries that were open and are not any more; open are
// those that are. What waits it sorts by the hour it was taken in, the first of
// them and all before it together.
func (c *tallied) stillOpen(ctx context.Context, s *Service, open []delivered24, first int64) error {
	now := map[Place][]int64{}
	type opened struct {
		n      [3]int64
		waits  [FlowHours]int64
		oldest int64
	}
	state := map[Place]*opened{}
	for i := range open {
		d := &open[i]
		now[d.place] = append(now[d.place], d.seq)
		o := state[d.place]
		if o == nil {
			o = &opened{}
			state[d.place] = o
		}
		o.n[d.state]++
		if State(d.state) == Waiting {
			o.waits[min(max(hourOf(d.changed)-first, 0), FlowHours-1)]++
			if o.oldest == 0 || d.changed < o.oldest {
				o.oldest = d.changed
			}
		}
	}
	var closed []int64
	for key, was := range c.open {
		closed = missing(closed, was, now[key])
	}
	if err := c.closed(ctx, s, closed); err != nil {
		return err
	}
	c.open = now
	for key, p := range c.partners {
		if state[key] == nil && (p.open != [3]int64{} || p.oldest != 0) {
			c.partner(key).open, p.waits, p.oldest = [3]int64{}, [FlowHours]int64{}, 0
		}
	}
	for key, o := range state {
		if p := c.partners[key]; p == nil || p.open != o.n || p.waits != o.waits || p.oldest != o.oldest {
			p = c.partner(key)
			p.open, p.waits, p.oldest = o.n, o.waits, o.oldest
		}
	}
	return nil
}

// missing appends the numbers of was that are not in is; both ascend.
func missing(out, was, is []int64) []int64 {
	for _, n := range was {
		for len(is) > 0 && is[0] < n {
			is = is[1:]
		}
		if len(is) == 0 || is[0] != n {
			out = append(out, n)
		}
	}
	return out
}

// closed counts deliveries that have been completed, but those that lie where the
// days are still to be read: they are found there.
func (c *tallied) closed(ctx context.Context, s *Service, seqs []int64) error {
	slices.Sort(seqs)
	var found []delivered24
	for len(seqs) > 0 {
		// What lies close together is read in one go.
		n := 1
		for n < len(seqs) && seqs[n]-seqs[0] < tallyPage*maxPlans {
			n++
		}
		some := seqs[:n]
		seqs = seqs[n:]
		page, err := c.read(ctx, s, "WHERE seq >= $1 AND seq <= $2 ORDER BY seq", some[0], some[n-1])
		if err != nil {
			return err
		}
		for _, d := range page {
			if _, is := slices.BinarySearch(some, d.seq); is && (d.seq >= c.low || d.seq < c.floor) {
				found = append(found, d)
			}
		}
	}
	for i := range found { // only once all are read: what fails is done again whole
		c.count(&found[i])
	}
	return nil
}

// picture copies what is counted.
func (c *tallied) picture() *counted {
	out := &counted{at: c.at, partners: make(map[Place]*lane24, len(c.partners)), days: c.low <= c.floor, arrivals: !c.behind}
	for key, p := range c.partners {
		copied := c.shown[key]
		if copied == nil {
			was := *p
			copied = &was
			c.shown[key] = copied
		}
		out.partners[key] = copied
	}
	last := hourOf(c.at.UnixMicro())
	for h, a := range c.day {
		if h <= last-FlowHours {
			delete(c.day, h)
			continue
		}
		out.received += a.received
		out.unaccounted += a.unaccounted
	}
	return out
}
