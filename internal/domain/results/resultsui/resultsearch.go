package resultsui

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// A search for a patient or an order stands in no address: its words stay here
// for a while, under a random handle that only the session that made it may use.
const (
	searchLife  = 30 * time.Minute
	maxSearches = 10_000
)

type search struct {
	query results.Query
	words string // what was looked for, without what
	owner string
	at    time.Time
}

// searches are those of one node; a handle that is not known is an ended search.
type searches struct {
	mu   sync.Mutex
	open map[string]search
}

func newSearches() *searches { return &searches{open: map[string]search{}} }

// ownerOf ties a search to a session, or where there is none to the account.
func ownerOf(who *authz.Subject) string { return who.Account + "\x00" + who.Session.String() }

// put keeps a search and returns its handle.
func (s *searches) put(who *authz.Subject, q results.Query, words string, now time.Time) string {
	h := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest, when := "", now
	for k, v := range s.open {
		if now.Sub(v.at) > searchLife {
			delete(s.open, k)
		} else if !v.at.After(when) {
			oldest, when = k, v.at
		}
	}
	if len(s.open) >= maxSearches {
		delete(s.open, oldest)
	}
	s.open[h] = search{q, words, ownerOf(who), now}
	return h
}

// get returns a search of this session.
func (s *searches) get(who *authz.Subject, handle string, now time.Time) (search, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.open[handle]
	if !ok || v.owner != ownerOf(who) || now.Sub(v.at) > searchLife {
		return search{}, false
	}
	return v, true
}
