package proof

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
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
	// Config is the hash of the configuration revision in force, lower-case hex;
	// empty leaves it out.
	Config string
	// Body is the SHA-256 of the bytes received, Bytes their number.
	Body  [sha256.Size]byte
	Bytes int64
	// Plan, States, Deliveries and Flags are for the recorder's own audits: what
	// was planned for the message, by a digest, a digit and a number, and how the
	// message was marked. Empty texts are left out.
	Plan, States      string
	Deliveries, Flags int64
	// Via is ViaBypass for what went round the hub; else empty.
	Via string
}

// ViaBypass marks what travelled in bypass: round a stopped hub, noted in the
// bypass log at the time, entered into the ledger afterwards.
const ViaBypass = "bypass"

// Event returns the ledger event, committed to the body with salt.
func (r Received) Event(salt ledger.Salt) (ledger.Event, error) {
	e := ledger.Event{
		Kind:    KindReceived,
		At:      r.At.UnixMicro(),
		IDs:     ledger.Pairs{{K: "message", V: r.Message}, {K: "source", V: r.Source}},
		Codes:   codes("", r.Config, "", "", r.Peer, r.Plan, r.States),
		Numbers: []ledger.Number{{K: "bytes", N: r.Bytes}, {K: "deliveries", N: r.Deliveries}, {K: "flags", N: r.Flags}},
	}
	e.Codes = via(e.Codes, r.Via)
	c, err := ledger.Commit(salt, e.Kind, e.IDs, r.Body[:])
	if err != nil {
		return ledger.Event{}, fmt.Errorf("make received event: %w", err)
	}
	e.Commit = &c
	return e, nil
}

// Delivered is what the ledger says when a transmission was completed.
type Delivered struct {
	// Message is a UUID in text form, Delivery the delivery's number, Partner the
	// configured key.
	Message, Delivery, Partner string
	Receipt                    channel.Receipt
	// Config is the hash of the configuration revision in force, lower-case hex.
	Config string
	// Body is the SHA-256 of the bytes sent, Bytes their number.
	Body  [sha256.Size]byte
	Bytes int64
	// Via is ViaBypass for what went round the hub; else empty.
	Via string
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
		IDs: ledger.Pairs{
			{K: "delivery", V: d.Delivery},
			{K: "message", V: d.Message},
			{K: "partner", V: d.Partner},
		},
		Codes:   codes(ledger.Code(d.Receipt.Code), ledger.Code(d.Config), encryptedTo(d.Receipt.Sealed), d.Receipt.Level.String(), d.Receipt.Peer, "", ""),
		Numbers: []ledger.Number{{K: "bytes", N: d.Bytes}},
	}
	e.Codes = via(e.Codes, d.Via)
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

// codes lists what is known, sorted by key as the ledger wants it: this runs
// for every result.
func codes(code, config, to, level string, p channel.Peer, plan, states string) ledger.Pairs {
	c := make(ledger.Pairs, 0, 9)
	add := func(k, v string) {
		if v != "" {
			c = append(c, ledger.Pair{K: k, V: v})
		}
	}
	add("code", code)
	add("config", config)
	add("encrypted_to", to)
	if p.Fingerprint != "" {
		add("fingerprint", ledger.Code(p.Fingerprint))
	}
	add("level", level)
	proof := "none"
	if p.Proof != "" {
		proof = ledger.Code(p.Proof)
	}
	add("peer_proof", proof)
	add("plan", plan)
	add("states", states)
	if p.TLS != "" {
		add("tls", ledger.Code(p.TLS))
	}
	return c
}

// encryptedTo names the keys a body was encrypted to: their fingerprints, or
// where these are too long for an entry, their number and the SHA-256 of them all.
func encryptedTo(s *channel.Sealed) string {
	if s == nil {
		return ""
	}
	all := strings.Join(s.To, ",")
	if len(all) > maxName {
		sum := sha256.Sum256([]byte(all))
		return fmt.Sprintf("%d:sha256:%x", len(s.To), sum)
	}
	return ledger.Code(all)
}

// via adds the way something went; its key is the last in the order of codes.
func via(c ledger.Pairs, v string) ledger.Pairs {
	if v == "" {
		return c
	}
	return append(c, ledger.Pair{K: "via", V: v})
}

func parseHex(s string) ([]byte, bool) {
	b, err := hex.DecodeString(s)
	return b, err == nil && len(b) == sha256.Size && hex.EncodeToString(b) == s
}
