package proof

import (
	"encoding/json"
	"fmt"
	"strings"
)

// State is the outcome of one check.
type State int

const (
	// Unknown: the file cannot show it, either way.
	Unknown State = iota
	Holds
	Fails
)

func (s State) String() string {
	switch s {
	case Holds:
		return "holds"
	case Fails:
		return "fails"
	}
	return "unknown"
}

// MarshalJSON writes the state as a word.
func (s State) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// Names of the checks, in the order of the report.
const (
	CheckKey         = "key"
	CheckFormat      = "format"
	CheckSignature   = "signature"
	CheckMessage     = "message"
	CheckReceived    = "received"
	CheckDelivered   = "delivered"
	CheckAbout       = "about"
	CheckUnchanged   = "unchanged"
	CheckCheckpoint  = "checkpoint"
	CheckReceivedIn  = "received-in-ledger"
	CheckDeliveredIn = "delivered-in-ledger"
	CheckOrder       = "order"
	CheckWitnesses   = "witnesses"
	CheckPartner     = "partner"
	CheckConfig      = "configuration"
	CheckAnswer      = "answer"
	CheckReply       = "reply"
)

// Check is one statement about a proof.
type Check struct {
	ID    string `json:"id"`
	State State  `json:"state"`
	// Sentence is for people; Detail has the figures behind it.
	Sentence string `json:"sentence"`
	Detail   string `json:"detail,omitempty"`
}

// Report is what Verify found.
type Report struct {
	Checks []Check `json:"checks"`
}

// required must all hold for the proof to hold; the others add to it.
var required = [...]string{
	CheckKey, CheckFormat, CheckSignature, CheckMessage, CheckReceived,
	CheckDelivered, CheckAbout, CheckCheckpoint, CheckReceivedIn, CheckDeliveredIn,
}

// Holds says whether the proof holds: everything it stands on holds and nothing
// fails. What stays unknown is for the reader to weigh.
func (r Report) Holds() bool {
	for _, id := range required {
		if r.State(id) != Holds {
			return false
		}
	}
	for _, c := range r.Checks {
		if c.State == Fails {
			return false
		}
	}
	return true
}

// State returns the outcome of the named check, Unknown where it was not made.
func (r Report) State(id string) State {
	for _, c := range r.Checks {
		if c.ID == id {
			return c.State
		}
	}
	return Unknown
}

// Text writes the report for a terminal, one check a line and the conclusion last.
func (r Report) Text() string {
	var b strings.Builder
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%-8s %s\n", c.State, c.Sentence)
		if c.Detail != "" {
			fmt.Fprintf(&b, "%-8s   %s\n", "", c.Detail)
		}
	}
	if r.Holds() {
		b.WriteString("The proof holds.\n")
	} else {
		b.WriteString("The proof does NOT hold.\n")
	}
	return b.String()
}

// MarshalJSON adds the conclusion.
func (r Report) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Holds  bool    `json:"holds"`
		Checks []Check `json:"checks"`
	}{r.Holds(), r.Checks})
}

func (r *Report) add(id string, ok bool, yes, no, detail string) bool {
	c := Check{ID: id, State: Fails, Sentence: no, Detail: detail}
	if ok {
		c.State, c.Sentence = Holds, yes
	}
	r.Checks = append(r.Checks, c)
	return ok
}

func (r *Report) put(id string, s State, sentence, detail string) {
	r.Checks = append(r.Checks, Check{ID: id, State: s, Sentence: sentence, Detail: detail})
}
