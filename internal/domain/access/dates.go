package access

import "time"

// People name the last day on which something holds; stored is the moment after
// it. Days are those of the place the server stands in.

// AfterDay is the end of a day, as it is stored: the midnight after.
func AfterDay(day time.Time) time.Time {
	if day.IsZero() {
		return day
	}
	y, m, d := day.Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, day.Location())
}

// LastDay is the last day before a stored end; zero for none.
func LastDay(end time.Time, in *time.Location) time.Time {
	if end.IsZero() {
		return end
	}
	return end.In(in).Add(-time.Microsecond)
}

// ParseDay reads 2026-05-04 as the beginning of that day; the empty text is the
// zero time.
func ParseDay(text string, in *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation("2006-01-02", text, in)
	if err != nil || t.Year() < 2000 || t.Year() > 2200 {
		return time.Time{}, invalid("", "Write the day like 2026-05-04.")
	}
	return t, nil
}

// FormatDay is how ParseDay reads it.
func FormatDay(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02")
}
