package desk

import "errors"

// Errors a caller can act on.
var (
	ErrNoRevision    = errors.New("no configuration revision was applied yet")
	ErrUnchanged     = errors.New("nothing would change")
	ErrOvertaken     = errors.New("another node applied a configuration at the same moment")
	ErrNeedsApproval = errors.New("the laboratory director's approval is missing")
	ErrNoSecret      = errors.New("there is no such secret")
	ErrSecretUsed    = errors.New("the applied configuration uses this secret")
	ErrNothingEnds   = errors.New("nothing of it ends soon")
)

// Invalid is a refusal whose text was written for the person who asked.
type Invalid struct{ Err error }

func (i *Invalid) Error() string { return i.Err.Error() }
func (i *Invalid) Unwrap() error { return i.Err }

// Refuse is an Invalid with this text.
func Refuse(text string) error { return &Invalid{errors.New(text)} }
