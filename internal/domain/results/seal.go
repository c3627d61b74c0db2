package results

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// sealer turns bodies into what is stored: the commitment's salt, then the
// body compressed, all sealed with the row's place as additional data. The
// salt goes when the row goes: what stays in the ledger then says nothing.
type sealer struct {
	v   *vault.Vault
	enc *zstd.Encoder
	dec *zstd.Decoder
}

// maxBody bounds what a stored body may unpack to.
const maxBody = 256 << 20

const (
	packedRaw  = 0
	packedZstd = 1
)

func newSealer(v *vault.Vault) (*sealer, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(4),
		zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(128<<10), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("prepare compression: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(4), zstd.WithDecoderMaxMemory(maxBody), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("prepare decompression: %w", err)
	}
	return &sealer{v: v, enc: enc, dec: dec}, nil
}

func (s *sealer) newSalt() (ledger.Salt, error) { return ledger.NewSalt(rand.Reader) }

func (s *sealer) where(table string, id event.ID) vault.Where {
	return vault.Where{Table: table, Column: "body", Row: id[:]}
}

func (s *sealer) seal(table string, id event.ID, salt ledger.Salt, body []byte) ([]byte, error) {
	plain := make([]byte, 0, len(salt)+1+len(body)+64)
	plain = append(plain, salt[:]...)
	plain = append(plain, packedZstd)
	plain = s.enc.EncodeAll(body, plain)
	if len(plain) >= len(salt)+1+len(body) {
		plain = append(append(plain[:len(salt)], packedRaw), body...)
	}
	out, err := s.v.Seal(bodies, s.where(table, id), nil, plain)
	if err != nil {
		return nil, fmt.Errorf("seal message: %w", err)
	}
	return out, nil
}

// ErrErased is returned for a body that retention has erased.
var ErrErased = errors.New("the body was erased by the retention policy")

func (s *sealer) open(table string, id event.ID, sealed []byte) (ledger.Salt, []byte, error) {
	var salt ledger.Salt
	if sealed == nil {
		return salt, nil, ErrErased
	}
	plain, err := s.v.Unseal(bodies, s.where(table, id), nil, sealed)
	if err != nil {
		return salt, nil, fmt.Errorf("open message %s: %w", id, err)
	}
	if len(plain) < len(salt)+1 {
		return salt, nil, fmt.Errorf("open message %s: too short", id)
	}
	copy(salt[:], plain)
	kind, plain := plain[len(salt)], plain[len(salt)+1:]
	switch kind {
	case packedRaw:
		return salt, plain, nil
	case packedZstd:
		body, err := s.dec.DecodeAll(plain, nil)
		if err != nil {
			return salt, nil, fmt.Errorf("unpack message %s: %w", id, err)
		}
		return salt, body, nil
	}
	return salt, nil, fmt.Errorf("open message %s: unknown packing %d", id, kind)
}

// temporary: another node has rotated the keys, or we are ending; no fault of
// the row.
func temporary(err error) bool {
	return errors.Is(err, vault.ErrUnknownKey) || errors.Is(err, vault.ErrClosed)
}

// Purposes of keys in the vault.
const (
	bodies   vault.Purpose = "bodies"
	receipts vault.Purpose = "receipts"
)
