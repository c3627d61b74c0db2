package bypass

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// known is what became of one message in the logs of this bypass.
type known struct {
	id   string
	at   time.Time
	sum  string
	ways []Way
	done map[string]bool // partners that accepted it
}

// left are the ways still to be gone; cannot are among them.
func (k *known) left() []Way {
	var out []Way
	for _, w := range k.ways {
		if !w.Shadow && !k.done[w.Partner] {
			out = append(out, w)
		}
	}
	return out
}

type messageKey [sha256.Size]byte

// keyOf tells messages apart as the hub's intake does: source, MSH-3, MSH-4,
// MSH-10.
func keyOf(source string, h *hl7.Header) messageKey {
	var b []byte
	for _, p := range [][]byte{[]byte(source), h.SendingApp, h.SendingFacility, h.ControlID} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return sha256.Sum256(b)
}

// memory is the logs as an index. It is what makes a repeat of the LIS no
// second copy at the partner.
type memory struct {
	mu    sync.Mutex
	byKey map[messageKey]*known
	byID  map[string]*known
}

func newMemory() *memory {
	return &memory{byKey: map[messageKey]*known{}, byID: map[string]*known{}}
}

// take applies one record of a log.
func (m *memory) take(r Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch r.Kind {
	case Relayed:
		h, err := hl7.ReadHeader(r.Body)
		if err != nil {
			return // it was read when it was relayed
		}
		k := &known{r.ID, r.At, sumOf(r.Body), r.Ways, map[string]bool{}}
		m.byKey[keyOf(r.Source, &h)], m.byID[r.ID] = k, k
	case Tried:
		if k := m.byID[r.ID]; k != nil {
			for _, x := range r.Receipts {
				k.done[x.Partner] = true
			}
		}
	}
}

func (m *memory) find(k messageKey) *known {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.byKey[k]
}
