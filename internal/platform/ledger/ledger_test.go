package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

func newCodec(t testing.TB) *Codec {
	t.Helper()
	c, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// event makes the n'th test event.
func event(t testing.TB, n int64) []byte {
	t.Helper()
	salt := Salt{byte(n), byte(n >> 8)}
	ids := Pairs{{"message", fmt.Sprintf("0190b6a4-7f00-7000-8000-%012x", n*0x9e3779b1&0xffffffffffff)}, {"source", "lis"}}
	c, err := Commit(salt, "result.received", ids, bytes.Repeat([]byte{byte(n)}, 32))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Event{
		Kind: "result.received", At: 1_760_000_000_000_000 + n, IDs: ids,
		Codes: Pairs{{"peer_proof", "certificate"}}, Numbers: []Number{{"bytes", 1900 + n}}, Commit: &c,
	}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// build makes a ledger of size leaves in rows of 1 to most events.
func build(t testing.TB, size int64, most int) (*Memory, Head) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, uint64(most)))
	m, head := &Memory{}, Head{}
	for head.Size < size {
		n := min(int64(1+rng.IntN(most)), size-head.Size)
		var es [][]byte
		for i := range n {
			es = append(es, event(t, head.Size+i))
		}
		var err error
		if head, err = m.Append(head, es...); err != nil {
			t.Fatal(err)
		}
	}
	return m, head
}

// Append must store what tlog itself would, for every way to cut into rows.
func TestAppendStoresWhatTlogStores(t *testing.T) {
	for _, most := range []int{1, 2, 7, 64, 300} {
		m, head := build(t, 300, most)
		var all []tlog.Hash
		stored := tlog.HashReaderFunc(func(ix []int64) ([]tlog.Hash, error) {
			var out []tlog.Hash
			for _, i := range ix {
				out = append(out, all[i])
			}
			return out, nil
		})
		for n := range int64(300) {
			hs, err := tlog.StoredHashes(n, event(t, n), stored)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, hs...)
		}
		var got []byte
		for _, g := range m.Rows {
			if g.FirstHash != int64(len(got)/tlog.HashSize) {
				t.Fatalf("rows of %d: FirstHash %d, want %d", most, g.FirstHash, len(got)/tlog.HashSize)
			}
			got = append(got, g.Hashes...)
		}
		if !bytes.Equal(got, (Head{Edge: all}).EdgeBytes()) {
			t.Fatalf("rows of %d: stored hashes differ from tlog's", most)
		}
		want, err := tlog.TreeHash(300, stored)
		if err != nil || head.Root() != want {
			t.Fatalf("rows of %d: root %v, want %v (%v)", most, head.Root(), want, err)
		}
		again, err := NewHead(head.Size, head.EdgeBytes())
		if err != nil || again.Root() != want {
			t.Fatalf("head does not survive storing: %v", err)
		}
	}
}

func TestEmptyRootIsTlogs(t *testing.T) {
	want, err := tlog.TreeHash(0, nil)
	if err != nil || (Head{}).Root() != want {
		t.Fatal("the empty root differs from tlog's")
	}
}

func TestAppendLeavesHeadAlone(t *testing.T) {
	_, head := build(t, 7, 1)
	before := head.EdgeBytes()
	for range 3 { // a rolled-back transaction appends to the same head again
		if _, _, err := Append(head, [][]byte{event(t, 7), event(t, 8)}); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(before, head.EdgeBytes()) {
		t.Fatal("Append changed the head it was given")
	}
}

func TestAppendRefuses(t *testing.T) {
	for name, es := range map[string][][]byte{
		"nothing": nil, "empty event": {{}}, "large event": {make([]byte, MaxEvent+1)},
		"too many": make([][]byte, MaxGroup+1),
	} {
		if _, _, err := Append(Head{}, es); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, _, err := Append(Head{Size: 3}, [][]byte{{1}}); err == nil {
		t.Error("head without edge: accepted")
	}
	if _, err := NewHead(3, make([]byte, 32)); err == nil {
		t.Error("short edge: accepted")
	}
	if _, err := NewHead(-1, nil); err == nil {
		t.Error("negative size: accepted")
	}
}

// Every proof between all sizes up to 200 must verify, and verify nothing else.
func TestProofsBetweenAllSizes(t *testing.T) {
	ctx := context.Background()
	const top = 200
	m, head := build(t, top, 5)
	r := NewReader(m, newCodec(t))
	roots := make([]tlog.Hash, top+1)
	var at Head
	for n := range int64(top + 1) {
		root, err := r.TreeHash(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		roots[n] = root
		if root != at.Root() {
			t.Fatalf("size %d: TreeHash differs from the head's root", n)
		}
		h, err := r.HeadAt(ctx, n)
		if err != nil || !bytes.Equal(h.EdgeBytes(), at.EdgeBytes()) {
			t.Fatalf("size %d: HeadAt differs: %v", n, err)
		}
		if n < top {
			if _, at, err = Append(at, [][]byte{event(t, n)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if roots[top] != head.Root() {
		t.Fatal("root of all differs")
	}
	for size := int64(1); size <= top; size++ {
		for old := int64(1); old <= size; old++ {
			p, err := r.ConsistencyProof(ctx, old, size)
			if err != nil {
				t.Fatal(err)
			}
			if err := tlog.CheckTree(p, size, roots[size], old, roots[old]); err != nil {
				t.Fatalf("%d -> %d: %v", old, size, err)
			}
			if tlog.CheckTree(p, size, roots[size], old, roots[old-1]) == nil {
				t.Fatalf("%d -> %d: proves another tree as well", old, size)
			}
			leaf := old - 1
			q, err := r.InclusionProof(ctx, leaf, size)
			if err != nil {
				t.Fatal(err)
			}
			if err := tlog.CheckRecord(q, size, roots[size], leaf, tlog.RecordHash(event(t, leaf))); err != nil {
				t.Fatalf("leaf %d in %d: %v", leaf, size, err)
			}
		}
	}
	if _, err := r.InclusionProof(ctx, top, top); err == nil {
		t.Error("proved a leaf that is not there")
	}
	if _, err := r.ConsistencyProof(ctx, 5, 4); err == nil {
		t.Error("proved shrinking")
	}
}

func TestReaderRefusesDamage(t *testing.T) {
	ctx := context.Background()
	m, _ := build(t, 40, 4)
	g := &m.Rows[3]
	leaf := g.First
	g.Events = bytes.Replace(g.Events, []byte("certificate"), []byte("certifikate"), 1)
	if _, err := NewReader(m, newCodec(t)).Event(ctx, leaf); !errors.Is(err, ErrDamaged) {
		t.Errorf("changed event: %v", err)
	}
	// The first row's hashes above the leaves are read by some proof.
	m, _ = build(t, 40, 4)
	m.Rows[len(m.Rows)/2].Hashes[40] ^= 1
	bad := 0
	r := NewReader(m, newCodec(t))
	for leaf := range int64(40) {
		if _, err := r.InclusionProof(ctx, leaf, 40); errors.Is(err, ErrDamaged) {
			bad++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if bad == 0 {
		t.Error("a changed hash: every proof was given out")
	}
}

func TestReaderEventThroughCompression(t *testing.T) {
	ctx, c := context.Background(), newCodec(t)
	m, head := build(t, 500, 200)
	for i := range m.Rows {
		before := len(m.Rows[i].Events)
		c.Pack(&m.Rows[i])
		if m.Rows[i].Count > 20 && len(m.Rows[i].Events) > before*2/3 {
			t.Errorf("row of %d events: %d bytes packed from %d", m.Rows[i].Count, len(m.Rows[i].Events), before)
		}
	}
	r := NewReader(m, c)
	for leaf := range int64(500) {
		b, err := r.Event(ctx, leaf)
		if err != nil || !bytes.Equal(b, event(t, leaf)) {
			t.Fatalf("leaf %d: %v", leaf, err)
		}
	}
	if _, err := r.Event(ctx, 500); !errors.Is(err, ErrNotFound) {
		t.Errorf("leaf after the end: %v", err)
	}
	if _, d, err := Audit(ctx, m, c, 0, head, nil); d != nil || err != nil {
		t.Fatalf("audit of a packed ledger: %v %v", d, err)
	}
}
