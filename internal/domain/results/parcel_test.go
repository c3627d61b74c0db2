package results

import (
	"slices"
	"sync"
	"testing"
	"time"
)

func TestHandedListTellsWhatIsMissing(t *testing.T) {
	var h handed
	put := func(seq int64, size int) {
		h.put(handover{seq: seq, parcel: &parcel{body: make([]byte, size)}})
	}
	put(1, 10)
	put(2, maxHandedBytes)
	list, ok := h.take()
	if !ok || len(list) != 2 || list[0].parcel == nil || list[1].parcel != nil {
		t.Fatalf("%v %+v: want both, the second without its body, for which there is no room", ok, list)
	}
	for i := range maxHanded + 5 {
		put(int64(i), 1)
	}
	if list, ok = h.take(); ok || len(list) != 0 {
		t.Fatalf("%d, %v: an overflow must be known as one", len(list), ok)
	}
	put(9, 1)
	if list, ok = h.take(); !ok || len(list) != 1 {
		t.Fatalf("%d, %v: complete again after a look at the table", len(list), ok)
	}
	put(10, 1)
	h.miss()
	put(11, 1)
	if _, ok = h.take(); ok || h.bytes != 0 {
		t.Fatal("a gap must stay until it is taken")
	}
}

// Everything arrives, and in the order of its lane, whichever way it came to
// the courier: handed over, or read because the list overflowed, or because a
// person did something meanwhile.
func TestOrderWhileHandedOverAndRead(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.run()
		const patients, each = 20, 60
		var wg sync.WaitGroup
		for p := range patients {
			wg.Go(func() {
				for i := range each {
					l.taken(oru(countOf("P%d", p)+countOf("-%03d", i), countOf("%d", p), countOf("O%d", p)))
					if p == 0 && i%10 == 0 {
						l.Service.missed()
					}
				}
			})
		}
		wg.Wait()
		pass(time.Minute)
		got := l.boxes["north"].list()
		if len(got) != patients*each {
			t.Fatalf("%d arrived, want %d", len(got), patients*each)
		}
		for p := range patients {
			var mine []string
			for _, id := range got {
				if len(id) > 4 && id[:len(id)-4] == countOf("P%d", p) {
					mine = append(mine, id)
				}
			}
			if len(mine) != each || !slices.IsSorted(mine) {
				t.Errorf("patient %d: %v", p, mine)
			}
		}
	})
}
