package envelope

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// Encrypter seals bodies to fixed recipients. It is safe for concurrent use.
type Encrypter interface {
	// Encrypt returns body sealed. Its errors hold no content.
	Encrypt(body []byte) ([]byte, error)
	// ContentType and Suffix (".age") belong to what Encrypt returns.
	ContentType() string
	Suffix() string
	// Recipients names the keys, for proofs and pages.
	Recipients() []string
	// NotAfter is the earliest end a recipient's key gives for itself, zero where
	// none does. Past it Encrypt goes on; the caller alarms.
	NotAfter() time.Time
}

// Sender encrypts every message before the transport below sends it.
type Sender struct {
	below channel.Sender
	enc   Encrypter
}

// New puts e on top of a transport that carries files, and refuses one that does
// not: an HL7 receiver cannot be answered for what it cannot read.
func New(below channel.Sender, e Encrypter) (*Sender, error) {
	if _, ok := below.(interface{ CarriesFiles() }); !ok {
		return nil, fmt.Errorf("%T carries messages, not files: it cannot be encrypted end to end", below)
	}
	if e == nil {
		return nil, errors.New("no encryption given")
	}
	return &Sender{below: below, enc: e}, nil
}

// Send encrypts m.Body, appends the suffix to m.Name and sends. A body that
// cannot be encrypted is Misconfigured and nothing of it is sent.
func (s *Sender) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	sealed, err := s.enc.Encrypt(m.Body)
	if err != nil {
		return channel.Receipt{}, &channel.Error{Class: channel.Misconfigured, Err: fmt.Errorf("encrypt body: %w", err)}
	}
	m.Body, m.ContentType = sealed, s.enc.ContentType()
	if m.Name != "" {
		m.Name += s.enc.Suffix()
	}
	return s.below.Send(ctx, m)
}

// Close closes the transport below.
func (s *Sender) Close() error { return s.below.Close() }
