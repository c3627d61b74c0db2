package journal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

func datasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

func (j *Journal) syncDir() error {
	d, err := os.Open(j.dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return j.o.sync(d)
}

func freeBytes(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("ask for free space: %w", err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}

func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("lock journal: %w", err)
	}
	return f, nil
}

func unlockDir(f *os.File) {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	_ = f.Close()
}

const ackedName = "acked"

// saveAcked writes down up to where records are safe elsewhere, before the last
// trace of them goes.
func (j *Journal) saveAcked() error {
	b := binary.BigEndian.AppendUint64(nil, j.acked)
	b = append(b, j.ackedMAC(b)...)
	path := filepath.Join(j.dir, ackedName)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write down what is acknowledged: %w", err)
	}
	if _, err = f.Write(b); err == nil {
		err = j.o.sync(f)
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = j.syncDir()
	}
	if err != nil {
		return fmt.Errorf("write down what is acknowledged: %w", err)
	}
	return nil
}

func (j *Journal) readAcked() (uint64, error) {
	b, err := os.ReadFile(filepath.Join(j.dir, ackedName))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read what is acknowledged: %w", err)
	}
	if len(b) < 8 || !hmac.Equal(b[8:], j.ackedMAC(b[:8])) {
		return 0, nil // what is sent again is known by its number
	}
	return binary.BigEndian.Uint64(b), nil
}

// ackedMAC keeps others from saying that records are safe elsewhere.
func (j *Journal) ackedMAC(b []byte) []byte {
	h := hmac.New(sha256.New, j.key[:])
	h.Write([]byte("labwarden journal acked"))
	h.Write(b)
	return h.Sum(nil)
}

// setAside keeps what cannot be read, for whoever looks into it.
func (j *Journal) setAside(name string, b []byte) error {
	sum := sha256.Sum256(b)
	to := filepath.Join(j.dir, fmt.Sprintf("%s.%x.aside", name, sum[:4]))
	if err := os.WriteFile(to, b, 0o600); err != nil {
		return fmt.Errorf("set aside: %w", err)
	}
	return nil
}
