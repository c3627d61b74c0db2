package folder

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/labwarden/labwarden/internal/channel"
)

// Config describes one directory.
type Config struct {
	// Name is the partner's configured name; Dir the directory, which must exist
	// when a message is sent.
	Name, Dir string
	// Mode is the permission of placed files; default 0640.
	Mode fs.FileMode
	// SameName: names are unique per message, so a file of that name is this
	// message whatever its bytes. Needed where bodies are encrypted, because the
	// same text never gives the same bytes twice.
	SameName bool
	// Rand names temporary files; nil is crypto/rand. Now is the clock; nil is
	// time.Now.
	Rand io.Reader
	Now  func() time.Time
}

// Sender places files. It is safe for concurrent use.
type Sender struct {
	cfg Config
	mu  sync.Mutex // from looking for a free name to taking it

	state  sync.RWMutex // held for reading by Send, for writing by Close
	closed bool
	swept  sync.Once
}

const (
	tmpPrefix = ".labwarden-"
	tmpSuffix = ".part"
	// stale is when a temporary file is certainly one of a process that died.
	stale    = time.Hour
	maxNames = 1000
)

// NewSender checks the configuration. The directory is looked at on each Send,
// so that one on a share may come and go.
func NewSender(c Config) (*Sender, error) {
	if c.Dir == "" {
		return nil, errors.New("folder destination has no directory")
	}
	if c.Mode == 0 {
		c.Mode = 0o640
	}
	if c.Mode&^0o777 != 0 {
		return nil, fmt.Errorf("file mode %v has more than permissions", c.Mode)
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Sender{cfg: c}, nil
}

// CarriesFiles marks the transport as one whose bodies may be encrypted.
func (s *Sender) CarriesFiles() {}

// Close waits for a Send in flight; later ones are Unreachable.
func (s *Sender) Close() error {
	s.state.Lock()
	defer s.state.Unlock()
	s.closed = true
	return nil
}

// Send places m.Body under m.Name. The receipt's code is "renamed", or "present"
// when an earlier try had placed it; its peer address is the file's path.
//
// Errors: Misconfigured for a directory that is missing or may not be written;
// Unfit for an unusable name; Busy when there is no space left; Unreachable for
// any other failure before the rename, Unanswered after it.
func (s *Sender) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	s.state.RLock()
	defer s.state.RUnlock()
	if s.closed {
		return channel.Receipt{}, s.fail(channel.Unreachable, errors.New("sender is closed"))
	}
	if err := checkName(m.Name); err != nil {
		return channel.Receipt{}, s.fail(channel.Unfit, err)
	}
	if err := ctx.Err(); err != nil {
		return channel.Receipt{}, s.fail(channel.Unreachable, err)
	}
	root, err := os.OpenRoot(s.cfg.Dir)
	if err != nil {
		return channel.Receipt{}, s.classed("open folder", err)
	}
	defer root.Close()
	s.swept.Do(func() { s.sweep(root) })
	if name, ok := s.present(root, m); ok {
		return s.receipt(name, "present"), nil
	}
	tmp, err := s.write(ctx, root, m.Body)
	if err != nil {
		return channel.Receipt{}, s.classed("write file", err)
	}
	name, code, err := s.place(root, tmp, m)
	if err != nil || code == "present" {
		err = errors.Join(err, root.Remove(tmp))
	}
	if err != nil {
		return channel.Receipt{}, s.classed("place file", err)
	}
	if err := syncDir(root); err != nil {
		return channel.Receipt{}, s.fail(channel.Unanswered, fmt.Errorf("flush folder: %w", plain(err)))
	}
	return s.receipt(name, code), nil
}

// checkName allows one plain file name.
func checkName(n string) error {
	switch {
	case n == "" || n == "." || n == ".." || len(n) > 200:
		return errors.New("message has no usable file name")
	case strings.ContainsAny(n, "/\\:") || !utf8.ValidString(n):
		return errors.New("file name has a separator or is no text")
	case strings.HasPrefix(n, "."):
		return errors.New("file name begins with a dot")
	case strings.IndexFunc(n, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0:
		return errors.New("file name has a control character")
	}
	return nil
}

// write makes a flushed file under a temporary name and returns that name.
func (s *Sender) write(ctx context.Context, root *os.Root, body []byte) (tmp string, err error) {
	var id [12]byte
	if _, err := io.ReadFull(s.cfg.Rand, id[:]); err != nil {
		return "", err
	}
	tmp = tmpPrefix + hex.EncodeToString(id[:]) + tmpSuffix
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, s.cfg.Mode)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, root.Remove(tmp))
		}
	}()
	_, err = f.Write(body)
	if err == nil {
		err = f.Chmod(s.cfg.Mode) // whatever the umask
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = ctx.Err()
	}
	return tmp, err
}

// names yields name, name-1, name-2, ... with the extension kept.
func names(name string, yield func(string) bool) {
	ext := filepath.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	for i := range maxNames {
		n := name
		if i > 0 {
			n = fmt.Sprintf("%s-%d%s", stem, i, ext)
		}
		if !yield(n) {
			return
		}
	}
}

// present looks for m among the files that bear its name, before anything is
// written.
func (s *Sender) present(root *os.Root, m channel.Message) (found string, ok bool) {
	names(m.Name, func(n string) bool {
		st, err := root.Lstat(n)
		if err != nil {
			return false
		}
		if s.same(root, n, st, m.Body) {
			found, ok = n, true
		}
		return !ok
	})
	return found, ok
}

// place renames tmp to the first free name, or finds m there already.
func (s *Sender) place(root *os.Root, tmp string, m channel.Message) (name, code string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = errors.New("no free file name")
	names(m.Name, func(n string) bool {
		st, lerr := root.Lstat(n)
		switch {
		case errors.Is(lerr, fs.ErrNotExist):
			name, code, err = n, "renamed", root.Rename(tmp, n)
			return false
		case lerr != nil:
			err = lerr
			return false
		case s.same(root, n, st, m.Body):
			name, code, err = n, "present", nil
			return false
		}
		return true
	})
	return name, code, err
}

// same reports whether the file n is this message.
func (s *Sender) same(root *os.Root, n string, st fs.FileInfo, body []byte) bool {
	if !st.Mode().IsRegular() {
		return false
	}
	if s.cfg.SameName {
		return true
	}
	if st.Size() != int64(len(body)) {
		return false
	}
	f, err := root.Open(n)
	if err != nil {
		return false
	}
	defer f.Close()
	got, err := io.ReadAll(io.LimitReader(f, int64(len(body))+1))
	return err == nil && bytes.Equal(got, body)
}

func syncDir(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// sweep removes what a process that died left half written: it holds results.
func (s *Sender) sweep(root *os.Root) {
	d, err := root.Open(".")
	if err != nil {
		return
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tmpPrefix) || !strings.HasSuffix(e.Name(), tmpSuffix) {
			continue
		}
		if st, err := root.Lstat(e.Name()); err == nil && st.Mode().IsRegular() && s.cfg.Now().Sub(st.ModTime()) > stale {
			_ = root.Remove(e.Name()) // the next sweep sees it again
		}
	}
}

func (s *Sender) peer(name string) channel.Peer {
	return channel.Peer{Name: s.cfg.Name, Addr: filepath.Join(s.cfg.Dir, name), Proof: "folder"}
}

func (s *Sender) receipt(name, code string) channel.Receipt {
	return channel.Receipt{Level: channel.Placed, Code: code, Peer: s.peer(name), Name: name, At: s.cfg.Now()}
}

func (s *Sender) fail(c channel.Class, err error) error {
	return &channel.Error{Class: c, Peer: s.peer(""), Err: err}
}

// classed reads an error of the file system.
func (s *Sender) classed(verb string, err error) error {
	c := channel.Unreachable
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		c = channel.Busy
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS),
		errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		c = channel.Misconfigured
	}
	return s.fail(c, fmt.Errorf("%s: %w", verb, plain(err)))
}

// plain drops file names from an error: a name may come from a message.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}
