package resultsui

import (
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// toldStep is a step of a journey in words, for the page and for the API.
type toldStep struct {
	Step        *results.Step
	State       kit.State
	Title, Text string
	Later       bool
	Tries       []kit.Try
	Source      string
}

// tell writes a journey down. Each line that the LIS said begins with saying so.
func (d Deps) tell(j *results.Journey, now time.Time) []toldStep {
	out := make([]toldStep, 0, len(j.Steps))
	for i := range j.Steps {
		t := toldStep{Step: &j.Steps[i], State: kit.Fine, Source: j.Steps[i].Source.String()}
		d.words(j, &t, now)
		if t.Title != "" {
			out = append(out, t)
		}
	}
	return out
}

// words fills in one step; a step without a title is not told.
func (d Deps) words(j *results.Journey, t *toldStep, now time.Time) {
	st := t.Step
	switch st.Kind {
	case results.StepCollected:
		t.Title, t.Text = "Collected", "Said by the LIS"+dayOnly(st.Order.Collected)+"."
	case results.StepReported:
		t.Title = "Reported by the LIS"
		if st.Order.Interpreter != "" {
			t.Title = "Reported by " + st.Order.Interpreter
		}
		t.Text = joinText("Said by the LIS"+dayOnly(st.Order.Reported)+".", statusWords(st.Order.Status))
	case results.StepReceived:
		t.Title = "Received from " + sourceName(j.Source)
		t.Text = kit.Many(int(j.Size), "byte", "bytes") + ", stored before we acknowledged. " + peerWords(&st.Peer, "The LIS")
		if st.Peer.Bypass {
			t.Text = "It travelled in bypass, round the stopped hub, and was entered from the bypass log. " + t.Text
		}
	case results.StepMatched:
		t.Title, t.Text = ordersWords(j.Said)
	case results.StepUnreadable:
		t.State, t.Title, t.Text = kit.Unknown, "What the LIS said is not shown", upperFirst(st.Why)+"."
	case results.StepErased:
		t.State, t.Title, t.Text = kit.Unknown, "The message itself was erased", "The retention policy erased it, and with it the proof. When it came and where it went stays in the ledger."
	case results.StepSealed:
		t.Title = "Signed and sealed"
		t.Text = "Fingerprint " + kit.Mono(shortHash(st.Sum)) + ", journal line " + kit.Mono(kit.Count(int(st.Leaf))) + ". A later change would not match it."
	case results.StepNowhere:
		t.State, t.Title, t.Text = kit.Warn, "It goes to nobody", "No route leads to a partner for this message."
	case results.StepLegalHold:
		t.State, t.Title = kit.Unknown, "Put under a legal hold by "+st.By
		t.Text = "Retention does not erase it until the hold is lifted. Reason: " + words(st.Why) + "."
	case results.StepCall:
		d.callWords(t, now)
	case results.StepAct:
		d.actWords(t)
	default:
		d.wayWords(j, t, now)
	}
}

func dayOnly(s results.Stamp) string {
	if s.Day {
		return ", without a time of day"
	}
	return ""
}

// statusWords are OBR-25 (HL7 v2.5.1 table 0123) as it is written and read.
func statusWords(code string) string {
	if code == "" {
		return ""
	}
	meaning := map[string]string{
		"F": "final", "C": "corrected", "P": "preliminary", "X": "cancelled", "I": "specimen received, no result yet", "R": "stored, not verified", "A": "some results available",
	}[code]
	if meaning == "" {
		return "Status " + kit.Mono(code) + "."
	}
	return "Status " + kit.Mono(code) + ": " + meaning + "."
}

// peerWords say how the other end showed who it is.
func peerWords(p *results.Proved, who string) string {
	if p.Proof == "" && p.TLS == "" { // taken out of quarantine: nothing came over a line
		return "It came out of quarantine: over which connection it was first presented is not known here."
	}
	how := who + " showed nothing that proves who it is."
	switch {
	case p.Proof == "certificate" && p.Fingerprint != "":
		how = who + " showed the certificate " + kit.Mono(shortHash(p.Fingerprint)) + "."
	case p.Proof != "" && p.Proof != "none":
		how = who + " is known by its " + p.Proof + "."
	}
	if p.TLS == "" {
		return joinText("The connection was not encrypted.", how)
	}
	return joinText("Over "+strings.ReplaceAll(p.TLS, "-", " ")+".", how)
}

// keyWords names the partner's keys by their fingerprints.
func keyWords(to []string) string {
	out := make([]string, len(to))
	for i, x := range to {
		out[i] = kit.Mono(shortHash(x))
	}
	if len(to) == 1 {
		return "their key " + out[0]
	}
	return "their keys " + strings.Join(out, " and ")
}

func shortHash(hex string) string {
	if len(hex) < 24 {
		return hex
	}
	return hex[:4] + " " + hex[4:8] + " … " + hex[len(hex)-4:]
}

func ordersWords(s *results.Said) (title, text string) {
	if s == nil || len(s.Orders) == 0 {
		return "It names no order", "Said by the LIS: the message has no order segment."
	}
	var parts []string
	for i := range s.Orders {
		o := &s.Orders[i]
		var ids []string
		if o.Filler != "" {
			ids = append(ids, "order "+kit.Mono(o.Filler))
		}
		if o.Placer != "" && o.Placer != o.Filler {
			ids = append(ids, "placer number "+kit.Mono(o.Placer))
		}
		if len(ids) == 0 {
			ids = append(ids, "an order without a number")
		}
		if o.Test != "" {
			ids = append(ids, o.Test)
		}
		parts = append(parts, strings.Join(ids, ", "))
		if i == 4 && len(s.Orders) > 5 {
			parts = append(parts, "and "+kit.Count(len(s.Orders)-5+s.More)+" more")
			break
		}
	}
	return "Matched to the order by the LIS", "Said by the LIS: " + strings.Join(parts, "; ") + "."
}

// wayWords are about a delivery.
func (d Deps) wayWords(j *results.Journey, t *toldStep, now time.Time) {
	st, x := t.Step, t.Step.Delivery
	name := d.partnerName(x.Partner)
	t.Tries = triesOf(st.Tries, now)
	switch st.Kind {
	case results.StepWaits:
		v := d.one(x, &results.Summary{ReceivedAt: now}, now)
		t.State, t.Title = kit.Unknown, "Waits to be sent to "+name
		if x.Attempts > 0 || x.Gated != "" {
			t.State, t.Text = v.State, v.Text
		} else {
			t.Later, t.Text = true, "It has not been sent yet."
		}
	case results.StepStands:
		if len(st.Tries) == 0 && stoppedBy(j, x.Seq) {
			return // the line of the act says it
		}
		s, word := stateOf(x)
		t.State, t.Title, t.Text = s, "The way to "+name+": "+word, "Reason: "+words(x.Reason)+"."
	case results.StepShadow:
		t.State, t.Title = kit.Unknown, "Recorded, not sent to "+name
		t.Text = "The route is in its shadow stage. The old path delivers; what it sent is compared with this."
	case results.StepSent:
		t.Title = "Reached " + name
		if x.Attempts > 1 {
			t.Title += " on the " + nth(x.Attempts) + " try"
		}
		same := "Changed on the way as the route says."
		if st.Same {
			same = "Byte for byte as it came."
		}
		t.Text = joinText(same, peerWords(&st.Peer, "Their server"))
		if len(st.EncryptedTo) > 0 {
			t.Text = joinText(same, "Encrypted to "+keyWords(st.EncryptedTo)+": only they can read it.", peerWords(&st.Peer, "Their server"))
		}
		if !st.Began.IsZero() {
			t.Tries = append(t.Tries, kit.Try{Time: kit.Second(st.Began, now), Text: "Sent, answered within " + span(st.At.Sub(st.Began)) + "."})
		}
		if len(t.Tries) < 2 {
			t.Tries = nil // a single try is what the line says already
		}
		if missing := x.Attempts - int64(len(st.Tries)) - 1; missing > 0 && len(t.Tries) > 0 {
			t.Text += " Of " + kit.Count(int(x.Attempts)) + " tries those that were kept:"
		}
	case results.StepAnswered:
		d.answerWords(t, name)
	case results.StepPickedUp:
		t.Title, t.Text = name+" picked it up", pickedWords(x)
	case results.StepUnfetched:
		t.Later, t.State = true, kit.Unknown
		t.Title, t.Text = "Not picked up yet by "+name, "It waits for them where it was placed."
	case results.StepCounted:
		t.Title, t.Text = name+" has it", "A count found it there: their own list of what they hold, or their server when it was asked, names it."
	case results.StepUncounted:
		t.Later, t.State = true, kit.Unknown
		t.Title = "Not counted yet against " + own(name) + " own list"
		t.Text = "Until a list of theirs names it we do not say that " + name + " has it."
		if !st.Countable {
			t.Title = name + " is not countable"
			t.Text = "They have given no list of what they hold. Whether they have it, we do not know."
		}
	}
}

// stoppedBy says that an act of the journey tells why a delivery stands still.
func stoppedBy(j *results.Journey, seq int64) bool {
	last := ""
	for i := range j.Steps {
		if a := j.Steps[i].Act; a != nil && a.Delivery == seq {
			last = a.Kind
		}
	}
	return last == results.KindHeld || last == results.KindStopped || last == results.KindRefused || last == results.KindSuperseded
}

func (d Deps) answerWords(t *toldStep, name string) {
	st := t.Step
	code := "Their reply " + kit.Mono(st.Code)
	if st.ReplyFor != "" {
		code += " names the control id " + kit.Mono(st.ReplyFor)
	}
	code += ". Ours: journal line " + kit.Mono(kit.Count(int(st.Leaf))) + "."
	switch st.Level {
	case "accepted":
		t.Title, t.Text = "Accepted by "+own(name)+" system", code
	case "committed":
		t.Title, t.Text = "Taken into custody by "+own(name)+" system", code+" Whether their application accepted it, nobody has said."
	default:
		t.State, t.Title = kit.Unknown, "Placed for "+name
		t.Text = "Nobody answers such a delivery. Ours: journal line " + kit.Mono(kit.Count(int(st.Leaf))) + "."
	}
}

// triesOf are the tries a line each; of more than three in a row that ended alike
// the first and the last, and how many lie between.
func triesOf(all []results.Try, now time.Time) []kit.Try {
	var out []kit.Try
	for i := 0; i < len(all); {
		n := i + 1
		for n < len(all) && tryWords(all[n]) == tryWords(all[i]) {
			n++
		}
		out = append(out, kit.Try{Time: kit.Second(all[i].At, now), Text: tryWords(all[i])})
		switch {
		case n-i > 3:
			out = append(out, kit.Try{Time: kit.Second(all[n-1].At, now), Text: "The same, and " + kit.Count(n-i-2) + " times between."})
		default:
			for _, y := range all[i+1 : n] {
				out = append(out, kit.Try{Time: kit.Second(y.At, now), Text: tryWords(y)})
			}
		}
		i = n
	}
	return out
}

func tryWords(y results.Try) string {
	s := "Sent; " + failure(y.Class)
	if y.Class == "unreachable" || y.Class == "misconfigured" {
		s = upperFirst(failure(y.Class))
	}
	if y.Code != "" && y.Code != "-" {
		s += " (" + kit.Mono(y.Code) + ")"
	}
	return s + ". Kept in the queue."
}

func (d Deps) actWords(t *toldStep) {
	a := t.Step.Act
	to := ""
	if a.Partner != "" {
		to = " for " + d.partnerName(a.Partner)
	}
	who := a.By
	switch {
	case d.Called != nil:
		who = d.Called(who)
	case who == "labwarden":
		who = "Labwarden"
	}
	because := "Reason: " + words(a.Reason) + "."
	switch a.Kind {
	case results.KindStopped:
		t.State, t.Title = kit.Warn, "Stopped"+to+": a person must look"
	case results.KindHeld:
		t.State, t.Title = kit.Stopped, "Held"+to+" by "+who
	case results.KindReleased:
		t.Title = "Released" + to + " by " + who
	case results.KindRefused:
		t.State, t.Title = kit.Stopped, "Ended"+to+" by "+who
	case results.KindResent:
		t.Title = "Sent again" + to + " by " + who
	case results.KindSentAlone:
		t.Title = "Sent alone" + to + " by " + who + ", as a complete replacement"
	case results.KindSuperseded:
		t.State, t.Title = kit.Unknown, "Superseded"+to+" by "+who+": a correction replaces it"
	case results.KindApartReleased:
		t.Title = "Taken from quarantine by " + who
	case results.KindApartReplayed:
		t.Title = "Replayed from quarantine by " + who
	default:
		t.Title = a.Kind + " by " + who
	}
	t.Text = because + " Journal line " + kit.Mono(kit.Count(int(a.Leaf))) + "."
}

func (d Deps) callWords(t *toldStep, now time.Time) {
	c := t.Step.Call
	t.State, t.Title = kit.Warn, "A phone call was due"
	switch c.State {
	case "closed":
		t.State, t.Text = kit.Fine, "The task was closed at "+kit.Clock(c.ClosedAt, now)+"."
	case "taken":
		t.Text = c.Owner + " has taken the task."
	default:
		t.Text = "Nobody has taken the task yet."
	}
	t.Text = joinText(upperFirst(c.Why.String())+".", t.Text)
}

// steps draws what was told.
func steps(list []toldStep, now time.Time) []kit.Step {
	out := make([]kit.Step, len(list))
	for i, t := range list {
		at := ""
		if !t.Step.At.IsZero() {
			at = kit.Second(t.Step.At, now)
			if o := t.Step.Order; o != nil && (t.Step.Kind == results.StepCollected && o.Collected.Day || t.Step.Kind == results.StepReported && o.Reported.Day) {
				at = kit.Date(t.Step.At, now)
			}
		}
		word := ""
		if t.Step.Source == results.SaidByLIS {
			word = "Said by the LIS"
		}
		out[i] = kit.Step{Time: at, State: t.State, Word: word, Title: t.Title, Text: t.Text, Tries: t.Tries, Later: t.Later}
	}
	return out
}

// legs are the bar over a journey.
func (d Deps) legs(j *results.Journey, x *results.Delivery) (total time.Duration, out []kit.Leg) {
	total, spans := j.Spans(x.Seq)
	name := d.partnerName(x.Partner)
	for _, s := range spans {
		l := kit.Leg{Seconds: s.Took.Seconds()}
		switch s.Kind {
		case "lis":
			l.Kind, l.Text = kit.LegWork, kit.Span(s.Took)+" from the LIS’s report to us, as the LIS says"
		case "held":
			l.Kind, l.Text = kit.LegHuman, kit.Span(s.Took)+" until a person released it"
		case "here":
			l.Kind, l.Text = kit.LegWork, kit.Span(s.Took)+" with us"
			if x.Attempts > 1 {
				l.Kind, l.Text = kit.LegWait, kit.Span(s.Took)+" with us, tried "+times(x.Attempts)
			}
		case "partner":
			l.Kind, l.Text = kit.LegSend, kit.Span(s.Took)+" to "+name+" and back"
		}
		out = append(out, l)
	}
	return total, out
}

func isID(id event.ID) bool { return id != event.ID{} }
