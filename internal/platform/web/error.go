package web

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Kind is the class of an error, mapped once to a status here.
type Kind string

// The kinds.
const (
	KindInvalid     Kind = "invalid"
	KindDenied      Kind = "denied"
	KindNotFound    Kind = "not found"
	KindConflict    Kind = "conflict"
	KindBusy        Kind = "busy" // too many, too often: try later
	KindUnavailable Kind = "unavailable"
	KindInternal    Kind = "internal"
	KindSignIn      Kind = "sign in"
	KindTooBig      Kind = "too big"
	// KindUnknown: it may be done and it may not be (store.ErrUnknown).
	KindUnknown Kind = "outcome unknown"
)

// Error is a refusal whose text was written for the person who asked.
type Error struct {
	Kind    Kind
	Message string
	// Fields are what is wrong with single fields of a form, by name.
	Fields map[string]string
	// After is when to try again, in seconds; 0 says nothing.
	After int
}

func (e *Error) Error() string { return e.Message }

// Invalid refuses what was asked for as it stands.
func Invalid(message string) error { return &Error{Kind: KindInvalid, Message: message} }

// NotFound says that there is no such thing, or none for who asks: both read
// alike.
func NotFound(message string) error { return &Error{Kind: KindNotFound, Message: message} }

// Conflict says that the thing is in another state meanwhile.
func Conflict(message string) error { return &Error{Kind: KindConflict, Message: message} }

func (k Kind) status() int {
	switch k {
	case KindInvalid:
		return http.StatusUnprocessableEntity
	case KindDenied:
		return http.StatusForbidden
	case KindSignIn:
		return http.StatusUnauthorized
	case KindNotFound:
		return http.StatusNotFound
	case KindConflict:
		return http.StatusConflict
	case KindBusy:
		return http.StatusTooManyRequests
	case KindUnavailable:
		return http.StatusServiceUnavailable
	case KindTooBig:
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusInternalServerError
}

// unknownWords say what to do when nobody can tell whether something was written.
const unknownWords = "The connection to the database broke while this was being written, and the database could not be asked what came of it. " +
	"It may be done, and it may not be. Look first: open again what it was about, or look into the record. Do it once more only if it is not there; done twice, it may count twice."

// classify finds what a person may read of err.
func (s *Server) classify(err error) *Error {
	if errors.Is(err, store.ErrUnknown) { // whatever else it is: this is what a person must know
		return &Error{Kind: KindUnknown, Message: unknownWords}
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var denied *authz.Denied
	if errors.As(err, &denied) {
		return &Error{Kind: KindDenied, Message: denied.Error()}
	}
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		return &Error{Kind: KindTooBig, Message: fmt.Sprintf("That is more than is taken here: %d bytes at most.", tooBig.Limit)}
	}
	if s.Kinds != nil {
		if e := s.Kinds(err); e != nil {
			return e
		}
	}
	return &Error{Kind: KindInternal}
}
