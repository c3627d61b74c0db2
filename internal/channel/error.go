package channel

import (
	"errors"
	"time"
)

// Class says what a failed transmission means for the message.
type Class int

const (
	// Unreachable: nothing was handed over for certain (refused, no route, TLS
	// failed, name not found). Retrying cannot double anything.
	Unreachable Class = iota + 1
	// Unanswered: it was handed over and no usable answer came (timeout,
	// connection closed, an answer that names another message). The partner may
	// have it; a retry may double it there.
	Unanswered
	// Busy: the partner answered that it cannot now (AR unless configured otherwise,
	// HTTP 429 and 5xx). Retry.
	Busy
	// Rejected: the partner read the message and refuses it (AE, CE, CR, HTTP 4xx).
	// Repeating the same bytes will not help; a person must look.
	Rejected
	// Misconfigured: our side cannot send at all (bad key, missing folder).
	Misconfigured
	// Unfit: this one message cannot go this way, whatever is tried (MLLP's framing
	// bytes in its body). Nothing was handed over; others are not concerned, and
	// a person must look.
	Unfit
)

func (c Class) String() string {
	switch c {
	case Unreachable:
		return "unreachable"
	case Unanswered:
		return "unanswered"
	case Busy:
		return "busy"
	case Rejected:
		return "rejected"
	case Misconfigured:
		return "misconfigured"
	case Unfit:
		return "unfit"
	}
	return "unknown"
}

// Error is a failed transmission. Its text never holds message content, so it
// may be logged and shown.
type Error struct {
	Class Class
	// Code is the partner's word where there was one ("AE", "503").
	Code string
	// Reply is the partner's answer byte for byte. It may hold patient data:
	// keep it sealed, never log it.
	Reply []byte
	// Peer is the other end as far as it was known when it failed.
	Peer Peer
	// RetryAfter is how long the partner asked to be left alone (HTTP
	// Retry-After), zero where it said nothing.
	RetryAfter time.Duration
	Err        error
}

func (e *Error) Error() string {
	s := e.Class.String()
	if e.Code != "" {
		s += " (" + e.Code + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of err: that of the *Error in its chain, or
// Unanswered when there is none, which is the careful reading.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Unanswered
}
