package receipt

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/note"
)

const (
	// Header is the first line of what is signed; it keeps these signatures
	// apart from those on proofs and checkpoints.
	Header = "labwarden-receipt/v1"
	// Suffix is appended to the name of the file that a receipt is about.
	Suffix = ".receipt.json"
	// ContentType of a receipt file.
	ContentType = "application/json"
	// Max is the greatest size of a receipt file in bytes.
	Max = 32 << 10
)

// What happened, the word under "event".
const (
	// Placed: the laboratory put the file where the partner fetches it, or into
	// the partner's folder. Nobody answered.
	Placed = "placed"
	// Committed: the partner's system said that it has it.
	Committed = "committed"
	// Accepted: the partner's application said that it accepted it.
	Accepted = "accepted"
	// Fetched: the partner, signed in, read the whole of it.
	Fetched = "fetched"
	// Taken: the laboratory took it from the partner and has it on its disk.
	Taken = "taken"
)

// Statement is what a receipt says. Texts are printable, at most 200
// characters, without patient data: they are shown and signed as they are.
type Statement struct {
	// ID names the handing over at the laboratory: a message's or file's id.
	ID string
	// Partner is the other side's key in the configuration. Taken is from it to
	// the laboratory, all else from the laboratory to it.
	Partner string
	// Event is one of the words above.
	Event string
	// Protocol in one word: "sftp", "ftps", "folder", "fhir", "http", "mllp", "portal", "box".
	Protocol string
	At       time.Time
	File     File
	// EncryptedTo are the fingerprints or public keys the file is encrypted to;
	// nil where it is not.
	EncryptedTo []string
	Peer        Peer
	// Ledger is the place of the entry about it; nil while it has none.
	Ledger *Place
}

// File is what was handed over.
type File struct {
	// Name is empty where the protocol has none.
	Name string `json:"name,omitempty"`
	// ContentType is the media type, empty where it is not known.
	ContentType string `json:"content_type,omitempty"`
	Size        int64  `json:"size"`
	// SHA256 of the bytes as they went, in lower-case hex.
	SHA256 string `json:"sha256"`
}

// Peer is how the other side proved who it is, and what it answered.
type Peer struct {
	// Proof in one word: "certificate", "network", "folder", "token", "key",
	// "host key", "password" or "none".
	Proof string `json:"proof"`
	// Fingerprint of its key or certificate.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Secured names protocol and suite of the connection.
	Secured string `json:"secured,omitempty"`
	// Code is the protocol's own word ("AA", "201", "renamed").
	Code string `json:"code,omitempty"`
	// Reply is the SHA-256 of the answer's bytes in lower-case hex.
	Reply string `json:"reply_sha256,omitempty"`
}

// Place is an entry's place in the laboratory's ledger, of Size entries and
// Root (base64) where a checkpoint was known.
type Place struct {
	Leaf int64  `json:"leaf"`
	Size int64  `json:"size,omitempty"`
	Root string `json:"root,omitempty"`
}

// Print is what a receipt needs of a file's bytes.
type Print struct {
	Size   int64
	SHA256 [sha256.Size]byte
}

// PrintOf reads r to its end.
func PrintOf(r io.Reader) (Print, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		return Print{}, fmt.Errorf("read file: %w", err)
	}
	p := Print{Size: n}
	h.Sum(p.SHA256[:0])
	return p, nil
}

// FileOf describes bytes.
func FileOf(name, contentType string, b []byte) File {
	sum := sha256.Sum256(b)
	return File{Name: name, ContentType: contentType, Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:])}
}

// body is the "receipt" object, its keys in the order in which they are signed.
type body struct {
	V           int      `json:"v"`
	Made        string   `json:"made"`
	Lab         string   `json:"lab"`
	ID          string   `json:"id"`
	From        string   `json:"from"`
	To          string   `json:"to"`
	Event       string   `json:"event"`
	At          string   `json:"at"`
	Protocol    string   `json:"protocol"`
	File        File     `json:"file"`
	EncryptedTo []string `json:"encrypted_to,omitempty"`
	Peer        Peer     `json:"peer"`
	Ledger      *Place   `json:"ledger,omitempty"`
}

// file is the whole receipt file.
type file struct {
	Receipt   body      `json:"receipt"`
	Signature signature `json:"signature"`
}

type signature struct {
	// Key is the laboratory's key, name+id as in lab.pub.
	Key     string `json:"key"`
	Ed25519 string `json:"ed25519"`
}

const (
	madeForm = "2006-01-02T15:04:05Z"
	atForm   = "2006-01-02T15:04:05.000000Z"
)

// Make writes and signs a receipt: vault.NoteSigner() is the signer. It refuses
// what is not in its form, with an error that says which part.
func Make(s Statement, made time.Time, signer note.Signer) ([]byte, error) {
	b := body{
		V: 1, Made: made.UTC().Format(madeForm), Lab: signer.Name(), ID: s.ID, From: signer.Name(), To: s.Partner,
		Event: s.Event, At: s.At.UTC().Format(atForm), Protocol: s.Protocol, File: s.File,
		EncryptedTo: s.EncryptedTo, Peer: s.Peer, Ledger: s.Ledger,
	}
	if s.Event == Taken {
		b.From, b.To = b.To, b.From
	}
	if b.Peer.Proof == "" {
		b.Peer.Proof = "none"
	}
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("make receipt: %w", err)
	}
	text, err := b.signed()
	if err != nil {
		return nil, fmt.Errorf("make receipt: %w", err)
	}
	sig, err := signer.Sign(text)
	if err != nil {
		return nil, fmt.Errorf("sign receipt: %w", err)
	}
	out, err := (&file{b, signature{
		Key: fmt.Sprintf("%s+%08x", signer.Name(), signer.KeyHash()), Ed25519: base64.StdEncoding.EncodeToString(sig),
	}}).write()
	if err != nil {
		return nil, fmt.Errorf("make receipt: %w", err)
	}
	if _, err := Parse(out); err != nil { // a name of the signer that does not fit, a file too large
		return nil, fmt.Errorf("make receipt: %w", err)
	}
	return out, nil
}

// signed is what the signature is over: the header line and the receipt object
// on one line, as `jq -c .receipt` prints it.
func (b *body) signed() ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(Header + "\n")
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(b); err != nil {
		return nil, fmt.Errorf("write receipt: %w", err)
	}
	return out.Bytes(), nil
}

func (f *file) write() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(f); err != nil {
		return nil, fmt.Errorf("write receipt: %w", err)
	}
	if out.Len() > Max {
		return nil, errors.New("write receipt: larger than 32 KiB")
	}
	return out.Bytes(), nil
}
