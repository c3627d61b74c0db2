package sftp

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"

	"github.com/labwarden/labwarden/internal/channel"
)

// ServeFiles speaks SFTP version 3 (draft-ietf-secsh-filexfer-02) on the stream
// for one box, until the stream ends. Files that were not closed by then are
// forgotten.
func ServeFiles(stream io.ReadWriteCloser, box channel.Box, log *slog.Logger) error {
	f := &files{box: box, log: log}
	f.teller, _ = box.(Teller)
	h := sftp.Handlers{FileGet: f, FilePut: f, FileCmd: f, FileList: f}
	srv := sftp.NewRequestServer(buffered{bufio.NewReaderSize(stream, 4<<10), stream}, h, sftp.WithRSMaxTxPacket(channelRead))
	err := srv.Serve()
	_ = srv.Close()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// Teller is a box that can have its client told something beside the stream:
// OpenSSH's programs say "Failure" and show nothing of the text that comes with it.
type Teller interface{ Tell(text string) }

// channelRead is the longest answer to one read. (Its data and head still fit
// what OpenSSH takes, 256 KiB.)
const channelRead = 128 << 10

// buffered spares two system calls for each packet.
type buffered struct {
	*bufio.Reader
	io.WriteCloser
}

func (b buffered) Read(p []byte) (int, error) { return b.Reader.Read(p) }

// files answers what pkg/sftp read.
type files struct {
	box    channel.Box
	log    *slog.Logger
	teller Teller // nil: none

	mu   sync.Mutex
	told string // last
}

// said turns an error of a box into one whose text and code the client gets.
func (f *files) said(err error) error {
	var no *channel.Refusal
	switch {
	case err == nil:
		return nil
	case errors.Is(err, channel.ErrNoFile):
		return os.ErrNotExist
	case errors.Is(err, channel.ErrFileExists), errors.Is(err, channel.ErrBoxClosed):
		return f.tell(err.Error())
	case errors.As(err, &no):
		return f.tell(no.Reason)
	case errors.Is(err, io.EOF):
		return io.EOF
	}
	f.log.Warn("box failed", "err", err)
	return f.tell("the laboratory's system could not do it now; try again")
}

// tell is the text as an error, which is told beside the stream too; not again
// and again when each of many writes fails by the same.
func (f *files) tell(text string) error {
	f.mu.Lock()
	again := f.told == text
	f.told = text
	f.mu.Unlock()
	if f.teller != nil && !again {
		f.teller.Tell(text)
	}
	return errors.New(text)
}

// at reads a path. pkg/sftp has cleaned it; ParseBoxPath does not count on that.
// It begins something new, which may fail for the reason of what was before.
func (f *files) at(r *sftp.Request) (channel.BoxPath, error) {
	f.mu.Lock()
	f.told = ""
	f.mu.Unlock()
	return channel.ParseBoxPath(channel.BoxPath{}, r.Filepath)
}

// Fileread opens for reading.
func (f *files) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	p, err := f.at(r)
	if err == nil && p.IsDir() {
		err = channel.Refuse("this is a folder")
	}
	if err != nil {
		return nil, f.said(err)
	}
	rd, err := f.box.Open(r.Context(), p)
	if err != nil {
		return nil, f.said(err)
	}
	return &download{rd, f}, nil
}

type download struct {
	channel.BoxReader
	f *files
}

func (d *download) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.BoxReader.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, d.f.said(err)
	}
	return n, err
}

// Filewrite begins an upload.
func (f *files) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	p, err := f.at(r)
	if err == nil && p.IsDir() {
		err = channel.Refuse("this is a folder")
	}
	if err == nil && r.Pflags().Append {
		err = channel.Refuse("files here are written new and whole: send the file from its begin")
	}
	if err != nil {
		return nil, f.said(err)
	}
	w, err := f.box.Create(r.Context(), p)
	if err != nil {
		return nil, f.said(err)
	}
	return &upload{w: w, f: f}, nil
}

// upload is committed by the client's close and by nothing else.
type upload struct {
	w channel.BoxWriter
	f *files

	mu     sync.Mutex
	failed error
}

func (u *upload) WriteAt(p []byte, off int64) (int, error) {
	n, err := u.w.WriteAt(p, off)
	if err != nil {
		err = u.f.said(err)
		u.TransferError(err)
	}
	return n, err
}

// TransferError is told when the connection ended with the file open, before Close.
func (u *upload) TransferError(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.failed == nil {
		u.failed = err
	}
}

// Close is the client's close, or follows TransferError.
func (u *upload) Close() error {
	u.mu.Lock()
	failed := u.failed
	u.mu.Unlock()
	if failed != nil {
		_ = u.w.Abort()
		return failed
	}
	// Not the request's context: pkg/sftp ends that with the close itself.
	ctx, cancel := context.WithTimeout(context.Background(), commitTime)
	defer cancel()
	return u.f.said(u.w.Commit(ctx))
}

// commitTime is how long the hub may take to look into a file that arrived.
const commitTime = 10 * time.Minute

// Filecmd renames, removes, and lets pass what clients set out of habit.
func (f *files) Filecmd(r *sftp.Request) error {
	p, err := f.at(r)
	if err != nil {
		return f.said(err)
	}
	switch r.Method {
	case "Setstat":
		// Times and modes of a sender's disk say nothing here; a client that sets
		// them after a good upload must not report a failure.
		if r.AttrFlags().Size {
			return f.said(channel.Refuse("a file here keeps the length it was sent with"))
		}
		return nil
	case "Rename", "PosixRename":
		to, err := channel.ParseBoxPath(channel.BoxPath{}, r.Target)
		if err == nil && (p.IsDir() || to.IsDir()) {
			err = channel.Refuse("folders here stay as they are")
		}
		if err != nil {
			return f.said(err)
		}
		return f.said(f.box.Rename(r.Context(), p, to))
	case "Remove":
		if p.IsDir() {
			return f.said(channel.Refuse("folders here stay as they are"))
		}
		return f.said(f.box.Remove(r.Context(), p))
	}
	return sftp.ErrSSHFxOpUnsupported // Mkdir, Rmdir, Link, Symlink: there is nothing of the kind
}

// Filelist lists, or describes one.
func (f *files) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	p, err := f.at(r)
	if err != nil {
		return nil, f.said(err)
	}
	switch r.Method {
	case "List":
		all, err := f.box.List(r.Context(), p)
		if err != nil {
			return nil, f.said(err)
		}
		out := make(listing, len(all))
		for i, e := range all {
			out[i] = info{e}
		}
		return out, nil
	case "Stat":
		e, err := f.box.Stat(r.Context(), p)
		if err != nil {
			return nil, f.said(err)
		}
		return listing{info{e}}, nil
	}
	return nil, sftp.ErrSSHFxOpUnsupported // Readlink
}

// RealPath implements RealPathFileLister: where no file of a box can be, there
// is no real path.
func (f *files) RealPath(raw string) (string, error) {
	p, err := channel.ParseBoxPath(channel.BoxPath{}, raw)
	if err != nil {
		return "", f.said(err)
	}
	return p.String(), nil
}

// Lstat implements LstatFileLister: there are no links.
func (f *files) Lstat(r *sftp.Request) (sftp.ListerAt, error) {
	r = r.WithContext(r.Context())
	r.Method = "Stat"
	return f.Filelist(r)
}

type listing []os.FileInfo

func (l listing) ListAt(into []os.FileInfo, off int64) (int, error) {
	if off >= int64(len(l)) {
		return 0, io.EOF
	}
	n := copy(into, l[off:])
	if n < len(into) {
		return n, io.EOF
	}
	return n, nil
}

// info is an entry as SFTP shows it.
type info struct{ channel.BoxEntry }

func (i info) Name() string {
	if i.BoxEntry.Name == "" {
		return "/"
	}
	return strings.Clone(i.BoxEntry.Name)
}
func (i info) Size() int64        { return i.BoxEntry.Size }
func (i info) ModTime() time.Time { return i.Modified }
func (i info) IsDir() bool        { return i.Dir }
func (i info) Sys() any           { return nil }

func (i info) Mode() fs.FileMode {
	if i.Dir {
		return fs.ModeDir | 0o700
	}
	return 0o600
}
