package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/envelope"
	"github.com/labwarden/labwarden/internal/channel/folder"
	"github.com/labwarden/labwarden/internal/channel/remote"
	"github.com/labwarden/labwarden/internal/platform/config"
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

// receipts says whether a destination has a receipt beside each file.
func receipts(d config.Destination) bool {
	switch {
	case d.Folder != nil:
		return d.Folder.Receipts
	case d.SFTP != nil:
		return d.SFTP.Receipts
	case d.FTPS != nil:
		return d.FTPS.Receipts
	}
	return false
}

// withReceipts has receipts written to where s writes.
func (b builder) withReceipts(s channel.Sender, key string, d config.Destination) (channel.Sender, error) {
	out := &receipted{Sender: s, partner: key, protocol: protocolOf(d), signer: b.signer, now: b.now, owed: map[string]owed{}}
	if at, ok := bottom(s).(*remote.Sender); ok {
		out.beside = at.Beside() // the partner's server sees no further connection
		return out, nil
	}
	var err error
	out.beside, err = folder.NewSender(folder.Config{Name: key, Dir: string(d.Folder.Path), SameName: true, Now: b.now})
	return out, err
}

// bottom is the transport below what encrypts and what writes receipts.
func bottom(s channel.Sender) channel.Sender {
	for {
		switch x := s.(type) {
		case *receipted:
			s = x.Sender
		case *envelope.Sender:
			s = x.Below()
		default:
			return s
		}
	}
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
	return errors.Join(s.Sender.Close(), s.beside.Close())
}
