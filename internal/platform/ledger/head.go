package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Head is the end of a ledger: all that an append needs to know.
// The zero value is the empty ledger.
type Head struct {
	// Size is the number of leaves.
	Size int64
	// Edge holds the roots of the complete subtrees that make up the tree, the
	// largest first: one for each 1 bit of Size.
	Edge []tlog.Hash
}

// NewHead puts a head together from its stored size and EdgeBytes.
func NewHead(size int64, edge []byte) (Head, error) {
	if size < 0 {
		return Head{}, errors.New("read ledger head: negative size")
	}
	if n := bits.OnesCount64(uint64(size)); len(edge) != n*tlog.HashSize {
		return Head{}, fmt.Errorf("read ledger head: %d bytes of edge hashes do not fit a size of %d", len(edge), size)
	}
	return Head{Size: size, Edge: splitHashes(edge)}, nil
}

// EdgeBytes returns the edge hashes one after the other.
func (h Head) EdgeBytes() []byte {
	b := make([]byte, 0, len(h.Edge)*tlog.HashSize)
	for i := range h.Edge {
		b = append(b, h.Edge[i][:]...)
	}
	return b
}

// Root returns the Merkle tree hash (RFC 6962 2.1); of the empty ledger that is
// the SHA-256 of nothing.
func (h Head) Root() tlog.Hash {
	if len(h.Edge) == 0 {
		return sha256.Sum256(nil)
	}
	r := h.Edge[len(h.Edge)-1]
	for i := len(h.Edge) - 2; i >= 0; i-- {
		r = tlog.NodeHash(h.Edge[i], r)
	}
	return r
}

func splitHashes(b []byte) []tlog.Hash {
	hs := make([]tlog.Hash, len(b)/tlog.HashSize)
	for i := range hs {
		copy(hs[i][:], b[i*tlog.HashSize:])
	}
	return hs
}
