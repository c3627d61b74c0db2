package results

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/proof"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// doneDelivery is a completed delivery as its rows have it.
type doneDelivery struct {
	state    int64
	message  int64
	doneLeaf *int64
	receipt  []byte
	id       event.ID
	body     []byte
}

func (s *Service) doneDelivery(ctx context.Context, seq int64) (*doneDelivery, error) {
	d := &doneDelivery{}
	var id []byte
	err := s.db.QueryRow(ctx, `SELECT d.state, d.message, d.done_leaf, d.receipt, m.id, m.body FROM results_deliveries d
		JOIN results_messages m ON m.leaf = d.message WHERE d.seq = $1`, seq).
		Scan(&d.state, &d.message, &d.doneLeaf, &d.receipt, &id, &d.body)
	if errors.Is(err, store.ErrNoRows) {
		return nil, fmt.Errorf("delivery %d: %w", seq, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("read delivery: %w", err)
	}
	d.id, err = event.IDFromBytes(id)
	return d, err
}

// Proof makes the proof file of a completed delivery (platform/proof). Its
// errors: ErrNotFound; ErrConflict while the delivery is not completed;
// ErrErased once the body or the receipt is; ledger.ErrDamaged in the chain
// where the stored rows do not fit together.
//
// The file holds no patient data, but with the message it says who sent what to
// whom: who may have it is for the caller to decide.
func (s *Service) Proof(ctx context.Context, seq int64) ([]byte, error) {
	d, err := s.doneDelivery(ctx, seq)
	if err != nil {
		return nil, err
	}
	if State(d.state) != Done || d.doneLeaf == nil {
		return nil, fmt.Errorf("delivery %d is %s: its proof exists once the transmission is completed: %w", seq, State(d.state), ErrConflict)
	}
	if d.body == nil || d.receipt == nil {
		return nil, fmt.Errorf("delivery %d cannot be proved any more: %w, and with it what opens the ledger's entries", seq, ErrErased)
	}
	in := proof.Input{Made: s.now(), Message: d.id.String()}
	salt, body, err := s.seal.open("results_messages", d.id, d.body)
	if err != nil {
		return nil, err
	}
	e, err := s.evidence(seq, d.receipt)
	if err != nil {
		return nil, err
	}
	in.Received = proof.Part{Leaf: d.message, Salt: salt, Body: hash(body)}
	if in.Delivered, err = e.part(*d.doneLeaf, body); err != nil {
		return nil, fmt.Errorf("read receipt of delivery %d: %w", seq, err)
	}
	known, err := s.verifiers()
	if err != nil {
		return nil, err
	}
	if in.Checkpoint, err = s.checkpointOver(ctx, max(d.message, *d.doneLeaf), known); err != nil {
		return nil, err
	}
	if in, err = proof.Collect(ctx, s.log, in); err != nil {
		return nil, fmt.Errorf("prove delivery %d: %w", seq, err)
	}
	b, err := proof.Build(in, s.vault.NoteSigner(), known...)
	if err != nil {
		return nil, fmt.Errorf("prove delivery %d: %w", seq, err)
	}
	return b, nil
}

// part is the delivered half of a proof; body is what was received.
func (e *Evidence) part(leaf int64, body []byte) (proof.Part, error) {
	p := proof.Part{Leaf: leaf}
	if len(e.Salt) != ledger.SaltSize {
		return p, errors.New("the salt has a wrong length")
	}
	copy(p.Salt[:], e.Salt)
	if e.Sent != nil {
		body = e.Sent
	}
	p.Body = hash(body)
	if len(e.Reply) > 0 {
		p.Reply = hash(e.Reply)
	}
	return p, nil
}

func hash(b []byte) []byte { h := sha256.Sum256(b); return h[:] }

// verifiers are all keys the laboratory ever signed with.
func (s *Service) verifiers() ([]note.Verifier, error) {
	var known []note.Verifier
	for _, k := range s.vault.VerifierKeys() {
		v, err := note.NewVerifier(k)
		if err != nil {
			return nil, fmt.Errorf("read the laboratory's key: %w", err)
		}
		known = append(known, v)
	}
	return known, nil
}

// checkpointOver returns a signed checkpoint that covers the leaf: the latest
// one that a witness confirmed if there is one, else the latest stored, else a
// new one of this moment.
func (s *Service) checkpointOver(ctx context.Context, leaf int64, known []note.Verifier) ([]byte, error) {
	var text string
	err := s.db.QueryRow(ctx, `SELECT note FROM ledger_checkpoints WHERE size > $1
		ORDER BY CASE WHEN witnesses > 0 THEN 0 ELSE 1 END, size DESC LIMIT 1`, leaf).Scan(&text)
	if err == nil {
		if _, _, err := ledger.OpenCheckpoint([]byte(text), known...); err != nil {
			return nil, fmt.Errorf("read stored checkpoint: %w: %w", ledger.ErrDamaged, err)
		}
		return []byte(text), nil
	}
	if !errors.Is(err, store.ErrNoRows) {
		return nil, fmt.Errorf("read stored checkpoint: %w", err)
	}
	head, err := s.log.Head(ctx)
	if err != nil {
		return nil, err
	}
	signer := s.vault.NoteSigner()
	return ledger.SignCheckpoint(ledger.Checkpoint{Origin: signer.Name(), Size: head.Size, Root: head.Root()}, signer)
}
