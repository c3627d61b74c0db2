package demo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// What a line of the LIS's list records.
const (
	Presented  = "presented"  // about to be written to the connection
	Replied    = "reply"      // answered, by MSA-2
	Unanswered = "unanswered" // no usable answer to this attempt
	Stale      = "stale"      // an answer that names something else
	GaveUp     = "gave-up"    // attempts used up
)

// LISLine is one line of the LIS's own list. It holds no patient data: keys of
// patients are hashed.
type LISLine struct {
	Event string    `json:"event"`
	At    time.Time `json:"at"`
	// Seq is the order of first presentation, from 1; a repeat keeps it.
	Seq     int      `json:"seq,omitempty"`
	File    string   `json:"file,omitempty"`
	Index   int      `json:"index,omitempty"`
	Conn    int      `json:"conn"`
	Attempt int      `json:"attempt,omitempty"`
	Control string   `json:"control,omitempty"`
	SHA256  string   `json:"sha256,omitempty"`
	Bytes   int      `json:"bytes,omitempty"`
	Keys    []string `json:"keys,omitempty"`
	Orders  []string `json:"orders,omitempty"`
	// Code and Text are MSA-1 and MSA-3 of a reply, or why there was none.
	Code string `json:"code,omitempty"`
	Text string `json:"text,omitempty"`
}

// ClinicLine is one arrival in a clinic's own list.
type ClinicLine struct {
	Seq int       `json:"seq"`
	At  time.Time `json:"at"`
	// SHA256 is of the bytes received (for a folder: of the decrypted content).
	SHA256 string `json:"sha256"`
	Bytes  int    `json:"bytes"`
	// Controls and Orders identify what came: MSH-10 and the filler numbers, or
	// for FHIR where fhirIdentity finds them in the bundle.
	Controls []string `json:"controls,omitempty"`
	Orders   []string `json:"orders,omitempty"`
	// Duplicate marks bytes that came before.
	Duplicate bool `json:"duplicate,omitempty"`
	// Code is what the clinic is about to answer: an MSA-1, an HTTP status,
	// "taken" for a file, "" where the fault is to say nothing.
	Code  string `json:"code,omitempty"`
	Fault string `json:"fault,omitempty"`
	// Name is the file's name in a folder.
	Name string `json:"name,omitempty"`
	// Problem says what was wrong with the arrival, without its content.
	Problem string `json:"problem,omitempty"`
}

// list is an append-only file of JSON lines, flushed to disk line by line.
type list[T any] struct {
	mu sync.Mutex
	f  *os.File
}

// openList opens or creates the list, cuts off a line torn by a crash and
// returns what it already holds.
func openList[T any](path string) (*list[T], []T, error) {
	old, whole, err := readList[T](path)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open list: %w", err)
	}
	if err = f.Truncate(whole); err == nil {
		_, err = f.Seek(whole, 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, fmt.Errorf("open list: %w", err)
	}
	return &list[T]{f: f}, old, nil
}

// append writes lines and flushes once; when it returns they are on disk.
func (l *list[T]) append(lines ...T) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b bytes.Buffer
	for _, v := range lines {
		j, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("append to list: %w", err)
		}
		b.Write(append(j, '\n'))
	}
	if _, err := l.f.Write(b.Bytes()); err != nil {
		return fmt.Errorf("append to list: %w", err)
	}
	if err := l.f.Sync(); err != nil {
		return fmt.Errorf("append to list: %w", err)
	}
	return nil
}

func (l *list[T]) close() error { return l.f.Close() }

// ReadLIS reads a LIS's list. A last line torn by a crash is left out; any
// other unreadable line is an error. A missing file is an empty list.
func ReadLIS(path string) ([]LISLine, error) {
	l, _, err := readList[LISLine](path)
	return l, err
}

// ReadClinic reads a clinic's list as ReadLIS does a LIS's.
func ReadClinic(path string) ([]ClinicLine, error) {
	l, _, err := readList[ClinicLine](path)
	return l, err
}

func readList[T any](path string) (out []T, whole int64, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read list: %w", err)
	}
	for n := 1; ; n++ {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return out, whole, nil
		}
		var v T
		if err := json.Unmarshal(b[:i], &v); err != nil {
			return nil, 0, fmt.Errorf("read list: line %d: %w", n, err)
		}
		out = append(out, v)
		whole += int64(i + 1)
		b = b[i+1:]
	}
}
