package bypass

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// A log is one file per opening: a line of text with the session, then records.
// Each is 4 bytes of length, 4 of their CRC-32C, a random nonce, and AES-256-GCM
// over JSON with the line and the record's number as additional data: a record
// that was changed, moved, repeated or taken out of the middle does not open.
// That whole records were cut off the end does not show.
const (
	logMark   = "labwarden-bypass-log/v1 "
	logSuffix = ".log"
	maxRecord = 512 << 20
	headSize  = 8
	nonceSize = 12
)

// file is what a log writes to; *os.File is one.
type file interface {
	io.Writer
	Sync() error
	Truncate(size int64) error
	Close() error
}

// Log appends to one session's file. It is safe for concurrent use.
type Log struct {
	Session string // hex
	Path    string

	mu   sync.Mutex
	f    file
	aead cipher.AEAD
	head []byte
	n    uint64
	size int64
	err  error // the end of the file is not known any more
}

// NewLog makes a session's file in dir, flushed with its folder.
func NewLog(dir string, k Key) (*Log, error) {
	var id [saltSize]byte
	if _, err := io.ReadFull(rand.Reader, id[:]); err != nil {
		return nil, fmt.Errorf("make bypass log: %w", err)
	}
	l := &Log{Session: hex.EncodeToString(id[:])}
	l.Path = filepath.Join(dir, l.Session+logSuffix)
	f, err := os.OpenFile(l.Path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make bypass log: %w", err)
	}
	l.f = f
	l.head = []byte(logMark + l.Session + "\n")
	if l.aead, err = k.aead(id[:], "log"); err == nil {
		_, err = f.Write(l.head)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make bypass log: %w", err), f.Close(), os.Remove(l.Path))
	}
	l.size = int64(len(l.head))
	return l, nil
}

// Append writes r and flushes: when it returns nil the record is on disk. After
// an error it may be repeated, unless the end of the file is not known any more.
func (l *Log) Append(r Record) error {
	plain, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write bypass log: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	out := make([]byte, headSize, headSize+len(plain)+l.aead.Overhead())
	out = l.aead.Seal(out, nil, plain, place(l.head, l.n))
	binary.BigEndian.PutUint32(out, uint32(len(out)-headSize))
	binary.BigEndian.PutUint32(out[4:], crc32.Checksum(out[:4], crc32.MakeTable(crc32.Castagnoli)))
	if _, err := l.f.Write(out); err != nil { // a full disk: what was written of it goes, and the next may fit
		err = fmt.Errorf("write bypass log: %w", err)
		if terr := l.f.Truncate(l.size); terr != nil {
			l.err = errors.Join(err, terr)
		}
		return err
	}
	if err := l.f.Sync(); err != nil { // what the disk has now is not known
		l.err = fmt.Errorf("write bypass log: %w", err)
		return l.err
	}
	l.n++
	l.size += int64(len(out))
	return nil
}

// Close ends the log.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = errors.New("the bypass log is closed")
	}
	return l.f.Close()
}

// place binds a record to its log and its number in it.
func place(head []byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(nil), head...), n)
}
