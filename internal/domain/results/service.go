package results

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is this domain's schema.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return store.Migrations{Domain: "results", Files: sub}
}

// Service is the results domain. Its methods may be called from any goroutine.
type Service struct {
	db    *store.DB
	log   *bus.Log
	vault *vault.Vault
	seal  sealer
	tags  *bus.Tags
	// steady is the time things are erased, forgotten and given up by.
	steady *steady
	now    func() time.Time
	slog   *slog.Logger

	settings atomic.Pointer[Settings]
	closed   atomic.Pointer[string] // why raw messages are not shown
	change   chan struct{}          // closed and replaced by Apply, under mu

	mu       sync.Mutex
	couriers map[string]*courier // by partner, while Run runs
	counts   counts
	claims   claims

	recent    recent
	clinical  chan struct{}                 // something for RunClinical to look at
	comparing atomic.Pointer[chan struct{}] // wakes RunCompare, while it runs
	stops     atomic.Pointer[stands]
	standMu   sync.Mutex // while the standing stops are read

	elsewhere atomic.Pointer[Elsewhere]
	alsoErase atomic.Pointer[Erasing]
	hands     atomic.Pointer[Hands]
	uploads   atomic.Pointer[Uploads]
	hearing   atomic.Bool // words of other nodes come through

	tally  tally // for Flows
	lately lately
	sites  atomic.Pointer[sites]

	indexing sync.Mutex // held by whoever writes the search index on this node
}

type counts struct {
	received, repeated, quarantined, delivered, failed atomic.Int64
}

// Counts are totals since the process started.
type Counts struct{ Received, Repeated, Quarantined, Delivered, Failed int64 }

// Counts returns the totals since the process started.
func (s *Service) Counts() Counts {
	c := &s.counts
	return Counts{c.received.Load(), c.repeated.Load(), c.quarantined.Load(), c.delivered.Load(), c.failed.Load()}
}

// New returns the service on an opened, migrated store, before anything else
// writes to it. now is the clock.
func New(ctx context.Context, db *store.DB, log *bus.Log, v *vault.Vault, now func() time.Time, l *slog.Logger) (*Service, error) {
	s := &Service{db: db, log: log, vault: v, seal: sealer{v}, now: now, slog: l, couriers: map[string]*courier{}, change: make(chan struct{}), clinical: make(chan struct{}, 1)}
	s.recent.holder = map[controlKey]int64{}
	log.OnCommit = s.recent.grew
	s.tags = bus.NewTags(v)
	began := time.Now()
	s.steady = newSteady(now, func() time.Duration { return time.Since(began) })
	if head, err := log.Head(ctx); err != nil {
		// Nothing can be written; what is there can still be looked at, and the
		// audit says what is wrong.
		l.Error("the head of the ledger cannot be read: nothing is taken in", "error", err)
	} else if err := s.recent.load(ctx, db, head.Size); err != nil {
		return nil, err
	}
	s.settings.Store(&Settings{idle: make(chan struct{})})
	return s, s.LoadSites(ctx)
}

// Settings returns the revision in force.
func (s *Service) Settings() *Settings { return s.settings.Load() }

// Apply puts a configuration revision in force. What is under way finishes
// under the old one; each delivery names the revision it was made with. The
// channel is closed when the last try under the replaced revision has ended:
// until then its senders are in use. A partner whose sender is another one is
// tried at once, however long it did not answer before.
func (s *Service) Apply(set *Settings) <-chan struct{} {
	set.idle = make(chan struct{})
	s.mu.Lock()
	old := s.settings.Swap(set)
	old.replaced = true
	if old.flights == 0 {
		close(old.idle)
	}
	close(s.change)
	s.change = make(chan struct{})
	couriers := make([]*courier, 0, len(s.couriers))
	for _, c := range s.couriers {
		couriers = append(couriers, c)
	}
	s.mu.Unlock()
	for _, c := range couriers {
		before, after := old.Partners[c.partner], set.Partners[c.partner]
		if before != nil && after != nil && before.Sender != after.Sender {
			c.fresh()
		}
		c.wake()
	}
	return old.idle
}

// use returns the revision in force for one try; release it once.
func (s *Service) use() *Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	set := s.settings.Load()
	set.flights++
	return set
}

func (s *Service) release(set *Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if set.flights--; set.flights == 0 && set.replaced {
		close(set.idle)
	}
}

func (s *Service) applied() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.change
}
