package control

import (
	"cmp"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/platform/today"
)

// Kinds of dates.
const (
	DateOurs      = "our certificate"
	DateTheirs    = "their certificate"
	DateAuthority = "authority"
	DateException = "exception"
	// DateKey is the end of a partner's key that results are encrypted to.
	DateKey    = "their key"
	DateOwn    = "own authority"
	DateIssued = "issued certificate"
	DateVPN    = "vpn"
	// DatePublic is a certificate of a public authority.
	DatePublic = "public certificate"
)

// Date is an end that somebody must see to. Results do not stop at it by
// themselves: a channel keeps its last state, and this says so until a person
// has mended the cause (SAFETY.md 7).
type Date struct {
	Of   string    `json:"of"` // "node", "pages", "portal", "fhir", "ftps", "source lis", "partner riverside"
	Kind string    `json:"kind"`
	Ends time.Time `json:"ends"`
	// Begins is the first day of a certificate, where it was seen.
	Begins time.Time `json:"begins,omitzero"`
	Owner  string    `json:"owner,omitempty"`
	// What it is: the subject of a certificate, what an exception allows and why.
	What string `json:"what,omitempty"`
	// Refused: their certificate is past its end, and they are not let in.
	Refused bool `json:"refused,omitempty"`
	// Renews: it renews itself, and is not late in doing so.
	Renews bool `json:"renews,omitempty"`
	// OnDisk is when the certificate ends that lies on disk and is not in use yet.
	OnDisk time.Time `json:"on_disk,omitzero"`
	// Extended is a person's decision that is in force.
	Extended *desk.Extension `json:"extended,omitempty"`
}

// Compare orders dates for people: by channel, then by kind and end.
func (d Date) Compare(e Date) int {
	return cmp.Or(cmp.Compare(d.Of, e.Of), cmp.Compare(d.Kind, e.Kind), d.Ends.Compare(e.Ends), cmp.Compare(d.What, e.What))
}

// End is when somebody has to look next: the date, or where a person moved it.
func (d Date) End() time.Time {
	if d.Extended != nil {
		return d.Extended.Until
	}
	return d.Ends
}

// Threshold is the smallest of 30, 14, 7, 1 and 0 days that End is within; due
// is false when it is further off.
func (d Date) Threshold(now time.Time) (days int, due bool) {
	left := d.End().Sub(now)
	if left <= 0 {
		return 0, true
	}
	if d.Renews {
		return 0, false
	}
	if (d.Kind == DateException || d.Kind == DateVPN) && d.Extended == nil {
		left -= 24 * time.Hour // they name their last day
	}
	for _, days := range []int{1, 7, 14, 30} {
		if left <= time.Duration(days)*24*time.Hour {
			return days, true
		}
	}
	return 0, false
}

// Sentence is Words with what to do and who sees to it.
func (d Date) Sentence(now time.Time) string {
	owner := d.Owner
	if owner == "" {
		owner = "nobody is named (alarms.date_owner)"
	}
	return d.Words(now) + " " + d.Advice() + " Owner: " + owner + "."
}

// Advice says what to do.
func (d Date) Advice() string {
	switch {
	case !d.OnDisk.IsZero():
		return "labwarden reload takes it."
	case d.Kind == DateOwn:
		return "Renew it with the offline root: labwarden ca request tells how."
	case d.Kind == DateIssued:
		return "See why it is not renewed over there; if it has ended, make a token: labwarden ca token."
	case d.Kind == DatePublic && d.Renews:
		return "It renews itself."
	case d.Kind == DatePublic:
		return "See why the public authority does not renew it: the alarm of that name and the log say what it answered. A certificate of your own (tls in the place of acme) is the way round."
	case d.Kind == DateException:
		return "Mend its cause, or apply a later date with its reason."
	case d.Kind == DateVPN:
		return "Renew it with the other side, then apply the new date (vpns)."
	case d.Kind == DateTheirs && d.Refused:
		return fmt.Sprintf("Ask for a renewed one; until then a person may let it in for 72 hours: labwarden extend %s --reason WHY.", d.Of)
	case d.Kind == DateTheirs:
		return "Ask for a renewed one."
	case d.Kind == DateKey && d.What == "of the configuration":
		return "Ask for a renewed one and put it in the place of the file. Until then a person may put the shouting off by 72 hours: labwarden extend."
	case d.Kind == DateKey:
		return "Ask for a new one, compare it and take it into use on the page Keys of this partner."
	case d.Kind == DateAuthority:
		return "Put the new authority's certificate into the file beside it, then run labwarden reload."
	}
	return "Put a renewed one in its place, then run labwarden reload."
}

// Words say it to a person; times in the zone of now.
func (d Date) Words(now time.Time) string {
	day := func(t time.Time) string { return t.In(now.Location()).Format(time.DateOnly) }
	left := today.Count(int64(d.Ends.Sub(now)/(24*time.Hour)), "day")
	past := !d.Ends.After(now)
	var s string
	switch d.Kind {
	case DateException:
		s = fmt.Sprintf("The exception of %s, %s, ends on %s, in %s.", d.Of, d.What, day(d.Ends.Add(-time.Second)), left)
		if past {
			s = fmt.Sprintf("The exception of %s, %s, ended on %s; the channel keeps running.", d.Of, d.What, day(d.Ends.Add(-time.Second)))
		}
	case DateVPN:
		s = fmt.Sprintf("The %s to %s ends on %s, in %s.", d.Of, d.What, day(d.Ends.Add(-time.Second)), left)
		if past {
			s = fmt.Sprintf("The %s to %s ended on %s by what was told of it; Labwarden stops nothing.", d.Of, d.What, day(d.Ends.Add(-time.Second)))
		}
	case DateTheirs:
		s = fmt.Sprintf("The certificate that %s shows (%s) ends on %s, in %s.", d.Of, d.What, day(d.Ends), left)
		if past {
			s = fmt.Sprintf("The certificate that %s shows (%s) ended on %s.", d.Of, d.What, day(d.Ends))
		}
		if d.Refused {
			s += " Its connections are refused and results wait."
		}
	case DateKey:
		s = fmt.Sprintf("The key that results are encrypted to for %s (%s) ends on %s, in %s.", d.Of, d.What, day(d.Ends), left)
		if past {
			s = fmt.Sprintf("The key that results are encrypted to for %s (%s) ended on %s; results go on being encrypted to it.", d.Of, d.What, day(d.Ends))
		}
	case DateOwn:
		s = fmt.Sprintf("The laboratory's own authority (%s) ends on %s, in %s.", d.What, day(d.Ends), left)
		if past {
			s = fmt.Sprintf("The laboratory's own authority (%s) ended on %s; nobody it vouches for gets in anew.", d.What, day(d.Ends))
		}
	case DateIssued:
		s = fmt.Sprintf("The certificate that we issued to %s ends on %s, in %s, and has not renewed itself.", d.Of, day(d.Ends), left)
		if past {
			s = fmt.Sprintf("The certificate that we issued to %s ended on %s; it no longer gets in.", d.Of, day(d.Ends))
		}
	case DatePublic:
		s = fmt.Sprintf("The public certificate of %s ends on %s, in %s.", d.Of, day(d.Ends), left)
		switch {
		case past:
			s = fmt.Sprintf("The public certificate of %s ended on %s; browsers and partners refuse the site.", d.Of, day(d.Ends))
		case !d.Renews:
			s += " It should have been renewed by now."
		}
	case DateAuthority:
		s = fmt.Sprintf("The authority for the certificates of %s (%s) ends on %s, in %s.", d.Of, d.What, day(d.Ends), left)
		if past {
			s = fmt.Sprintf("The authority for the certificates of %s (%s) ended on %s; nobody it vouches for gets in anew.", d.Of, d.What, day(d.Ends))
		}
	default:
		s = fmt.Sprintf("The certificate of %s ends on %s, in %s.", d.Of, day(d.Ends), left)
		if past {
			s = fmt.Sprintf("The certificate of %s ended on %s; others will refuse us when they connect anew.", d.Of, day(d.Ends))
		}
	}
	if !d.OnDisk.IsZero() {
		s += fmt.Sprintf(" One that ends on %s lies on disk and is not in use.", day(d.OnDisk))
	}
	if x := d.Extended; x != nil {
		s += fmt.Sprintf(" Extended until %s by %s: %s.", x.Until.In(now.Location()).Format("2006-01-02 15:04"), x.By, x.Reason)
	}
	return s
}
