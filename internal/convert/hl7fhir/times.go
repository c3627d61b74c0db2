package hl7fhir

import (
	"strings"
	"time"
)

// stamp is an HL7 DTM (v2.5.1 2.A.22: YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]).
type stamp struct {
	year, month, day, hour, min, sec string
	frac, offset                     string
}

// parseStamp reads a DTM strictly; ok is false for anything that is not one.
func parseStamp(s string) (t stamp, ok bool) {
	body := s
	if i := strings.IndexAny(s, "+-"); i >= 0 {
		body, t.offset = s[:i], s[i:]
		if len(t.offset) != 5 || !allDigits(t.offset[1:]) || t.offset[1:3] > "14" || t.offset[3:] > "59" {
			return t, false
		}
	}
	body, frac, dot := strings.Cut(body, ".")
	if dot && (len(body) != 14 || frac == "" || len(frac) > 6 || !allDigits(frac)) {
		return t, false
	}
	if !allDigits(body) || len(body) < 4 || len(body)%2 != 0 || len(body) > 14 {
		return t, false
	}
	t.frac = frac
	for i, p := range []*string{&t.month, &t.day, &t.hour, &t.min, &t.sec} {
		if at := 4 + 2*i; len(body) >= at+2 {
			*p = body[at : at+2]
		}
	}
	t.year = body[:4]
	layout, text := "2006", t.year
	for _, p := range []struct{ layout, text string }{{"01", t.month}, {"02", t.day}, {"15", t.hour}, {"04", t.min}, {"05", t.sec}} {
		if p.text == "" {
			break
		}
		layout, text = layout+p.layout, text+p.text
	}
	if _, err := time.Parse(layout, text); err != nil || t.year == "0000" {
		return t, false
	}
	return t, true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func (t stamp) date() string {
	s := t.year
	for _, p := range []string{t.month, t.day} {
		if p != "" {
			s += "-" + p
		}
	}
	return s
}

// clock gives hh:mm:ss[.frac]; seconds HL7 did not give are zero, which R4
// allows ("may be zero-filled").
func (t stamp) clock() string {
	sec := t.sec
	if sec == "" {
		sec = "00"
	}
	s := t.hour + ":" + t.min + ":" + sec
	if t.frac != "" {
		s += "." + t.frac
	}
	return s
}

// zoned gives the whole instant, ok false where minutes or zone are missing.
// A time without zone has the configured one, else that of MSH-7
// (v2.5.1 2.15.9.7: the zone of the header is the default throughout).
func (c *conv) zoned(t stamp) (string, bool) {
	if t.min == "" {
		return "", false
	}
	off := t.offset
	if off == "" && c.opt.Zone != nil {
		at, err := time.ParseInLocation("2006-01-02 15:04:05", t.date()+" "+t.clock()[:8], c.opt.Zone)
		if err != nil {
			return "", false
		}
		off = at.Format("-0700")
	}
	if off == "" {
		off = c.offset
	}
	if off == "" {
		return "", false
	}
	return t.date() + "T" + t.clock() + off[:3] + ":" + off[3:], true
}

// dateTime maps a DTM to a FHIR dateTime, with a note for what is lost.
func (c *conv) dateTime(v view, n int) string {
	s := v.c(n)
	if s == "" {
		return ""
	}
	t, ok := parseStamp(s)
	if !ok {
		c.note(v.path, whyTime)
		return ""
	}
	if t.hour == "" {
		return t.date()
	}
	if z, ok := c.zoned(t); ok {
		return z
	}
	if t.min == "" {
		c.note(v.path, whyPrecision)
	} else {
		c.note(v.path, whyZone)
	}
	return t.date()
}

// instant maps a DTM to a FHIR instant, empty with a note when it is not whole.
func (c *conv) instant(v view, n int) string {
	s := v.c(n)
	if s == "" {
		return ""
	}
	t, ok := parseStamp(s)
	if !ok {
		c.note(v.path, whyTime)
		return ""
	}
	z, ok := c.zoned(t)
	if !ok {
		c.note(v.path, "FHIR wants a whole instant here: left out")
	}
	return z
}
