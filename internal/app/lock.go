package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/labwarden/labwarden/internal/platform/config"
)

// ErrInUse: another process, a running hub mostly, has the data folder.
var ErrInUse = errors.New("is in use")

// folderName is what tells this data folder from those of other nodes, made at
// the first start. Whoever holds the folder's lock knows that the
// process that had it before is gone, and takes its lease over at once.
func folderName(n *config.Node) (string, error) {
	path := filepath.Join(string(n.Data), "folder")
	b, err := os.ReadFile(path)
	if err == nil && len(b) >= 16 {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read the data folder's name: %w", err)
	}
	name := rand.Text()
	if err := os.WriteFile(path, []byte(name+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write the data folder's name: %w", err)
	}
	return name, nil
}

// lockData takes the data folder for this process. The kernel lets go of the
// lock when the process ends, however it ends. note, if any, tells whoever is
// refused what kind of process has it and how to end it.
func lockData(n *config.Node, note string) (*folderLock, error) {
	if err := os.MkdirAll(string(n.Data), 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	path := filepath.Join(string(n.Data), "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 1024)) // only to name it; empty is said too
		pid, other, _ := strings.Cut(strings.TrimSpace(string(holder)), "\n")
		if pid == "" {
			pid = "unknown"
		}
		if other != "" {
			pid += ": " + other
		}
		return nil, errors.Join(fmt.Errorf("the data folder %s %w by process %s", n.Data, ErrInUse, pid), f.Close())
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the data folder: %w", err), f.Close())
	}
	if _, err := f.WriteAt(fmt.Appendf(nil, "%d\n%s", os.Getpid(), note), 0); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the data folder: %w", err), f.Close())
	}
	return &folderLock{f}, nil
}

// folderLock holds a data folder.
type folderLock struct{ f *os.File }

// Close lets go at once. Closing the file alone does not while another process has
// it too: one that is being started has every file of ours until its program runs.
func (l *folderLock) Close() error {
	return errors.Join(syscall.Flock(int(l.f.Fd()), syscall.LOCK_UN), l.f.Close())
}
