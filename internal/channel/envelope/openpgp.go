package envelope

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// OpenPGPConfig describes the keys of an OpenPGP destination.
type OpenPGPConfig struct {
	// Keys are the partner's public keys, armored or binary; every key in it can
	// read.
	Keys []byte
	// SignKey is our private key, unlocked with Passphrase where it is locked; nil
	// signs nothing.
	SignKey, Passphrase []byte
	// Armor gives text (.asc) instead of bytes (.gpg).
	Armor bool
	// Now dates signatures and revocations; nil is time.Now.
	Now func() time.Time
}

// OpenPGP encrypts OpenPGP messages (RFC 9580; RFC 4880 readers can open them)
// with AES-256 where the partner's key does not rule it out.
type OpenPGP struct {
	to    openpgp.EntityList
	sign  *openpgp.Entity
	armor bool
	conf  *packet.Config
	until time.Time
}

// NewOpenPGP reads the keys and encrypts once to see that they serve.
func NewOpenPGP(c OpenPGPConfig) (*OpenPGP, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	p := &OpenPGP{armor: c.Armor, conf: &packet.Config{
		DefaultCipher: packet.CipherAES256, Time: c.Now, DefaultCompressionAlgo: packet.CompressionNone,
	}}
	var err error
	if p.to, err = readKeys(c.Keys); err != nil {
		return nil, fmt.Errorf("read partner's OpenPGP key: %w", err)
	}
	for _, e := range p.to {
		if e.PrivateKey != nil {
			return nil, errors.New("the partner's OpenPGP key is a private one; give the public one")
		}
		p.until = earlier(p.until, openEnded(e))
	}
	if len(c.SignKey) > 0 {
		own, err := readKeys(c.SignKey)
		if err != nil || len(own) != 1 || own[0].PrivateKey == nil {
			return nil, errors.New("the OpenPGP signing key must be one private key")
		}
		p.sign = own[0]
		if err := p.sign.DecryptPrivateKeys(c.Passphrase); err != nil {
			return nil, errors.New("the passphrase does not open the OpenPGP signing key")
		}
		p.until = earlier(p.until, openEnded(p.sign))
	}
	if _, err := p.Encrypt(nil); err != nil {
		return nil, fmt.Errorf("try OpenPGP keys: %w", err)
	}
	return p, nil
}

func readKeys(b []byte) (openpgp.EntityList, error) {
	var l openpgp.EntityList
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("-----BEGIN")) {
		l, err = openpgp.ReadArmoredKeyRing(bytes.NewReader(b))
	} else {
		l, err = openpgp.ReadKeyRing(bytes.NewReader(b))
	}
	if err == nil && len(l) == 0 {
		err = errors.New("no key in it")
	}
	return l, err
}

// openEnded takes the ends off our copy of a key and returns the earliest of
// them, so that a date alone does not stop results; revocations stay.
func openEnded(e *openpgp.Entity) time.Time {
	var first time.Time
	free := func(key *packet.PublicKey, s *packet.Signature) {
		if s == nil {
			return
		}
		if s.KeyLifetimeSecs != nil && *s.KeyLifetimeSecs > 0 {
			first = earlier(first, key.CreationTime.Add(time.Duration(*s.KeyLifetimeSecs)*time.Second))
		}
		if s.SigLifetimeSecs != nil && *s.SigLifetimeSecs > 0 {
			first = earlier(first, s.CreationTime.Add(time.Duration(*s.SigLifetimeSecs)*time.Second))
		}
		s.KeyLifetimeSecs, s.SigLifetimeSecs = nil, nil
	}
	free(e.PrimaryKey, e.SelfSignature)
	for _, id := range e.Identities {
		free(e.PrimaryKey, id.SelfSignature)
	}
	for i := range e.Subkeys {
		free(e.Subkeys[i].PublicKey, e.Subkeys[i].Sig)
	}
	return first
}

// earlier is the earlier of two times of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// Encrypt returns one OpenPGP message, signed inside where there is a key for it.
func (p *OpenPGP) Encrypt(body []byte) ([]byte, error) {
	var out bytes.Buffer
	var dst io.WriteCloser = nopCloser{&out}
	if p.armor {
		var err error
		if dst, err = armor.Encode(&out, "PGP MESSAGE", nil); err != nil {
			return nil, err
		}
	}
	w, err := openpgp.Encrypt(dst, p.to, p.sign, &openpgp.FileHints{IsBinary: true}, p.conf)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if err := dst.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// ContentType is that of the encrypted part of RFC 3156.
func (p *OpenPGP) ContentType() string { return "application/pgp-encrypted" }

// Suffix is ".asc" for text, ".gpg" for bytes.
func (p *OpenPGP) Suffix() string {
	if p.armor {
		return ".asc"
	}
	return ".gpg"
}

// Recipients are the fingerprints of the partner's primary keys in hex.
func (p *OpenPGP) Recipients() []string {
	var names []string
	for _, e := range p.to {
		names = append(names, hex.EncodeToString(e.PrimaryKey.Fingerprint))
	}
	return names
}

// Fingerprints are the same.
func (p *OpenPGP) Fingerprints() []string { return p.Recipients() }

// NotAfter is the earliest end of any of the keys, ours included.
func (p *OpenPGP) NotAfter() time.Time { return p.until }
