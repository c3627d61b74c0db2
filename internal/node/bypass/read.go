package bypass

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrDamaged: a log's records were changed, or the disk lost some.
var ErrDamaged = errors.New("the bypass log is damaged")

// Tail says how a log ends.
type Tail struct {
	Session string
	Records int
	// Torn are bytes of a last record that was being written when the process or
	// the machine died: nothing of it was acknowledged.
	Torn int64
}

// ReadLog calls each for every record of the log at path, in order. What is
// whole before damage is handed out before ErrDamaged is returned. It holds one
// record in memory.
func ReadLog(path string, k Key, each func(Record) error) (Tail, error) {
	var t Tail
	f, err := os.Open(path)
	if err != nil {
		return t, fmt.Errorf("read bypass log: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return t, fmt.Errorf("read bypass log: %w", err)
	}
	left := st.Size()
	line := make([]byte, min(left, int64(len(logMark)+2*saltSize+1)))
	in := bufio.NewReaderSize(f, 64<<10)
	if _, err := io.ReadFull(in, line); err != nil {
		return t, fmt.Errorf("read bypass log: %w", err)
	}
	left -= int64(len(line))
	session, marked := strings.CutPrefix(strings.TrimSuffix(string(line), "\n"), logMark)
	id, err := hex.DecodeString(session)
	switch {
	case len(line) < len(logMark)+2*saltSize+1 && strings.HasPrefix(logMark, string(line[:min(len(line), len(logMark))])):
		t.Torn = int64(len(line)) // it died while the file was made
		return t, nil
	case !marked || err != nil || len(id) != saltSize || line[len(line)-1] != '\n':
		return t, fmt.Errorf("%w: its first line is not that of a log", ErrDamaged)
	}
	t.Session = session
	a, err := k.aead(id, "log")
	if err != nil {
		return t, err
	}
	for n := uint64(0); left > 0; n++ {
		var head [headSize]byte
		if left < headSize {
			t.Torn = left
			return t, nil
		}
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return t, fmt.Errorf("read bypass log: %w", err)
		}
		size := int64(binary.BigEndian.Uint32(head[:]))
		whole := crc32.Checksum(head[:4], crc32.MakeTable(crc32.Castagnoli)) == binary.BigEndian.Uint32(head[4:])
		if !whole || size > maxRecord || size < nonceSize {
			if zero, err := zeros(in); err != nil || head != [headSize]byte{} || !zero {
				return t, fmt.Errorf("%w: record %d", ErrDamaged, n)
			}
			t.Torn = left // the file had grown, its end was not written
			return t, nil
		}
		if left -= headSize; left < size {
			t.Torn = left + headSize
			return t, nil
		}
		sealed := make([]byte, size)
		if _, err := io.ReadFull(in, sealed); err != nil {
			return t, fmt.Errorf("read bypass log: %w", err)
		}
		left -= size
		plain, err := a.Open(nil, nil, sealed, place(line, n))
		if err != nil {
			zero := bytes.HasSuffix(sealed, make([]byte, 16))
			if zero {
				if zero, err = zeros(in); err != nil {
					return t, fmt.Errorf("read bypass log: %w", err)
				}
			}
			switch {
			case zero: // the file had grown, its end was not written
				t.Torn = headSize + size + left
				return t, nil
			case n == 0:
				return t, ErrWrongKey
			}
			return t, fmt.Errorf("%w: record %d", ErrDamaged, n)
		}
		var r Record
		if err := json.Unmarshal(plain, &r); err != nil {
			return t, fmt.Errorf("%w: record %d is not in its form", ErrDamaged, n)
		}
		if err := each(r); err != nil {
			return t, err
		}
		t.Records++
	}
	return t, nil
}

// zeros reports whether nothing but zeros is left.
func zeros(in *bufio.Reader) (bool, error) {
	for {
		c, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil || c != 0 {
			return false, err
		}
	}
}

// Logs are the logs in dir that the hub has not taken in yet, oldest first.
func Logs(dir string) ([]string, error) {
	all, err := filepath.Glob(filepath.Join(dir, "*"+logSuffix))
	if err != nil {
		return nil, fmt.Errorf("list bypass logs: %w", err)
	}
	type dated struct {
		path string
		at   int64
	}
	var list []dated
	for _, p := range all {
		st, err := os.Stat(p)
		if err != nil {
			return nil, fmt.Errorf("list bypass logs: %w", err)
		}
		list = append(list, dated{p, st.ModTime().UnixNano()})
	}
	slices.SortFunc(list, func(a, b dated) int { return int(min(1, max(-1, a.at-b.at))) })
	out := make([]string, len(list))
	for i, d := range list {
		out[i] = d.path
	}
	return out, nil
}

// Done moves a log that was taken in to dir/done. It stays sealed there.
func Done(path string) error {
	dir := filepath.Dir(path)
	done := filepath.Join(dir, "done")
	if err := os.MkdirAll(done, 0o700); err != nil {
		return fmt.Errorf("put the bypass log away: %w", err)
	}
	if err := os.Rename(path, filepath.Join(done, filepath.Base(path))); err != nil {
		return fmt.Errorf("put the bypass log away: %w", err)
	}
	return errors.Join(syncDir(done), syncDir(dir))
}
