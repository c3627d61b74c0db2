package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/labwarden/labwarden/internal/channel"
)

// ClientDir is an open connection to a directory. It is what package remote
// calls a Dir; the contexts of its methods are not looked at: Close ends a call
// in flight.
type ClientDir struct {
	conn  *ssh.Client
	files *sftp.Client
	dir   string
	peer  channel.Peer
}

// inFlight is how many pieces of 32 KiB may be under way at once.
const inFlight = 64

// Status codes of draft-ietf-secsh-filexfer-13 9.1 that say more than "failure";
// the draft that servers speak, 02, has those up to 8.
const (
	codeConnectionLost = 7
	codeUnsupported    = 8
	codeExists         = 11
	codeWriteProtect   = 12
	codeNoSpace        = 14
	codeQuota          = 15
	codeBadName        = 20
)

func (d *ClientDir) at(name string) string { return path.Join(d.dir, name) }

// Peer says which host key the server proved to have.
func (d *ClientDir) Peer() channel.Peer { return d.peer }

// Close ends the connection, and a call in flight.
func (d *ClientDir) Close() error { _ = d.conn.Close(); return nil }

// said reads an error of the server. It never repeats the server's words: they
// may hold a file's name.
func (d *ClientDir) said(verb string, err error) error {
	if err == nil {
		return nil
	}
	fail := func(class channel.Class, code, words string) error {
		return &channel.Error{Class: class, Peer: d.peer, Code: code, Err: fmt.Errorf("%s: %s", verb, words)}
	}
	var st *sftp.StatusError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return channel.ErrNoFile
	case errors.Is(err, fs.ErrPermission):
		return fail(channel.Misconfigured, "permission denied", "the server does not allow it (permission denied)")
	case !errors.As(err, &st):
		return &channel.Error{Class: channel.Unreachable, Peer: d.peer, Err: fmt.Errorf("%s: the connection ended: %w", verb, err)}
	}
	switch st.Code {
	case codeExists:
		return channel.ErrFileExists
	case codeConnectionLost:
		return fail(channel.Unreachable, "", "the connection ended")
	case codeUnsupported:
		return fail(channel.Misconfigured, "unsupported", "the server cannot do this")
	case codeWriteProtect, codeBadName:
		return fail(channel.Misconfigured, "refused", "the server does not allow it")
	case codeNoSpace, codeQuota:
		return fail(channel.Busy, "no space", "the server has no space left")
	}
	// SSH_FX_FAILURE is all that OpenSSH says of a full disk.
	return fail(channel.Busy, "failure", "the server could not (it may be out of space)")
}

func entryOf(i os.FileInfo) channel.BoxEntry {
	return channel.BoxEntry{Name: i.Name(), Dir: !i.Mode().IsRegular(), Size: i.Size(), Modified: i.ModTime()}
}

// List lists the directory; what is no plain file counts as a folder.
func (d *ClientDir) List(ctx context.Context) ([]channel.BoxEntry, error) {
	all, err := d.files.ReadDirContext(ctx, d.at("."))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &channel.Error{Class: channel.Misconfigured, Peer: d.peer, Err: errors.New("list the directory: there is no such directory")}
	}
	out := make([]channel.BoxEntry, 0, len(all))
	for _, i := range all {
		out = append(out, entryOf(i))
	}
	return out, d.said("list the directory", err)
}

// Stat does not follow links.
func (d *ClientDir) Stat(_ context.Context, name string) (channel.BoxEntry, error) {
	i, err := d.files.Lstat(d.at(name))
	if err != nil {
		return channel.BoxEntry{}, d.said("look at a file", err)
	}
	e := entryOf(i)
	e.Name = name
	return e, nil
}

// Get reads a file from the offset on.
func (d *ClientDir) Get(_ context.Context, name string, from int64, w io.Writer) error {
	f, err := d.files.Open(d.at(name))
	if err != nil {
		return d.said("open a file", err)
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		_ = f.Close()
		return d.said("read a file", err)
	}
	ww := &ending{w: w}
	_, err = f.WriteTo(ww)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if ww.err != nil {
		return ww.err
	}
	return d.said("read a file", err)
}

// ending remembers why its writer ended the reading.
type ending struct {
	w   io.Writer
	err error
}

func (e *ending) Write(b []byte) (int, error) {
	n, err := e.w.Write(b)
	if err != nil {
		e.err = err
	}
	return n, err
}

// Put writes a file from the offset on, and has the server flush it where it can.
func (d *ClientDir) Put(_ context.Context, name string, from int64, r io.Reader) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if from > 0 {
		flags = os.O_WRONLY
	}
	f, err := d.files.OpenFile(d.at(name), flags)
	if errors.Is(err, fs.ErrNotExist) {
		return &channel.Error{Class: channel.Misconfigured, Peer: d.peer, Err: errors.New("make a file: there is no such directory")}
	}
	if err != nil {
		return d.said("make a file", err)
	}
	if from > 0 {
		_, err = f.Seek(from, io.SeekStart)
	}
	if err == nil {
		_, err = f.ReadFromWithConcurrency(r, inFlight)
	}
	if _, can := d.files.HasExtension("fsync@openssh.com"); err == nil && can {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return d.said("write a file", err)
}

// Sum: no SFTP server we know has a SHA-256 command that its clients use.
func (d *ClientDir) Sum(context.Context, string) (sum [32]byte, ok bool, err error) {
	return sum, false, nil
}

// Rename never replaces a file where the server follows
// draft-ietf-secsh-filexfer-02 6.5; posix-rename@openssh.com is not used.
func (d *ClientDir) Rename(_ context.Context, from, to string) error {
	err := d.files.Rename(d.at(from), d.at(to))
	if err == nil {
		return nil
	}
	said := d.said("rename a file", err)
	var st *sftp.StatusError
	if errors.As(err, &st) && st.Code != codeConnectionLost {
		if _, there := d.files.Lstat(d.at(to)); there == nil { // "failure" may mean that
			return channel.ErrFileExists
		}
	}
	return said
}

// Remove removes a file.
func (d *ClientDir) Remove(_ context.Context, name string) error {
	return d.said("remove a file", d.files.Remove(d.at(name)))
}

// Mkdir makes a folder in the directory; one that is there already is fine.
func (d *ClientDir) Mkdir(_ context.Context, name string) error {
	err := d.files.Mkdir(d.at(name))
	if err == nil {
		return nil
	}
	if i, there := d.files.Stat(d.at(name)); there == nil && i.IsDir() {
		return nil
	}
	return d.said("make a folder", err)
}
