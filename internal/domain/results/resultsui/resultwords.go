package resultsui

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func numbered(n int64) string { return strconv.FormatInt(n, 10) }

// offered: allowed, or allowed after confirming who one is.
func offered(err error) bool {
	var d *authz.Denied
	return err == nil || errors.As(err, &d) && (d.StepUp || d.Strong)
}

// missing turns what the domain does not know into the one answer for it.
func missing(err error, message string) error {
	if errors.Is(err, results.ErrNotFound) {
		return web.NotFound(message)
	}
	return err
}

// partnerName is how people call a partner; its key where nobody said.
func (d Deps) partnerName(key string) string {
	if p := d.Results.Settings().Partners[key]; p != nil && p.Name != "" {
		return p.Name
	}
	return key
}

// own makes a name's genitive.
func own(name string) string {
	if strings.HasSuffix(name, "s") {
		return name + "’"
	}
	return name + "’s"
}

// sourceName is how a source is told: "the LIS (lis-main)".
func sourceName(key string) string { return "the LIS " + kit.Mono(key) }

// stateOf is how a delivery stands: shape and words of a list.
func stateOf(d *results.Delivery) (kit.State, string) {
	switch d.State {
	case results.Waiting:
		if d.Gated != "" {
			return kit.Stopped, "waits behind a stop"
		}
		if d.Attempts > 0 {
			return kit.Warn, "waits, tried " + times(d.Attempts)
		}
		return kit.Unknown, "waits for its turn"
	case results.Held:
		return kit.Stopped, "held"
	case results.NeedsPerson:
		return kit.Warn, "needs a person"
	case results.Shadowed:
		return kit.Unknown, "recorded only"
	case results.RefusedByPerson:
		return kit.Stopped, "ended by a person"
	case results.Superseded:
		return kit.Unknown, "superseded"
	case results.Done:
		return doneState(d)
	}
	return kit.Unknown, "not known"
}

func doneState(d *results.Delivery) (kit.State, string) {
	switch {
	case !d.FoundAt.IsZero():
		return kit.Fine, "on their list"
	case !d.PickedUpAt.IsZero():
		return kit.Fine, "picked up"
	case d.Level == "accepted":
		return kit.Fine, "accepted"
	case d.Level == "committed":
		return kit.Fine, "in custody"
	case d.WaitsAs != "":
		return kit.Unknown, "placed, not picked up yet"
	case d.Level == "placed":
		return kit.Unknown, "placed, not answered"
	}
	return kit.Unknown, "not known"
}

func times(n int64) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return kit.Count(int(n)) + " times"
}

func nth(n int64) string {
	words := [...]string{"", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"}
	if n > 0 && n < int64(len(words)) {
		return words[n]
	}
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return kit.Count(int(n)) + suffix
}

// verdict is the sentence over a result.
type verdict struct {
	State       kit.State
	Title, Text string
}

// verdictOf says where a message stands, of the deliveries that may be seen.
func (d Deps) verdictOf(m *results.Summary, now time.Time) verdict {
	current := latest(m.Deliveries)
	switch len(current) {
	case 0:
		return verdict{kit.Warn, "This result goes to nobody.", "No route leads to a partner for it. It is kept."}
	case 1:
		return d.one(&current[0], m, now)
	}
	worst, at := kit.Fine, 0
	fine := 0
	for i := range current {
		s, _ := stateOf(&current[i])
		if s == kit.Fine {
			fine++
		}
		if i == 0 || severity(s) > severity(worst) {
			worst, at = s, i
		}
	}
	if fine == len(current) {
		names := make([]string, len(current))
		for i := range current {
			names[i] = d.partnerName(current[i].Partner)
		}
		v := d.one(&current[0], m, now)
		v.Title, v.Text = "All "+kit.Count(len(current))+" partners’ systems took this result.", joinAnd(names)+". Each with its own answer, below."
		return v
	}
	v := d.one(&current[at], m, now)
	v.Text = joinText(v.Text, kit.Count(fine)+" of "+kit.Count(len(current))+" partners’ systems have taken it.")
	return v
}

func severity(s kit.State) int {
	return map[kit.State]int{kit.Fine: 0, kit.Unknown: 1, kit.Warn: 2, kit.Stopped: 3}[s]
}

// latest are the deliveries that count: of several to one partner the last.
func latest(ds []results.Delivery) []results.Delivery {
	var out []results.Delivery
	for _, d := range ds {
		again := false
		for i := range out {
			if out[i].Partner == d.Partner {
				out[i], again = d, true
			}
		}
		if !again {
			out = append(out, d)
		}
	}
	return out
}

func joinAnd(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func joinText(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, " ")
}

// one is the sentence about a single delivery.
func (d Deps) one(x *results.Delivery, m *results.Summary, now time.Time) verdict {
	name := d.partnerName(x.Partner)
	switch x.State {
	case results.Done:
		return doneVerdict(x, m, name, now)
	case results.Held:
		return verdict{kit.Stopped, "This result is held.", "It does not go to " + name + " since " + kit.Clock(x.ChangedAt, now) + ". Reason: " + words(x.Reason) + ". What shares its patient or order waits behind it."}
	case results.NeedsPerson:
		return verdict{kit.Warn, "This result needs a person.", "It did not reach " + name + ": " + x.Reason + ". It is kept, and is not tried again by itself. What shares its patient or order waits behind it."}
	case results.Shadowed:
		return verdict{kit.Unknown, "This result was only recorded.", "The route to " + name + " is in its shadow stage: it sends nothing, and the old path delivers."}
	case results.RefusedByPerson:
		return verdict{kit.Stopped, "A person ended the way of this result to " + name + ".", "It is not sent. Reason: " + words(x.Reason) + "."}
	case results.Superseded:
		return verdict{kit.Unknown, "A correction replaces this result.", "It was never sent to " + name + ". The correction was sent instead, as a complete replacement. Both are kept."}
	}
	if x.Gated != "" {
		return verdict{kit.Stopped, "This result waits behind a stop.", "Nothing of this kind goes to " + name + " while the " + words(x.Gated) + " stands. It is kept in its place."}
	}
	if since, why := d.Results.Down(x.Partner); x.Attempts == 0 && !since.IsZero() {
		return verdict{kit.Warn, "This result waits for " + name + ".", results.WhyWords(why) + " since " + kit.Clock(since, now) + ". It is kept, and goes out by itself in its turn."}
	}
	if x.Attempts == 0 {
		return verdict{kit.Unknown, "This result is on its way to " + name + ".", "It came in at " + kit.Second(m.ReceivedAt, now) + " and has not been sent yet: it waits for its turn."}
	}
	next := "It is tried again by itself."
	if x.NextAt.After(now) {
		next = "The next try is at " + kit.Second(x.NextAt, now) + "."
	}
	class, _, _ := strings.Cut(x.Reason, " ")
	return verdict{kit.Warn, "This result waits for " + name + ".", upperFirst(failure(class)) + ". Tried " + times(x.Attempts) + "; it is kept. " + next}
}

func doneVerdict(x *results.Delivery, m *results.Summary, name string, now time.Time) verdict {
	after := ""
	if took := x.ChangedAt.Sub(m.ReceivedAt); took >= 0 {
		after = ", " + span(took) + " after it came in"
	}
	at := kit.Second(x.ChangedAt, now)
	v := verdict{State: kit.Fine}
	switch {
	case !x.FoundAt.IsZero():
		v.Title = name + " has this result."
		v.Text = "Their own list, compared at " + kit.Clock(x.FoundAt, now) + ", names it. Acknowledged at " + at + after + "."
	case !x.PickedUpAt.IsZero():
		v.Title = name + " picked this result up."
		v.Text = pickedWords(x) + " Noticed at " + kit.Second(x.PickedUpAt, now) + ". Placed at " + at + after + "."
	case x.Level == "accepted":
		v.Title = own(name) + " system accepted this result."
		v.Text = "Acknowledged at " + at + after + "."
	case x.Level == "committed":
		v.Title = own(name) + " system took this result into its custody."
		v.Text = "Confirmed at " + at + after + ". Whether their application accepted it, nobody has said."
	case x.WaitsAs != "":
		v.State = kit.Unknown
		v.Title = "This result was placed for " + name + " and waits to be picked up."
		v.Text = "Placed at " + at + after + ". It has not been seen to be picked up yet."
	default:
		v.State = kit.Unknown
		v.Title = "This result was placed for " + name + "."
		v.Text = "Placed at " + at + after + ". Nobody answers such a delivery: whether anyone has it is not known."
	}
	return v
}

// pickedWords say how it is known that a result was picked up.
func pickedWords(x *results.Delivery) string {
	if x.PickedUpHow == results.PickupRead {
		return "They read the whole file from their box."
	}
	return "The file is no longer in the folder that it was placed in."
}

// span is a length of time; what is shorter than a second is said to be so.
func span(d time.Duration) string {
	if d < time.Second {
		return "less than a second"
	}
	return kit.Span(d)
}

// failure is a class of failed tries in words.
func failure(class string) string {
	switch class {
	case "unreachable":
		return "their server was not reachable"
	case "unanswered":
		return "their server did not answer in time"
	case "busy":
		return "their server said that it is busy"
	case "rejected":
		return "their system refused it"
	case "misconfigured":
		return "our own side could not send"
	}
	return "the try failed"
}

// words makes words of a ledger code: "phone-call" is "phone call".
func words(code string) string {
	if code == "" || code == "-" {
		return "none given"
	}
	if strings.Contains(code, " ") {
		return code
	}
	return strings.ReplaceAll(code, "-", " ")
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
