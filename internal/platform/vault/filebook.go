package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// FileBook is a Book in one file (0600), for tests, tools without a database
// and `verify` off line. Save writes a temporary file beside it, flushes it,
// renames it over the old one and flushes the directory; processes exclude each
// other by a lock on the file's name with ".lock" added.
type FileBook struct{ path string }

// NewFileBook names the file; it need not exist, its directory must.
func NewFileBook(path string) *FileBook { return &FileBook{path: path} }

// Load reads the file; ErrEmpty when there is none.
func (b *FileBook) Load(ctx context.Context) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return b.read()
}

func (b *FileBook) read() ([]byte, error) {
	f, err := os.Open(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrEmpty
	}
	if err != nil {
		return nil, fmt.Errorf("open key book: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxBook+1))
	if err != nil {
		return nil, fmt.Errorf("read key book: %w", err)
	}
	return raw, nil
}

// Save replaces old by new, or fails with ErrConflict.
func (b *FileBook) Save(ctx context.Context, old, new []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	lock, err := os.OpenFile(b.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock key book: %w", err)
	}
	defer lock.Close() // releases the lock too
	for {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("lock key book: %w", err)
	}
	// Said, not only closed: a program that is being started has our files for a moment.
	defer func() { _ = syscall.Flock(int(lock.Fd()), syscall.LOCK_UN) }()
	now, err := b.read()
	switch {
	case errors.Is(err, ErrEmpty):
		if old != nil {
			return ErrConflict
		}
	case err != nil:
		return err
	case old == nil || !bytes.Equal(now, old):
		return ErrConflict
	}
	return b.replace(new)
}

func (b *FileBook) replace(raw []byte) (err error) {
	dir := filepath.Dir(b.path)
	f, err := os.CreateTemp(dir, filepath.Base(b.path)+".tmp-*") // created 0600
	if err != nil {
		return fmt.Errorf("write key book: %w", err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), b.path)
	}
	if err != nil {
		return fmt.Errorf("write key book: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("flush key book: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
