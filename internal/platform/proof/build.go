package proof

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// Part is one ledger entry on its way into a proof.
type Part struct {
	Leaf  int64
	Event []byte
	Salt  ledger.Salt
	// Body is the SHA-256 of the body the entry is about, Reply that of the
	// partner's reply (delivered only, nil for none).
	Body, Reply []byte
	Path        tlog.RecordProof // RFC 6962 2.1.1
}

// Input is what a proof is made of.
type Input struct {
	// Made is when, shown to readers.
	Made time.Time
	// Message is the id that both events name.
	Message             string
	Received, Delivered Part
	// Checkpoint is a signed checkpoint that contains both leaves, with
	// cosignatures where there are any.
	Checkpoint []byte
}

// Ledger is where Collect reads; *ledger.Reader is one.
type Ledger interface {
	Event(ctx context.Context, leaf int64) ([]byte, error)
	InclusionProof(ctx context.Context, leaf, size int64) (tlog.RecordProof, error)
}

// Collect fills Event and Path of both parts from the ledger, given their
// leaves and the checkpoint.
func Collect(ctx context.Context, l Ledger, in Input) (Input, error) {
	text, _, _ := strings.Cut(string(in.Checkpoint), "\n\n")
	c, err := ledger.ParseCheckpoint(text + "\n")
	if err != nil {
		return Input{}, fmt.Errorf("collect proof: %w", err)
	}
	for _, p := range []*Part{&in.Received, &in.Delivered} {
		if p.Event, err = l.Event(ctx, p.Leaf); err != nil {
			return Input{}, fmt.Errorf("collect proof: %w", err)
		}
		if p.Path, err = l.InclusionProof(ctx, p.Leaf, c.Size); err != nil {
			return Input{}, fmt.Errorf("collect proof: %w", err)
		}
	}
	return in, nil
}

// Build makes and signs a proof file. known are the laboratory's public keys,
// the one of signer among them. Build checks the proof as a reader will, all
// but the message's own bytes, and refuses to sign one that does not hold.
func Build(in Input, signer note.Signer, known ...note.Verifier) ([]byte, error) {
	f := &File{
		V:         1,
		Made:      in.Made.UTC().Format("2006-01-02T15:04:05Z"),
		Lab:       signer.Name(),
		Message:   in.Message,
		Received:  in.Received.entry(),
		Delivered: in.Delivered.entry(),
	}
	body, ok := strings.CutSuffix(string(in.Checkpoint), "\n")
	if !ok {
		return nil, errors.New("build proof: the checkpoint does not end with a line end")
	}
	f.Checkpoint = strings.Split(body, "\n")
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("build proof: %w", err)
	}
	text, err := f.body()
	if err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: text}, signer) // C2SP signed-note
	if err != nil {
		return nil, fmt.Errorf("build proof: %w", err)
	}
	r := verify(signed, nil, Keys{Lab: known})
	for _, c := range r.Checks {
		if c.State == Fails && c.ID != CheckMessage {
			return nil, fmt.Errorf("build proof: it would not hold: %s", c.Sentence)
		}
	}
	return signed, nil
}

func (p *Part) entry() Entry {
	e := Entry{
		Leaf:  p.Leaf,
		Event: string(p.Event),
		Salt:  p.Salt.String(),
		Body:  hex.EncodeToString(p.Body),
		Reply: hex.EncodeToString(p.Reply),
		Path:  make([]string, 0, len(p.Path)),
	}
	for _, h := range p.Path {
		e.Path = append(e.Path, h.String())
	}
	return e
}
