package envelope

import (
	"bytes"
	"crypto/fips140"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"filippo.io/age"

	"github.com/labwarden/labwarden/internal/channel"
)

// Kinds of public keys. A file can be encrypted to several keys of one kind.
const (
	KindAge     = "age"     // X25519
	KindAgePQ   = "age-pq"  // ML-KEM-768 with X25519
	KindOpenPGP = "openpgp" // RFC 9580, RFC 4880
	KindCMS     = "cms"     // a certificate
)

const (
	// MaxPublicKey is the most that is read of a key file.
	MaxPublicKey = 128 << 10
	// strongRSA is what an RSA key needs; from weakRSA on a person may take a
	// shorter one for a stated reason (NIST SP 800-57 part 1: 2048 bits are 112
	// bits of strength, acceptable through 2030).
	strongRSA, weakRSA = 3072, 2048
	maxKeyName         = 120
)

// PublicKey is a partner's key as it was read and judged.
type PublicKey struct {
	Kind string
	// Fingerprint in lower-case hex: of an OpenPGP key its own, of a certificate
	// the SHA-256 of its bytes, of an age recipient the SHA-256 of its text.
	Fingerprint string
	// Material is the key in one spelling, without what is not needed of the file:
	// a text for age, packets for OpenPGP, DER for CMS.
	Material []byte
	// Name is what the key says of its owner; nobody has checked it.
	Name string
	// Strength in words: "RSA 4096", "ML-KEM-768 with X25519".
	Strength string
	// Weak: RSA of 2048 to 3071 bits.
	Weak bool
	// Ends is when the key ends by its own word; zero for never.
	Ends time.Time
}

var (
	// ErrSecret answers a private key that was given by mistake.
	ErrSecret = errors.New("this is a private key: it was not stored. Whose it is must count it as known to others and make a new one; ask for the public one")
	// ErrKey is in the chain of every other refusal of a key.
	ErrKey = errors.New("this key cannot be used")
)

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrKey, fmt.Errorf(format, args...))
}

// ReadPublicKey reads a file with one public key of a partner: an age recipient,
// an OpenPGP key or a certificate (PEM or DER). Nothing else is taken: no private
// key (ErrSecret), nothing expired, revoked, weak or signed with SHA-1, and not
// two keys at once. The refusals are for people to read and quote nothing.
func ReadPublicKey(b []byte, now time.Time) (PublicKey, error) {
	if len(b) > MaxPublicKey {
		return PublicKey{}, refused("the file is larger than %d KiB", MaxPublicKey>>10)
	}
	if secret(b) {
		return PublicKey{}, ErrSecret
	}
	text := strings.TrimSpace(strings.TrimPrefix(string(b), "\ufeff"))
	var k PublicKey
	var err error
	switch {
	case text == "":
		return k, refused("the file is empty")
	case strings.Contains(text, "-----BEGIN PGP PUBLIC KEY BLOCK"):
		k, err = readOpenPGP([]byte(text), now)
	case strings.Contains(text, "-----BEGIN PGP "):
		return k, refused("it is an OpenPGP message or signature, not a public key")
	case strings.Contains(text, "-----BEGIN "):
		k, err = readPEM([]byte(text), now)
	case strings.HasPrefix(text, "ssh-") || strings.HasPrefix(text, "ecdsa-sha2-") || strings.HasPrefix(text, "sk-"):
		return k, refused("it is an SSH key, which signs in and does not decrypt; ask for an age, OpenPGP or S/MIME key")
	case printable(text):
		k, err = readAge(text)
	case b[0] == 0x30: // DER SEQUENCE
		k, err = readCertificate(b, now)
	case b[0]&0x80 != 0: // RFC 9580 4.2: bit 7 of a packet's first byte
		k, err = readOpenPGP(b, now)
	default:
		return k, refused("it is neither an age recipient nor an OpenPGP key nor a certificate")
	}
	if err != nil {
		return PublicKey{}, err
	}
	k.Name = shown(k.Name)
	if _, err := ToKeys([]PublicKey{k}); err != nil { // encrypts once
		return PublicKey{}, refused("encrypting to it does not work")
	}
	return k, nil
}

// secret recognises private keys of every kind that people have at hand, before
// anything else is made of a file.
func secret(b []byte) bool {
	upper := bytes.ToUpper(b)
	for _, mark := range []string{"AGE-SECRET-KEY-", "AGE-PLUGIN-", "PRIVATE KEY", "PUTTY-USER-KEY-FILE"} {
		if bytes.Contains(upper, []byte(mark)) {
			return true
		}
	}
	if _, err := x509.ParsePKCS8PrivateKey(b); err == nil {
		return true
	}
	if _, err := x509.ParsePKCS1PrivateKey(b); err == nil {
		return true
	}
	if _, err := x509.ParseECPrivateKey(b); err == nil {
		return true
	}
	return pfx(b) || secretPacket(b)
}

// pfx: a PKCS #12 file is a SEQUENCE that begins with INTEGER 3 (RFC 7292 4).
func pfx(b []byte) bool {
	if len(b) < 8 || b[0] != 0x30 {
		return false
	}
	at := 2
	if b[1]&0x80 != 0 {
		at += int(b[1] & 0x7f)
	}
	return at+3 <= len(b) && bytes.Equal(b[at:at+3], []byte{2, 1, 3})
}

// secretPacket: a binary OpenPGP file whose first packet is a secret key or
// subkey (RFC 9580 5.5.1.3, packet types 5 and 7).
func secretPacket(b []byte) bool {
	if len(b) == 0 || b[0]&0x80 == 0 {
		return false
	}
	kind := b[0] & 0x3f // 4.2.1: the OpenPGP format
	if b[0]&0x40 == 0 { // 4.2.2: the legacy format
		kind = b[0] & 0x3c >> 2
	}
	return kind == 5 || kind == 7
}

func readAge(text string) (PublicKey, error) {
	var found []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			found = append(found, line)
		}
	}
	if len(found) != 1 {
		return PublicKey{}, refused("it holds %d lines that could be keys; give one age recipient (age1...), or a whole OpenPGP key or certificate", len(found))
	}
	k := PublicKey{Kind: KindAge, Strength: "X25519", Material: []byte(found[0])}
	var err error
	switch {
	case strings.HasPrefix(found[0], "age1pq1"):
		k.Kind, k.Strength = KindAgePQ, "ML-KEM-768 with X25519"
		_, err = age.ParseHybridRecipient(found[0])
	case strings.HasPrefix(found[0], "age1"):
		_, err = age.ParseX25519Recipient(found[0])
	default:
		return k, refused("it is neither an age recipient (age1...) nor an OpenPGP key nor a certificate")
	}
	if err != nil {
		return k, refused("the age recipient is not whole: a sign is wrong or missing")
	}
	if fips140.Enabled() {
		return k, refused("%w", ErrFIPS)
	}
	k.Fingerprint = sum(k.Material)
	return k, nil
}

func readPEM(b []byte, now time.Time) (PublicKey, error) {
	var certs [][]byte
	for {
		var p *pem.Block
		if p, b = pem.Decode(b); p == nil {
			break
		}
		if p.Type != "CERTIFICATE" {
			return PublicKey{}, refused("it is no certificate; give an age recipient, an OpenPGP key or a certificate")
		}
		certs = append(certs, p.Bytes)
	}
	if len(certs) != 1 {
		return PublicKey{}, refused("it holds %d certificates; give the one that results are encrypted to, without its authorities", len(certs))
	}
	return readCertificate(certs[0], now)
}

func readCertificate(der []byte, now time.Time) (PublicKey, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return PublicKey{}, refused("the certificate is damaged, or it is another kind of file")
	}
	k := PublicKey{
		Kind: KindCMS, Fingerprint: channel.Fingerprint(c), Material: c.Raw, Name: c.Subject.CommonName, Ends: c.NotAfter,
	}
	if k.Name == "" && len(c.EmailAddresses) > 0 {
		k.Name = c.EmailAddresses[0]
	}
	switch {
	case c.IsCA:
		return k, refused("it is an authority's certificate; give the one that results are encrypted to")
	case c.SignatureAlgorithm == x509.MD5WithRSA, c.SignatureAlgorithm == x509.SHA1WithRSA, c.SignatureAlgorithm == x509.ECDSAWithSHA1, c.SignatureAlgorithm == x509.DSAWithSHA1:
		return k, refused("it is signed with SHA-1 or MD5; ask for one signed with SHA-256")
	case now.After(c.NotAfter):
		return k, refused("it ended on %s; ask for the new one", c.NotAfter.UTC().Format(time.DateOnly))
	case now.Before(c.NotBefore.Add(-5 * time.Minute)):
		return k, refused("it begins on %s; add it then", c.NotBefore.UTC().Format(time.DateOnly))
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageKeyEncipherment == 0:
		return k, refused("it is not for encryption (its key usage says so)")
	}
	bits, ok := rsaBits(c.PublicKey)
	if !ok {
		return k, refused("CMS needs a certificate with an RSA key; ask for one, or use age or OpenPGP")
	}
	return k, k.rsa(bits)
}

// rsa judges the length of an RSA key.
func (k *PublicKey) rsa(bits int) error {
	k.Strength = fmt.Sprintf("RSA %d", bits)
	if bits < weakRSA {
		return refused("an RSA key of %d bits can be broken; ask for one of 3072 bits or more", bits)
	}
	k.Weak = k.Weak || bits < strongRSA
	return nil
}

// ToKeys encrypts to all of the keys; they must be of one kind.
func ToKeys(keys []PublicKey) (Encrypter, error) {
	if len(keys) == 0 {
		return nil, errors.New("no key to encrypt to")
	}
	var texts []string
	var ring []byte
	var certs []*x509.Certificate
	for _, k := range keys {
		if k.Kind != keys[0].Kind {
			return nil, errors.New("a file can be encrypted to keys of one kind only")
		}
		switch k.Kind {
		case KindAge, KindAgePQ:
			texts = append(texts, string(k.Material))
		case KindOpenPGP:
			ring = append(ring, k.Material...)
		case KindCMS:
			c, err := x509.ParseCertificate(k.Material)
			if err != nil {
				return nil, fmt.Errorf("read certificate: %w", err)
			}
			certs = append(certs, c)
		default:
			return nil, fmt.Errorf("keys of kind %q are not known", k.Kind)
		}
	}
	switch {
	case texts != nil:
		return NewAge(texts...)
	case certs != nil:
		return NewCMS(certs, nil)
	}
	return NewOpenPGP(OpenPGPConfig{Keys: ring})
}

func sum(b []byte) string { h := sha256.Sum256(b); return hex.EncodeToString(h[:]) }

func printable(s string) bool {
	for _, r := range s {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) && r != '\n' && r != '\r' && r != '\t' {
			return false
		}
	}
	return true
}

// shown makes a name of somebody else's choosing fit for a page.
func shown(s string) string {
	var b strings.Builder
	for _, r := range s {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			r = '?'
		}
		if b.Len() >= maxKeyName {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}
