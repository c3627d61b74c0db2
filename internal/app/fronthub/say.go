package fronthub

import (
	"io"
	"strings"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel/frontlink"
)

// Bounds of what is said beside a stream, so that a client that reads none of it
// goes on: it all fits the smallest window that clients open (RFC 4254 5.2).
const (
	maxSaid     = 40
	maxSaidText = 400
	sayTime     = time.Second
)

// speaker says a sentence on a session's second stream, which OpenSSH's programs
// show where they show nothing of the status of SFTP.
type speaker struct {
	to    io.Writer
	begun sync.Once // most say nothing ever
	lines chan line
	once  sync.Once
	over  chan struct{}
}

// end: nothing is said any more.
func (s *speaker) end() { s.once.Do(func() { close(s.over) }) }

type line struct {
	text string
	done chan struct{}
}

// speak gives the stream a number under which the front may say something.
func (t *ticket) speak(to io.Writer) (n uint64, end func()) {
	s := &speaker{to: to, lines: make(chan line), over: make(chan struct{})}
	t.mu.Lock()
	t.streams++
	n = t.streams
	if t.speakers == nil {
		t.speakers = map[uint64]*speaker{}
	}
	t.speakers[n] = s
	t.mu.Unlock()
	return n, func() {
		t.mu.Lock()
		delete(t.speakers, n)
		t.mu.Unlock()
		s.end()
	}
}

func (s *speaker) run() {
	defer s.end()
	for range maxSaid {
		select {
		case l := <-s.lines:
			_, err := io.WriteString(s.to, l.text)
			close(l.done)
			if err != nil {
				return
			}
		case <-s.over:
			return
		}
	}
}

// say says what the front found. A client that does not take it in time is told
// nothing any more: a call is held up once at most.
func (t *ticket) say(w frontlink.Said) {
	t.mu.Lock()
	s := t.speakers[w.Stream]
	t.mu.Unlock()
	if s == nil {
		return
	}
	s.begun.Do(func() { go s.run() })
	l := line{plainLine(w.Text), make(chan struct{})}
	timer := time.NewTimer(sayTime)
	defer timer.Stop()
	select {
	case s.lines <- l:
	case <-s.over:
		return
	case <-timer.C:
		s.end()
		return
	}
	select {
	case <-l.done:
	case <-s.over:
	case <-timer.C:
		s.end()
	}
}

// plainLine is a text as it may go to a terminal.
func plainLine(s string) string {
	if len(s) > maxSaidText {
		s = s[:maxSaidText]
	}
	return "Labwarden: " + strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, s) + "\r\n"
}
