package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
)

// Topic is a word for what changed: "results", "partner:riverside". It never
// names a patient or a person.
type Topic string

// Live tells open pages that something they show has changed; they then ask for
// it again, with their own permission. Hints may get lost: a page also asks by
// itself once a minute.
type Live struct {
	mu      sync.Mutex
	next    int
	readers map[int]*reader
}

type reader struct {
	topics []Topic
	poke   chan struct{}
}

// NewLive returns one that nobody listens to yet.
func NewLive() *Live { return &Live{readers: map[int]*reader{}} }

// Say tells whoever watches the topic. It never blocks.
func (l *Live) Say(topics ...Topic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.readers {
		if slices.ContainsFunc(topics, func(t Topic) bool { return slices.Contains(r.topics, t) }) {
			select {
			case r.poke <- struct{}{}:
			default:
			}
		}
	}
}

// Open is how many pages watch.
func (l *Live) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.readers)
}

func (l *Live) add(topics []Topic) (*reader, func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.next
	l.next++
	r := &reader{topics, make(chan struct{}, 1)}
	l.readers[n] = r
	return r, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.readers, n)
	}
}

const (
	maxTopics  = 16
	maxReaders = 1000
	// liveBeat keeps the connection open, and is when the session is looked at again.
	liveBeat = 20 * time.Second
	// liveGap is the least time between two hints to one page.
	liveGap = 250 * time.Millisecond

	livePattern = "GET /live"
)

// Redraw says that an open page asks by itself, for a hint or to be drawn again,
// and not a person: it must not keep a session from ending. The browser says so
// itself, so nothing may become more allowed by it, and what is recorded of a
// person's looks is recorded all the same.
func Redraw(r *http.Request) bool {
	return r.Header.Get("Labwarden-Live") != "" || r.URL.Path == "/live"
}

// route answers GET /live?t=results&t=partner:x with server-sent events named
// "changed" that carry nothing.
func (s *Server) liveRoute() Route {
	return Route{Pattern: livePattern, Needs: authz.TodaySee, Stream: true, Handle: func(w http.ResponseWriter, r *http.Request) error {
		var topics []Topic
		for _, t := range r.URL.Query()["t"] {
			if len(topics) < maxTopics && t != "" && len(t) <= 100 && !strings.ContainsAny(t, "\r\n") {
				topics = append(topics, Topic(t))
			}
		}
		if len(topics) == 0 {
			return Invalid("name what to watch: /live?t=results")
		}
		mine, done := s.Live.add(topics)
		defer done()
		h := w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no")
		c := http.NewResponseController(w)
		say := func(text string) error {
			if err := c.SetWriteDeadline(time.Now().Add(2 * liveBeat)); err != nil {
				return err
			}
			if _, err := fmt.Fprint(w, text); err != nil {
				return err
			}
			return c.Flush()
		}
		if say("retry: 3000\n\n") != nil {
			return nil // the page has gone
		}
		beat := time.NewTicker(liveBeat)
		defer beat.Stop()
		for {
			select {
			case <-r.Context().Done():
				return nil
			case <-s.closing:
				return nil
			case <-mine.poke:
				if say("event: changed\ndata: 1\n\n") != nil {
					return nil
				}
				select {
				case <-r.Context().Done():
					return nil
				case <-time.After(liveGap):
				}
			case <-beat.C:
				// A session that was ended must not go on hearing.
				if who, err := s.Identify(r); err != nil || who == nil || say(": beat\n\n") != nil {
					return nil
				}
			}
		}
	}}
}
