package kit

import (
	"regexp"
	"strconv"
	"time"
)

// Times are handed in as they are kept, in UTC, and shown in the time of the
// machine the server runs on, as its logs are.

// Clock is the time of day; on another day with its date: "07:40", "14 Nov, 07:40".
func Clock(t, now time.Time) string {
	return day(t, now, "15:04")
}

// Second is Clock with seconds, for journeys.
func Second(t, now time.Time) string {
	return day(t, now, "15:04:05")
}

func day(t, now time.Time, layout string) string {
	if t.IsZero() {
		return "not known"
	}
	t, now = t.Local(), now.Local()
	switch {
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		return t.Format(layout)
	case t.Year() == now.Year():
		return t.Format("2 Jan, " + layout)
	}
	return t.Format("2 Jan 2006, " + layout)
}

// Date is a day: "14 Nov", with the year where it is another one.
func Date(t, now time.Time) string {
	if t.IsZero() {
		return "not known"
	}
	t, now = t.Local(), now.Local()
	if t.Year() == now.Year() {
		return t.Format("2 Jan")
	}
	return t.Format("2 Jan 2006")
}

// Stamp is a time that no reader can mistake, for printed sheets: with date,
// year and zone.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return "not known"
	}
	return t.Local().Format("2 Jan 2006, 15:04:05 MST")
}

// Ago is how long since: "48 min ago", "just now".
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return "not known"
	}
	d := now.Sub(t)
	switch {
	case d < 0:
		return "in " + Span(-d)
	case d < 10*time.Second:
		return "just now"
	}
	if d > time.Minute {
		d = d.Truncate(time.Minute) // nobody needs the seconds of "3 min ago"
	}
	return Span(d) + " ago"
}

// Span is a length of time in its two greatest units: "19 min 38 s".
func Span(d time.Duration) string {
	if d < 0 {
		return "−" + Span(-d)
	}
	if d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	units := []struct {
		of   time.Duration
		word string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.of {
			continue
		}
		s := strconv.FormatInt(int64(d/u.of), 10) + " " + u.word
		if i+1 < len(units) {
			if rest := d % u.of / units[i+1].of; rest > 0 {
				s += " " + strconv.FormatInt(int64(rest), 10) + " " + units[i+1].word
			}
		}
		return s
	}
	return "0 s"
}

// ISO is the machine's form for <time datetime>.
func ISO(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// utcTime is how sentences write a time whose reader may be anywhere: in mails, on
// a terminal.
var utcTime = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC`)

// Here writes the times of such a sentence as all pages do: in now's time zone,
// the day only where it is another.
func Here(sentence string, now time.Time) string {
	return utcTime.ReplaceAllStringFunc(sentence, func(s string) string {
		if t, err := time.Parse("2006-01-02 15:04 UTC", s); err == nil {
			return Clock(t, now)
		}
		t, err := time.Parse("2006-01-02 15:04:05 UTC", s)
		if err != nil {
			return s
		}
		return Second(t, now)
	})
}
