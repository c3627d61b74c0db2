package alarm

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Severity says how soon somebody must look.
type Severity int64

// The severities. A note is told to the first person once; the others go from
// person to person until someone accepts.
const (
	Note    Severity = iota // within days
	Warning                 // today
	Urgent                  // now: results wait or could be lost
)

var severities = [...]string{"note", "warning", "urgent"}

func (s Severity) String() string {
	if s < Note || s > Urgent {
		return "unknown"
	}
	return severities[s]
}

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Severity) UnmarshalText(b []byte) error {
	for i, n := range severities {
		if n == string(b) {
			*s = Severity(i)
			return nil
		}
	}
	return fmt.Errorf("no severity %q", b)
}

// Severities lists them, the mildest first.
func Severities() []Severity { return []Severity{Note, Warning, Urgent} }

// State is how far an alarm has come.
type State int64

// The states. Open and Accepted are live.
const (
	Open     State = iota
	Accepted       // somebody has taken it on
	Ended          // the condition is gone
	Closed         // a person has ended it
)

var states = [...]string{"open", "accepted", "over", "closed"}

func (s State) String() string {
	if s < Open || s > Closed {
		return "unknown"
	}
	return states[s]
}

// MarshalText implements encoding.TextMarshaler.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *State) UnmarshalText(b []byte) error {
	for i, n := range states {
		if n == string(b) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("no state %q", b)
}

// Key names a condition: the same key is the same alarm.
type Key struct {
	// Kind is a dotted word, "partner.silent".
	Kind string `json:"kind"`
	// About is what it is about: the key of a partner or source, the name of a
	// certificate or witness; empty for the hub itself. Never patient data.
	About string `json:"about,omitempty"`
}

// Alarm is a condition that somebody must know about.
type Alarm struct {
	Key
	Severity Severity `json:"severity"`
	// Grade rises when the same condition becomes worse (30, 14, 7, 1 days left):
	// people are told again, whoever has accepted.
	Grade int64 `json:"-"`
	// Sentence says what is wrong, Advice what to do.
	Sentence string `json:"sentence"`
	Advice   string `json:"advice"`
	// Owner is who answers for it where that is known, the owner of an exception.
	Owner string `json:"owner,omitempty"`
	// Once says that it happened and is past: it ends when a person closes it.
	Once bool `json:"once,omitempty"`
}

// Record is an alarm as it is kept.
type Record struct {
	Number int64 `json:"number"`
	Alarm
	State   State     `json:"state"`
	Since   time.Time `json:"since"`
	Last    time.Time `json:"last"` // when it was noticed last
	Times   int64     `json:"times"`
	Changed time.Time `json:"changed"` // of the state
	// Quiet is since when the condition is gone while the alarm waits whether it
	// returns; zero while it stands.
	Quiet time.Time `json:"quiet_since,omitzero"`
	// By and Reason are of the person who accepted or closed it.
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Live says whether the alarm still wants somebody.
func (r Record) Live() bool { return r.State == Open || r.State == Accepted }

// Raiser is what a room needs that notices something. Both return at once.
type Raiser interface {
	// Raise says that a condition is there, or is there again.
	Raise(ctx context.Context, a Alarm)
	// Over says that it is gone. Unknown keys are ignored.
	Over(ctx context.Context, k Key)
}

// Errors of what people do.
var (
	ErrNotFound = errors.New("there is no alarm of this number")
	ErrEnded    = errors.New("this alarm has ended already")
	ErrStands   = errors.New("the condition still stands: mend its cause and the alarm ends by itself; until then it can be accepted")
	ErrNobody   = errors.New("name who does this")
	ErrReason   = errors.New("say why")
	// ErrNotStored: it was done, and is lost should the hub stop now.
	ErrNotStored = errors.New("it is done, but the store does not take it yet; it is written as soon as it does")
)
