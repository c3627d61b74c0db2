package vault

import (
	"errors"
	"fmt"
	"strings"
)

// Errors to be told apart with errors.Is. None carries key or record bytes.
var (
	// ErrEmpty is what Book.Load returns when nothing was ever stored.
	ErrEmpty = errors.New("the key book is empty")
	// ErrConflict is what Book.Save returns when the stored bytes are not the
	// old ones any more. Nothing was written.
	ErrConflict = errors.New("the key book was changed by someone else")
	// ErrExists is returned by Create when the book already holds keys.
	ErrExists = errors.New("the key book already holds keys")
	// ErrBook means that the book cannot be read as one: damaged, not
	// canonical, or of a newer version.
	ErrBook = errors.New("the key book is damaged")
	// ErrLocked means that no given seal opened the book.
	ErrLocked = errors.New("no seal opened the key book")
	// ErrTampered means that bytes are not what was sealed, or not where it was
	// sealed for.
	ErrTampered = errors.New("sealed bytes were changed or moved")
	// ErrNotSealed means that bytes do not have the sealed format at all.
	ErrNotSealed = errors.New("not sealed bytes of a known format")
	// ErrUnknownKey means that the key is not in the book (destroyed, or
	// another node rotated: Reload and try again).
	ErrUnknownKey = errors.New("key is not in the book")
	// ErrPurpose means that there is no key for the purpose.
	ErrPurpose = errors.New("no key for this purpose")
	// ErrLastSeal refuses to remove what is the only way in without shares.
	ErrLastSeal = errors.New("the last seal cannot be removed")
	// ErrShares means that the shares given do not recover this book.
	ErrShares = errors.New("recovery shares do not open the key book")
	// ErrClosed means that Close was called.
	ErrClosed = errors.New("the vault is closed")
)

// Attempt is one seal that Open tried in vain.
type Attempt struct {
	Kind string // kind of the seal, as in Seal.Kind
	Why  error  // never holds key bytes
}

// LockedError lists every seal that was tried and why it failed.
type LockedError struct{ Attempts []Attempt }

func (e *LockedError) Error() string {
	if len(e.Attempts) == 0 {
		return ErrLocked.Error() + ": no seal was given"
	}
	parts := make([]string, len(e.Attempts))
	for i, a := range e.Attempts {
		parts[i] = fmt.Sprintf("%s: %v", a.Kind, a.Why)
	}
	return ErrLocked.Error() + ": " + strings.Join(parts, "; ")
}

// Is makes errors.Is(err, ErrLocked) true.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// MissingSharesError says how many more shares recovery needs.
type MissingSharesError struct{ Have, Need int }

func (e *MissingSharesError) Error() string {
	return fmt.Sprintf("recovery needs %d different shares; %d given, %d missing", e.Need, e.Have, e.Need-e.Have)
}

// Is makes errors.Is(err, ErrShares) true.
func (e *MissingSharesError) Is(target error) bool { return target == ErrShares }
