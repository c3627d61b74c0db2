package channel

import (
	"net/http"
	"strconv"
	"time"
)

// MaxRetryAfter caps what a partner may ask for: no answer silences a channel
// for long.
const MaxRetryAfter = time.Hour

// RetryAfter is how long a server asks to be left alone, 0 when it does not
// say: seconds, or a date, which is taken against the server's own clock where
// it gives one (RFC 9110 10.2.3).
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	var d time.Duration
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		d = time.Duration(max(0, min(n, int64(MaxRetryAfter/time.Second)))) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		if its, err := http.ParseTime(h.Get("Date")); err == nil {
			now = its
		}
		d = at.Sub(now)
	}
	return max(0, min(d, MaxRetryAfter))
}
