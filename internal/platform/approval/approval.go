package approval

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
)

// State is how far a request has come.
type State int64

// The states. Open and Approved live, the others are ends.
const (
	Open     State = iota // waits for a second person
	Approved              // may be done, once
	Refused               // a person said no, or the author took it back
	Expired
	Voided // what it was about was changed, or somebody asked anew
	Used   // it was done
)

var states = [...]string{"open", "approved", "refused", "expired", "voided", "used"}

func (s State) String() string {
	if s < Open || s > Used {
		return "unknown"
	}
	return states[s]
}

// MarshalText implements encoding.TextMarshaler.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *State) UnmarshalText(b []byte) error {
	if i := slices.Index(states[:], string(b)); i >= 0 {
		*s = State(i)
		return nil
	}
	return errors.New("no such state of an approval")
}

// Person is somebody with an account: the person's id (zero for the command
// line, which knows accounts only) and the sign-in name that goes into the
// ledger.
type Person struct {
	ID      event.ID
	Account string
}

// Same says whether two accounts are one person's.
func (p Person) Same(q Person) bool {
	return p.Account == q.Account || p.ID == q.ID && p.ID != (event.ID{})
}

// Hash is the SHA-256 of what shall be done.
type Hash [32]byte

// Ask is a request as it is made.
type Ask struct {
	// Kind is a dotted word, "config.apply"; Object names the thing by its id.
	Kind, Object string
	Hash         Hash
	Author       Person
	// Barred may not approve besides the author: others who wrote it.
	Barred []Person
	Reason string
	// Expires bounds both the approval and its use.
	Expires time.Time
}

func (a Ask) check(now time.Time) error {
	switch {
	case a.Kind == "" || a.Object == "":
		return errors.New("request approval: it is not said what for")
	case a.Author.Account == "":
		return ErrNobody
	case strings.TrimSpace(a.Reason) == "":
		return ErrReason
	case !a.Expires.After(now):
		return ErrExpired
	}
	return nil
}

// Request is what is kept of an Ask, and what became of it.
type Request struct {
	ID event.ID
	Ask
	MadeAt time.Time
	State  State
	// By decided, at DecidedAt; Why is what they said, or why it ended.
	By        Person
	DecidedAt time.Time
	Why       string
	EndedAt   time.Time
	// Leaf is the newest event about it in the ledger.
	Leaf int64
}

// Live says whether it waits or may still be used.
func (r Request) Live(now time.Time) bool {
	return (r.State == Open || r.State == Approved) && now.Before(r.Expires)
}

// Bars says why a person may not approve it; nil when they may.
func (r Request) Bars(p Person) error {
	if p.Account == "" {
		return ErrNobody
	}
	if r.Author.Same(p) || slices.ContainsFunc(r.Barred, p.Same) {
		return ErrOwn
	}
	return nil
}

// Errors of what people do.
var (
	ErrNotFound = errors.New("there is no such request for approval")
	ErrOwn      = errors.New("nobody approves what they wrote or asked for themselves: a second person has to look at it")
	ErrDecided  = errors.New("somebody has decided about this already")
	ErrExpired  = errors.New("the time for this approval is over; ask for it anew")
	ErrChanged  = errors.New("what is to be approved has changed since; look at it as it is now")
	ErrMissing  = errors.New("nobody has approved this as it is now")
	ErrDamaged  = errors.New("this request was changed in the database by somebody without the key: it is not valid; run the audit and ask for approval anew")
	ErrNobody   = errors.New("name who does this")
	ErrReason   = errors.New("say why")
)
