package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// Flags of an opening (section 6.3).
const (
	openRead   = 0x01
	openWrite  = 0x02
	openAppend = 0x04
	openCreate = 0x08
	openTrunc  = 0x10
)

// attrSize is the flag of attributes that hold a size (section 5).
const attrSize = 0x01

// at is the place that the next field names.
func (s *session) at(f *fields) (channel.BoxPath, error) {
	s.anew()
	p := f.string()
	if f.bad {
		return channel.BoxPath{}, errBadMessage
	}
	return channel.ParseBoxPath(channel.BoxPath{}, p)
}

// fileAt is the file that the next field names.
func (s *session) fileAt(f *fields, ifFolder string) (channel.BoxPath, error) {
	p, err := s.at(f)
	if err == nil && p.IsDir() {
		err = channel.Refuse(ifFolder)
	}
	return p, err
}

const folderStays = "folders here stay as they are"

func (s *session) openFile(id uint32, f *fields) error {
	p, err := s.fileAt(f, "this is a folder")
	if err != nil {
		return err
	}
	flags := f.u32()
	if f.bad {
		return errBadMessage
	}
	if len(s.open) >= maxOpen {
		return channel.Refuse("too many files are open at once")
	}
	o := &open{at: p}
	switch {
	case flags&openAppend != 0:
		return channel.Refuse("files here are written new and whole: send the file from its begin")
	case flags&(openWrite|openCreate|openTrunc) != 0:
		w, err := s.box.Create(s.ctx, p)
		if err != nil {
			return err
		}
		o.w = &upload{w: w}
	case flags&openRead != 0:
		if err := s.out.flush(); err != nil {
			return err
		}
		if o.r, err = s.box.Open(s.ctx, p); err != nil {
			return err
		}
	default:
		return errBadMessage
	}
	return s.keep(id, o)
}

// upload is committed by the client's close and by nothing else.
type upload struct {
	w      channel.BoxWriter
	size   int64
	failed error
}

func (u *upload) write(p []byte, off int64) error {
	_, err := u.w.WriteAt(p, off)
	if err != nil && u.failed == nil {
		u.failed = err
	}
	u.size = max(u.size, off+int64(len(p)))
	return err
}

// commitTime is how long the hub may take to look into a file that arrived.
const commitTime = 10 * time.Minute

func (u *upload) close() error {
	if u.failed != nil {
		_ = u.w.Abort()
		return u.failed
	}
	// Not the session's context: whether the file came is settled even when the
	// client does not wait for it.
	ctx, cancel := context.WithTimeout(context.Background(), commitTime)
	defer cancel()
	return u.w.Commit(ctx)
}

func (s *session) close(id uint32, f *fields) error {
	n, o := s.handle(f)
	if o == nil {
		return errHandle
	}
	delete(s.open, n)
	if file, ok := s.farReader(o); ok { // behind the pieces that are on their way
		s.out.shut(id, file)
		return errAnswered
	}
	if s.far != nil && o.w != nil && o.w.failed == nil {
		if body, ok := s.far.FarWriter(o.w.w); ok {
			s.out.put(id, o.at.File, body)
			return errAnswered
		}
	}
	if err := s.out.flush(); err != nil {
		return err
	}
	switch {
	case o.r != nil:
		return o.r.Close()
	case o.w != nil:
		return o.w.close()
	}
	return nil
}

func (s *session) stat(id uint32, kind byte, f *fields) error {
	var p channel.BoxPath
	var err error
	if kind == fxFstat {
		_, o := s.handle(f)
		if o == nil {
			return errHandle
		}
		if p = o.at; o.w != nil { // it has no name yet
			s.out.attrsOf(id, channel.BoxEntry{Name: p.File, Size: o.w.size})
			return errAnswered
		}
	} else if p, err = s.at(f); err != nil { // there are no links: lstat is stat
		return err
	}
	if s.far != nil {
		s.out.stat(id, p.Folder, p.File)
		return errAnswered
	}
	e, err := s.box.Stat(s.ctx, p)
	if err != nil {
		return err
	}
	s.out.attrsOf(id, e)
	return errAnswered
}

func (o *outgoing) attrsOf(id uint32, e channel.BoxEntry) {
	at := o.begin(fxAttrs, id)
	o.attrs(e)
	o.end(at)
}

// setstat lets pass what clients set out of habit: times and modes of a sender's
// disk say nothing here, but a client that sets them after a good upload must not
// report a failure.
func (s *session) setstat(kind byte, f *fields) error {
	if kind == fxFsetstat {
		if _, o := s.handle(f); o == nil {
			return errHandle
		}
	} else if _, err := s.at(f); err != nil {
		return err
	}
	if flags := f.u32(); f.bad {
		return errBadMessage
	} else if flags&attrSize != 0 {
		return channel.Refuse("a file here keeps the length it was sent with")
	}
	return nil
}

func (s *session) opendir(id uint32, f *fields) error {
	p, err := s.at(f)
	if err != nil {
		return err
	}
	if len(s.open) >= maxOpen {
		return channel.Refuse("too many files are open at once")
	}
	if err := s.out.flush(); err != nil {
		return err
	}
	all, err := s.box.List(s.ctx, p)
	if err != nil {
		return err
	}
	return s.keep(id, &open{at: p, list: all})
}

func (s *session) readdir(id uint32, f *fields) error {
	_, o := s.handle(f)
	if o == nil || o.r != nil || o.w != nil {
		return errHandle
	}
	if len(o.list) == 0 {
		return io.EOF
	}
	n := min(len(o.list), listed)
	now := time.Now()
	at := s.out.begin(fxName, id)
	s.out.u32(uint32(n))
	for _, e := range o.list[:n] {
		s.out.strings(e.Name, longName(e, now))
		s.out.attrs(e)
	}
	s.out.end(at)
	o.list = o.list[n:]
	return errAnswered
}

// realpath: where no file of a box can be, there is no real path.
func (s *session) realpath(id uint32, f *fields) error {
	p, err := s.at(f)
	if err != nil {
		return err
	}
	at := s.out.begin(fxName, id)
	s.out.u32(1)
	s.out.strings(p.String(), p.String())
	s.out.u32(0) // no attributes (section 6.11)
	s.out.end(at)
	return errAnswered
}

func (s *session) remove(f *fields) error {
	p, err := s.fileAt(f, folderStays)
	if err != nil {
		return err
	}
	return errors.Join(s.out.flush(), s.box.Remove(s.ctx, p))
}

func (s *session) rename(f *fields) error {
	from, err := s.fileAt(f, folderStays)
	if err != nil {
		return err
	}
	to, err := s.fileAt(f, folderStays)
	if err != nil {
		return err
	}
	return errors.Join(s.out.flush(), s.box.Rename(s.ctx, from, to))
}

// modeOf is the mode of POSIX that clients show.
func modeOf(e channel.BoxEntry) uint32 {
	if e.Dir {
		return 0o040700
	}
	return 0o100600
}

// attrs are size, permissions and times (section 5).
func (o *outgoing) attrs(e channel.BoxEntry) {
	o.u32(attrSize | 0x04 | 0x08)
	o.u64(uint64(e.Size))
	o.u32(modeOf(e))
	t := uint32(0)
	if !e.Modified.IsZero() {
		t = uint32(e.Modified.Unix())
	}
	o.u32(t)
	o.u32(t)
}

// longName is a line as "ls -l" writes it (section 7 recommends it).
func longName(e channel.BoxEntry, now time.Time) string {
	mode, when := "-rw-------", "Jan _2 15:04"
	if e.Dir {
		mode = "drwx------"
	}
	if age := now.Sub(e.Modified); age > 180*24*time.Hour || age < -24*time.Hour {
		when = "Jan _2  2006"
	}
	return fmt.Sprintf("%s    1 0        0        %8d %s %s", mode, e.Size, e.Modified.UTC().Format(when), e.Name)
}
