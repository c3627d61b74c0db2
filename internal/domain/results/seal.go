package results

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/klauspost/compress/s2"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/rewrap"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// sealer turns bodies into what is stored: the commitment's salt, then the
// body compressed, all sealed with the row's place as additional data. The
// salt goes when the row goes: what stays in the ledger then says nothing.
//
// S2 packs to about 0.55 of the bytes where zstd needs 0.43, in a sixth of the
// time; on the way in time is what is short (docs/operate/performance.md).
type sealer struct{ v *vault.Vault }

// maxBody bounds what a stored body may unpack to.
const maxBody = 256 << 20

const (
	packedRaw = 0
	packedS2  = 1
)

func (s *sealer) newSalt() (ledger.Salt, error) { return ledger.NewSalt(rand.Reader) }

func (s *sealer) where(table string, id event.ID) vault.Where {
	return vault.Where{Table: table, Column: "body", Row: id[:]}
}

func (s *sealer) seal(table string, id event.ID, salt ledger.Salt, body []byte) ([]byte, error) {
	head := append(append(make([]byte, 0, len(salt)+1+s2.MaxEncodedLen(len(body))), salt[:]...), packedRaw)
	plain := pack(head, body)
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
	body, err := unpack(plain[len(salt):])
	if err != nil {
		return salt, nil, fmt.Errorf("unpack message %s: %w", id, err)
	}
	return salt, body, nil
}

// pack appends data to dst, whose last byte it makes say how: as it is, or
// smaller where that is possible.
func pack(dst, data []byte) []byte {
	n := len(dst)
	if most := s2.MaxEncodedLen(len(data)); most > 0 {
		dst = slices.Grow(dst, most)
		if packed := s2.Encode(dst[n:n+most], data); len(packed) < len(data) {
			dst[n-1] = packedS2
			return dst[:n+len(packed)]
		}
	}
	dst[n-1] = packedRaw
	return append(dst, data...)
}

// unpack undoes pack, from the byte that says how.
func unpack(b []byte) ([]byte, error) {
	switch b[0] {
	case packedRaw:
		return b[1:], nil
	case packedS2:
		n, err := s2.DecodedLen(b[1:])
		if err != nil {
			return nil, err
		}
		if n > maxBody {
			return nil, fmt.Errorf("unpacks to %d bytes", n)
		}
		return s2.Decode(nil, b[1:])
	}
	return nil, fmt.Errorf("unknown packing %d", b[0])
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

// SealedColumns are where this domain keeps sealed values, for rewrap.
func SealedColumns() []rewrap.Column {
	id := func(row any) []byte { b, _ := row.([]byte); return b }
	seq := func(row any) []byte { n, _ := row.(int64); return receiptWhere(n).Row }
	return []rewrap.Column{
		{Purpose: bodies, Table: "results_messages", Key: "leaf", Name: "body", Row: "id", Place: id},
		{Purpose: bodies, Table: "results_quarantine", Key: "leaf", Name: "body", Row: "id", Place: id},
		{Purpose: bodies, Table: "results_call_steps", Key: "id", Name: "body", Row: "id", Place: id},
		{Purpose: bodies, Table: "results_stops", Key: "id", Name: "body", Row: "id", Place: id},
		{Purpose: bodies, Table: "results_counts", Key: "id", Name: "body", Row: "id", Place: id},
		{Purpose: bodies, Table: "results_copies", Key: "id", Name: "body", Row: "id", Place: id},
		{Purpose: bodies, Table: "results_compares", Key: "id", Name: "detail", Row: "id", Place: id},
		{Purpose: receipts, Table: "results_deliveries", Key: "seq", Name: "receipt", Row: "seq", Place: seq},
	}
}
