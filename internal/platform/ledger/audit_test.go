package ledger

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

func clone(m *Memory) *Memory {
	c := &Memory{Rows: slices.Clone(m.Rows)}
	for i := range c.Rows {
		c.Rows[i].Events = bytes.Clone(c.Rows[i].Events)
		c.Rows[i].Hashes = bytes.Clone(c.Rows[i].Hashes)
	}
	return c
}

func TestAuditOfASoundLedger(t *testing.T) {
	ctx, c := context.Background(), newCodec(t)
	for _, size := range []int64{0, 1, 2, 100} {
		m, head := build(t, size, 6)
		for _, g := range append(slices.Clone(m.Rows), Group{First: size}) {
			got, d, err := Audit(ctx, m, c, g.First, head, nil)
			if d != nil || err != nil {
				t.Fatalf("size %d from %d: %v %v", size, g.First, d, err)
			}
			if got.Leaves != size-g.First || got.Leaves > 0 && got.Root != head.Root() {
				t.Fatalf("size %d from %d: went through %d leaves", size, g.First, got.Leaves)
			}
		}
	}
}

func TestAuditNamesDamage(t *testing.T) {
	ctx, c := context.Background(), newCodec(t)
	sound, head := build(t, 100, 6)
	const k = 5 // the row at fault
	row := sound.Rows[k].First
	_, short := build(t, sound.Rows[8].First, 6)
	for _, tt := range []struct {
		name      string
		do        func(m *Memory, h *Head)
		row, leaf int64
		what      string
	}{
		{"event byte", func(m *Memory, _ *Head) { flip(m.Rows[k].Events, 30) }, row, row, "event or its stored hash"},
		{"leaf hash", func(m *Memory, _ *Head) { flip(m.Rows[k].Hashes, 3) }, row, row, "event or its stored hash"},
		{"row removed", func(m *Memory, _ *Head) { m.Rows = slices.Delete(m.Rows, k, k+1) }, row, row, "missing or was moved"},
		{"first row removed", func(m *Memory, _ *Head) { m.Rows = m.Rows[1:] }, 0, 0, "missing or was moved"},
		{"last row removed", func(m *Memory, _ *Head) { m.Rows = m.Rows[:len(m.Rows)-1] }, sound.Rows[len(sound.Rows)-1].First, sound.Rows[len(sound.Rows)-1].First, "missing or was moved"},
		{"row moved", func(m *Memory, _ *Head) { m.Rows[k].First++ }, row, row, "missing or was moved"},
		{"rows exchanged", func(m *Memory, _ *Head) {
			a, b := &m.Rows[k], &m.Rows[k+1]
			a.Events, b.Events = b.Events, a.Events
			a.Hashes, b.Hashes = b.Hashes, a.Hashes
			a.Count, b.Count = b.Count, a.Count
			a.At, b.At = b.At, a.At
		}, row, row, ""},
		{"count", func(m *Memory, _ *Head) { m.Rows[k].Count++ }, row, row, "number of events"},
		{"place of hashes", func(m *Memory, _ *Head) { m.Rows[k].FirstHash++ }, row, row, "place for its hashes"},
		{"hash dropped", func(m *Memory, _ *Head) { m.Rows[k].Hashes = m.Rows[k].Hashes[32:] }, row, row, "number of hashes"},
		{"time", func(m *Memory, _ *Head) { m.Rows[k].At-- }, row, row, "time"},
		{"events gone", func(m *Memory, _ *Head) { m.Rows[k].Events = nil }, row, row, "cannot be read"},
		{"last event cut off", func(m *Memory, _ *Head) {
			g := &m.Rows[k]
			es, _ := c.Unpack(g.Events)
			g.Events = g.Events[:len(g.Events)-len(es[len(es)-1])-2]
		}, row, row, ""},
		{"an event rewritten with its hashes", func(m *Memory, _ *Head) {
			at, err := NewReader(m, c).HeadAt(ctx, row)
			if err != nil {
				t.Fatal(err)
			}
			es, _ := c.Unpack(m.Rows[k].Events)
			es[0] = bytes.Replace(es[0], []byte("certificate"), []byte("certifikate"), 1)
			if m.Rows[k], _, err = Append(at, es); err != nil {
				t.Fatal(err)
			}
		}, -2, -2, ""}, // the rows after no longer fit: found later, where is left open
		{"head rolled back", func(_ *Memory, h *Head) { *h = short }, sound.Rows[8].First, sound.Rows[8].First, "after the stored head"},
		{"head changed", func(_ *Memory, h *Head) { h.Edge = slices.Clone(h.Edge); h.Edge[0][0] ^= 1 }, -1, 100, "does not fit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, h := clone(sound), head
			tt.do(m, &h)
			_, d, err := Audit(ctx, m, c, 0, h, nil)
			if err != nil {
				t.Fatal(err)
			}
			if d == nil {
				t.Fatal("not noticed")
			}
			if tt.row != -2 && (d.Row != tt.row || d.Leaf != tt.leaf) || !strings.Contains(d.What, tt.what) {
				t.Errorf("named %v, want row %d leaf %d %q", d, tt.row, tt.leaf, tt.what)
			}
		})
	}
}

func flip(b []byte, i int) { b[i] ^= 1 }

// Every single byte of every row is covered.
func TestAuditNoticesEveryFlippedByte(t *testing.T) {
	ctx, c := context.Background(), newCodec(t)
	for _, packed := range []bool{false, true} {
		m, head := build(t, 30, 8)
		if packed {
			for i := range m.Rows {
				c.Pack(&m.Rows[i])
			}
		}
		for i := range m.Rows {
			g := &m.Rows[i]
			for _, part := range [][]byte{g.Events, g.Hashes} {
				for j := range part {
					part[j] ^= 0x10
					_, d, err := Audit(ctx, m, c, 0, head, nil)
					part[j] ^= 0x10
					if err != nil {
						t.Fatal(err)
					}
					if d == nil {
						t.Fatalf("row %d byte %d (packed %v): not noticed", i, j, packed)
					}
					if d.Row != g.First {
						t.Fatalf("row %d byte %d: named %v", i, j, d)
					}
				}
			}
		}
	}
}

type failing struct{ Groups }

var errDisk = errors.New("disk")

func (failing) ByLeaf(context.Context, int64) (Group, error) { return Group{}, errDisk }

func TestAuditTellsFailureFromDamage(t *testing.T) {
	m, head := build(t, 10, 3)
	_, d, err := Audit(context.Background(), failing{m}, newCodec(t), 0, head, nil)
	if d != nil || !errors.Is(err, errDisk) {
		t.Fatalf("got %v, %v", d, err)
	}
}

// An audit goes on after a damage: two damages far apart are both named, and
// sound rows between and behind them are not.
func TestAuditGoesOnAfterDamage(t *testing.T) {
	ctx, c := context.Background(), newCodec(t)
	sound, head := build(t, 400, 6)
	type change struct {
		name string
		do   func(m *Memory, k int)
	}
	changes := []change{
		{"event", func(m *Memory, k int) { flip(m.Rows[k].Events, 30) }},
		{"leaf hash", func(m *Memory, k int) { flip(m.Rows[k].Hashes, 3) }},
		{"removed", func(m *Memory, k int) { m.Rows = slices.Delete(m.Rows, k, k+1) }},
		{"unreadable", func(m *Memory, k int) { m.Rows[k].Events = nil }},
		{"time", func(m *Memory, k int) { m.Rows[k].At++ }},
		{"count", func(m *Memory, k int) { m.Rows[k].Count += 3 }},
	}
	for _, a := range changes {
		for _, b := range changes {
			m := clone(sound)
			second := len(m.Rows) - 9
			rows := []int64{m.Rows[4].First, m.Rows[second].First}
			b.do(m, second) // the later one first: removing shifts
			a.do(m, 4)
			done, d, err := Audit(ctx, m, c, 0, head, nil)
			if err != nil || d == nil {
				t.Fatalf("%s, %s: %v %v", a.name, b.name, d, err)
			}
			var got []int64
			for _, d := range done.Damages {
				got = append(got, d.Row)
			}
			if !slices.Equal(got, rows) || done.Sound != rows[0] {
				t.Errorf("%s, %s: named rows %v, want %v; sound up to %d", a.name, b.name, got, rows, done.Sound)
			}
		}
	}
	// Everything damaged: the list is bounded, the count is not.
	long, end := build(t, 3000, 1)
	for i := range long.Rows {
		flip(long.Rows[i].Events, 30)
	}
	done, _, err := Audit(ctx, long, c, 0, end, nil)
	if err != nil || len(done.Damages) != MaxDamages || done.Damaged != int64(len(long.Rows)) {
		t.Fatalf("%v: %d listed, %d counted of %d", err, len(done.Damages), done.Damaged, len(long.Rows))
	}
}
