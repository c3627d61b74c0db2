package watch

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/labwarden/labwarden/internal/domain/partners/gate"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/lease"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Results is what is watched of the results domain.
type Results interface {
	Counts() results.Counts
	Partners(ctx context.Context) ([]results.PartnerStatus, error)
	OpenQuarantine(ctx context.Context) (int64, error)
}

// Ledger tells how long the ledger is.
type Ledger interface {
	Head(ctx context.Context) (ledger.Head, error)
}

// Date is something that ends.
type Date struct {
	Of   string // "node", "source lis", "partner riverside"
	Kind string // control.DateOurs and its siblings
	Ends time.Time
}

// Hub is what is watched.
type Hub struct {
	Results Results
	Ledger  Ledger
	DB      *store.DB
	Probe   *Probe
	Dates   func() []Date                                  // asked for each scrape
	Alarms  func() map[alarm.Severity]int64                // that live; nil: none
	Doors   func() map[string]string                       // open doors: source to address
	Trouble func() string                                  // why this node does no work, else empty; nil: never
	Lease   func(ctx context.Context) (lease.State, error) // nil: not told
	Gate    func() gate.Counts                             // nil: not told
	Node    string
	Version string
	Now     func() time.Time
	Log     *slog.Logger
}

// readTime is how long reading the queues may take before a scrape goes on
// without them.
const readTime = 5 * time.Second

// queues are the figures that cost a query.
type queues struct {
	at       time.Time
	took     time.Duration
	partners []results.PartnerStatus
	apart    int64
	leaves   int64
	err      error
}

// Collector turns a Hub into metrics.
type Collector struct {
	hub  Hub
	mu   sync.Mutex
	last queues
}

// NewCollector returns a collector for h.
func NewCollector(h Hub) *Collector { return &Collector{hub: h} }

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range defs() {
		out <- d.desc()
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	n := c.hub.Results.Counts()
	out <- received.metric(float64(n.Received))
	out <- repeated.metric(float64(n.Repeated))
	out <- quarantined.metric(float64(n.Quarantined))
	out <- delivered.metric(float64(n.Delivered))
	out <- failed.metric(float64(n.Failed))
	s := c.hub.DB.Stats()
	out <- groups.metric(float64(s.Groups))
	out <- items.metric(float64(s.Items))
	out <- redone.metric(float64(s.Redone))
	ok := 0.0
	if c.hub.Probe.Check(context.Background()).Err == nil {
		ok = 1
	}
	out <- writable.metric(ok)
	c.collectDates(out)
	var open map[alarm.Severity]int64
	if c.hub.Alarms != nil {
		open = c.hub.Alarms()
	}
	for _, s := range alarm.Severities() {
		out <- alarms.metric(float64(open[s]), s.String())
	}
	c.collectLease(out)
	if c.hub.Gate != nil {
		g := c.hub.Gate()
		for verdict, n := range map[string]int64{"passed": g.Passed, "held": g.Held, "refused": g.Refused, "unread": g.Panics} {
			out <- gateFiles.metric(float64(n), verdict)
		}
	}
	out <- build.metric(1, c.hub.Version, runtime.Version())
	c.collectQueues(out)
}

// collectLease says who delivers. What cannot be read is left out.
func (c *Collector) collectLease(out chan<- prometheus.Metric) {
	working := 1.0
	if c.hub.Trouble != nil && c.hub.Trouble() != "" {
		working = 0
	}
	out <- nodeWorking.metric(working)
	if c.hub.Lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	s, err := c.hub.Lease(ctx)
	if err != nil {
		c.hub.Log.Error("the lease could not be read for the metrics", "error", err)
		return
	}
	mine := 0.0
	if s.Mine {
		mine = 1
	}
	out <- leaseHeld.metric(mine)
	out <- leaseEpoch.metric(float64(s.Epoch))
	if s.Live {
		out <- leaseSince.metric(float64(s.Since.UnixMilli())/1000, s.Node)
	}
}

// collectDates gives the first end of each kind and channel: a partner may show
// several certificates, and the one that ends first is what counts.
func (c *Collector) collectDates(out chan<- prometheus.Metric) {
	first := map[[2]string]time.Time{}
	for _, d := range c.hub.Dates() {
		key := [2]string{d.Of, d.Kind}
		if t, ok := first[key]; !ok || d.Ends.Before(t) {
			first[key] = d.Ends
		}
	}
	for key, t := range first {
		out <- ends.metric(float64(t.Unix()), key[0], key[1])
	}
}

func (c *Collector) collectQueues(out chan<- prometheus.Metric) {
	q := c.read()
	if q.err != nil {
		return
	}
	now := c.hub.Now()
	out <- queuesRead.metric(float64(q.at.UnixMilli()) / 1000)
	out <- apart.metric(float64(q.apart))
	out <- leaves.metric(float64(q.leaves))
	for _, p := range q.partners {
		out <- waiting.metric(float64(p.Waiting), p.Partner)
		out <- held.metric(float64(p.Held), p.Partner)
		out <- needsPerson.metric(float64(p.Stopped), p.Partner)
		age := 0.0
		if !p.Oldest.IsZero() {
			age = max(0, now.Sub(p.Oldest).Seconds())
		}
		out <- oldest.metric(age, p.Partner)
		alive := 1.0
		if !p.DownSince.IsZero() {
			alive = 0
		}
		out <- up.metric(alive, p.Partner)
	}
}

// read gives the queues as they were at most five seconds ago, or twenty times
// as long as reading takes: with a million waiting results counting is not
// free, and watching must not slow what it watches.
func (c *Collector) read() queues {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.hub.Now()
	if age := now.Sub(c.last.at); !c.last.at.IsZero() && age >= 0 && age < max(5*time.Second, 20*c.last.took) {
		return c.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	q := queues{at: now}
	q.partners, q.err = c.hub.Results.Partners(ctx)
	if q.err == nil {
		q.apart, q.err = c.hub.Results.OpenQuarantine(ctx)
	}
	if q.err == nil {
		var head ledger.Head
		head, q.err = c.hub.Ledger.Head(ctx)
		q.leaves = head.Size
	}
	q.took = c.hub.Now().Sub(now)
	if q.err != nil {
		c.hub.Log.Error("figures for the metrics could not be read", "error", q.err)
	}
	c.last = q
	return q
}
