package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrNotFound is what a Groups returns where it has no such row.
var ErrNotFound = errors.New("no such ledger row")

// ErrDamaged is in the chain of every error that says the stored ledger does
// not fit together. Audit tells where.
var ErrDamaged = errors.New("the ledger is damaged")

// Groups is where the rows are kept.
type Groups interface {
	// ByLeaf returns the row with the greatest First that is <= leaf, or
	// ErrNotFound. (It need not reach as far as leaf.)
	ByLeaf(ctx context.Context, leaf int64) (Group, error)
	// ByHash returns the row with the greatest FirstHash that is <= index, or
	// ErrNotFound.
	ByHash(ctx context.Context, index int64) (Group, error)
}

// cacheLimit is how many hashes a Reader keeps: at 40 bytes each well under 1 MiB.
const cacheLimit = 16 << 10

// Reader answers questions about a stored ledger. It is safe for concurrent
// use. It remembers inner hashes, which never change in a ledger that is
// sound; Audit does not use this memory.
type Reader struct {
	groups Groups
	codec  *Codec

	mu    sync.Mutex
	cache map[int64]tlog.Hash
}

// NewReader returns a reader of the rows in g.
func NewReader(g Groups, c *Codec) *Reader {
	return &Reader{groups: g, codec: c, cache: make(map[int64]tlog.Hash)}
}

// Hashes returns the tlog.HashReader that reads under ctx.
func (r *Reader) Hashes(ctx context.Context) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		return r.readHashes(ctx, indexes)
	})
}

func (r *Reader) readHashes(ctx context.Context, indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	var last Group
	for i, x := range indexes {
		r.mu.Lock()
		h, ok := r.cache[x]
		r.mu.Unlock()
		if ok {
			out[i] = h
			continue
		}
		if h, ok = last.hash(x); !ok {
			var err error
			if last, err = r.groups.ByHash(ctx, x); err != nil {
				return nil, fmt.Errorf("read ledger hash %d: %w", x, err)
			}
			if h, ok = last.hash(x); !ok {
				return nil, fmt.Errorf("read ledger hash %d: %w: the row that starts at leaf %d ends before it", x, ErrDamaged, last.First)
			}
		}
		out[i] = h
		r.keep(x, h)
	}
	return out, nil
}

// keep remembers the hashes of inner nodes; leaves are rarely asked twice.
func (r *Reader) keep(x int64, h tlog.Hash) {
	if level, _ := tlog.SplitStoredHashIndex(x); level < 2 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.cache) >= cacheLimit {
		clear(r.cache)
	}
	r.cache[x] = h
}

// Event returns the bytes of leaf after checking them against the leaf's hash.
func (r *Reader) Event(ctx context.Context, leaf int64) ([]byte, error) {
	g, err := r.groups.ByLeaf(ctx, leaf)
	if err != nil {
		return nil, fmt.Errorf("read ledger leaf %d: %w", leaf, err)
	}
	if leaf < g.First || leaf >= g.First+g.Count {
		return nil, fmt.Errorf("read ledger leaf %d: %w", leaf, ErrNotFound)
	}
	events, err := r.unpack(&g, leaf)
	if err != nil {
		return nil, err
	}
	return g.checked(events, leaf)
}

// TreeHash returns the root of the first size leaves.
func (r *Reader) TreeHash(ctx context.Context, size int64) (tlog.Hash, error) {
	if size < 0 {
		return tlog.Hash{}, errors.New("compute ledger root: negative size")
	}
	h, err := tlog.TreeHash(size, r.Hashes(ctx))
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("compute ledger root: %w", err)
	}
	return h, nil
}

// InclusionProof proves that the tree of the first size leaves has leaf
// (RFC 6962 2.1.1). The proof has been checked against the stored root and leaf
// hash; where they do not fit the error is ErrDamaged.
func (r *Reader) InclusionProof(ctx context.Context, leaf, size int64) (tlog.RecordProof, error) {
	p, err := tlog.ProveRecord(size, leaf, r.Hashes(ctx))
	if err != nil {
		return nil, fmt.Errorf("prove ledger leaf %d: %w", leaf, err)
	}
	root, err := r.TreeHash(ctx, size)
	if err != nil {
		return nil, err
	}
	h, err := r.readHashes(ctx, []int64{tlog.StoredHashIndex(0, leaf)})
	if err != nil {
		return nil, err
	}
	if tlog.CheckRecord(p, size, root, leaf, h[0]) != nil {
		return nil, fmt.Errorf("prove ledger leaf %d: %w: the stored hashes do not lead to the root", leaf, ErrDamaged)
	}
	return p, nil
}

// ConsistencyProof proves that the tree of size leaves begins with the tree of
// old leaves (RFC 6962 2.1.2); empty for old = 0 and old = size. It is checked
// like an inclusion proof.
func (r *Reader) ConsistencyProof(ctx context.Context, old, size int64) (tlog.TreeProof, error) {
	if old == 0 && size >= 0 {
		return tlog.TreeProof{}, nil
	}
	p, err := tlog.ProveTree(size, old, r.Hashes(ctx))
	if err != nil {
		return nil, fmt.Errorf("prove ledger growth from %d: %w", old, err)
	}
	oldRoot, err := r.TreeHash(ctx, old)
	if err != nil {
		return nil, err
	}
	root, err := r.TreeHash(ctx, size)
	if err != nil {
		return nil, err
	}
	if tlog.CheckTree(p, size, root, old, oldRoot) != nil {
		return nil, fmt.Errorf("prove ledger growth from %d: %w: the stored hashes do not lead to the root", old, ErrDamaged)
	}
	return p, nil
}

// HeadAt rebuilds the head that the ledger had with size leaves.
func (r *Reader) HeadAt(ctx context.Context, size int64) (Head, error) {
	if size < 0 {
		return Head{}, errors.New("read ledger head: negative size")
	}
	var indexes []int64
	lo := int64(0)
	for level := 62; level >= 0; level-- {
		if size&(1<<level) != 0 {
			indexes = append(indexes, tlog.StoredHashIndex(level, lo>>level))
			lo += 1 << level
		}
	}
	edge, err := r.readHashes(ctx, indexes)
	if err != nil {
		return Head{}, err
	}
	return Head{Size: size, Edge: edge}, nil
}
