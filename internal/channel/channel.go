package channel

import (
	"context"
	"time"
)

// Peer is the other end of a connection and how it proved who it is.
type Peer struct {
	// Name is the configured name of the source or partner, empty while unknown.
	Name string
	// Addr is the remote address, host:port or a file path.
	Addr string
	// Proof says in one word how the peer proved its name:
	// "certificate", "network", "folder", "token" or "none".
	Proof string
	// Fingerprint is the SHA-256 of the peer's leaf certificate in lower-case
	// hex, empty when it showed none.
	Fingerprint string
	// TLS names protocol, suite and key exchange ("TLS 1.3 TLS_AES_128_GCM_SHA256
	// X25519MLKEM768"), empty for plaintext.
	TLS string
}

// Message is one body on its way out. Transports send Body byte for byte.
type Message struct {
	// ID is the delivery's identifier: a transport that can (FHIR, HTTP) uses
	// it as the idempotency key, so that a repeat is not a second result.
	ID string
	// ControlID is MSH-10 as the sender wrote it; replies must name it.
	ControlID string
	// ContentType is the media type of Body, "x-application/hl7-v2+er7" for HL7 v2.
	ContentType string
	// Name is the file name for transports that write files, without directory
	// and without patient data.
	Name string
	Body []byte
	// SealedTo are the fingerprints of the keys that can read Body, where it is
	// encrypted to the partner.
	SealedTo []string
	// AcceptAck and AppAck are MSH-15 and MSH-16 as sent (AL, NE, ER, SU or
	// empty for original mode); MLLP needs them to know which replies to await.
	AcceptAck, AppAck string
}

// Level says how much a receipt proves. A higher level includes the lower ones.
type Level int

const (
	// Placed: the transport completed (a file was renamed into place). Nobody answered.
	Placed Level = iota + 1
	// Committed: the partner's system took custody (HL7 commit ack CA, HTTP 2xx
	// of a plain POST).
	Committed
	// Accepted: the partner's application accepted it (AA, a FHIR transaction
	// response). It does not prove that the chart has it.
	Accepted
)

func (l Level) String() string {
	switch l {
	case Placed:
		return "placed"
	case Committed:
		return "committed"
	case Accepted:
		return "accepted"
	}
	return "none"
}

// Receipt is the evidence of one completed transmission.
type Receipt struct {
	Level Level
	// Code is the protocol's own word: "AA", "CA", "201", "renamed".
	Code string
	// Body is the partner's reply byte for byte, empty where there is none.
	Body []byte
	Peer Peer
	At   time.Time
	// Name is that of the file as it lies there, where the transport places files.
	Name string
	// Sealed is what really went, where it was encrypted end to end; nil where
	// Message.Body went as it was.
	Sealed *Sealed
	// PickUp is the name under which it now waits for the partner to fetch it,
	// where somebody can tell later that it was fetched; empty elsewhere. It holds
	// no patient data.
	PickUp string
}

// Sealed is a body encrypted to a partner's keys.
type Sealed struct {
	// To are the fingerprints of the keys that can read it.
	To []string
	// ContentType, Size and SHA256 are of the encrypted bytes; SHA256 is nil and
	// Size 0 where an earlier try had placed them.
	ContentType string
	Size        int64
	SHA256      []byte
}

// Reply is what a Handler answers to an incoming message. Body is sent as is;
// an empty Body sends nothing (HL7 enhanced mode with MSH-15 NE).
type Reply struct {
	Body []byte
	// Close asks the transport to close the connection after the reply.
	Close bool
}

// Handler takes one incoming message. body is only valid during the call.
//
// The reply must not be returned before what it promises is on disk. An error
// means that nothing can be promised and nothing sensible can be answered: the
// transport then closes the connection without a reply, and the sender will
// repeat.
type Handler interface {
	Handle(ctx context.Context, from Peer, body []byte) (Reply, error)
}

// HandlerFunc lets a function be a Handler.
type HandlerFunc func(ctx context.Context, from Peer, body []byte) (Reply, error)

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, from Peer, body []byte) (Reply, error) {
	return f(ctx, from, body)
}

// Sender is what every outgoing transport is. Send returns when the partner has
// answered (or, for files, when the file is in place), or with an *Error.
// Send is safe for concurrent use; a sender keeps its connections and Close
// ends them.
type Sender interface {
	Send(ctx context.Context, m Message) (Receipt, error)
	Close() error
}
