package bypass

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

func newKey(t *testing.T) Key {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bypass.key")
	if err := vault.CreateKeyFile(path, rand.Reader); err != nil {
		t.Fatal(err)
	}
	k, err := ReadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newLog(t *testing.T, k Key) *Log {
	t.Helper()
	l, err := NewLog(t.TempDir(), k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// written makes a log of n records and returns its bytes with the offset of
// each record's end.
func written(t *testing.T, k Key, n int) (path string, whole []byte, ends []int) {
	t.Helper()
	l := newLog(t, k)
	for i := range n {
		if err := l.Append(Record{Kind: Relayed, ID: fmt.Sprint(i), Body: bytes.Repeat([]byte("Marchbanks "), i+1)}); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, int(l.size))
	}
	whole, err := os.ReadFile(l.Path)
	if err != nil {
		t.Fatal(err)
	}
	return l.Path, whole, ends
}

func readIDs(t *testing.T, path string, b []byte, k Key) ([]string, Tail, error) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var ids []string
	tail, err := ReadLog(path, k, func(r Record) error { ids = append(ids, r.ID); return nil })
	return ids, tail, err
}

func TestLogIsReadBackAndShowsNothingInTheClear(t *testing.T) {
	k := newKey(t)
	path, whole, _ := written(t, k, 5)
	if bytes.Contains(whole, []byte("Marchbanks")) {
		t.Error("the log holds text in the clear")
	}
	ids, tail, err := readIDs(t, path, whole, k)
	if err != nil || len(ids) != 5 || tail.Torn != 0 || tail.Records != 5 {
		t.Errorf("%v %+v %v", ids, tail, err)
	}
	if _, _, err := readIDs(t, path, whole, newKey(t)); !errors.Is(err, ErrWrongKey) {
		t.Errorf("another key: %v", err)
	}
}

// A log cut off anywhere, as by a kill, gives every whole record before.
func TestLogCutOffAnywhere(t *testing.T) {
	k := newKey(t)
	path, whole, ends := written(t, k, 3)
	for cut := range len(whole) {
		want := 0
		for _, e := range ends {
			if e <= cut {
				want++
			}
		}
		for _, pad := range []int{0, 40} { // the file had grown, its end was not written
			ids, _, err := readIDs(t, path, append(bytes.Clone(whole[:cut]), make([]byte, pad)...), k)
			if pad > 0 && (errors.Is(err, ErrDamaged) || errors.Is(err, ErrWrongKey)) && len(ids) == want {
				continue // said to be damaged, which errs on the careful side
			}
			if err != nil || len(ids) != want {
				t.Fatalf("cut at %d of %d, %d zeros: %d records, want %d: %v", cut, len(whole), pad, len(ids), want, err)
			}
		}
	}
	if _, _, err := readIDs(t, path, append(bytes.Clone(whole), make([]byte, 4096)...), k); err != nil {
		t.Errorf("zeros after the last record: %v", err)
	}
}

// A changed byte, a record taken out, moved or repeated is damage, never silence.
func TestLogChangedAnywhere(t *testing.T) {
	k := newKey(t)
	path, whole, ends := written(t, k, 3)
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 0x40
		if ids, tail, err := readIDs(t, path, b, k); err == nil {
			t.Fatalf("byte %d flipped: %v %+v", i, ids, tail)
		}
	}
	one, two := whole[ends[0]:ends[1]], whole[ends[1]:ends[2]]
	for name, b := range map[string][]byte{
		"taken out": append(bytes.Clone(whole[:ends[0]]), two...),
		"swapped":   append(append(bytes.Clone(whole[:ends[0]]), two...), one...),
		"repeated":  append(bytes.Clone(whole[:ends[1]]), one...),
	} {
		if ids, _, err := readIDs(t, path, b, k); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v %v", name, ids, err)
		}
	}
}

func TestCardOpensWithItsKeyAlone(t *testing.T) {
	k, dir := newKey(t), t.TempDir()
	if _, err := ReadCard(dir, k); !errors.Is(err, ErrNoCard) {
		t.Errorf("no card: %v", err)
	}
	c := Card{
		Made: time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC), Lab: "Millbrook", Number: 7, Revision: "ab", Text: "{}", Base: "/x",
		Node: config.Node{Data: "./data", Listen: map[string]config.Listen{"lis": "127.0.0.1:1"}}, Secrets: map[string][]byte{"token": []byte("hush-hush")},
	}
	for range 2 { // it is replaced
		if err := WriteCard(dir, k, c); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadCard(dir, k)
	if err != nil || got.Number != 7 || got.Node.Listen["lis"] != "127.0.0.1:1" || string(got.Secrets["token"]) != "hush-hush" {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := ReadCard(dir, newKey(t)); !errors.Is(err, ErrWrongKey) {
		t.Errorf("another key: %v", err)
	}
	b, err := os.ReadFile(cardPath(dir))
	if err != nil || bytes.Contains(b, []byte("hush-hush")) {
		t.Errorf("in the clear, or %v", err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(cardPath(dir), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadCard(dir, k); !errors.Is(err, ErrWrongKey) {
		t.Errorf("changed: %v", err)
	}
}

// fullDisk fails as a disk does that fills up, and syncs that fail.
type fullDisk struct {
	*os.File
	room  int
	broke error
}

func (f *fullDisk) Write(p []byte) (int, error) {
	if len(p) > f.room {
		n, _ := f.File.Write(p[:f.room])
		return n, errors.New("no space left")
	}
	f.room -= len(p)
	return f.File.Write(p)
}

func (f *fullDisk) Sync() error { return errors.Join(f.broke, f.File.Sync()) }

func TestLogOnAFullDiskGoesOnWhenThereIsRoom(t *testing.T) {
	k := newKey(t)
	l := newLog(t, k)
	disk := &fullDisk{File: l.f.(*os.File), room: 400}
	l.f = disk
	for i := 0; ; i++ {
		if err := l.Append(Record{ID: fmt.Sprint(i)}); err != nil {
			break
		}
	}
	disk.room = 1 << 20
	if err := l.Append(Record{ID: "after"}); err != nil {
		t.Fatal(err)
	}
	var last string
	tail, err := ReadLog(l.Path, k, func(r Record) error { last = r.ID; return nil })
	if err != nil || last != "after" || tail.Torn != 0 {
		t.Errorf("%q %+v %v", last, tail, err)
	}
	disk.broke = errors.New("input/output error")
	if l.Append(Record{ID: "x"}) == nil {
		t.Error("a failed flush was no error")
	}
	disk.broke = nil
	if l.Append(Record{ID: "y"}) == nil {
		t.Error("a log whose end is not known went on")
	}
}
