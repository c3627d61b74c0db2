package tunnelend

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/labwarden/labwarden/internal/channel/tunnel"
)

// Folder is where a far end keeps its keys (tunnel.json) and what was confirmed
// (confirmed.json).
type Folder string

const (
	stateFile     = "tunnel.json"
	confirmedFile = "confirmed.json"
	lockFile      = "lock"
)

// ErrNotJoined: there is no tunnel in this folder.
var ErrNotJoined = errors.New("no tunnel was joined in this folder: run labwarden tunnel join TOKEN first, or name the folder with --dir")

// ErrJoined: there is one already.
var ErrJoined = errors.New("a tunnel was joined in this folder already: name another with --dir, or delete this one first")

// ErrRuns: another program has the folder.
var ErrRuns = errors.New("labwarden tunnel run works on this folder already")

// State reads the keys.
func (f Folder) State() (tunnel.FarState, error) {
	var s tunnel.FarState
	err := f.read(stateFile, &s)
	if errors.Is(err, fs.ErrNotExist) {
		return s, ErrNotJoined
	}
	return s, err
}

// Confirmed are the lines somebody here has agreed to; none where there is no file
// or it cannot be read.
func (f Folder) Confirmed() []string {
	var out []string
	if f.read(confirmedFile, &out) != nil {
		return nil
	}
	return out
}

// Confirm agrees to lines, and to no others.
func (f Folder) Confirm(lines []string) error { return f.write(confirmedFile, lines) }

// Pending are the lines the hub asks for that nobody here has agreed to.
func (f Folder) Pending() ([]string, error) {
	s, err := f.State()
	if err != nil {
		return nil, err
	}
	agreed := f.Confirmed()
	return slices.DeleteFunc(s.Lines(), func(l string) bool { return slices.Contains(agreed, l) }), nil
}

func (f Folder) save(s tunnel.FarState) error { return f.write(stateFile, s) }

func (f Folder) read(name string, into any) error {
	b, err := os.ReadFile(filepath.Join(string(f), name))
	if err != nil {
		return fmt.Errorf("read the tunnel's folder: %w", err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("read %s: it is not in the form it was written in", name)
	}
	return nil
}

// write replaces a file whole, readable by this user only.
func (f Folder) write(name string, v any) (err error) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the tunnel's folder: %w", err)
		}
	}()
	t, err := os.CreateTemp(string(f), "."+name+"-") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(t.Name()) // renamed by then, or of no use
	if _, err := t.Write(append(b, '\n')); err != nil {
		return errors.Join(err, t.Close())
	}
	if err := errors.Join(t.Sync(), t.Close()); err != nil {
		return err
	}
	if err := os.Rename(t.Name(), filepath.Join(string(f), name)); err != nil {
		return err
	}
	d, err := os.Open(string(f))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lock keeps a second program away; the kernel lets go of it with this one.
func (f Folder) lock() (*os.File, error) {
	l, err := os.OpenFile(filepath.Join(string(f), lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotJoined
	}
	if err != nil {
		return nil, fmt.Errorf("lock the tunnel's folder: %w", err)
	}
	if err := syscall.Flock(int(l.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(ErrRuns, l.Close())
	}
	return l, nil
}
