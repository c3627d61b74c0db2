package keys

import (
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
)

// State is how far a key has come.
type State int64

// The states. Retiring is not among them: it is InUse with an end.
const (
	Proposed State = iota
	Compared
	InUse
	Retired
	Revoked
)

func (s State) String() string {
	switch s {
	case Proposed:
		return "proposed"
	case Compared:
		return "compared"
	case InUse:
		return "in use"
	case Retired:
		return "retired"
	case Revoked:
		return "revoked"
	}
	return "unknown"
}

// Material is a key as its reader found it.
type Material struct {
	// Kind is "age", "age-pq", "openpgp" or "cms". A file can be encrypted to
	// several keys of one kind.
	Kind string
	// Fingerprint in lower-case hex.
	Fingerprint string
	Bytes       []byte
	// Name is what the key says of its owner; Strength its algorithm in words.
	Name, Strength string
	// Weak keys are taken for a reason only.
	Weak bool
	Ends time.Time
}

// Key is a partner's key and what became of it.
type Key struct {
	ID      event.ID
	Partner string
	Material
	// WeakReason is why a weak key was taken.
	WeakReason string
	State      State
	AddedAt    time.Time
	AddedBy    string
	Comparison Comparison
	// From is when it is used from, Until when it leaves the place to another; zero:
	// nothing is planned.
	From, Until time.Time
	UsedAt      time.Time
	UsedBy      string
	EndedAt     time.Time
	EndedBy     string
	Reason      string
	Leaf        int64
}

// Comparison is how a fingerprint was compared.
type Comparison struct {
	At time.Time
	By string
	// With is the person at the partner's, How one of the ways below, Number what
	// was called.
	With, How, Number string
}

// Ways to compare: none of them is the way a key comes by.
const (
	ByPhone  = "phone"
	InPerson = "in person"
	ByVideo  = "video"
	ByLetter = "letter"
)

// Stands says at a moment how a key stands, with Retiring and Planned as words of
// their own.
func (k *Key) Stands(now time.Time) string {
	switch {
	case k.State != InUse:
		return k.State.String()
	case now.Before(k.From):
		return "planned"
	case !k.Until.IsZero() && !now.Before(k.Until):
		return "replaced"
	case !k.Until.IsZero():
		return "retiring"
	}
	return "in use"
}

// Open says that something can still become of the key.
func (k *Key) Open() bool { return k.State < Retired }

// Errors that pages and commands map.
var (
	ErrInvalid  = errors.New("this cannot be taken as it stands")
	ErrNotFound = errors.New("there is no such key")
	ErrConflict = errors.New("the key is in another state meanwhile")
	// ErrSecond: whoever added the key cannot be the one who takes it into use.
	ErrSecond = errors.New("you added this key, or count as one hand with whoever did: somebody else takes it into use. Where there is nobody else, somebody at the console of the machine does, with labwarden partner key use")
	// ErrNoKey: there is nothing that may be encrypted to.
	ErrNoKey = errors.New("no key of this partner is in use: results wait until one is")
	// ErrDamaged: somebody changed the rows without the laboratory's key.
	ErrDamaged = errors.New("the stored keys of this partner were changed by somebody without the laboratory's key: nothing is encrypted to them")
)

// FieldError is what is wrong with one field of a form.
type FieldError struct{ Field, Message string }

func (e *FieldError) Error() string { return e.Message }
func (e *FieldError) Unwrap() error { return ErrInvalid }

func invalid(field, format string, args ...any) error {
	return &FieldError{field, fmt.Sprintf(format, args...)}
}
