package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// The first byte of a packed list says how the rest is written.
const (
	packedPlain = 0 // uvarint length, bytes, and so on
	// CRC-32C of the rest (4 bytes big-endian), then a zstd frame of what
	// packedPlain has after its first byte. A frame has bits that change nothing
	// in what comes out; the checksum makes a flip there show in an audit too.
	packedZstd = 1
)

// maxPacked is the greatest size of an unpacked list in bytes.
const maxPacked = MaxGroup * (MaxEvent + 2)

// packWorth is the size in bytes below which zstd gains too little to be worth
// its time and the reader's.
const packWorth = 512

// ErrPacked is in the chain of every error about a packed list's form.
var ErrPacked = errors.New("not a packed list of events")

// Codec compresses and opens the Events of a Group. It is safe for concurrent
// use and holds about 1 MiB once it has compressed.
type Codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

// NewCodec returns a codec. It starts no goroutine.
func NewCodec() (*Codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(256<<10))
	if err != nil {
		return nil, fmt.Errorf("make ledger codec: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxPacked))
	if err != nil {
		return nil, fmt.Errorf("make ledger codec: %w", err)
	}
	return &Codec{enc: enc, dec: dec}, nil
}

// Pack compresses g.Events in place where that makes it smaller. A packed or
// small list stays as it is.
func (c *Codec) Pack(g *Group) {
	if len(g.Events) < packWorth || g.Events[0] != packedPlain {
		return
	}
	z := c.enc.EncodeAll(g.Events[1:], append(make([]byte, 0, len(g.Events)/2), packedZstd, 0, 0, 0, 0))
	binary.BigEndian.PutUint32(z[1:], checksum(z[5:]))
	if len(z) < len(g.Events) {
		g.Events = z
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
	case packedZstd:
		if len(b) < 4 || binary.BigEndian.Uint32(b) != checksum(b[4:]) {
			return nil, fmt.Errorf("%w: the checksum does not fit", ErrPacked)
		}
		b = b[4:]
		var err error
		if b, err = c.dec.DecodeAll(b, nil); err != nil {
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
