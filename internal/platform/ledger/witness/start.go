package witness

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// Seen is what one witness remembers of the ledger.
type Seen struct {
	// Witness is its name.
	Witness string
	// Size is the number of leaves it remembers.
	Size int64
	// Root is the root it remembers; nil where only the size is known (a witness
	// on HTTP tells no more).
	Root *tlog.Hash
	// At is when it saw it; zero where that is not known.
	At time.Time
}

// SeenCheckpoint is the Seen of a checkpoint.
func SeenCheckpoint(witness string, c ledger.Checkpoint, at time.Time) Seen {
	return Seen{Witness: witness, Size: c.Size, Root: &c.Root, At: at}
}

// Verdict sorts what CheckStart found, the worst last.
type Verdict int

const (
	// Sound: every witness's memory is contained in the ledger.
	Sound Verdict = iota
	// Unwitnessed: no witness remembers anything, so nothing can be said.
	Unwitnessed
	// Rollback: the ledger is shorter than a witness remembers.
	Rollback
	// Rewritten: the ledger differs from what a witness remembers.
	Rewritten
	// Broken: the ledger's rows do not fit its head; run an audit.
	Broken
)

func (v Verdict) String() string {
	switch v {
	case Sound:
		return "sound"
	case Unwitnessed:
		return "unwitnessed"
	case Rollback:
		return "rolled back"
	case Rewritten:
		return "rewritten"
	case Broken:
		return "broken"
	}
	return "unknown"
}

// Alarm is what CheckStart found and says it in words for people.
type Alarm struct {
	Verdict Verdict
	// Witness is the one whose memory decided, empty where none did.
	Witness string
	// Missing is the number of leaves the ledger is short of, with Rollback.
	Missing int64
	// Text is one or two sentences without patient data.
	Text string
}

// Raised says whether a person must decide before patient views open.
func (a Alarm) Raised() bool { return a.Verdict > Unwitnessed }

// Reader is what CheckStart reads the ledger with; *ledger.Reader is one.
type Reader interface {
	TreeHash(ctx context.Context, size int64) (tlog.Hash, error)
}

// CheckStart compares the ledger that was opened with what witnesses remember
// and returns the worst of what it found. The error is for a ledger that could
// not be read at all.
func CheckStart(ctx context.Context, r Reader, head ledger.Head, seen ...Seen) (Alarm, error) {
	root, err := r.TreeHash(ctx, head.Size)
	if unsound(err) || err == nil && root != head.Root() {
		return Alarm{Verdict: Broken, Text: fmt.Sprintf(
			"The ledger's rows do not fit its head of %d entries. Rows were changed, moved or removed. "+
				"Patient views stay closed until a person has run the audit and decided.", head.Size)}, nil
	}
	if err != nil {
		return Alarm{}, fmt.Errorf("check ledger at start: %w", err)
	}
	worst := Alarm{Verdict: Unwitnessed, Text: fmt.Sprintf(
		"No witness remembers this ledger yet, so whether its %d entries are all it ever had cannot be said.", head.Size)}
	confirmed := int64(-1)
	for _, s := range seen {
		a, err := compare(ctx, r, head, s)
		if err != nil {
			return Alarm{}, err
		}
		switch {
		case a.Verdict == Sound:
			if worst.Verdict <= Unwitnessed && s.Size > confirmed {
				worst, confirmed = a, s.Size
			}
		case a.Verdict > worst.Verdict || a.Verdict == worst.Verdict && a.Missing > worst.Missing:
			worst = a
		}
	}
	return worst, nil
}

func compare(ctx context.Context, r Reader, head ledger.Head, s Seen) (Alarm, error) {
	when := ""
	if !s.At.IsZero() {
		when = s.At.UTC().Format(" on 2006-01-02 at 15:04:05 UTC")
	}
	if s.Size > head.Size {
		missing := s.Size - head.Size
		return Alarm{Verdict: Rollback, Witness: s.Witness, Missing: missing, Text: fmt.Sprintf(
			"The ledger has %d entries, but witness %s confirmed %d%s: %d are missing. "+
				"The database is older than it was. Patient views stay closed until a person decides.",
			head.Size, s.Witness, s.Size, when, missing)}, nil
	}
	if s.Root == nil {
		return Alarm{Verdict: Sound, Witness: s.Witness, Text: fmt.Sprintf(
			"The ledger has %d entries, no fewer than the %d that witness %s remembers; its content was not compared.",
			head.Size, s.Size, s.Witness)}, nil
	}
	then, err := r.TreeHash(ctx, s.Size)
	if err != nil && !unsound(err) {
		return Alarm{}, fmt.Errorf("check ledger at start: %w", err)
	}
	if err != nil || then != *s.Root {
		return Alarm{Verdict: Rewritten, Witness: s.Witness, Text: fmt.Sprintf(
			"The first %d entries of the ledger are not those that witness %s confirmed%s: the past was changed. "+
				"Patient views stay closed until a person decides.", s.Size, s.Witness, when)}, nil
	}
	return Alarm{Verdict: Sound, Witness: s.Witness, Text: fmt.Sprintf(
		"Witness %s confirmed the first %d of the ledger's %d entries%s.", s.Witness, s.Size, head.Size, when)}, nil
}

func unsound(err error) bool {
	return errors.Is(err, ledger.ErrDamaged) || errors.Is(err, ledger.ErrNotFound)
}
