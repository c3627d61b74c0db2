package today

import (
	"strconv"
	"time"
)

// Clock tells a time of today by the clock, another with its date. now carries
// the zone.
func Clock(t, now time.Time) string {
	t = t.In(now.Location())
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// Ago tells how long something lasts: "48 min", "3 h", "2 days".
func Ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + " h"
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + " days"
}

// Count writes a number with its word: "1 result", "1,284 results".
func Count(n int64, what string) string { return Group(n) + " " + Plural(n, what, what+"s") }

// Plural chooses the word.
func Plural(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Group writes 1284 as 1,284.
func Group(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
