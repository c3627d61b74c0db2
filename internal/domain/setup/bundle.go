package setup

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Part is one file of a support bundle.
type Part struct {
	Name string
	Body []byte
	// Words are those the program itself writes into it, such as names of metrics:
	// a patient who bears such a name is not in it by that.
	Words []string
}

// Patients gives every stored value that tells who a patient is, and says how many
// messages it has read.
type Patients interface {
	Each(ctx context.Context, each func(kind, value string) error) (messages, unreadable int64, err error)
}

// Manifest is what a bundle says of itself: bundle.json in it.
type Manifest struct {
	Made    time.Time      `json:"made_at"`
	Version string         `json:"version"`
	Parts   []ManifestPart `json:"parts"`
	Proof   Scan           `json:"no_patient_data"`
	LeftOut []string       `json:"left_out"`
}

// ManifestPart is one file of it.
type ManifestPart struct {
	Name   string `json:"name"`
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Scan is how the bundle was held against the patients of the store.
type Scan struct {
	How string `json:"how"`
	// Messages were read, Unreadable ones are erased, damaged or no HL7; Values were
	// looked for, TooShort ones are of fewer than four letters or digits (names: three) and
	// say nobody by themselves.
	Messages   int64 `json:"messages_read"`
	Unreadable int64 `json:"messages_unreadable"`
	Values     int64 `json:"values_looked_for"`
	TooShort   int64 `json:"values_too_short"`
	Bytes      int64 `json:"bytes_looked_through"`
	Words      int64 `json:"words_looked_through"`
	Found      int64 `json:"found"`
	TookMS     int64 `json:"took_ms"`
}

const howScanned = "Every part was cut into words (runs of letters and digits, case ignored). Each value of PID-2, 3, 4, 5, 6, 7, 9, 11, 13, 14, 18, 19, 20 and NK1-2, 4, 5 of every stored message, quarantine included, was looked for: as one word, or as the same words one after the other. Parts of names that the program writes itself (keys, names of metrics and migrations) are no finding."

// ErrPatientData refuses a bundle; it never says what was found.
var ErrPatientData = errors.New("something in the bundle is the same as a patient's value in the store, so that it was not made; the manifest's figures are in the log")

// The least length of a value that is looked for.
const (
	shortest     = 4
	shortestName = 3
)

// words cuts a text into lower-case runs of letters and digits.
func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r < 0x80
	})
}

// haystack is a bundle as it is looked through.
type haystack struct {
	all map[string]bool // every word
	own map[string]bool // those the program writes itself
	run string          // all of them, in order, a blank around each
	n   int64
}

func newHaystack(parts []Part) *haystack {
	h := &haystack{all: map[string]bool{}, own: map[string]bool{}}
	var b strings.Builder
	b.WriteByte(' ')
	for _, p := range parts {
		for _, w := range words(p.Name + " " + string(p.Body)) {
			h.all[w] = true
			h.n++
			b.WriteString(w)
			b.WriteByte(' ')
		}
		b.WriteString("\n ") // no value goes over the end of a part
		for _, own := range p.Words {
			for _, w := range words(own) {
				h.own[w] = true
			}
		}
	}
	h.run = b.String()
	return h
}

// has says whether a patient's value is in it; short, that it says nobody.
func (h *haystack) has(kind, value string) (found, short bool) {
	ws := words(value)
	n := 0
	for _, w := range ws {
		n += len(w)
	}
	if n < shortestName || kind != "name" && n < shortest {
		return false, true
	}
	for _, w := range ws {
		if !h.all[w] {
			return false, false
		}
	}
	if len(ws) > 1 {
		return strings.Contains(h.run, " "+strings.Join(ws, " ")+" "), false
	}
	return kind != "name" || !h.own[ws[0]], false
}

// scan holds parts against every patient of the store.
func scan(ctx context.Context, parts []Part, patients Patients, now func() time.Time) (Scan, error) {
	began := now()
	h := newHaystack(parts)
	out := Scan{How: howScanned, Words: h.n}
	for _, p := range parts {
		out.Bytes += int64(len(p.Body))
	}
	var err error
	out.Messages, out.Unreadable, err = patients.Each(ctx, func(kind, value string) error {
		found, short := h.has(kind, value)
		out.Values++
		if short {
			out.TooShort++
		}
		if found {
			out.Found++
		}
		return nil
	})
	out.TookMS = now().Sub(began).Milliseconds()
	return out, err
}

// Bundle makes a support bundle of parts: a zip file with a manifest that says
// how it was proved to hold no patient data. Where something is found there is no
// bundle. That it was made, or refused, is in the ledger.
func (s *Service) Bundle(ctx context.Context, version string, parts []Part, patients Patients, by string) ([]byte, Manifest, error) {
	m := Manifest{Made: s.clock(), Version: version, LeftOut: []string{
		"Logs: words of other systems stand in them.", "Names of the laboratory, partners, sources, people and hosts; secrets; ledger events; messages.",
	}}
	for _, p := range parts {
		sum := sha256.Sum256(p.Body)
		m.Parts = append(m.Parts, ManifestPart{p.Name, len(p.Body), hex.EncodeToString(sum[:])})
	}
	var err error
	if m.Proof, err = scan(ctx, parts, patients, s.now); err != nil {
		return nil, m, fmt.Errorf("look for patient data in the bundle: %w", err)
	}
	kind := "support.bundle_made"
	if m.Proof.Found > 0 {
		kind = "support.bundle_refused"
	}
	manifest, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, m, err
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, p := range append([]Part{{Name: "bundle.json", Body: manifest}}, parts...) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: p.Name, Method: zip.Deflate, Modified: m.Made})
		if err == nil {
			_, err = w.Write(p.Body)
		}
		if err != nil {
			return nil, m, fmt.Errorf("write the bundle: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, m, fmt.Errorf("write the bundle: %w", err)
	}
	sum := sha256.Sum256(b.Bytes())
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := bus.Publish(ctx, tx, ledger.Event{
			Kind: kind, At: max(s.now().UnixMicro(), 0), IDs: ledger.Pairs{{K: "by", V: ledger.Code(by)}}, Codes: ledger.Pairs{{K: "sha256", V: hex.EncodeToString(sum[:])}},
			Numbers: []ledger.Number{{K: "messages", N: m.Proof.Messages}, {K: "values", N: m.Proof.Values}, {K: "bytes", N: m.Proof.Bytes}, {K: "found", N: m.Proof.Found}},
		})
		return err
	})
	if err != nil {
		return nil, m, fmt.Errorf("record the bundle: %w", err)
	}
	if m.Proof.Found > 0 {
		s.slog.Error("a support bundle was not made: it held something that a patient's message holds too", "found", m.Proof.Found, "values", m.Proof.Values, "messages", m.Proof.Messages)
		return nil, m, ErrPatientData
	}
	return b.Bytes(), m, nil
}
