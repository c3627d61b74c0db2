package postureui

import (
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/posture"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func state(l *posture.Line) kit.State {
	switch l.State {
	case posture.Fine:
		return kit.Fine
	case posture.Warn:
		return kit.Warn
	case posture.Stopped:
		return kit.Stopped
	}
	return kit.Unknown
}

// negotiated is protocol and cipher as last seen, and the key exchange with when.
func negotiated(l *posture.Line, now time.Time) (what, when string) {
	switch l.Protocol {
	case "":
		return "not seen yet", ""
	case "none":
		return "no encryption", kit.Clock(l.SeenAt.In(now.Location()), now)
	}
	what = l.Protocol
	if l.Cipher != "" {
		what += ", " + cipher(l.Cipher)
	}
	when = kit.Clock(l.SeenAt.In(now.Location()), now)
	if l.Exchange != "" {
		when = l.Exchange + ", " + when
	}
	return what, when
}

// cipher without what every suite has in front.
func cipher(s string) string { return strings.ReplaceAll(strings.TrimPrefix(s, "TLS_"), "_", "-") }

// dates are the ages and ends of a line in words.
func dates(l *posture.Line, now time.Time) []string {
	var out []string
	for _, d := range l.Dates {
		s := strings.ToUpper(d.Kind[:1]) + d.Kind[1:]
		if d.Of != "" {
			s += ": " + d.Of
		}
		if !d.From.IsZero() {
			s += ", " + days(now.Sub(d.From)) + " old"
		}
		switch {
		case d.Past:
			s += ", ended " + kit.Date(d.Ends.In(now.Location()), now)
		case !d.Ends.IsZero():
			s += ", ends " + kit.Date(d.Ends.In(now.Location()), now)
		}
		if d.Owner != "" {
			s += "; owner " + d.Owner
		}
		out = append(out, s)
	}
	return out
}

func days(d time.Duration) string {
	if d < 24*time.Hour {
		return "less than a day"
	}
	return kit.Many(int(d/(24*time.Hour)), "day", "days")
}

// lead says what matters first.
func lead(all []posture.Line) (lead, rest string) {
	var no, unseen, past int
	for i := range all {
		if all[i].Guidance == posture.No {
			no++
		}
		if all[i].Protocol == "" {
			unseen++
		}
		for _, d := range all[i].Dates {
			if d.Past {
				past++
				break
			}
		}
	}
	switch {
	case len(all) == 0:
		return "There is no channel that you may see.", ""
	case no > 0:
		lead = kit.Many(no, "way does not meet the guidance of HHS.", "ways do not meet the guidance of HHS.")
	case past > 0:
		lead = kit.Many(past, "way has an end that is over.", "ways have an end that is over.")
	default:
		lead = "No way is known to miss the guidance of HHS."
	}
	if unseen > 0 {
		rest = "Of " + kit.Many(unseen, "way", "ways") + " no connection was seen yet."
	}
	return lead, rest
}
