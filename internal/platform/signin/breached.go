package signin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
)

// The file of known passwords:
//
//	magic 8 | version and zeros 8 | count 8 | 65,537 offsets of 8 bytes | entries of 4 bytes
//
// A password's SHA-1 falls into the bucket of its first two bytes; the bucket
// holds the next four bytes of each hash, ascending. So 6 of 20 bytes are kept:
// with a billion passwords the file has 4 GB (the list they come from has 40),
// and one password in 280,000 is taken for a known one by mistake. Numbers are
// big endian.
const (
	breachedMagic = "lw-known"
	buckets       = 1 << 16
	entrySize     = 4
	headSize      = 24
	entriesAt     = headSize + (buckets+1)*8
)

// Breached looks passwords up in a file that ImportBreached has made. It reads a
// few pages each time and keeps only the offsets (512 KiB) in memory. It is safe
// for concurrent use.
type Breached struct {
	f       *os.File
	offsets []uint64 // in entries
}

// OpenBreached opens such a file.
func OpenBreached(path string) (*Breached, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the list of known passwords: %w", err)
	}
	b, err := readBreached(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the list of known passwords %s: %w", path, err), f.Close())
	}
	return b, nil
}

func readBreached(f *os.File) (*Breached, error) {
	head := make([]byte, entriesAt)
	if _, err := io.ReadFull(f, head); err != nil || string(head[:8]) != breachedMagic || head[8] != 1 {
		return nil, errors.New("it is not a list that this program has made: import it again")
	}
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := &Breached{f: f, offsets: make([]uint64, buckets+1)}
	for i := range b.offsets {
		b.offsets[i] = binary.BigEndian.Uint64(head[headSize+8*i:])
		if i > 0 && b.offsets[i] < b.offsets[i-1] {
			return nil, errors.New("its table of contents is damaged: import it again")
		}
	}
	n := binary.BigEndian.Uint64(head[16:])
	if b.offsets[buckets] != n || st.Size() != int64(entriesAt+n*entrySize) {
		return nil, errors.New("it is not whole: import it again")
	}
	return b, nil
}

// Count is how many passwords it knows.
func (b *Breached) Count() uint64 { return b.offsets[buckets] }

// Close closes the file.
func (b *Breached) Close() error { return b.f.Close() }

// Has says whether the password with this SHA-1 is known.
func (b *Breached) Has(_ context.Context, sum [20]byte) (bool, error) {
	bucket := binary.BigEndian.Uint16(sum[:])
	from, to := b.offsets[bucket], b.offsets[int(bucket)+1]
	var failed error
	var e [entrySize]byte
	at := sort.Search(int(to-from), func(i int) bool {
		if failed == nil {
			_, failed = b.f.ReadAt(e[:], int64(entriesAt+(from+uint64(i))*entrySize))
		}
		return bytes.Compare(e[:], sum[2:2+entrySize]) >= 0
	})
	if failed != nil || uint64(at) == to-from {
		return false, failed
	}
	_, err := b.f.ReadAt(e[:], int64(entriesAt+(from+uint64(at))*entrySize))
	return bytes.Equal(e[:], sum[2:2+entrySize]), err
}

// ImportBreached makes the file at path of a list with one SHA-1 a line, ordered
// by hash, each with or without ":COUNT": the form in which Have I Been Pwned
// gives its list away. It reads the list once, from front to end, in constant
// memory; progress, where it is not nil, hears now and then how many were read.
// The file appears whole or not at all; one that is there is replaced.
func ImportBreached(ctx context.Context, r io.Reader, path string, progress func(passwords uint64)) (n uint64, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".known-passwords-*")
	if err != nil {
		return 0, fmt.Errorf("import known passwords: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if n, err = writeBreached(ctx, r, f, progress); err != nil {
		return 0, err
	}
	if err = f.Sync(); err != nil {
		return 0, fmt.Errorf("import known passwords: %w", err)
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return 0, fmt.Errorf("import known passwords: %w", err)
	}
	return n, f.Close()
}

func writeBreached(ctx context.Context, r io.Reader, f *os.File, progress func(uint64)) (n uint64, err error) {
	fail := func(err error) (uint64, error) { return 0, fmt.Errorf("import known passwords: %w", err) }
	if _, err := f.Seek(entriesAt, io.SeekStart); err != nil {
		return fail(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	lines := bufio.NewScanner(bufio.NewReaderSize(r, 1<<20))
	lines.Buffer(make([]byte, 0, 256), 256)
	var counts [buckets]uint64
	var last, sum [20]byte
	line := uint64(0)
	for lines.Scan() {
		line++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		if hash, _, ok := bytes.Cut(text, []byte(":")); ok {
			text = hash
		}
		if k, err := hex.Decode(sum[:], text[:min(len(text), 40)]); err != nil || k != 20 || len(text) != 40 {
			return fail(fmt.Errorf("line %d is not a SHA-1 with its count (40 hexadecimal digits, a colon, a number)", line))
		}
		if bytes.Compare(sum[:], last[:]) < 0 {
			return fail(fmt.Errorf("line %d comes before the one above it: take the list that is ordered by hash", line))
		}
		// What differs only behind the bytes that are kept is one entry.
		if n > 0 && bytes.Equal(sum[:2+entrySize], last[:2+entrySize]) {
			continue
		}
		last = sum
		counts[binary.BigEndian.Uint16(sum[:])]++
		if _, err := w.Write(sum[2 : 2+entrySize]); err != nil {
			return fail(err)
		}
		n++
		if n%(1<<20) == 0 {
			if ctx.Err() != nil {
				return fail(ctx.Err())
			}
			if progress != nil {
				progress(n)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fail(fmt.Errorf("line %d: %w", line+1, err))
	}
	if n == 0 {
		return fail(errors.New("the list is empty"))
	}
	if err := w.Flush(); err != nil {
		return fail(err)
	}
	if _, err := f.WriteAt(breachedHead(n, &counts), 0); err != nil {
		return fail(err)
	}
	return n, nil
}

func breachedHead(n uint64, counts *[buckets]uint64) []byte {
	head := append(make([]byte, 0, entriesAt), breachedMagic...)
	head = append(head, 1, 0, 0, 0, 0, 0, 0, 0)
	head = binary.BigEndian.AppendUint64(head, n)
	at := uint64(0)
	for _, c := range counts {
		head = binary.BigEndian.AppendUint64(head, at)
		at += c
	}
	return binary.BigEndian.AppendUint64(head, at)
}
