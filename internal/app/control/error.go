package control

import (
	"context"
	"errors"
	"net/http"

	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Kind says what an error means for the caller.
type Kind string

// The kinds.
const (
	Invalid     Kind = "invalid"
	Denied      Kind = "denied"
	NotFound    Kind = "not_found"
	Conflict    Kind = "conflict"
	Unavailable Kind = "unavailable"
	Internal    Kind = "internal"
	Unknown     Kind = "outcome_unknown" // it may be done and it may not be
)

// Error is a refusal as it travels.
type Error struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return e.Message }

// Wrong is what a person can mend in a form; empty for other errors.
func (e *Error) Wrong() string {
	if e.Kind == Invalid {
		return e.Message
	}
	return ""
}

// kindOf maps what the domains return. An error it does not know is Internal
// and its text stays in the hub's log: it was not written for a caller.
func kindOf(err error) Kind {
	var e *Error
	var still *results.StillRefused
	var invalid *desk.Invalid
	if c := ofCertificates(err); errors.As(c, &e) {
		return e.Kind
	}
	switch {
	case errors.Is(err, store.ErrUnknown):
		return Unknown
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, results.ErrInvalid), errors.Is(err, vault.ErrPurpose), errors.Is(err, alarm.ErrReason), errors.Is(err, alarm.ErrNobody):
		return Invalid
	case errors.Is(err, results.ErrNotFound), errors.Is(err, alarm.ErrNotFound), errors.Is(err, desk.ErrNoRevision), errors.Is(err, desk.ErrNoSecret):
		return NotFound
	case errors.As(err, &still), errors.Is(err, results.ErrConflict), errors.Is(err, results.ErrErased), errors.Is(err, results.ErrUnseen), errors.Is(err, results.ErrViewsClosed), errors.Is(err, vault.ErrConflict),
		errors.Is(err, alarm.ErrEnded), errors.Is(err, alarm.ErrStands), errors.Is(err, alarm.ErrNoPeople),
		errors.Is(err, desk.ErrUnchanged), errors.Is(err, desk.ErrOvertaken), errors.Is(err, desk.ErrNeedsApproval), errors.Is(err, desk.ErrSecretUsed), errors.Is(err, desk.ErrNothingEnds), errors.Is(err, desk.ErrIndexKey):
		return Conflict
	case errors.Is(err, store.ErrClosed), errors.Is(err, vault.ErrClosed), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Unavailable
	case errors.As(err, &invalid):
		return Invalid
	}
	return Internal
}

func (k Kind) status() int {
	switch k {
	case Invalid:
		return http.StatusBadRequest
	case Denied:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case Conflict:
		return http.StatusConflict
	case Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// Classify is what err means for a caller, and what the caller may read of it;
// empty where nothing of it was written for one.
func Classify(err error) (Kind, string) {
	k := kindOf(err)
	if k == Internal || k == Unavailable {
		return k, ""
	}
	if k == Unknown {
		return k, store.ErrUnknown.Error()
	}
	return k, err.Error()
}
