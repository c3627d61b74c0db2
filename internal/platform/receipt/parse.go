package receipt

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ErrFormat is in the chain of every error about a receipt's form.
var ErrFormat = errors.New("not a Labwarden receipt")

const (
	maxText      = 200
	maxAgeKey    = 4096 // a post-quantum age recipient is a long text
	maxKeys      = 8
	maxNumber    = 1<<53 - 1 // what every JSON reader keeps exactly
	maxKeyLength = 300
)

// Receipt is a receipt whose form was checked, not yet its signature.
type Receipt struct {
	Statement
	// Lab is the laboratory's name, Made when the receipt was written.
	Lab  string
	Made time.Time
	// From and To are the two sides.
	From, To string

	text     []byte // what is signed
	key      string // by whom: name+id
	signedBy []byte
}

// Parse reads a receipt file. Anything not written as Make writes it, even where
// only white space differs, is refused.
func Parse(b []byte) (*Receipt, error) {
	if len(b) > Max {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrFormat, Max)
	}
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("%w: not UTF-8 text", ErrFormat)
	}
	var f file
	// The decoder's error may quote the input, so it is not passed on.
	if json.Unmarshal(b, &f) != nil {
		return nil, fmt.Errorf("%w: not the JSON of a receipt", ErrFormat)
	}
	if err := f.Receipt.check(); err != nil {
		return nil, err
	}
	back, err := f.write()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if !bytes.Equal(back, b) {
		return nil, fmt.Errorf("%w: written in another way than the one there is", ErrFormat)
	}
	if len(f.Signature.Key) > maxKeyLength || !plain(f.Signature.Key, maxKeyLength) {
		return nil, bad("signature.key")
	}
	sig, err := base64.StdEncoding.Strict().DecodeString(f.Signature.Ed25519)
	if err != nil || len(sig) != ed25519.SignatureSize {
		return nil, bad("signature.ed25519")
	}
	text, err := f.Receipt.signed()
	if err != nil {
		return nil, err
	}
	r := &f.Receipt
	out := &Receipt{Lab: r.Lab, From: r.From, To: r.To, text: text, key: f.Signature.Key, signedBy: sig}
	out.Made, _ = time.Parse(madeForm, r.Made) // check has looked
	out.Statement = Statement{
		ID: r.ID, Partner: r.To, Event: r.Event, Protocol: r.Protocol, File: r.File,
		EncryptedTo: r.EncryptedTo, Peer: r.Peer, Ledger: r.Ledger,
	}
	out.At, _ = time.Parse(atForm, r.At)
	if r.Event == Taken {
		out.Partner = r.From
	}
	return out, nil
}

func bad(what string) error { return fmt.Errorf("%w: %s is not in its form", ErrFormat, what) }

// check holds every field to its form.
func (b *body) check() error {
	if b.V != 1 {
		return fmt.Errorf("%w: version is not 1", ErrFormat)
	}
	if t, err := time.Parse(madeForm, b.Made); err != nil || t.Format(madeForm) != b.Made {
		return bad("made")
	}
	if t, err := time.Parse(atForm, b.At); err != nil || t.Format(atForm) != b.At {
		return bad("at")
	}
	for _, f := range []struct{ what, v string }{
		{"lab", b.Lab}, {"id", b.ID}, {"from", b.From}, {"to", b.To}, {"protocol", b.Protocol}, {"peer.proof", b.Peer.Proof},
	} {
		if f.v == "" || !plain(f.v, maxText) {
			return bad(f.what)
		}
	}
	if !slices.Contains([]string{Placed, Committed, Accepted, Fetched, Taken}, b.Event) {
		return bad("event")
	}
	if us, them := b.From, b.To; b.Event == Taken && them != b.Lab || b.Event != Taken && us != b.Lab {
		return bad("from or to")
	}
	for _, f := range []struct{ what, v string }{
		{"file.content_type", b.File.ContentType},
		{"peer.fingerprint", b.Peer.Fingerprint},
		{"peer.secured", b.Peer.Secured},
		{"peer.code", b.Peer.Code},
	} {
		if !plain(f.v, maxText) {
			return bad(f.what)
		}
	}
	if !plain(b.File.Name, 2*maxText) {
		return bad("file.name")
	}
	if b.File.Size < 0 || b.File.Size > maxNumber {
		return bad("file.size")
	}
	if !hash(b.File.SHA256) {
		return bad("file.sha256")
	}
	if b.Peer.Reply != "" && !hash(b.Peer.Reply) {
		return bad("peer.reply_sha256")
	}
	if b.EncryptedTo != nil && (len(b.EncryptedTo) == 0 || len(b.EncryptedTo) > maxKeys) {
		return bad("encrypted_to")
	}
	for _, k := range b.EncryptedTo {
		if k == "" || !plain(k, maxAgeKey) {
			return bad("encrypted_to")
		}
	}
	return b.Ledger.check()
}

func (p *Place) check() error {
	if p == nil {
		return nil
	}
	if p.Leaf < 0 || p.Leaf > maxNumber || p.Size < 0 || p.Size > maxNumber {
		return bad("ledger")
	}
	if (p.Size == 0) != (p.Root == "") || p.Size != 0 && p.Leaf >= p.Size {
		return bad("ledger")
	}
	if p.Root != "" {
		if root, err := base64.StdEncoding.Strict().DecodeString(p.Root); err != nil || len(root) != 32 {
			return bad("ledger root")
		}
	}
	return nil
}

func hash(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32 && strings.ToLower(s) == s
}

// plain says whether s is printable text that every JSON writer writes alike: no
// controls, no marks that change direction, no U+FFFD in the place of a wrong byte.
func plain(s string, limit int) bool {
	if len(s) > limit || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return false
		}
	}
	return true
}
