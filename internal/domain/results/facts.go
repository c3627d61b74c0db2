package results

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/proof"
)

// The kinds of facts this domain writes to the ledger. They persist for ever:
// golden tests pin their form.
const (
	KindReceived    = proof.KindReceived
	KindQuarantined = "result.quarantined"
	KindDelivered   = proof.KindDelivered
	KindStopped     = "result.delivery_stopped"
	KindHeld        = "result.held"
	KindReleased    = "result.released"
	KindRefused     = "result.refused"
	KindResent      = "result.resent"
	KindErased      = "result.erased"
)

// intakeFact is what the received event says besides the body.
type intakeFact struct {
	id       event.ID
	source   string
	from     channel.Peer
	revision string
	at       time.Time
	flags    int64
	lanes    []byte
	plans    []plan
}

// received is the fact of a message taken in, in the form that proofs show.
// What an audit holds the rows against goes with it: how many deliveries were
// planned, in which state each began, and a salted digest of the rest.
func received(f *intakeFact, salt ledger.Salt, body []byte) (ledger.Event, error) {
	r := proof.Received{
		Message: f.id.String(), Source: f.source, Peer: f.from, At: f.at, Config: f.revision,
		Body: sha256.Sum256(body), Bytes: int64(len(body)),
		Deliveries: int64(len(f.plans)), Flags: f.flags,
	}
	if f.flags&FlagBypass != 0 {
		r.Via = proof.ViaBypass
	}
	if len(f.plans) > 0 {
		states := make([]byte, 0, 8)
		planned := newPlanDigest(salt, f.lanes)
		for _, p := range f.plans {
			if len(states) < ledger.MaxValue {
				states = append(states, '0'+byte(p.state))
			}
			planned.add(p.partner, p.route)
		}
		r.Plan, r.States = planned.sum(), string(states)
	}
	return r.Event(salt)
}

// planDigest binds a message's deliveries, their partners, routes and lanes, to
// its event. Without the salt it says nothing.
type planDigest struct{ b []byte }

func newPlanDigest(salt ledger.Salt, lanes []byte) *planDigest {
	d := &planDigest{make([]byte, 0, 256)}
	d.b = append(d.b, "labwarden/plan/v1\n"...)
	d.b = append(d.b, salt[:]...)
	d.part(string(lanes))
	return d
}

func (d *planDigest) part(s string) {
	d.b = binary.BigEndian.AppendUint32(d.b, uint32(len(s)))
	d.b = append(d.b, s...)
}

func (d *planDigest) add(partner, route string) { d.part(partner); d.part(route) }

// sum is 96 bits: enough against a second plan for one salt, little on disk.
func (d *planDigest) sum() string {
	h := sha256.Sum256(d.b)
	return base64.RawURLEncoding.EncodeToString(h[:12])
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
	return proof.Delivered{
		Message: d.id.String(), Delivery: strconv.FormatInt(d.seq, 10), Partner: d.partner,
		Receipt: *r, Config: revision, Body: sha256.Sum256(sent), Bytes: int64(len(sent)),
	}.Event(salt)
}

// actedBy is acted for a person whose break-glass access may be open.
func actedBy(kind string, at int64, d *delivery, by By) ledger.Event {
	e := acted(kind, at, d, by.Who, by.Reason)
	e.IDs = by.under(e.IDs)
	return e
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
