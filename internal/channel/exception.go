package channel

import (
	"errors"
	"strings"
	"time"
)

// Exception is the named, dated, reasoned permission for one source or partner
// to be weaker than TLS 1.3 with client certificates. There is no other way to
// get there: an empty Exception allows nothing.
//
// Its end never stops results by itself (a date that silences a channel is a
// danger of its own): past Until the channel keeps its last state and whoever
// reads Status shouts.
type Exception struct {
	// TLS12 also allows TLS 1.2 with forward-secret AEAD suites.
	TLS12 bool
	// NoClientCertificate lets the connecting side show no certificate.
	NoClientCertificate bool
	// Plaintext allows no encryption at all.
	Plaintext bool

	Reason string
	Owner  string
	Until  time.Time
}

// Validate refuses an exception nobody answers for.
func (e Exception) Validate() error {
	var missing []string
	if strings.TrimSpace(e.Reason) == "" {
		missing = append(missing, "reason")
	}
	if strings.TrimSpace(e.Owner) == "" {
		missing = append(missing, "owner")
	}
	if e.Until.IsZero() {
		missing = append(missing, "end date")
	}
	if len(missing) > 0 {
		return errors.New("exception has no " + strings.Join(missing, ", "))
	}
	if !e.TLS12 && !e.NoClientCertificate && !e.Plaintext {
		return errors.New("exception allows nothing")
	}
	return nil
}

// Expired reports whether the exception's end has passed.
func (e Exception) Expired(now time.Time) bool { return now.After(e.Until) }

// Allows names what is allowed: "plaintext", "TLS 1.2 and no client certificate".
func (e Exception) Allows() string {
	var what []string
	if e.Plaintext {
		what = append(what, "plaintext")
	}
	if e.TLS12 {
		what = append(what, "TLS 1.2")
	}
	if e.NoClientCertificate {
		what = append(what, "no client certificate")
	}
	return strings.Join(what, " and ")
}

// Warning is the sentence status pages show while the exception is in force,
// with another ending once it is past its date. It is empty for nil.
func (e *Exception) Warning(now time.Time) string {
	if e == nil {
		return ""
	}
	verb := " until "
	if e.Expired(now) {
		verb = ", EXPIRED since "
	}
	return e.Allows() + " allowed" + verb + e.Until.UTC().Format("2006-01-02") +
		" (" + e.Reason + "; owner " + e.Owner + ")"
}
