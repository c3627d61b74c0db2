package resultsfhir

import (
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// doorPace is how many requests for tokens are looked at in a minute, from all
// together: each costs a signature to verify.
const doorPace = 600

// paces remember how far ahead of its pace each client is.
type paces struct {
	mu sync.Mutex
	of map[string]time.Time
}

func newPaces() paces { return paces{of: map[string]time.Time{}} }

// take counts a request; wait is how long until it would be taken, 0 if it is.
// A fifth of a minute's requests may come at once.
func (p *paces) take(c *Client, now time.Time) time.Duration {
	return p.count("client "+c.ID, c.Pace, now)
}

func (p *paces) door(now time.Time) time.Duration { return p.count("door", doorPace, now) }

func (p *paces) count(key string, perMinute int, now time.Time) time.Duration {
	if perMinute <= 0 {
		perMinute = 1
	}
	step := time.Minute / time.Duration(perMinute)
	room := step * time.Duration(max(perMinute/5, 1))
	p.mu.Lock()
	defer p.mu.Unlock()
	until := p.of[key]
	if until.Before(now) || until.Sub(now) > room { // also after the clock was set back
		until = now
	}
	until = until.Add(step)
	if wait := until.Sub(now) - room; wait > 0 {
		return wait
	}
	p.of[key] = until
	return 0
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d/time.Second) + 1) }

// readAll reads a body of at most so many bytes.
func readAll(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		return nil, &refusal{status: http.StatusRequestEntityTooLarge, code: "too-long", text: "the body is too long, or did not come whole"}
	}
	return b, nil
}
