package journal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	magic    = "LWJ1"
	saltSize = 32
	lenSize  = 4
	tagSize  = 16
	headSize = len(magic) + saltSize + 8 + 8 + tagSize
	// leastRecord is what a record takes at least.
	leastRecord = lenSize + tagSize
	suffix      = ".seg"
)

// segment is one file. Its fields are guarded by the journal's mu, beside what the
// one writing goroutine alone touches: broken and the end of the file.
type segment struct {
	f      *os.File
	first  uint64
	before uint64 // the number that the segments before end with
	aead   cipher.AEAD
	ends   []int64 // where each record ends, in order
	size   int64   // up to the last record
	broken bool    // nothing more is written: it was there at the start, or a write or flush failed
}

func fileName(first uint64) string { return fmt.Sprintf("%016x", first) + suffix }

func newAEAD(key *Key, salt []byte) (cipher.AEAD, error) {
	k, err := hkdf.Key(sha256.New, key[:], salt, "labwarden journal segment", 32)
	if err != nil {
		return nil, fmt.Errorf("derive segment key: %w", err)
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

// begin starts a segment and makes its name durable.
func (j *Journal) begin() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	salt := make([]byte, saltSize)
	if _, err := rand.Read(salt); err != nil {
		return fmt.Errorf("draw salt: %w", err)
	}
	head, aead, err := j.head(salt, j.next, j.ends)
	if err != nil {
		return err
	}
	// A segment of this number without records may be there, from a start before.
	if n := len(j.segs); n > 0 && j.segs[n-1].first == j.next {
		j.bytes -= j.segs[n-1].size
		if err := j.segs[n-1].remove(j.dir); err != nil {
			return err
		}
		j.segs = j.segs[:n-1]
	}
	f, err := os.OpenFile(filepath.Join(j.dir, fileName(j.next)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("begin segment: %w", err)
	}
	if _, err = f.Write(head); err == nil {
		err = j.o.sync(f)
	}
	if err == nil {
		err = j.syncDir()
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
		return fmt.Errorf("begin segment: %w", err)
	}
	j.segs = append(j.segs, &segment{f: f, first: j.next, before: j.ends, aead: aead, size: int64(headSize)})
	j.bytes += int64(headSize)
	return nil
}

// head is the beginning of a segment: which number is its first, and with which
// the segments before end. Numbers between the two name no record. It is sealed
// with number 0, which no record has.
func (j *Journal) head(salt []byte, first, before uint64) ([]byte, cipher.AEAD, error) {
	aead, err := newAEAD(&j.key, salt)
	if err != nil {
		return nil, nil, err
	}
	b := append([]byte(magic), salt...)
	b = binary.BigEndian.AppendUint64(b, first)
	b = binary.BigEndian.AppendUint64(b, before)
	return aead.Seal(b, nonce(0), nil, b), aead, nil
}

// readHead reads it from a file of the name.
func (j *Journal) readHead(b []byte, first uint64) (*segment, error) {
	if len(b) < headSize || !bytes.HasPrefix(b, []byte(magic)) {
		return nil, errHead
	}
	salt, at := b[len(magic):len(magic)+saltSize], len(magic)+saltSize
	before := binary.BigEndian.Uint64(b[at+8:])
	want, aead, err := j.head(salt, first, before)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(b[:headSize], want) {
		return nil, errHead
	}
	return &segment{first: first, before: before, aead: aead, size: int64(headSize)}, nil
}

func nonce(n uint64) []byte {
	var b [12]byte
	binary.BigEndian.PutUint64(b[4:], n)
	return b[:]
}

func (s *segment) appendRecord(dst []byte, n uint64, body []byte) []byte {
	at := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(body)))
	return s.aead.Seal(dst, nonce(n), body, dst[at:at+lenSize])
}

// add writes and flushes. After an error the segment ends where it did before.
func (s *segment) add(b []byte, o Options) error {
	_, err := s.f.WriteAt(b, s.size)
	if err == nil {
		err = o.sync(s.f)
	}
	if err == nil {
		return nil
	}
	// What is on disk now is not known. What stands behind the end does not count
	// once the next segment has begun; it is cut off for good measure.
	s.broken = true
	_ = s.f.Truncate(s.size)
	return fmt.Errorf("write journal: %w", err)
}

// record reads one that is there.
func (s *segment) record(n uint64, most int) ([]byte, error) {
	i := n - s.first
	from := int64(headSize)
	if i > 0 {
		from = s.ends[i-1]
	}
	b := make([]byte, s.ends[i]-from)
	if _, err := s.f.ReadAt(b, from); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	body, _, err := s.open(b, n, most)
	return body, err
}

var (
	errShort   = errors.New("it ends in the middle of a record")
	errChanged = errors.New("its content was changed")
	errHead    = errors.New("the beginning of its file is damaged")
)

// open reads the record at the beginning of b and says how long it is.
func (s *segment) open(b []byte, n uint64, most int) (body []byte, size int, err error) {
	if len(b) < lenSize {
		return nil, 0, errShort
	}
	length := binary.BigEndian.Uint32(b)
	if uint64(length) > uint64(most) {
		return nil, 0, errChanged
	}
	size = lenSize + int(length) + tagSize
	if len(b) < size {
		return nil, 0, errShort
	}
	body, err = s.aead.Open(nil, nonce(n), b[lenSize:size], b[:lenSize])
	if err != nil {
		return nil, 0, errChanged
	}
	return body, size, nil
}

func (s *segment) close() { _ = s.f.Close() }

func (s *segment) remove(dir string) error {
	s.close()
	if err := os.Remove(filepath.Join(dir, fileName(s.first))); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove segment: %w", err)
	}
	return nil
}

// load reads what is there.
func (j *Journal) load() (Report, error) {
	var r Report
	acked, err := j.readAcked()
	if err != nil {
		return r, err
	}
	j.acked, j.next, j.ends = acked, acked+1, acked
	firsts, err := j.names()
	if err != nil {
		return r, err
	}
	for _, first := range firsts {
		if err := j.loadSegment(first, &r); err != nil {
			return r, err
		}
	}
	for _, s := range j.segs {
		j.bytes += s.size
	}
	j.next = max(j.next, j.ends+1)
	r.Records, r.Bytes = int64(j.ends-acked), j.bytes
	return r, nil
}

// names are the first numbers of the segments in the folder, in order.
func (j *Journal) names() ([]uint64, error) {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, fmt.Errorf("read journal folder: %w", err)
	}
	var firsts []uint64
	for _, e := range entries {
		hex, ok := strings.CutSuffix(e.Name(), suffix)
		n, err := strconv.ParseUint(hex, 16, 64)
		if ok && err == nil && len(hex) == 16 && n > 0 {
			firsts = append(firsts, n)
		}
	}
	slices.Sort(firsts)
	return firsts, nil
}

// loadSegment reads one.
func (j *Journal) loadSegment(first uint64, r *Report) error {
	f, err := os.Open(filepath.Join(j.dir, fileName(first)))
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("read segment: %w", err)
	}
	s, err := j.readHead(b, first)
	if errors.Is(err, errHead) {
		// What it held is not known: its numbers are not given again.
		_ = f.Close()
		r.Torn += int64(len(b))
		j.next = max(j.next, first+uint64(len(b)/leastRecord)+1)
		return j.setAside(fileName(first), b)
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	s.f, s.broken = f, true
	j.settle(s, r)
	j.segs = append(j.segs, s)
	n := first
	for s.size < int64(len(b)) {
		_, size, err := s.open(b[s.size:], n, j.o.MaxRecord)
		if err != nil {
			break
		}
		s.size += int64(size)
		s.ends = append(s.ends, s.size)
		n++
	}
	j.ends = max(j.ends, n-1)
	j.next = max(j.next, n)
	if rest := b[s.size:]; len(rest) > 0 {
		r.Torn += int64(len(rest))
		j.next = max(j.next, n+uint64(len(rest)/leastRecord)+1)
		if len(bytes.Trim(rest, "\x00")) > 0 {
			return j.setAside(fileName(first), rest)
		}
	}
	return nil
}

// settle holds what was read so far against what the segment says of those before
// it: what they hold beyond that does not count, what they lack is damage.
func (j *Journal) settle(s *segment, r *Report) {
	for _, p := range j.segs {
		if s.before+1 >= p.first && uint64(len(p.ends)) > s.before+1-p.first {
			p.ends = p.ends[:s.before+1-p.first]
		}
	}
	if from := max(j.ends, j.acked) + 1; from <= s.before {
		r.Damaged = append(r.Damaged, DamagedError{from, s.before, "its file is missing, cut off or was changed"})
	}
	j.ends = max(s.before, j.acked)
	j.next = max(j.next, s.first)
}
