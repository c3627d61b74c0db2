package bench

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Kind of a record.
type Kind string

// What a record can hold.
const (
	Message Kind = "message" // one message of the device, whole
	Part    Kind = "part"    // what came of one that stopped in the middle
	Frame   Kind = "frame"   // one frame of a transfer that goes on; kept until its message is
	Event   Kind = "event"   // something that happened: words in the body
)

// Words are what a record says of its body.
type Words struct {
	Shield   string `json:"shield"`
	Device   string `json:"device"`
	Protocol string `json:"protocol"` // astm, hl7, poct1a
	Kind     Kind   `json:"kind"`
	At       int64  `json:"at"`      // microseconds since 1970, by the shield's clock
	Session  uint64 `json:"session"` // transfers and connections of the device, counted by the shield
	Piece    int    `json:"piece"`   // within the session, from 1
	// Peer is who the device said it is, or where it is connected; no patient data.
	Peer string `json:"peer,omitempty"`
}

// Time is At.
func (w *Words) Time() time.Time { return time.UnixMicro(w.At).UTC() }

// Record is signed words and body.
type Record struct {
	Words Words
	Body  []byte

	words []byte // as they were signed
	sig   []byte
}

// Errors of reading and verifying.
var (
	ErrForm      = errors.New("bench: this is no record")
	ErrSignature = errors.New("bench: the signature is not of this record and key")
)

// Bounds of a record.
const (
	maxWords = 8 << 10
	maxSig   = 256
)

func digest(words, body []byte) []byte {
	w, b := sha256.Sum256(words), sha256.Sum256(body)
	h := sha256.New()
	h.Write([]byte("labwarden bench record v1\x00"))
	h.Write(w[:])
	h.Write(b[:])
	return h.Sum(nil)
}

// Sign makes a record. key is ECDSA on P-256 or Ed25519.
func Sign(key crypto.Signer, w Words, body []byte) (*Record, error) {
	words, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("write words of a record: %w", err)
	}
	if len(words) > maxWords {
		return nil, errors.New("bench: the words of a record are too long")
	}
	var how crypto.SignerOpts = crypto.SHA256
	if _, ok := key.Public().(ed25519.PublicKey); ok {
		how = crypto.Hash(0) // signs the digest as its message
	}
	sig, err := key.Sign(rand.Reader, digest(words, body), how)
	if err != nil {
		return nil, fmt.Errorf("sign record: %w", err)
	}
	return &Record{Words: w, Body: body, words: words, sig: sig}, nil
}

// Append writes the record.
func (r *Record) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(r.words)))
	dst = append(dst, r.words...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(r.sig)))
	dst = append(dst, r.sig...)
	return append(dst, r.Body...)
}

// Read reads a record. Its body is a part of b. It is not verified.
func Read(b []byte) (*Record, error) {
	words, b, ok := cut(b, 4, maxWords)
	if !ok {
		return nil, ErrForm
	}
	sig, b, ok := cut(b, 2, maxSig)
	if !ok {
		return nil, ErrForm
	}
	r := &Record{Body: b, words: words, sig: sig}
	if err := json.Unmarshal(words, &r.Words); err != nil {
		return nil, ErrForm
	}
	return r, nil
}

// cut takes a piece that stands behind its length of n bytes.
func cut(b []byte, n, most int) (piece, rest []byte, ok bool) {
	if len(b) < n {
		return nil, nil, false
	}
	length := 0
	for _, c := range b[:n] {
		length = length<<8 | int(c)
	}
	if b = b[n:]; length > most || length > len(b) {
		return nil, nil, false
	}
	return b[:length:length], b[length:], true
}

// Verify says whether the record is signed with the key.
func (r *Record) Verify(key crypto.PublicKey) error {
	ok := false
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		ok = k.Curve == elliptic.P256() && ecdsa.VerifyASN1(k, digest(r.words, r.Body), r.sig)
	case ed25519.PublicKey:
		ok = len(k) == ed25519.PublicKeySize && ed25519.Verify(k, digest(r.words, r.Body), r.sig)
	}
	if !ok {
		return ErrSignature
	}
	return nil
}

// Signed are the words and the signature, for the proof.
func (r *Record) Signed() (words, signature []byte) { return r.words, r.sig }

// Digest is SHA-256 of the body.
func (r *Record) Digest() [sha256.Size]byte { return sha256.Sum256(r.Body) }
