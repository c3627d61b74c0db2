package results

import (
	"crypto/sha256"
	"strconv"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// The kinds of facts this domain writes to the ledger. They persist for ever:
// golden tests pin their form.
const (
	KindReceived    = "result.received"
	KindQuarantined = "result.quarantined"
	KindDelivered   = "result.delivered"
	KindStopped     = "result.delivery_stopped"
	KindHeld        = "result.held"
	KindReleased    = "result.released"
	KindRefused     = "result.refused"
	KindResent      = "result.resent"
	KindErased      = "result.erased"
)

func received(id event.ID, source, revision string, at int64, size int, salt ledger.Salt, body []byte) (ledger.Event, error) {
	ids := ledger.Pairs{{K: "message", V: id.String()}, {K: "source", V: source}}
	sum := sha256.Sum256(body)
	c, err := ledger.Commit(salt, KindReceived, ids, sum[:])
	return ledger.Event{
		Kind: KindReceived, At: at, IDs: ids,
		Codes:   ledger.Pairs{{K: "revision", V: revision}},
		Numbers: []ledger.Number{{K: "size", N: int64(size)}},
		Commit:  &c,
	}, err
}

func quarantined(id event.ID, source string, at int64, cause string, salt ledger.Salt, sum []byte) (ledger.Event, error) {
	ids := ledger.Pairs{{K: "quarantine", V: id.String()}, {K: "source", V: source}}
	c, err := ledger.Commit(salt, KindQuarantined, ids, sum)
	return ledger.Event{
		Kind: KindQuarantined, At: at, IDs: ids,
		Codes: ledger.Pairs{{K: "cause", V: cause}}, Commit: &c,
	}, err
}

// delivered binds what was sent and what the partner answered. sent differs
// from the received body only where the route transforms.
func delivered(d *delivery, r *channel.Receipt, revision string, salt ledger.Salt, sent []byte) (ledger.Event, error) {
	ids := ledger.Pairs{
		{K: "delivery", V: strconv.FormatInt(d.seq, 10)},
		{K: "message", V: d.id.String()},
		{K: "partner", V: d.partner},
	}
	sum := sha256.Sum256(sent)
	var reply []byte
	if len(r.Body) > 0 {
		h := sha256.Sum256(r.Body)
		reply = h[:]
	}
	c, err := ledger.Commit(salt, KindDelivered, ids, sum[:], reply)
	codes := ledger.Pairs{
		{K: "level", V: r.Level.String()},
		{K: "code", V: ledger.Code(r.Code)},
		{K: "revision", V: revision},
	}
	if r.Peer.Fingerprint != "" {
		codes = append(codes, ledger.Pair{K: "peer", V: r.Peer.Fingerprint})
	}
	if r.Peer.Proof != "" {
		codes = append(codes, ledger.Pair{K: "proved_by", V: ledger.Code(r.Peer.Proof)})
	}
	if r.Peer.TLS != "" {
		codes = append(codes, ledger.Pair{K: "tls", V: ledger.Code(r.Peer.TLS)})
	}
	return ledger.Event{Kind: KindDelivered, At: r.At.UnixMicro(), IDs: ids, Codes: codes, Commit: &c}, err
}

// acted is a person's or the system's decision about a delivery.
func acted(kind string, at int64, d *delivery, by, reason string) ledger.Event {
	return ledger.Event{
		Kind: kind, At: at,
		IDs: ledger.Pairs{
			{K: "delivery", V: strconv.FormatInt(d.seq, 10)},
			{K: "message", V: d.id.String()},
			{K: "partner", V: d.partner},
			{K: "by", V: ledger.Code(by)},
		},
		Codes: ledger.Pairs{{K: "reason", V: ledger.Code(reason)}},
	}
}
