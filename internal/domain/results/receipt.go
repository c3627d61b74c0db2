package results

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/receipt"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// ErrUnseen: what bytes went is not known: an earlier try had placed an encrypted
// file, and this hub fell before it wrote down which.
var ErrUnseen = errors.New("the bytes that were placed are not known")

// Receipt makes the signed receipt of a completed delivery, about the bytes as
// they went (encrypted ones, where they were), and the name of its file. Its
// errors are those of Proof, and ErrUnseen.
func (s *Service) Receipt(ctx context.Context, seq int64) (b []byte, name string, err error) {
	d, err := s.doneDelivery(ctx, seq)
	if err != nil {
		return nil, "", err
	}
	if State(d.state) != Done || d.doneLeaf == nil {
		return nil, "", fmt.Errorf("delivery %d is %s: its receipt exists once the transmission is completed: %w", seq, State(d.state), ErrConflict)
	}
	if d.body == nil || d.receipt == nil {
		return nil, "", fmt.Errorf("delivery %d has no receipt any more: %w", seq, ErrErased)
	}
	e, err := s.evidence(seq, d.receipt)
	if err != nil {
		return nil, "", err
	}
	ev, err := s.log.Event(ctx, *d.doneLeaf)
	if err != nil {
		return nil, "", err
	}
	said, err := ledger.ParseEvent(ev)
	if err != nil || said.Kind != KindDelivered || said.IDs.Get("delivery") != numbered(seq) {
		return nil, "", fmt.Errorf("read delivery %d: %w: its entry is about something else", seq, ledger.ErrDamaged)
	}
	st := receipt.Statement{
		ID: said.IDs.Get("message") + "-" + numbered(seq), Partner: said.IDs.Get("partner"), Event: said.Codes.Get("level"), Protocol: e.Protocol,
		At: time.UnixMicro(e.At).UTC(), Ledger: &receipt.Place{Leaf: *d.doneLeaf},
		Peer: receipt.Peer{Proof: e.Peer.Proof, Fingerprint: e.Peer.Fingerprint, Secured: e.Peer.TLS, Code: said.Codes.Get("code")},
	}
	if st.Protocol == "" {
		st.Protocol = "unknown" // delivered before this was written down
	}
	if len(e.Reply) > 0 {
		st.Peer.Reply = hex.EncodeToString(hash(e.Reply))
	}
	switch {
	case e.Sealed == nil:
		sent := e.Sent
		if sent == nil {
			if _, sent, err = s.seal.open("results_messages", d.id, d.body); err != nil {
				return nil, "", err
			}
		}
		st.File = receipt.FileOf(e.Name, "", sent)
	case e.Sealed.SHA256 == nil:
		return nil, "", fmt.Errorf("delivery %d has no receipt: %w", seq, ErrUnseen)
	default:
		st.File = receipt.File{Name: e.Name, ContentType: e.Sealed.ContentType, Size: e.Sealed.Size, SHA256: hex.EncodeToString(e.Sealed.SHA256)}
		st.EncryptedTo = e.Sealed.To
	}
	if err := s.placed(ctx, st.Ledger); err != nil {
		return nil, "", err
	}
	if b, err = receipt.Make(st, s.now(), s.vault.NoteSigner()); err != nil {
		return nil, "", fmt.Errorf("delivery %d: %w", seq, err)
	}
	name = "labwarden-delivery-" + numbered(seq)
	if n := e.Name; n != "" && slices.IndexFunc([]byte(n), func(c byte) bool { return c <= ' ' || c > '~' || strings.IndexByte(`"\/:;*?<>|`, c) >= 0 }) < 0 {
		name = n
	}
	return b, name + receipt.Suffix, nil
}

// placed adds the newest signed state of the ledger that has the leaf, where one
// is stored.
func (s *Service) placed(ctx context.Context, p *receipt.Place) error {
	var text string
	err := s.db.QueryRow(ctx, "SELECT note FROM ledger_checkpoints WHERE size > $1 ORDER BY size DESC LIMIT 1", p.Leaf).Scan(&text)
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read stored checkpoint: %w", err)
	}
	known, err := s.verifiers()
	if err != nil {
		return err
	}
	c, _, err := ledger.OpenCheckpoint([]byte(text), known...)
	if err != nil {
		return fmt.Errorf("read stored checkpoint: %w: %w", ledger.ErrDamaged, err)
	}
	p.Size, p.Root = c.Size, base64.StdEncoding.EncodeToString(c.Root[:])
	return nil
}

// TakeReceipt is Receipt for a person, who takes the file away: that is recorded,
// and without a record there is no file.
func (s *Service) TakeReceipt(ctx context.Context, seq int64, by By) (b []byte, name string, err error) {
	if err := by.check(); err != nil {
		return nil, "", err
	}
	if b, name, err = s.Receipt(ctx, seq); err != nil {
		return nil, "", err
	}
	d, err := s.doneDelivery(ctx, seq)
	if err != nil {
		return nil, "", err
	}
	return b, name, s.looked(ctx, KindReceipted, d.id, d.message, by)
}
