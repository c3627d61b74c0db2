package results

import (
	"fmt"
	"slices"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// maxPlans is how many deliveries one message may have: a delivery's number is
// its message's leaf times this plus its place.
const maxPlans = 256

// State of a delivery.
type State int

// The states. Those below Done are open: they keep their lanes.
const (
	Waiting State = iota
	Held
	NeedsPerson
	Done
	Shadowed
	RefusedByPerson
	Superseded // never sent: a correction that was sent alone replaces it
)

func (s State) String() string {
	switch s {
	case Waiting:
		return "waiting"
	case Held:
		return "held"
	case NeedsPerson:
		return "needs a person"
	case Done:
		return "done"
	case Shadowed:
		return "shadow"
	case RefusedByPerson:
		return "refused"
	case Superseded:
		return "superseded"
	}
	return "unknown"
}

// plan is one delivery to be.
type plan struct {
	partner, route string
	state          State
	reason         string
	mismatch       bool       // held also because it is not shown to belong to the partner
	stops          []event.ID // standing stops that cover it
}

// plan decides where a message goes. One partner gets it once: of several
// routes to the same partner the first that sends counts; one in its shadow stage
// stands back. An error means that a condition could not be answered, which is
// not a no.
func (set *Settings) plan(source string, m Look) ([]plan, error) {
	var out []plan
	for i := range set.Routes {
		r := &set.Routes[i]
		if r.From != "" && r.From != source {
			continue
		}
		if r.When != nil {
			yes, err := r.When(m)
			if err != nil {
				return nil, fmt.Errorf("route %s: %w", r.Name, err)
			}
			if !yes {
				continue
			}
		}
		for _, to := range r.To {
			at := slices.IndexFunc(out, func(p plan) bool { return p.partner == to })
			if at >= 0 && (r.Stage == Shadow || out[at].state != Shadowed) {
				continue
			}
			if at < 0 {
				if at = len(out); at == maxPlans {
					return nil, fmt.Errorf("route %s: a message goes to at most %d partners", r.Name, maxPlans)
				}
				out = append(out, plan{})
			}
			p := plan{partner: to, route: r.Name}
			if r.Stage == Shadow {
				p.state = Shadowed
			} else if r.Owner != nil {
				reason, err := r.Owner(to, m)
				if err != nil {
					return nil, fmt.Errorf("route %s: check who it belongs to: %w", r.Name, err)
				}
				if reason != "" {
					p.state, p.reason = Held, reason
				}
			}
			out[at] = p
		}
	}
	return out, nil
}

// Flags of a stored message, as its sender marked it.
const (
	FlagCritical   = 1 << iota // a value the LIS flagged critical
	FlagCorrection             // corrects, withdraws or cancels an earlier result
	FlagControl                // a control or proficiency specimen: never leaves
	FlagTest                   // MSH-11 says training or debugging
	FlagBypass                 // it travelled in bypass and was entered afterwards
)

func flagsOf(m *hl7.Message) int64 {
	var f int64
	for _, s := range m.Signs() {
		switch s.Kind {
		case hl7.Critical:
			f |= FlagCritical
		case hl7.Corrected, hl7.Withdrawn, hl7.Cancelled:
			f |= FlagCorrection
		case hl7.QualityControl, hl7.Proficiency:
			f |= FlagControl
		case hl7.NotProduction:
			f |= FlagTest
		}
	}
	return f
}
