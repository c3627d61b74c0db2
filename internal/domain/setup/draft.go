package setup

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// DraftState is what became of a draft.
type DraftState int64

// The states of a draft.
const (
	DraftOpen DraftState = iota
	DraftApplied
	DraftDiscarded
)

func (s DraftState) String() string {
	switch s {
	case DraftOpen:
		return "open"
	case DraftApplied:
		return "applied"
	case DraftDiscarded:
		return "discarded"
	}
	return "unknown"
}

// MarshalText implements encoding.TextMarshaler.
func (s DraftState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Draft is a configuration that somebody writes.
type Draft struct {
	Number int64
	Title  string
	// Base is the revision it was written against.
	Base int64
	// Of is the revision whose contents it is (a way back); 0 for a text of its own.
	Of     int64
	Source []byte
	// Writers are who wrote the text, the first of them began it.
	Writers  []approval.Person
	Version  int64
	MadeAt   time.Time
	Changed  time.Time
	State    DraftState
	Revision int64 // what it became
	EndedAt  time.Time
	EndedBy  string
}

// Wrote says whether a person had a hand in the text.
func (d Draft) Wrote(p approval.Person) bool { return slices.ContainsFunc(d.Writers, p.Same) }

// target is what Configuration works on. meaning is what the text was read to.
func (d Draft) target(meaning string) Target {
	if d.Of > 0 {
		return Target{Number: d.Of}
	}
	return Target{Source: d.Source, Hash: meaning}
}

// Hash is what a second person approves: the text, what it is read to mean (a
// program it names is part of that), and the revision it was written against.
func (d Draft) Hash(meaning string) approval.Hash {
	h := sha256.New()
	text := sha256.Sum256(d.Source)
	h.Write([]byte("labwarden draft 1\n"))
	for _, n := range []int64{d.Number, d.Base, d.Of} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
	h.Write(text[:])
	h.Write([]byte(meaning))
	return approval.Hash(h.Sum(nil))
}

// maxSource bounds a draft; the longest configuration of a laboratory with 200
// partners has about 60 KiB.
const maxSource = 256 << 10

func checkText(title string, source []byte) error {
	switch {
	case strings.TrimSpace(title) == "" || len(title) > 200:
		return ErrTitle
	case len(source) > maxSource:
		return ErrTooLong
	}
	return nil
}

const draftColumns = `SELECT number, title, base, of_revision, text_hash, writers, version, made_at, changed_at, state, revision,
	ended_at, ended_by, source FROM setup_drafts `

func sourceWhere(number int64) vault.Where {
	return vault.Where{Table: "setup_drafts", Column: "source", Row: strconv.AppendInt(nil, number, 10)}
}

func (s *Service) scanDraft(row store.Scanner) (d Draft, err error) {
	var hash, sealed []byte
	var writers string
	var made, changed, ended, state int64
	err = row.Scan(&d.Number, &d.Title, &d.Base, &d.Of, &hash, &writers, &d.Version, &made, &changed, &state, &d.Revision, &ended, &d.EndedBy, &sealed)
	if errors.Is(err, store.ErrNoRows) {
		return d, ErrNoDraft
	}
	if err != nil {
		return d, fmt.Errorf("read draft: %w", err)
	}
	d.State, d.MadeAt, d.Changed, d.EndedAt = DraftState(state), moment(made), moment(changed), moment(ended)
	if d.Source, err = s.vault.Unseal(vault.PurposeConfig, sourceWhere(d.Number), nil, sealed); err != nil {
		return d, fmt.Errorf("read draft %d: %w", d.Number, err)
	}
	if sum := sha256.Sum256(d.Source); !slices.Equal(sum[:], hash) {
		return d, fmt.Errorf("read draft %d: its text is not the one that was stored last", d.Number)
	}
	d.Writers, err = readPeople(writers)
	return d, err
}

// person is how somebody is kept in a row.
type person struct {
	ID      string `json:"id"`
	Account string `json:"account"`
}

func writePeople(ps []approval.Person) string {
	out := make([]person, 0, len(ps))
	for _, p := range ps {
		out = append(out, person{p.ID.String(), p.Account})
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic(err) // two texts
	}
	return string(b)
}

func readPeople(text string) ([]approval.Person, error) {
	var in []person
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return nil, fmt.Errorf("read who wrote a draft: %w", err)
	}
	out := make([]approval.Person, 0, len(in))
	for _, p := range in {
		id, err := event.ParseID(p.ID)
		if err != nil {
			return nil, fmt.Errorf("read who wrote a draft: %w", err)
		}
		out = append(out, approval.Person{ID: id, Account: p.Account})
	}
	return out, nil
}

func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
