package envelope

import (
	"context"
	"crypto/sha256"
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
	// Fingerprints are the same keys as PublicKey.Fingerprint has them.
	Fingerprints() []string
	// NotAfter is the earliest end a recipient's key gives for itself, zero where
	// none does. Past it Encrypt goes on; the caller alarms.
	NotAfter() time.Time
}

// Source gives what to encrypt with at this moment. Its error keeps a message
// from being sent: it waits, and is never sent in the clear.
type Source func(context.Context) (Encrypter, error)

// Sender encrypts every message before the transport below sends it.
type Sender struct {
	below channel.Sender
	from  Source
}

// New puts e on top of a transport that carries files, and refuses one that does
// not: an HL7 receiver cannot be answered for what it cannot read.
func New(below channel.Sender, e Encrypter) (*Sender, error) {
	if e == nil {
		return nil, errors.New("no encryption given")
	}
	return NewFrom(below, func(context.Context) (Encrypter, error) { return e, nil })
}

// NewFrom is New with keys that change while it runs: from is asked for each
// message.
func NewFrom(below channel.Sender, from Source) (*Sender, error) {
	if _, ok := below.(interface{ CarriesFiles() }); !ok {
		return nil, fmt.Errorf("%T carries messages, not files: it cannot be encrypted end to end", below)
	}
	return &Sender{below: below, from: from}, nil
}

// CarriesFiles: what is sent here may have a receipt written beside it.
func (s *Sender) CarriesFiles() {}

// Send encrypts m.Body, appends the suffix to m.Name and sends; the receipt says
// to whom. A body that cannot be encrypted is Misconfigured and nothing of it is
// sent; so is one without a key (code "no-key").
func (s *Sender) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	enc, err := s.from(ctx)
	if err != nil {
		return channel.Receipt{}, &channel.Error{Class: channel.Misconfigured, Code: "no-key", Err: fmt.Errorf("find key: %w", err)}
	}
	sealed, err := enc.Encrypt(m.Body)
	if err != nil {
		return channel.Receipt{}, &channel.Error{Class: channel.Misconfigured, Err: fmt.Errorf("encrypt body: %w", err)}
	}
	m.Body, m.ContentType, m.SealedTo = sealed, enc.ContentType(), enc.Fingerprints()
	if m.Name != "" {
		m.Name += enc.Suffix()
	}
	r, err := s.below.Send(ctx, m)
	if err != nil {
		return r, err
	}
	sum := sha256.Sum256(sealed)
	r.Sealed = &channel.Sealed{To: m.SealedTo, ContentType: m.ContentType, Size: int64(len(sealed)), SHA256: sum[:]}
	if r.Code == "present" {
		// An earlier try placed other bytes of the same text under this name: what
		// they were is not known any more.
		r.Sealed.Size, r.Sealed.SHA256 = 0, nil
	}
	return r, nil
}

// Below is the transport below.
func (s *Sender) Below() channel.Sender { return s.below }

// Close closes the transport below.
func (s *Sender) Close() error { return s.below.Close() }
