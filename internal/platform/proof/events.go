package proof

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// Kinds of the two events a proof shows.
const (
	KindReceived  = "result.received"
	KindDelivered = "result.delivered"
)

// Received is what the ledger says when a message came in.
type Received struct {
	// Message is its id, a UUID in text form; Source the configured source.
	Message, Source string
	Peer            channel.Peer
	At              time.Time
	// Body is the SHA-256 of the bytes received, Bytes their number.
	Body  [sha256.Size]byte
	Bytes int64
}

// Event returns the ledger event, committed to the body with salt.
func (r Received) Event(salt ledger.Salt) (ledger.Event, error) {
	e := ledger.Event{
		Kind:    KindReceived,
		At:      r.At.UnixMicro(),
		IDs:     ledger.Pairs{{K: "message", V: r.Message}, {K: "source", V: r.Source}},
		Codes:   peerCodes(r.Peer),
		Numbers: []ledger.Number{{K: "bytes", N: r.Bytes}},
	}
	c, err := ledger.Commit(salt, e.Kind, e.IDs, r.Body[:])
	if err != nil {
		return ledger.Event{}, fmt.Errorf("make received event: %w", err)
	}
	e.Commit = &c
	return e, nil
}

// Delivered is what the ledger says when a transmission was completed.
type Delivered struct {
	// Message and Delivery are UUIDs in text form; Partner the configured key.
	Message, Delivery, Partner string
	Receipt                    channel.Receipt
	// Config is the hash of the configuration revision in force, lower-case hex.
	Config string
	// Body is the SHA-256 of the bytes sent, Bytes their number.
	Body  [sha256.Size]byte
	Bytes int64
}

// Event returns the ledger event, committed to the body sent and to the
// partner's reply with salt. It holds the reply's code, never the reply.
func (d Delivered) Event(salt ledger.Salt) (ledger.Event, error) {
	if d.Receipt.Level < channel.Placed || d.Receipt.Level > channel.Accepted {
		return ledger.Event{}, errors.New("make delivered event: the receipt has no level")
	}
	e := ledger.Event{
		Kind: KindDelivered,
		At:   d.Receipt.At.UnixMicro(),
		IDs: ledger.Pairs{{K: "delivery", V: d.Delivery}, {K: "message", V: d.Message},
			{K: "partner", V: d.Partner}},
		Codes: append(peerCodes(d.Receipt.Peer),
			ledger.Pair{K: "code", V: ledger.Code(d.Receipt.Code)},
			ledger.Pair{K: "config", V: ledger.Code(d.Config)},
			ledger.Pair{K: "level", V: d.Receipt.Level.String()}),
		Numbers: []ledger.Number{{K: "bytes", N: d.Bytes}},
	}
	c, err := ledger.Commit(salt, e.Kind, e.IDs, d.Body[:], ReplyHash(d.Receipt))
	if err != nil {
		return ledger.Event{}, fmt.Errorf("make delivered event: %w", err)
	}
	e.Commit = &c
	return e, nil
}

// ReplyHash is the SHA-256 of the partner's reply, nil where there is none.
func ReplyHash(r channel.Receipt) []byte {
	if len(r.Body) == 0 {
		return nil
	}
	h := sha256.Sum256(r.Body)
	return h[:]
}

func peerCodes(p channel.Peer) ledger.Pairs {
	c := ledger.Pairs{{K: "peer_proof", V: "none"}}
	if p.Proof != "" {
		c[0].V = ledger.Code(p.Proof)
	}
	if p.Fingerprint != "" {
		c = append(c, ledger.Pair{K: "fingerprint", V: ledger.Code(p.Fingerprint)})
	}
	if p.TLS != "" {
		c = append(c, ledger.Pair{K: "tls", V: ledger.Code(p.TLS)})
	}
	return c
}

func parseHex(s string) ([]byte, bool) {
	b, err := hex.DecodeString(s)
	return b, err == nil && len(b) == sha256.Size && hex.EncodeToString(b) == s
}
