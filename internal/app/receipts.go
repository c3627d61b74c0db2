package app

import (
	"context"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/receipt"
)

// receipted writes a signed receipt beside each file that a transport has placed.
// A file whose receipt could not be written counts as not delivered yet; what is
// tried again is the receipt alone, so that it is about the bytes that lie there.
type receipted struct {
	channel.Sender
	beside   channel.Sender // writes receipts: a file of that name is this one's
	partner  string
	protocol string
	signer   func() note.Signer
	now      func() time.Time

	mu   sync.Mutex
	owed map[string]owed // by message: placed, and without its receipt
}

type owed struct {
	of   channel.Receipt
	name string
	body []byte
}

// maxOwed bounds what is remembered of a folder that takes files and no receipts.
const maxOwed = 10_000

func (s *receipted) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	s.mu.Lock()
	o, late := s.owed[m.ID]
	s.mu.Unlock()
	if !late {
		r, err := s.Sender.Send(ctx, m)
		if err != nil {
			return r, err
		}
		if r.Sealed != nil && r.Sealed.SHA256 == nil {
			return r, nil // an earlier try placed it: which bytes is not known, so nothing is signed
		}
		if o, err = s.make(m, r); err != nil {
			return channel.Receipt{}, &channel.Error{Class: channel.Misconfigured, Code: "no-receipt", Err: err}
		}
	}
	_, err := s.beside.Send(ctx, channel.Message{ID: m.ID, ContentType: receipt.ContentType, Name: o.name, Body: o.body})
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if len(s.owed) < maxOwed {
			s.owed[m.ID] = o
		}
		return channel.Receipt{}, fmt.Errorf("write receipt: %w", err)
	}
	delete(s.owed, m.ID)
	return o.of, nil
}

func (s *receipted) make(m channel.Message, r channel.Receipt) (owed, error) {
	name := r.Name
	if name == "" {
		name = m.Name
	}
	st := receipt.Statement{
		ID: m.ID, Partner: s.partner, Event: r.Level.String(), Protocol: s.protocol, At: r.At, File: receipt.FileOf(name, "", m.Body),
		Peer: receipt.Peer{Proof: r.Peer.Proof, Fingerprint: r.Peer.Fingerprint, Secured: r.Peer.TLS, Code: r.Code},
	}
	if e := r.Sealed; e != nil {
		st.File = receipt.File{Name: name, ContentType: e.ContentType, Size: e.Size, SHA256: hex.EncodeToString(e.SHA256)}
		st.EncryptedTo = e.To
	}
	b, err := receipt.Make(st, s.now(), s.signer())
	return owed{r, name + receipt.Suffix, b}, err
}

func (s *receipted) Close() error {
	err := s.Sender.Close()
	if e := s.beside.Close(); err == nil {
		err = e
	}
	return err
}
