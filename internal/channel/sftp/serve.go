package sftp

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math"

	"github.com/labwarden/labwarden/internal/channel"
)

// FarBox is a box whose holder is at the other end of the stream: what it can
// answer itself is left to it.
type FarBox interface {
	channel.Box
	// Far says which file of the holder's r is, and which small file that needs
	// nothing more than to be put w is. After w was taken it is over.
	FarReader(r channel.BoxReader) (file uint64, ok bool)
	FarWriter(w channel.BoxWriter) (body []byte, ok bool)
}

// ServeFiles speaks SFTP version 3 (draft-ietf-secsh-filexfer-02) on the stream
// for one box, until the stream ends. Files that were not closed by then are
// forgotten. What the client says comes as it is; what is said to it goes out in
// frames, for Carrier.Answered.
//
// Requests are answered one after the other in the order they came (section 6.1
// allows no other order for one file). A client that does not take its answers
// is not heard further: nothing grows with what it asks.
func ServeFiles(ctx context.Context, stream io.ReadWriter, box channel.Box, rooms *Rooms, log *slog.Logger) error {
	far, _ := box.(FarBox)
	s := &session{far: far, teller: tellerOf(box), ctx: ctx, box: box, log: log, in: incoming{from: stream, rooms: rooms}, out: outgoing{to: stream}, open: map[uint32]*open{}}
	defer s.end()
	err := s.greet()
	for err == nil {
		if !s.in.whole() || len(s.out.b) > maxWaiting {
			if err = s.out.flush(); err != nil {
				break
			}
		}
		var kind byte
		var body []byte
		if kind, body, err = s.in.packet(); err == nil {
			err = s.answer(kind, body)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

const (
	// maxWaiting is how much is said before it is sent, while more is asked.
	maxWaiting = 32 << 10
	// maxOpen is how many files and folders a session may have open.
	maxOpen = 64
	// listed is how many entries one answer lists.
	listed = 100
)

// session is one stream.
type session struct {
	ctx context.Context //nolint:containedctx // the stream's own
	box channel.Box
	far FarBox // nil where it is not
	teller
	log  *slog.Logger
	in   incoming
	out  outgoing
	open map[uint32]*open
	last uint32
}

// open is an open file or folder.
type open struct {
	at   channel.BoxPath
	r    channel.BoxReader
	w    *upload
	list []channel.BoxEntry
}

func (s *session) end() {
	s.in.release()
	for _, o := range s.open {
		switch {
		case o.r != nil:
			if err := o.r.Close(); err != nil {
				s.log.Debug("file not closed", "err", err)
			}
		case o.w != nil:
			_ = o.w.w.Abort()
		}
	}
}

// greet settles the version (section 4).
func (s *session) greet() error {
	kind, body, err := s.in.packet()
	if err != nil {
		return err
	}
	f := fields{b: body}
	if f.u32(); kind != fxInit || f.bad {
		return errPacket
	}
	at := s.out.begin(fxVersion, 3) // in the place of the request's number stands the version
	s.out.strings("posix-rename@openssh.com", "1", "limits@openssh.com", "1")
	s.out.end(at)
	return nil
}

// answer answers one request.
func (s *session) answer(kind byte, body []byte) error {
	f := fields{b: body}
	id := f.u32()
	if f.bad {
		return errPacket
	}
	var err error
	switch kind {
	case fxRead:
		s.read(id, &f)
		return nil
	case fxWrite:
		err = s.write(&f)
	case fxOpen:
		err = s.openFile(id, &f)
	case fxClose:
		err = s.close(id, &f)
	case fxStat, fxLstat, fxFstat:
		err = s.stat(id, kind, &f)
	case fxSetstat, fxFsetstat:
		err = s.setstat(kind, &f)
	case fxOpendir:
		err = s.opendir(id, &f)
	case fxReaddir:
		err = s.readdir(id, &f)
	case fxRealpath:
		err = s.realpath(id, &f)
	case fxRemove:
		err = s.remove(&f)
	case fxRename:
		err = s.rename(&f)
	case fxExtended:
		switch f.string() {
		case "posix-rename@openssh.com": // OpenSSH PROTOCOL 4.3
			err = s.rename(&f)
		case "limits@openssh.com": // OpenSSH PROTOCOL 4.8
			at := s.out.begin(fxExtendedReply, id)
			for _, n := range []uint64{maxPacket, wishPiece, wishPiece, maxOpen} {
				s.out.u64(n)
			}
			s.out.end(at)
			return nil
		default:
			err = errUnsupported
		}
	default: // folders are not made, nor links: there is nothing of the kind
		err = errUnsupported
	}
	if !errors.Is(err, errAnswered) {
		s.status(id, err)
	}
	return nil
}

var (
	errUnsupported = errors.New("there is nothing of the kind here")
	errBadMessage  = errors.New("the request cannot be read")
	errHandle      = errors.New("nothing is open under this handle")
	// errAnswered: the answer is on its way.
	errAnswered = errors.New("answered")
)

// status says how it went.
func (s *session) status(id uint32, err error) {
	code, text := said(err, s.log)
	s.tell(code, text)
	s.out.status(id, code, text)
}

// said is what a client hears of an error.
func said(err error, log *slog.Logger) (code uint32, text string) {
	var no *channel.Refusal
	switch {
	case err == nil:
		return fxOK, ""
	case errors.Is(err, io.EOF):
		return fxEOF, ""
	case errors.Is(err, channel.ErrNoFile):
		return fxNoSuchFile, channel.ErrNoFile.Error()
	case errors.Is(err, errUnsupported):
		return fxUnsupported, errUnsupported.Error()
	case errors.Is(err, errBadMessage):
		return fxBadMessage, errBadMessage.Error()
	case errors.As(err, &no):
		return fxFailure, no.Reason
	}
	for _, e := range []error{channel.ErrFileExists, channel.ErrBoxClosed, errHandle} {
		if errors.Is(err, e) {
			return fxFailure, e.Error()
		}
	}
	log.Warn("box failed", "err", err)
	return fxFailure, failed
}

const failed = "the laboratory's system could not do it now; try again"

// keep answers with a handle for o.
func (s *session) keep(id uint32, o *open) error {
	s.last++
	s.open[s.last] = o
	at := s.out.begin(fxHandle, id)
	s.out.u32(4)
	s.out.u32(s.last)
	s.out.end(at)
	return errAnswered
}

// handle is what is open under the next field.
func (s *session) handle(f *fields) (uint32, *open) {
	h := f.bytes()
	if len(h) != 4 {
		return 0, nil
	}
	n := binary.BigEndian.Uint32(h)
	return n, s.open[n]
}

// farReader is the holder's number of what o reads.
func (s *session) farReader(o *open) (file uint64, ok bool) {
	if s.far == nil || o.r == nil {
		return 0, false
	}
	return s.far.FarReader(o.r)
}

// read answers a read (section 6.4).
func (s *session) read(id uint32, f *fields) {
	_, o := s.handle(f)
	off, want := f.u64(), f.u32()
	switch {
	case f.bad:
		s.status(id, errBadMessage)
	case o == nil || o.r == nil:
		s.status(id, errHandle)
	case want == 0 || off >= uint64(o.r.Size()):
		s.status(id, io.EOF)
	default:
		n := int(min(int64(want), maxPiece, o.r.Size()-int64(off)))
		if file, ok := s.farReader(o); ok {
			s.out.piece(id, file, int64(off), n)
			return
		}
		at := s.out.begin(fxData, id)
		s.out.u32(uint32(n))
		from := len(s.out.b)
		s.out.b = append(s.out.b, make([]byte, n)...)
		if k, err := o.r.ReadAt(s.out.b[from:], int64(off)); k != n {
			s.out.b = s.out.b[:at]
			s.status(id, err)
			return
		}
		s.out.end(at)
	}
}

// write takes a piece (section 6.4).
func (s *session) write(f *fields) error {
	_, o := s.handle(f)
	off, p := f.u64(), f.bytes()
	switch {
	case f.bad:
		return errBadMessage
	case o == nil || o.w == nil:
		return errHandle
	case off > math.MaxInt64:
		return channel.Refuse("the file is larger than may be sent")
	}
	return o.w.write(p, int64(off))
}
