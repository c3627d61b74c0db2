package channel

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 4, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		says, date string
		want       time.Duration
	}{
		{"", "", 0},
		{"17", "", 17 * time.Second},
		{"-3", "", 0},
		{"soon", "", 0},
		{"999999999999", "", time.Hour},
		{"99999999999999999999999", "", 0},
		{"Wed, 04 Mar 2026 08:00:30 GMT", "", 30 * time.Second},
		{"Wed, 04 Mar 2026 07:00:00 GMT", "", 0},
		{"Wed, 04 Mar 2026 09:59:00 GMT", "Wed, 04 Mar 2026 09:58:00 GMT", time.Minute},
		{"Thu, 04 Mar 2027 08:00:00 GMT", "", time.Hour},
	} {
		h := http.Header{"Retry-After": {c.says}, "Date": {c.date}}
		if got := RetryAfter(h, now); got != c.want {
			t.Errorf("%q at %q: %v, want %v", c.says, c.date, got, c.want)
		}
	}
}
