package bypass

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// Kinds of records in a log.
const (
	Opened   = "opened"
	Extended = "extended"
	Warned   = "warned"
	Closed   = "closed"  // by a person, or at its end (By is empty)
	Relayed  = "message" // before anything is sent
	Tried    = "tried"   // after the partners answered, before the LIS is
	Refused  = "refused" // not relayed at all; the bytes stay with the LIS
)

// Record is one entry of a log. It holds patient data: sealed at rest.
type Record struct {
	Kind string    `json:"kind"`
	At   time.Time `json:"at"`
	// Of opened, extended and closed.
	By       string    `json:"by,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Until    time.Time `json:"until,omitzero"`
	Number   int64     `json:"number,omitempty"`
	Revision string    `json:"revision,omitempty"`
	// Of a message; ID is also that of the tries that follow.
	ID     string       `json:"id,omitempty"`
	Source string       `json:"source,omitempty"`
	Peer   channel.Peer `json:"peer,omitzero"`
	Ways   []Way        `json:"ways,omitempty"`
	Body   []byte       `json:"body,omitempty"`
	// Of a try.
	Receipts []Receipt `json:"receipts,omitempty"`
	Failures []Failure `json:"failures,omitempty"`
	// Answer is what the LIS is told: AA, AE or AR.
	Answer string `json:"answer,omitempty"`
	// Of a refusal.
	Cause  string `json:"cause,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	Size   int64  `json:"size,omitempty"`
}

// Way is one partner that a message is due to.
type Way struct {
	Partner string `json:"partner"`
	Route   string `json:"route"`
	// Shadow: recorded only, nothing is sent.
	Shadow bool `json:"shadow,omitempty"`
	// Cannot says why the bypass cannot send this way; empty when it can.
	Cannot string `json:"cannot,omitempty"`
}

// Receipt is a partner's acceptance.
type Receipt struct {
	Partner string          `json:"partner"`
	Receipt channel.Receipt `json:"receipt"`
}

// Failure is a try that brought no acceptance.
type Failure struct {
	Partner string `json:"partner"`
	Class   string `json:"class"`
	Code    string `json:"code,omitempty"`
	Reply   []byte `json:"reply,omitempty"`
}

func sumOf(b []byte) string { h := sha256.Sum256(b); return hex.EncodeToString(h[:]) }
