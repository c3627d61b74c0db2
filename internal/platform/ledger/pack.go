package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/s2"
)

// The first byte of a packed list says how the rest is written.
const (
	packedPlain = 0 // uvarint length, bytes, and so on
	// CRC-32C of the rest (4 bytes big-endian), then an S2 block of what
	// packedPlain has after its first byte. The same list can be written as many
	// blocks; the checksum makes a flip show in an audit whatever comes out. S2
	// and not zstd: rows are packed while everybody waits for the commit.
	packedS2 = 1
)

// maxPacked is the greatest size of an unpacked list in bytes.
const maxPacked = MaxGroup * (MaxEvent + 2)

// packWorth is the size in bytes below which packing gains too little to be worth
// its time and the reader's.
const packWorth = 512

// ErrPacked is in the chain of every error about a packed list's form.
var ErrPacked = errors.New("not a packed list of events")

// Codec compresses and opens the Events of a Group. It is safe for concurrent use.
type Codec struct{}

// NewCodec returns a codec.
func NewCodec() (*Codec, error) { return &Codec{}, nil }

// Pack compresses g.Events in place where that makes it smaller. A packed or
// small list stays as it is.
func (c *Codec) Pack(g *Group) {
	if len(g.Events) < packWorth || g.Events[0] != packedPlain {
		return
	}
	z := make([]byte, 5+s2.MaxEncodedLen(len(g.Events)))
	z = z[:5+len(s2.Encode(z[5:], g.Events[1:]))]
	z[0] = packedS2
	binary.BigEndian.PutUint32(z[1:], checksum(z[5:]))
	if len(z) < len(g.Events) {
		g.Events = append(g.Events[:0], z...)
	}
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// Unpack returns the events of a packed list. They may share memory with it.
func (c *Codec) Unpack(packed []byte) ([][]byte, error) {
	if len(packed) == 0 {
		return nil, fmt.Errorf("%w: empty", ErrPacked)
	}
	b := packed[1:]
	switch packed[0] {
	case packedPlain:
	case packedS2:
		if len(b) < 4 || binary.BigEndian.Uint32(b) != checksum(b[4:]) {
			return nil, fmt.Errorf("%w: the checksum does not fit", ErrPacked)
		}
		b = b[4:]
		if n, err := s2.DecodedLen(b); err != nil || n > maxPacked {
			return nil, fmt.Errorf("%w: damaged compression", ErrPacked)
		}
		var err error
		if b, err = s2.Decode(nil, b); err != nil {
			return nil, fmt.Errorf("%w: damaged compression", ErrPacked)
		}
	default:
		return nil, fmt.Errorf("%w: unknown first byte", ErrPacked)
	}
	if len(b) > maxPacked {
		return nil, fmt.Errorf("%w: too large", ErrPacked)
	}
	var out [][]byte
	for len(b) > 0 {
		n, w := binary.Uvarint(b)
		// The last test refuses lengths written longer than need be.
		if w <= 0 || n == 0 || n > MaxEvent || n > uint64(len(b)-w) || w > 1 && n < 1<<(7*(w-1)) {
			return nil, fmt.Errorf("%w: bad length at event %d", ErrPacked, len(out))
		}
		out = append(out, b[w:w+int(n):w+int(n)])
		if len(out) > MaxGroup {
			return nil, fmt.Errorf("%w: too many events", ErrPacked)
		}
		b = b[w+int(n):]
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: no event", ErrPacked)
	}
	return out, nil
}
