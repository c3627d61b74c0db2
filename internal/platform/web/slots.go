package web

import (
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
)

// slots bound what is under way, in all and for one key: an address, an account.
// Nobody waits: who finds none is told to come back.
type slots[K comparable] struct {
	most, each int

	mu  sync.Mutex
	all int
	of  map[K]int
}

func newSlots[K comparable](most, each int) *slots[K] {
	return &slots[K]{most: most, each: max(1, each), of: map[K]int{}}
}

// enter takes a slot; leave gives it back.
func (s *slots[K]) enter(k K) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= s.most || s.of[k] >= s.each {
		return nil, false
	}
	s.all++
	s.of[k]++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.of[k]--; s.of[k] == 0 {
			delete(s.of, k)
		}
	}), true
}

// Network is what counts as one caller: an IPv4 address, or the /64 of an IPv6
// address, of which a machine has as many as it likes.
func Network(a netip.Addr) netip.Addr {
	if a.Is6() && !a.Is4In6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a.Unmap()
}

// rooms are where requests are under way. Who is signed in has a room of their
// own, so that no number of strangers keeps them out, and long answers have
// another, so that one person's exports hold up nobody's pages.
type rooms struct {
	door      *slots[netip.Addr] // until it is known who asks
	strangers *slots[netip.Addr]
	known     *slots[paced]
	long      *slots[paced] // exports
	open      *slots[paced] // live pages
	refusing  atomic.Int64
}

const (
	usualActive = 256
	longAnswers = 32
	// longEach is how many exports one account may draw at a time.
	longEach = 2
	// liveEach is how many live pages one account may have open: a service desk's
	// wall, not a flood.
	liveEach = 250
	// maxRefusing is how many may be told at one time that there is no room; further
	// requests are reset without a word.
	maxRefusing = 256
)

func newRooms(active int) *rooms {
	if active <= 0 {
		active = usualActive
	}
	return &rooms{
		door:      newSlots[netip.Addr](active, active/4),
		strangers: newSlots[netip.Addr](max(1, active/2), active/4),
		known:     newSlots[paced](active, active/4),
		long:      newSlots[paced](longAnswers, longEach),
		open:      newSlots[paced](maxReaders, liveEach),
	}
}

// enter takes a place for a request once it is known who asks.
func (o *rooms) enter(rt *Route, who *authz.Subject, r *http.Request) (leave func(), ok bool) {
	switch {
	case who == nil:
		return o.strangers.enter(Network(From(r)))
	case rt == nil || !rt.Stream:
		return o.known.enter(paced{who.Person, who.Account})
	case rt.Pattern == livePattern:
		return o.open.enter(paced{who.Person, who.Account})
	}
	return o.long.enter(paced{who.Person, who.Account})
}

// full says that there is no room: a short fixed text that costs nothing to make
// and does not wait for a reader who does not read.
func (s *Server) full(w http.ResponseWriter, r *http.Request) {
	defer s.rooms.refusing.Add(-1)
	if s.rooms.refusing.Add(1) > maxRefusing {
		panic(http.ErrAbortHandler)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(refuseWithin)) // a recorder has none
	w.Header().Set("Retry-After", "1")
	const text = "Too many requests at this moment. Try again."
	if wantsJSON(nil, r) {
		writeError(w, &Error{Kind: KindBusy, Message: text, After: 1})
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = w.Write([]byte(text + "\n")) // the caller may have gone
}

const (
	// Whoever does not read an answer holds its place no longer than this: a
	// stranger's, a known person's, and each piece of a long answer.
	refuseWithin   = 2 * time.Second
	strangerReads  = 10 * time.Second
	knownReads     = 30 * time.Second
	longReads      = time.Minute
	longAnswerTime = 10 * time.Minute
)

// patient writes with a time limit for each piece.
type patient struct {
	http.ResponseWriter
	c    *http.ResponseController
	each time.Duration
}

func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *patient) WriteHeader(status int) {
	_ = p.c.SetWriteDeadline(time.Now().Add(p.each)) // a recorder of a test has none
	p.ResponseWriter.WriteHeader(status)
}

func (p *patient) Write(b []byte) (int, error) {
	_ = p.c.SetWriteDeadline(time.Now().Add(p.each))
	return p.ResponseWriter.Write(b)
}
