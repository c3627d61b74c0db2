package results

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
)

// searchRun is one row of results_search_runs. Runs are written once, in
// sorted order, and merged as they grow in number: a B-tree over blind indexes,
// which are random, would touch a page for every entry.
type searchRun struct {
	first, last     int64
	messages, bytes int64
	bits            int64
	dirty           int64
}

// searchEntry says that the message at a leaf can be found by a key.
type searchEntry struct {
	key  searchKey
	leaf int64
}

const (
	// blockEntries is about how many entries a block holds: some 3 kB.
	blockEntries = 256
	// maxRun is how many messages a run covers at most: the merge that makes it
	// writes 3 MB in one transaction.
	maxRun = 1 << 15
	// mergeRuns is how many runs of a size make one of the next.
	mergeRuns = 8
)

// class orders runs by size: powers of mergeRuns.
func (r *searchRun) class() int { return (bits.Len64(uint64(max(r.messages, 1))) - 1) / 3 }

// toMerge returns how many of the last runs become one now, or 0. It keeps the
// number of runs below mergeRuns for each size, whatever the sizes of batches.
func toMerge(runs []searchRun) int {
	for class := 0; class <= 4; class++ {
		n, total := 0, int64(0)
		for i := len(runs) - 1; i >= 0 && runs[i].class() <= class; i-- {
			if total+runs[i].messages > maxRun {
				break
			}
			total += runs[i].messages
			n++
		}
		if n >= mergeRuns {
			return n
		}
	}
	return 0
}

// blockBits is how many bits of a key name its block in a run of n entries.
func blockBits(n int) int64 { return int64(bits.Len(uint(n / blockEntries))) }

// block is where an entry stands. A damaged number of bits must not end the
// program: it finds nothing, and the audit names it.
func (r *searchRun) block(k searchKey) int64 { return int64(k) >> (63 - min(max(r.bits, 0), 63)) }

func (a searchEntry) before(b searchEntry) bool {
	return a.key < b.key || a.key == b.key && a.leaf < b.leaf
}

// sortEntries brings entries in the order in which they are stored.
func sortEntries(es []searchEntry) {
	slices.SortFunc(es, compareEntries)
}

func compareEntries(a, b searchEntry) int {
	switch {
	case a.before(b):
		return -1
	case b.before(a):
		return 1
	}
	return 0
}

// mergeEntries makes one sorted list of sorted lists.
func mergeEntries(lists [][]searchEntry) []searchEntry {
	for len(lists) > 1 {
		half := (len(lists) + 1) / 2
		for i := range len(lists) / 2 {
			lists[i] = mergeTwo(lists[i], lists[half+i])
		}
		lists = lists[:half]
	}
	if len(lists) == 0 {
		return nil
	}
	return lists[0]
}

func mergeTwo(a, b []searchEntry) []searchEntry {
	out := make([]searchEntry, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if b[0].before(a[0]) {
			out, b = append(out, b[0]), b[1:]
		} else {
			out, a = append(out, a[0]), a[1:]
		}
	}
	return append(append(out, a...), b...)
}

// eachBlock packs sorted entries into the run's blocks: for each entry the key
// (8 bytes) and the leaf from the run's first on (uvarint).
func (r *searchRun) eachBlock(es []searchEntry, f func(block int64, data []byte) error) error {
	for len(es) > 0 {
		block := r.block(es[0].key)
		data := make([]byte, 0, blockEntries*12)
		i := 0
		for ; i < len(es) && r.block(es[i].key) == block; i++ {
			data = binary.BigEndian.AppendUint64(data, uint64(es[i].key))
			data = binary.AppendUvarint(data, uint64(es[i].leaf-r.first))
		}
		if err := f(block, data); err != nil {
			return err
		}
		es = es[i:]
	}
	return nil
}

var errSearchBlock = errors.New("a block of the search index is damaged; rebuild the index")

// eachEntry unpacks a block of a run that starts at first.
func eachEntry(first int64, data []byte, f func(searchEntry)) error {
	for len(data) > 0 {
		if len(data) < 9 {
			return errSearchBlock
		}
		key := binary.BigEndian.Uint64(data)
		d, n := binary.Uvarint(data[8:])
		if n <= 0 {
			return errSearchBlock
		}
		f(searchEntry{searchKey(key), first + int64(d)})
		data = data[8+n:]
	}
	return nil
}
