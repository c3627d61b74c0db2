package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// MaxGroup is the greatest number of events one row holds.
const MaxGroup = 4096

// Group is one row of the ledger: the leaves that one transaction added.
type Group struct {
	// First is the leaf index of the first event, Count their number (>= 1).
	First, Count int64
	// FirstHash is the stored hash index (tlog.StoredHashIndex) of the first
	// hash in Hashes.
	FirstHash int64
	// Hashes are the stored hashes that the leaves added, 32 bytes each, in
	// stored order.
	Hashes []byte
	// Events is the packed list of event bytes, see PackEvents and Codec.
	Events []byte
	// At is the latest "at" of the events, microseconds since 1970 UTC, 0 where
	// none has one. Append computes it and Audit checks it.
	At int64
	// Node says which node wrote the row. No hash covers it.
	Node string
}

// Append computes the row that adds events to a ledger with the given head, and
// the head after it. It reads nothing. head is not changed; the new head shares
// no memory with it. Append looks at no event's meaning: Event.Encode is where
// an event is checked, before it may enter a transaction.
func Append(head Head, events [][]byte) (Group, Head, error) {
	if len(events) == 0 || len(events) > MaxGroup {
		return Group{}, Head{}, fmt.Errorf("append to ledger: %d events, a row holds 1 to %d", len(events), MaxGroup)
	}
	if head.Size < 0 || len(head.Edge) != bits.OnesCount64(uint64(head.Size)) {
		return Group{}, Head{}, errors.New("append to ledger: the head's edge does not fit its size")
	}
	total := 1
	for _, e := range events {
		if len(e) == 0 || len(e) > MaxEvent {
			return Group{}, Head{}, fmt.Errorf("append to ledger: an event of %d bytes, 1 to %d are allowed", len(e), MaxEvent)
		}
		total += len(e) + 2
	}
	g := Group{
		First:     head.Size,
		Count:     int64(len(events)),
		FirstHash: tlog.StoredHashCount(head.Size),
		Hashes:    make([]byte, 0, (2*len(events)+64)*tlog.HashSize),
		Events:    append(make([]byte, 0, total+1), packedPlain),
	}
	edge := append(make([]tlog.Hash, 0, len(head.Edge)+16), head.Edge...)
	size := head.Size
	buf := make([]byte, 1, 1+MaxEvent) // RFC 6962 2.1: leaf = SHA-256(0x00 || data)
	for _, e := range events {
		h := tlog.Hash(sha256.Sum256(append(buf[:1], e...)))
		g.Hashes = append(g.Hashes, h[:]...)
		// Each trailing 1 bit of the size is a subtree that this leaf completes.
		for n := size; n&1 == 1; n >>= 1 {
			h = tlog.NodeHash(edge[len(edge)-1], h)
			edge = edge[:len(edge)-1]
			g.Hashes = append(g.Hashes, h[:]...)
		}
		edge = append(edge, h)
		size++
		g.Events = binary.AppendUvarint(g.Events, uint64(len(e)))
		g.Events = append(g.Events, e...)
		g.At = max(g.At, eventTime(e))
	}
	return g, Head{Size: size, Edge: edge}, nil
}

// lastHash is the stored hash index after the last one of g.
func (g *Group) lastHash() int64 { return g.FirstHash + int64(len(g.Hashes)/tlog.HashSize) }

// hash returns the stored hash with the given index, if g has it.
func (g *Group) hash(index int64) (tlog.Hash, bool) {
	i := index - g.FirstHash
	if i < 0 || i >= int64(len(g.Hashes)/tlog.HashSize) {
		return tlog.Hash{}, false
	}
	return tlog.Hash(g.Hashes[i*tlog.HashSize:][:tlog.HashSize]), true
}
