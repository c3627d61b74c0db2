package results

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/proof"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Checked is what a proof showed when it was made and verified just now, on this
// machine, as its reader would: from the file, the bytes that were sent and the
// laboratory's public keys alone.
type Checked struct {
	At     time.Time
	Report proof.Report
	// Leaf is the ledger's entry of the delivery, Size how many entries the
	// signed state of the ledger has.
	Leaf, Size int64
}

// CheckProof makes the proof of a completed delivery and verifies it. Its errors
// are those of Proof.
func (s *Service) CheckProof(ctx context.Context, seq int64) (Checked, error) {
	c := Checked{At: s.now().UTC()}
	b, err := s.Proof(ctx, seq)
	if err != nil {
		return c, err
	}
	d, err := s.doneDelivery(ctx, seq)
	if err != nil {
		return c, err
	}
	_, sent, err := s.seal.open("results_messages", d.id, d.body)
	if err != nil {
		return c, err
	}
	e, err := s.evidence(seq, d.receipt)
	if err != nil {
		return c, err
	}
	if e.Sent != nil {
		sent = e.Sent
	}
	f, err := proof.Parse(b)
	if err != nil {
		return c, fmt.Errorf("check proof: %w", err)
	}
	c.Leaf = f.Delivered.Leaf
	if p, err := ledger.ParseCheckpoint(strings.Join(f.Checkpoint[:3], "\n") + "\n"); err == nil {
		c.Size = p.Size
	}
	c.Report = proof.Verify(b, sent, strings.Join(s.vault.VerifierKeys(), "\n")+"\n")
	return c, nil
}

// TakeProof is Proof for a person, who takes the file away: that is recorded,
// and without a record there is no file.
func (s *Service) TakeProof(ctx context.Context, seq int64, by By) ([]byte, event.ID, error) {
	if err := by.check(); err != nil {
		return nil, event.ID{}, err
	}
	b, err := s.Proof(ctx, seq)
	if err != nil {
		return nil, event.ID{}, err
	}
	d, err := s.doneDelivery(ctx, seq)
	if err != nil {
		return nil, event.ID{}, err
	}
	return b, d.id, s.looked(ctx, KindProved, d.id, d.message, by)
}

// DeliveryOf tells to which message a delivery belongs and to whom it goes, for
// whoever must ask for a permission first.
func (s *Service) DeliveryOf(ctx context.Context, seq int64) (event.ID, Delivery, error) {
	id, partner, state := event.ID{}, "", int64(0)
	var raw []byte
	err := s.db.QueryRow(ctx, `SELECT m.id, d.partner, d.state FROM results_deliveries d JOIN results_messages m ON m.leaf = d.message WHERE d.seq = $1`, seq).
		Scan(&raw, &partner, &state)
	if err == nil {
		id, err = event.IDFromBytes(raw)
	}
	if errors.Is(err, store.ErrNoRows) {
		err = fmt.Errorf("delivery %d: %w", seq, ErrNotFound)
	}
	return id, Delivery{Seq: seq, Partner: partner, State: State(state)}, err
}
