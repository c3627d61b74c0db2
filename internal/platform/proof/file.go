package proof

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/labwarden/labwarden/internal/platform/ledger"
)

const (
	// Header is the first line of a proof file. As the first line of what is
	// signed it also keeps these signatures apart from those on checkpoints.
	Header = "labwarden-proof/v1"
	// MaxProof is the greatest size of a proof file in bytes.
	MaxProof = 128 << 10
	maxPath  = 63
	maxSigs  = 32
	maxName  = 200
	dash     = "— " // signed-note "Format": U+2014, space
)

// ErrFormat is in the chain of every error about a proof file's form.
var ErrFormat = errors.New("not a Labwarden proof file")

// File is a proof file's content. Parse guarantees its form, Verify its truth.
type File struct {
	V          int      `json:"v"`
	Made       string   `json:"made"`
	Lab        string   `json:"lab"`
	Message    string   `json:"message"`
	Received   Entry    `json:"received"`
	Delivered  Entry    `json:"delivered"`
	Checkpoint []string `json:"checkpoint"`

	text string    // what is signed
	sig  signature // by whom
}

// Entry is one of the two ledger entries with what opens its commitment.
type Entry struct {
	Leaf  int64    `json:"leaf"`
	Event string   `json:"event"`
	Salt  string   `json:"salt"`
	Body  string   `json:"body_sha256"`
	Reply string   `json:"reply_sha256,omitempty"`
	Path  []string `json:"path"`
}

// signature is one line of a signed note (C2SP signed-note).
type signature struct {
	name string
	id   uint32
	sig  []byte
}

// Parse reads a proof file. There is exactly one way to write a proof: anything
// else, even where only white space differs, is refused.
func Parse(b []byte) (*File, error) {
	if len(b) > MaxProof {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrFormat, MaxProof)
	}
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("%w: not UTF-8 text", ErrFormat)
	}
	s := string(b)
	i := strings.LastIndex(s, "\n\n")
	if i < 0 {
		return nil, fmt.Errorf("%w: no signature at the end", ErrFormat)
	}
	text, line := s[:i+1], s[i+2:]
	line, ok := strings.CutSuffix(line, "\n")
	if !ok || strings.Contains(line, "\n") {
		return nil, fmt.Errorf("%w: not exactly one signature line at the end", ErrFormat)
	}
	sig, err := parseSignature(line)
	if err != nil {
		return nil, err
	}
	body, ok := strings.CutPrefix(text, Header+"\n")
	if !ok {
		return nil, fmt.Errorf("%w: the first line is not %s", ErrFormat, Header)
	}
	f := &File{text: text, sig: sig}
	// The decoder's error may quote the input, so it is not passed on.
	if json.Unmarshal([]byte(body), f) != nil {
		return nil, fmt.Errorf("%w: the body is not the JSON of a proof", ErrFormat)
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	back, err := f.body()
	if err != nil {
		return nil, err
	}
	if back != text {
		return nil, fmt.Errorf("%w: written in another way than the canonical one", ErrFormat)
	}
	return f, nil
}

// body writes what is signed: the header line and the JSON, indented by one
// space a level.
func (f *File) body() (string, error) {
	var b bytes.Buffer
	b.WriteString(Header + "\n")
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(f); err != nil {
		return "", fmt.Errorf("write proof: %w", err)
	}
	return b.String(), nil
}

// check holds every field to its form.
func (f *File) check() error {
	bad := func(what string) error { return fmt.Errorf("%w: %s is not in its form", ErrFormat, what) }
	if f.V != 1 {
		return fmt.Errorf("%w: version is not 1", ErrFormat)
	}
	if t, err := time.Parse(time.RFC3339, f.Made); err != nil || t.Format("2006-01-02T15:04:05Z") != f.Made {
		return bad("made")
	}
	if !validName(f.Lab) {
		return bad("lab")
	}
	if f.Message == "" || ledger.Code(f.Message) != f.Message {
		return bad("message")
	}
	if !f.Received.valid() || f.Received.Reply != "" {
		return bad("received")
	}
	if !f.Delivered.valid() {
		return bad("delivered")
	}
	// Three text lines, an empty one, one or more signatures.
	c := f.Checkpoint
	if len(c) < 5 || len(c) > 4+maxSigs || c[3] != "" {
		return bad("checkpoint")
	}
	if len(f.checkpointNote()) > ledger.MaxCheckpoint {
		return bad("checkpoint")
	}
	if _, err := ledger.ParseCheckpoint(f.checkpointText()); err != nil || !validName(c[0]) {
		return bad("checkpoint")
	}
	for _, l := range c[4:] {
		if _, err := parseSignature(l); err != nil {
			return bad("checkpoint")
		}
	}
	return nil
}

func (e *Entry) valid() bool {
	if e.Leaf < 0 || e.Leaf > ledger.MaxNumber || e.Path == nil || len(e.Path) > maxPath {
		return false
	}
	if _, err := ledger.ParseEvent([]byte(e.Event)); err != nil {
		return false
	}
	if _, err := ledger.ParseSalt(e.Salt); err != nil {
		return false
	}
	if _, ok := parseHex(e.Body); !ok {
		return false
	}
	if _, ok := parseHex(e.Reply); !ok && e.Reply != "" {
		return false
	}
	for _, p := range e.Path {
		if h, err := tlog.ParseHash(p); err != nil || h.String() != p {
			return false
		}
	}
	return true
}

func (f *File) checkpointText() string { return strings.Join(f.Checkpoint[:3], "\n") + "\n" }

// checkpointNote is the signed checkpoint as it was.
func (f *File) checkpointNote() []byte { return []byte(strings.Join(f.Checkpoint, "\n") + "\n") }

func (e *Entry) path() tlog.RecordProof {
	p := make(tlog.RecordProof, len(e.Path))
	for i, s := range e.Path {
		p[i], _ = tlog.ParseHash(s) // valid has looked
	}
	return p
}

// parseSignature reads a signature line; base64 bits that carry nothing must be zero.
func parseSignature(line string) (signature, error) {
	rest, ok := strings.CutPrefix(line, dash)
	name, b64, ok2 := strings.Cut(rest, " ")
	raw, err := base64.StdEncoding.Strict().DecodeString(b64)
	if !ok || !ok2 || err != nil || len(raw) < 5 || !validName(name) {
		return signature{}, fmt.Errorf("%w: a signature line is not in its form", ErrFormat)
	}
	return signature{name: name, id: binary.BigEndian.Uint32(raw), sig: raw[4:]}, nil
}

// validName holds names of keys to visible ASCII without plus, so that what is
// shown is what is compared.
func validName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '+' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
