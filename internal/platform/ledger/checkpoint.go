package ledger

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Limits of a signed checkpoint.
const (
	// MaxCheckpoint is the greatest size of a signed checkpoint in bytes; 16
	// cosignatures, ML-DSA ones included, have room (signed-note "Format").
	MaxCheckpoint = 96 << 10
	maxExtensions = 16
	maxLine       = 1000
)

// ErrCheckpoint is in the chain of every error about a checkpoint's form or
// signature.
var ErrCheckpoint = errors.New("not a valid checkpoint")

// Checkpoint is the statement of a ledger's size and root, c2sp.org/tlog-checkpoint.
type Checkpoint struct {
	// Origin names the ledger. Ours is the name of the key that signs it.
	Origin string
	// Size is the number of leaves, at most MaxNumber.
	Size int64
	Root tlog.Hash
	// Extensions are opaque further lines. We write none ("not recommended").
	Extensions []string
}

// Text returns the note text, c2sp.org/tlog-checkpoint "Note text".
func (c Checkpoint) Text() (string, error) {
	if !validLine(c.Origin) {
		return "", fmt.Errorf("%w: the origin is empty, too long or has control characters", ErrCheckpoint)
	}
	if c.Size < 0 || c.Size > MaxNumber {
		return "", fmt.Errorf("%w: size out of range", ErrCheckpoint)
	}
	if len(c.Extensions) > maxExtensions {
		return "", fmt.Errorf("%w: more than %d extension lines", ErrCheckpoint, maxExtensions)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
	for _, x := range c.Extensions {
		if !validLine(x) {
			return "", fmt.Errorf("%w: an extension line is empty, too long or has control characters", ErrCheckpoint)
		}
		b.WriteString(x)
		b.WriteByte('\n')
	}
	return b.String(), nil
}

func validLine(s string) bool {
	return s != "" && len(s) <= maxLine && utf8.ValidString(s) &&
		strings.IndexFunc(s, unicode.IsControl) < 0
}

// ParseCheckpoint reads a note text. What Text would not have written byte for
// byte is refused (leading zeros, loose base64).
func ParseCheckpoint(text string) (Checkpoint, error) {
	if len(text) > MaxCheckpoint {
		return Checkpoint{}, fmt.Errorf("%w: too large", ErrCheckpoint)
	}
	lines := strings.SplitN(text, "\n", 4+maxExtensions+1)
	if len(lines) < 4 || lines[len(lines)-1] != "" {
		return Checkpoint{}, fmt.Errorf("%w: it has not the three lines origin, size and root", ErrCheckpoint)
	}
	c := Checkpoint{Origin: lines[0]}
	var err error
	if c.Size, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: the second line is not a size", ErrCheckpoint)
	}
	if c.Root, err = tlog.ParseHash(lines[2]); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: the third line is not a root hash", ErrCheckpoint)
	}
	if len(lines) > 4 {
		c.Extensions = lines[3 : len(lines)-1]
	}
	back, err := c.Text()
	if err != nil {
		return Checkpoint{}, err
	}
	if back != text {
		return Checkpoint{}, fmt.Errorf("%w: written in another way than the canonical one", ErrCheckpoint)
	}
	return c, nil
}

// SignCheckpoint returns the checkpoint as a signed note.
func SignCheckpoint(c Checkpoint, signers ...note.Signer) ([]byte, error) {
	text, err := c.Text()
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	if len(signers) == 0 {
		return nil, errors.New("sign checkpoint: no key")
	}
	b, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	return b, nil
}

// OpenCheckpoint checks a signed checkpoint against the known keys (at least
// one of them must have signed, none of their signatures may be wrong) and
// returns it with the signatures found.
func OpenCheckpoint(signed []byte, known ...note.Verifier) (Checkpoint, *note.Note, error) {
	if len(signed) > MaxCheckpoint {
		return Checkpoint{}, nil, fmt.Errorf("%w: too large", ErrCheckpoint)
	}
	n, err := note.Open(signed, note.VerifierList(known...))
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("%w: %w", ErrCheckpoint, noteProblem(err))
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	return c, n, nil
}

// ErrUnsigned and ErrBadSignature are in the chain of OpenCheckpoint's error
// when no known key has signed, or when a known key's signature is wrong.
var (
	ErrUnsigned     = errors.New("no known key has signed it")
	ErrBadSignature = errors.New("the signature of a known key is wrong")
)

func noteProblem(err error) error {
	var unsigned *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &unsigned):
		return ErrUnsigned
	case errors.As(err, &invalid):
		return ErrBadSignature
	}
	return err
}
