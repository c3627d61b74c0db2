package vault

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Book is where the wrapped keys live. Its bytes need no secrecy beyond the
// seals, but losing every copy of them loses every record.
//
// Load returns ErrEmpty when nothing was stored. Save replaces old by new
// durably and as a whole; it must fail with ErrConflict, writing nothing, if
// the stored bytes are not old any more. A nil old means that nothing may be
// stored yet.
type Book interface {
	Load(ctx context.Context) ([]byte, error)
	Save(ctx context.Context, old, new []byte) error
}

const (
	bookFormat = "labwarden-book-1"
	maxBook    = 4 << 20 // bytes; thousands of key versions fit
)

// page is the stored form: the contents and their HMAC-SHA-256 under a key
// derived from the root.
type page struct {
	Book contents `json:"book"`
	MAC  []byte   `json:"mac"`
}

type contents struct {
	Format   string         `json:"format"`
	Revision uint64         `json:"revision"` // +1 with each Save
	Lab      string         `json:"lab"`
	Changed  time.Time      `json:"changed"`
	Root     rootEntry      `json:"root"`
	Seals    []sealEntry    `json:"seals"`
	Recovery *recoveryEntry `json:"recovery"`
	Keys     []keyEntry     `json:"keys"`    // of one purpose the last is current
	Signers  []signerEntry  `json:"signers"` // the last is current
}

type rootEntry struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Check   []byte    `json:"check"` // key check value
}

type sealEntry struct {
	ID          string    `json:"id"`
	Kind        string    `json:"kind"`
	Created     time.Time `json:"created"`
	NeedsPerson bool      `json:"needs_person"`
	Params      []byte    `json:"params"`
	Wrapped     []byte    `json:"wrapped"`
}

type recoveryEntry struct {
	Set       string    `json:"set"`
	Created   time.Time `json:"created"`
	Threshold int       `json:"threshold"`
	Shares    int       `json:"shares"`
	Prints    [][]byte  `json:"prints"` // by share index - 1; hashes of 256 random bits tell nothing
	Wrapped   []byte    `json:"wrapped"`
}

type keyEntry struct {
	ID      KeyID     `json:"id"`
	Purpose Purpose   `json:"purpose"`
	Created time.Time `json:"created"`
	Wrapped []byte    `json:"wrapped"`
}

type signerEntry struct {
	Public  []byte     `json:"public"`
	Created time.Time  `json:"created"`
	Retired *time.Time `json:"retired,omitempty"`
	Wrapped []byte     `json:"wrapped,omitempty"` // erased when retired
}

// parseBook accepts only what encode would write for the same values, so that
// every byte of the stored form is either under the MAC or the MAC itself.
func parseBook(raw []byte) (*page, error) {
	if len(raw) > maxBook {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrBook, len(raw), maxBook)
	}
	p := new(page)
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(p); err != nil {
		// The decoder's text may quote the input; wrapped keys have no place in a log.
		return nil, fmt.Errorf("%w: it is not the JSON it should be", ErrBook)
	}
	if p.Book.Format != bookFormat {
		return nil, fmt.Errorf("%w: it does not say it is %s; is it from a newer Labwarden?", ErrBook, bookFormat)
	}
	again, err := json.Marshal(p)
	if err != nil || !bytes.Equal(again, raw) {
		return nil, fmt.Errorf("%w: it is not in canonical form", ErrBook)
	}
	return p, p.Book.valid()
}

func (c *contents) valid() error {
	ids := map[KeyID]bool{}
	for _, k := range c.Keys {
		if k.ID == 0 || ids[k.ID] || k.Purpose == "" {
			return fmt.Errorf("%w: a key id is missing or doubled", ErrBook)
		}
		ids[k.ID] = true
	}
	if len(c.Signers) == 0 || c.Root.ID == "" {
		return fmt.Errorf("%w: it has no signing key or no root key", ErrBook)
	}
	for _, s := range c.Signers {
		if len(s.Public) != ed25519.PublicKeySize {
			return fmt.Errorf("%w: a public key has the wrong length", ErrBook)
		}
	}
	if r := c.Recovery; r != nil {
		if r.Threshold < 2 || r.Shares < r.Threshold || r.Shares > maxShares || len(r.Prints) != r.Shares {
			return fmt.Errorf("%w: its recovery part is impossible", ErrBook)
		}
	}
	return nil
}

// encode writes the canonical form, authenticated by root.
func (c *contents) encode(root []byte) ([]byte, error) {
	mac, err := c.mac(root)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(&page{Book: *c, MAC: mac})
	if err == nil && len(raw) > maxBook {
		return nil, fmt.Errorf("encode key book: %d bytes, more than %d; destroy unused old keys", len(raw), maxBook)
	}
	return raw, err
}

func (c *contents) mac(root []byte) ([]byte, error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode key book: %w", err)
	}
	m := hmac.New(sha256.New, derive(root, nil, "labwarden book mac v1", 32))
	m.Write(raw)
	return m.Sum(nil), nil
}

// clone copies deeply enough that a change to the copy leaves c alone: entries
// are replaced whole, never edited through their byte slices.
func (c *contents) clone() *contents {
	d := *c
	d.Seals = append([]sealEntry(nil), c.Seals...)
	d.Keys = append([]keyEntry(nil), c.Keys...)
	d.Signers = append([]signerEntry(nil), c.Signers...)
	if c.Recovery != nil {
		r := *c.Recovery
		d.Recovery = &r
	}
	return &d
}

// checkRoot compares the key check value: the first use of an unwrapped key.
func (c *contents) checkRoot(root []byte) bool {
	return len(root) == keySize && hmac.Equal(keyCheck(root, c.Root.ID), c.Root.Check)
}

func keyCheck(root []byte, id string) []byte {
	return derive(root, []byte(id), "labwarden key check v1", 16)
}

func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// KeyID names one version of one purpose key. It is random, not zero and
// unique within a book.
type KeyID uint32

// String is the id in eight hexadecimal digits.
func (k KeyID) String() string { return fmt.Sprintf("%08x", uint32(k)) }

// MarshalText is String, so that the book and Status write it the same way.
func (k KeyID) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads exactly what MarshalText writes.
func (k *KeyID) UnmarshalText(text []byte) error {
	var b [4]byte
	if len(text) != 8 {
		return fmt.Errorf("key id must have 8 hexadecimal digits")
	}
	if _, err := hex.Decode(b[:], text); err != nil {
		return fmt.Errorf("key id must have 8 hexadecimal digits")
	}
	*k = KeyID(uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]))
	return nil
}
