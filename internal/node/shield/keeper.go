package shield

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bench"
	"github.com/labwarden/labwarden/internal/platform/journal"
)

// keeper writes what devices said into the journal, signed.
type keeper struct {
	journal *journal.Journal
	key     crypto.Signer
	shield  string
	starts  uint64 // of the shield: sessions of different starts have different numbers
	now     func() time.Time
}

// session numbers the transfers of all devices: those of a start come behind those
// of the start before.
func (k *keeper) session(n uint32) uint64 { return k.starts<<32 | uint64(n) }

// words are what a record says, as far as the keeper knows it.
func (k *keeper) words(d *DeviceSettings, kind bench.Kind, session uint64, piece int) bench.Words {
	return bench.Words{Shield: k.shield, Device: d.Key, Protocol: d.Protocol, Kind: kind, At: k.now().UnixMicro(), Session: session, Piece: piece}
}

// keep signs a record and returns when it is on disk.
func (k *keeper) keep(ctx context.Context, w bench.Words, body []byte) error {
	r, err := bench.Sign(k.key, w, body)
	if err != nil {
		return err
	}
	return k.put(ctx, r)
}

// note keeps a record that never leaves the shield, unsigned: a signature of a TPM
// takes as long as a frame on the line.
func (k *keeper) note(ctx context.Context, w bench.Words, body []byte) error {
	r, err := bench.Unsigned(w, body)
	if err != nil {
		return err
	}
	return k.put(ctx, r)
}

func (k *keeper) put(ctx context.Context, r *bench.Record) error {
	if _, err := k.journal.Append(ctx, r.Append(nil)); err != nil {
		return fmt.Errorf("keep what a device said: %w", err)
	}
	return nil
}

// errNearlyFull: what is begun may be ended, nothing is begun.
var errNearlyFull = errors.New("the shield's journal is nearly full")

// room says whether a device may begin to speak: what is left must take one more
// message of every device.
func (k *keeper) room() error {
	s := k.journal.Stats()
	if s.Bytes > s.Max-s.Max/20 {
		return errNearlyFull
	}
	return nil
}
