package resultsfhir

import (
	"strings"
	"time"
)

// span is the time a FHIR date covers at its precision: from inclusive, to
// exclusive (R4 search.html 2.21.1.5.5).
type span struct{ from, to time.Time }

var (
	earliest = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
)

// parseTime reads a FHIR date, dateTime or instant. What has no zone is read as
// UTC (R4 leaves it to the server; the CapabilityStatement says so).
func parseTime(s string) (span, bool) {
	for _, f := range []struct {
		layout string
		next   func(time.Time) time.Time
	}{
		{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
		{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
		{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
		{"2006-01-02T15:04", func(t time.Time) time.Time { return t.Add(time.Minute) }},
		{"2006-01-02T15:04Z07:00", func(t time.Time) time.Time { return t.Add(time.Minute) }},
		{"2006-01-02T15:04:05", nil},
		{time.RFC3339Nano, nil},
	} {
		t, err := time.Parse(f.layout, s)
		if err != nil || t.Year() < 1 || t.Year() > 9998 {
			continue
		}
		if f.next != nil {
			return span{t, f.next(t)}, true
		}
		return span{t, t.Add(precision(s))}, true
	}
	return span{}, false
}

// precision is that of a time with seconds: a second, or that of its fraction,
// down to a microsecond.
func precision(s string) time.Duration {
	_, frac, ok := strings.Cut(s, ".")
	if !ok {
		return time.Second
	}
	d := time.Second
	for _, c := range frac {
		if c < '0' || c > '9' {
			break
		}
		if d /= 10; d <= time.Microsecond {
			return time.Microsecond
		}
	}
	return d
}

// moment is a condition on a time: prefix and value.
type moment struct {
	prefix string
	span
}

var prefixes = []string{"eq", "ne", "gt", "ge", "lt", "le", "sa", "eb"}

// parseMoment reads a date parameter's value.
func parseMoment(s string) (moment, bool) {
	m := moment{prefix: "eq"}
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(s, p); ok {
			m.prefix, s = p, rest
			break
		}
	}
	var ok bool
	m.span, ok = parseTime(s)
	return m, ok
}

// holds compares a resource's time with the condition, R4 search.html 2.21.1.4.1.
func (m moment) holds(x span) bool {
	switch m.prefix {
	case "eq": // the range of the search value fully contains the range of the target
		return !x.from.Before(m.from) && !x.to.After(m.to)
	case "ne":
		return x.from.Before(m.from) || x.to.After(m.to)
	case "gt": // the range above the search value intersects the target
		return x.to.After(m.to)
	case "lt":
		return x.from.Before(m.from)
	case "ge": // intersects above, or contained
		return x.to.After(m.to) || !x.from.Before(m.from) && !x.to.After(m.to)
	case "le":
		return x.from.Before(m.from) || !x.from.Before(m.from) && !x.to.After(m.to)
	case "sa":
		return !x.from.Before(m.to)
	case "eb":
		return !x.to.After(m.from)
	}
	return false
}
