package certificates

import (
	"errors"
	"strings"
)

// Errors of what people and machines do.
var (
	ErrNone     = errors.New("this laboratory has no authority of its own yet: run `labwarden ca init --root-out FILE`")
	ErrNoSSH    = errors.New("there is no authority for SSH users yet: `labwarden ca init` makes it")
	ErrToken    = errors.New("this token is not valid: it was used, has ended or was never made here; ask for a new one")
	ErrNotFound = errors.New("there is no such certificate")
	ErrRevoked  = errors.New("this certificate was revoked")
	ErrDates    = errors.New("the clock is not within its dates")
	ErrUnknown  = errors.New("this certificate bears our authority's signature, but is not on record here: it is not believed")
	ErrWhose    = errors.New("this certificate is for somebody else")
	ErrDamaged  = errors.New("its row was changed in the database by somebody without the key: it is not valid; run the audit")
	ErrExists   = errors.New("this laboratory has an authority already; renew its intermediate with `labwarden ca request`, `ca sign-intermediate` and `ca install`")
)

// InvalidError is what somebody wrote that cannot be taken.
type InvalidError struct{ Err error }

func (e *InvalidError) Error() string { return e.Err.Error() }
func (e *InvalidError) Unwrap() error { return e.Err }

func invalid(err error) error { return &InvalidError{err} }

func refuse(text string) error { return &InvalidError{errors.New(text)} }

// By is who does something, and why.
type By struct{ Who, Reason string }

func (b By) check(reason bool) error {
	if b.Who == "" {
		return errors.New("nobody is named who does this")
	}
	if reason && strings.TrimSpace(b.Reason) == "" {
		return refuse("say why: it goes into the record")
	}
	return nil
}
