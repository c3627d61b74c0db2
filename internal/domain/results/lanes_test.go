package results

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
)

func keysOf(ks ...uint64) []byte {
	var b []byte
	for _, k := range ks {
		b = binary.BigEndian.AppendUint64(b, k)
	}
	return b
}

func drain(t *testing.T, q *queue, now time.Time) []int64 {
	t.Helper()
	var out []int64
	for {
		e, _ := q.next(now)
		if e == nil {
			return out
		}
		out = append(out, e.seq)
		if len(out) > 10000 {
			t.Fatal("next never ends")
		}
	}
}

func same(a, b []int64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestCorrectionToAnotherPatientWaitsForTheOriginal(t *testing.T) {
	q, now := newQueue(), time.Unix(0, 0)
	const patientA, patientB, order = 1, 2, 9
	q.add(1, keysOf(patientA, order), Waiting, time.Time{})
	q.add(2, keysOf(patientB, order), Waiting, time.Time{}) // the correction: other patient, same order
	q.add(3, keysOf(patientB), Waiting, time.Time{})
	q.add(4, keysOf(77), Waiting, time.Time{})
	if got := drain(t, q, now); !same(got, []int64{1, 4}) {
		t.Fatalf("may go first: %v, want 1 and 4", got)
	}
	q.done(4)
	if got := drain(t, q, now); len(got) != 0 {
		t.Fatalf("%v overtook", got)
	}
	q.done(1)
	if got := drain(t, q, now); !same(got, []int64{2}) {
		t.Fatalf("after the original: %v, want 2 only", got)
	}
	q.done(2)
	if got := drain(t, q, now); !same(got, []int64{3}) {
		t.Fatalf("after the correction: %v, want 3", got)
	}
}

func TestHeldOneStopsOnlyItsLanes(t *testing.T) {
	q, now := newQueue(), time.Unix(100, 0)
	q.add(1, keysOf(1), Held, time.Time{})
	q.add(2, keysOf(1), Waiting, time.Time{})
	q.add(3, keysOf(2), Waiting, now.Add(time.Second))
	q.add(4, keysOf(3), Waiting, time.Time{})
	if got := drain(t, q, now); !same(got, []int64{4}) {
		t.Fatalf("%v, want 4", got)
	}
	if e, at := q.next(now); e != nil || !at.Equal(now.Add(time.Second)) {
		t.Fatalf("next due %v", at)
	}
	q.set(1, Waiting)
	if got := drain(t, q, now.Add(2*time.Second)); !same(got, []int64{1, 3}) {
		t.Fatalf("%v, want 1 and 3", got)
	}
	q.again(1, now.Add(time.Minute))
	q.done(1) // a person refused it
	if got := drain(t, q, now); !same(got, []int64{2}) {
		t.Fatalf("%v, want 2", got)
	}
}

// TestOrderHolds: whatever fails, is held or ends, in each lane deliveries end
// in the order of seq, and everything ends.
func TestOrderHolds(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		q, now := newQueue(), time.Unix(0, 0)
		const n = 300
		keys := make([][]uint64, n)
		lastDone := map[uint64]int64{}
		var flying []int64
		added, ended := 0, 0
		for steps := 0; ended < n; steps++ {
			if steps > 1_000_000 {
				t.Fatalf("seed %d: stuck with %d of %d ended", seed, ended, n)
			}
			switch {
			case added < n && r.IntN(3) == 0:
				ks := map[uint64]bool{}
				for range 1 + r.IntN(4) {
					ks[r.Uint64N(20)] = true
				}
				for k := range ks {
					keys[added] = append(keys[added], k)
				}
				q.add(int64(added), keysOf(keys[added]...), Waiting, time.Time{})
				added++
			case len(flying) > 0 && r.IntN(2) == 0:
				i := r.IntN(len(flying))
				seq := flying[i]
				flying = append(flying[:i], flying[i+1:]...)
				if r.IntN(4) == 0 {
					q.again(seq, now.Add(time.Duration(r.IntN(100))))
					continue
				}
				for _, k := range keys[seq] {
					if last, ok := lastDone[k]; ok && last > seq {
						t.Fatalf("seed %d: %d ended after %d in lane %d", seed, seq, last, k)
					}
					lastDone[k] = seq
				}
				q.done(seq)
				ended++
			default:
				now = now.Add(10)
				if e, _ := q.next(now); e != nil {
					flying = append(flying, e.seq)
				}
			}
		}
		if len(q.open) != 0 || len(q.lanes) != 0 || len(q.ready) != 0 {
			t.Fatalf("seed %d: left over %d open, %d lanes", seed, len(q.open), len(q.lanes))
		}
	}
}
