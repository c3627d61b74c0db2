package ledger

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// algCosignature is the signature type byte, c2sp.org/signed-note "Signature types".
const algCosignature = 0x04

// cosigner holds a witness key. It implements note.Verifier, and with a private
// key note.Signer, for timestamped Ed25519 cosignatures
// (c2sp.org/tlog-cosignature "Ed25519 signed message").
type cosigner struct {
	name string
	hash uint32
	pub  ed25519.PublicKey
	priv ed25519.PrivateKey
	now  func() time.Time
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }

func (c *cosigner) Verify(text, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	at := binary.BigEndian.Uint64(sig)
	return at <= math.MaxInt64 && ed25519.Verify(c.pub, cosigned(at, text), sig[8:])
}

func (c *cosigner) Sign(text []byte) ([]byte, error) {
	at := c.now().Unix()
	if at < 0 {
		return nil, errors.New("cosign checkpoint: the clock stands before 1970")
	}
	sig := binary.BigEndian.AppendUint64(nil, uint64(at))
	return append(sig, ed25519.Sign(c.priv, cosigned(uint64(at), text))...), nil
}

func cosigned(at uint64, text []byte) []byte {
	b := append(make([]byte, 0, 48+len(text)), "cosignature/v1\ntime "...)
	b = strconv.AppendUint(b, at, 10)
	b = append(b, '\n')
	return append(b, text...)
}

// GenerateCosigner makes a witness key: skey is secret, vkey is what verifiers
// are given. rand must be a cryptographic source.
func GenerateCosigner(rand io.Reader, name string) (skey, vkey string, err error) {
	if !validName(name) {
		return "", "", errors.New("make witness key: the name is empty or has spaces or a plus sign")
	}
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(rand, seed); err != nil {
		return "", "", fmt.Errorf("make witness key: %w", err)
	}
	pub := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	hash := cosignerHash(name, pub)
	std := base64.StdEncoding
	vkey = fmt.Sprintf("%s+%08x+%s", name, hash, std.EncodeToString(append([]byte{algCosignature}, pub...)))
	skey = fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, hash, std.EncodeToString(append([]byte{algCosignature}, seed...)))
	return skey, vkey, nil
}

// NewCosigner returns the signer of a witness key. now gives the time of each
// cosignature.
func NewCosigner(skey string, now func() time.Time) (note.Signer, error) {
	rest, ok := strings.CutPrefix(skey, "PRIVATE+KEY+")
	name, hash, seed, err := splitKey(rest)
	if !ok || err != nil {
		return nil, errors.New("read witness key: not the secret key of a witness")
	}
	priv := ed25519.NewKeyFromSeed(seed)
	pub := priv.Public().(ed25519.PublicKey)
	if cosignerHash(name, pub) != hash {
		return nil, errors.New("read witness key: the key does not fit its id")
	}
	return &cosigner{name: name, hash: hash, pub: pub, priv: priv, now: now}, nil
}

// NewCosignatureVerifier returns the verifier of a witness's public key, a vkey
// of type 0x04 (c2sp.org/tlog-cosignature "Format").
func NewCosignatureVerifier(vkey string) (note.Verifier, error) {
	name, hash, pub, err := splitKey(vkey)
	if err != nil {
		return nil, fmt.Errorf("read witness key: %w", err)
	}
	if cosignerHash(name, pub) != hash {
		return nil, errors.New("read witness key: the key does not fit its id")
	}
	return &cosigner{name: name, hash: hash, pub: pub}, nil
}

// CosignatureTime returns when a cosignature says that it was made. Only for
// signatures that a witness's verifier has accepted is that worth anything.
func CosignatureTime(s note.Signature) (time.Time, error) {
	b, err := base64.StdEncoding.DecodeString(s.Base64)
	if err != nil || len(b) != 4+8+ed25519.SignatureSize {
		return time.Time{}, errors.New("read cosignature: not a timestamped Ed25519 signature")
	}
	at := binary.BigEndian.Uint64(b[4:])
	if at > math.MaxInt64 {
		return time.Time{}, errors.New("read cosignature: time out of range")
	}
	return time.Unix(int64(at), 0).UTC(), nil
}

// IsWitnessKey says whether vkey has the form of a witness's public key.
func IsWitnessKey(vkey string) bool {
	_, _, _, err := splitKey(vkey)
	return err == nil
}

// splitKey reads name+hash+base64(0x04 || 32 bytes).
func splitKey(key string) (name string, hash uint32, material []byte, err error) {
	parts := strings.Split(key, "+")
	if len(parts) < 3 || !validName(parts[0]) || len(parts[1]) != 8 {
		return "", 0, nil, errors.New("not a key")
	}
	h, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil {
		return "", 0, nil, errors.New("not a key")
	}
	// The base64 of the key may itself hold plus signs.
	b, err := base64.StdEncoding.Strict().DecodeString(strings.Join(parts[2:], "+"))
	if err != nil || len(b) != 1+32 || b[0] != algCosignature {
		return "", 0, nil, errors.New("not an Ed25519 witness key (type 4)")
	}
	return parts[0], uint32(h), b[1:], nil
}

// cosignerHash is the key ID, c2sp.org/tlog-cosignature "Format".
func cosignerHash(name string, pub ed25519.PublicKey) uint32 {
	b := append([]byte(name+"\n"), algCosignature)
	sum := sha256.Sum256(append(b, pub...))
	return binary.BigEndian.Uint32(sum[:])
}

func validName(s string) bool {
	return s != "" && len(s) <= 200 && utf8.ValidString(s) &&
		strings.IndexFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) < 0 &&
		!strings.Contains(s, "+")
}
