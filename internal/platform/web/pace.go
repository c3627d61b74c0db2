package web

import (
	"net/http"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

const (
	// usualPace: nobody reads 50 pages a second; ten open pages that redraw
	// themselves as often as they may ask 40 times.
	usualPace = 3000
	// exportWeight is what a long answer counts: 50 a minute at the usual pace, 10 at
	// once.
	exportWeight = 60
	toldEvery    = time.Minute
)

// paces remember how far ahead of its pace each account is. They hold an entry
// for each account that was here since the start, and no one else's: only who is
// known gets this far.
type paces struct {
	step, room time.Duration

	mu sync.Mutex
	of map[paced]*ahead
}

type paced struct {
	person  event.ID
	account string
}

// ahead is the time at which all that an account asked for would have been asked
// for at its pace.
type ahead struct{ until, told time.Time }

func newPaces(perMinute int) *paces {
	if perMinute <= 0 {
		perMinute = usualPace
	}
	step := time.Minute / time.Duration(perMinute)
	return &paces{step: step, room: step * time.Duration(max(perMinute/5, exportWeight)), of: map[paced]*ahead{}}
}

// take counts a request of that weight. wait is how long until it would be taken,
// 0 if it is; news, that nobody was told of this account in the last minute.
func (p *paces) take(who *authz.Subject, weight int, now time.Time) (wait time.Duration, news bool) {
	k := paced{who.Person, who.Account}
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.of[k]
	if a == nil {
		a = &ahead{}
		p.of[k] = a
	}
	// Further ahead than it can be: the clock was set back.
	if a.until.Before(now) || a.until.Sub(now) > p.room {
		a.until = now
	}
	until := a.until.Add(p.step * time.Duration(weight))
	if wait = until.Sub(now) - p.room; wait <= 0 {
		a.until = until
		return 0, false
	}
	if since := now.Sub(a.told); since < 0 || since >= toldEvery {
		a.told, news = now, true
	}
	return wait, news
}

// pace refuses an account that asks too often. Live hints do not count: they are
// bounded in number, and who hears none would ask more.
func (s *Server) pace(r *http.Request, rt *Route, who *authz.Subject) error {
	if who == nil || rt.Access == Open || rt.Pattern == livePattern {
		return nil
	}
	weight := 1
	if rt.Stream {
		weight = exportWeight
	}
	wait, news := s.paces.take(who, weight, s.Now())
	if wait <= 0 {
		return nil
	}
	e := &Error{Kind: KindBusy, Message: "This account asks faster than the pages allow. Wait a moment and go on.", After: int((wait + time.Second - 1) / time.Second)}
	if news {
		s.Log.Warn("an account asks faster than it may; its requests are refused until it slows down", "account", who.Account, "pattern", rt.Pattern)
		if s.Refused != nil {
			s.Refused(r.Context(), who, r, e)
		}
	}
	return e
}
