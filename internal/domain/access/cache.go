package access

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

const (
	// lookEvery is how often a node looks whether another changed something: what
	// was ended elsewhere works half a second longer at most.
	lookEvery = 500 * time.Millisecond
	// keepFor is how long anything is kept without being read again, also if
	// somebody changed rows and not the count of changes.
	keepFor = time.Minute
	// maxKept bounds what is kept.
	maxKept = 10_000
	// seenEvery is how often the database hears that a session is in use.
	seenEvery = time.Minute
)

// cache keeps what a check read, for as long as the count of changes stands.
type cache struct {
	mu       sync.RWMutex
	gen      int64 // grows with each clear: what was read before is not kept after
	epoch    int64
	looked   time.Time
	filled   time.Time
	sessions map[[32]byte]*known
	programs map[[32]byte]*program
	used     map[event.ID]*used
	refused  map[string]*refusals

	looking sync.Mutex
}

// known is a session with its person, as they were read. It does not change.
type known struct {
	id, person          event.ID
	account, name       string
	state               State
	starts, ends        time.Time
	level               authz.Level
	made, fresh         time.Time
	bench               string
	benchHash           []byte
	device              string
	grants              []authz.Grant
	delegations         []authz.Delegation
	glass               event.ID
	glassed             []authz.Permission
	glassFrom, glassEnd time.Time
	used                *used
}

// used is when a session was used last: here, and as the database knows it.
type used struct {
	at, written atomic.Int64
	agent       atomic.Pointer[string] // the last User-Agent that was looked at
}

func newCache() cache {
	return cache{sessions: map[[32]byte]*known{}, programs: map[[32]byte]*program{}, used: map[event.ID]*used{}, refused: map[string]*refusals{}}
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	clear(c.sessions)
	clear(c.programs)
	c.filled = time.Time{}
}

// Poke has the next check look at the database first: another node said that
// something changed.
func (s *Service) Poke() {
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	s.cache.looked = time.Time{}
}

// current makes sure that what is kept was true within the last half second.
func (s *Service) current(ctx context.Context, now time.Time) error {
	c := &s.cache
	fresh := func() bool {
		c.mu.RLock()
		defer c.mu.RUnlock()
		age := now.Sub(c.looked)
		return !c.looked.IsZero() && age >= 0 && age < lookEvery
	}
	if fresh() {
		return nil
	}
	c.looking.Lock()
	defer c.looking.Unlock()
	if fresh() {
		return nil
	}
	var n int64
	if err := s.db.QueryRow(ctx, "SELECT n FROM access_epoch WHERE id = 1").Scan(&n); err != nil {
		return fmt.Errorf("look for changes of access: %w", err)
	}
	c.mu.RLock()
	stale := n != c.epoch || len(c.sessions)+len(c.programs) > 0 && (now.Before(c.filled) || now.Sub(c.filled) > keepFor)
	c.mu.RUnlock()
	if stale {
		c.clear()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch, c.looked = n, now
	return nil
}

func (c *cache) session(hash [32]byte) (*known, int64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.sessions[hash], c.gen
}

// keep stores what was read while the generation was gen.
func (c *cache) keep(hash [32]byte, k *known, gen int64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen != gen {
		return
	}
	if len(c.sessions) >= maxKept {
		clear(c.sessions)
	}
	if c.filled.IsZero() {
		c.filled = now
	}
	c.sessions[hash] = k
}

// usedOf returns the use of a session, of which the database says it was last
// used at stored.
func (c *cache) usedOf(id event.ID, stored, now time.Time) *used {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.used[id]
	if u == nil {
		if len(c.used) >= maxKept {
			for k, x := range c.used {
				if now.UnixMicro()-x.at.Load() > longest.Microseconds() {
					delete(c.used, k)
				}
			}
		}
		u = &used{}
		c.used[id] = u
	}
	for at := u.at.Load(); at < stored.UnixMicro() && !u.at.CompareAndSwap(at, stored.UnixMicro()); at = u.at.Load() {
	}
	if u.written.Load() < stored.UnixMicro() {
		u.written.Store(stored.UnixMicro())
	}
	return u
}

// seen is when this node saw a session last; zero where it did not.
func (c *cache) seen(id event.ID) time.Time {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if u := c.used[id]; u != nil {
		return moment(u.at.Load())
	}
	return time.Time{}
}
