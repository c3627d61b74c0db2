package sftp

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"

	"github.com/labwarden/labwarden/internal/channel"
)

// Holder has what a session's box holds, and answers for it: which places and
// files the session may name is its to say. It may be a Teller.
type Holder interface {
	ReadOpen(file uint64, p []byte, off int64) (int, error)
	ShutOpen(file uint64) error
	Stat(p channel.BoxPath) (channel.BoxEntry, error)
	// Put takes a small file of the inbox at once.
	Put(name string, body []byte) error
}

// Carrier is the hub's side of a stream whose SFTP the front reads.
type Carrier struct {
	Rooms *Rooms
	Log   *slog.Logger
}

// Asked passes on what the client says, until it ends.
func (c *Carrier) Asked(to io.Writer, from io.Reader) error {
	small := make([]byte, idleSize)
	buf := small
	defer func() { c.back(buf) }()
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				return werr
			}
		}
		if err != nil {
			return ended(err)
		}
		switch {
		case n == idleSize && len(buf) == idleSize:
			buf = c.Rooms.get()
		case n < idleSize && len(buf) != idleSize:
			c.back(buf)
			buf = small
		}
	}
}

func (c *Carrier) back(buf []byte) {
	if cap(buf) >= roomSize {
		c.Rooms.put(buf)
	}
}

func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Answered passes on what the front says to the client, and answers for the
// holder what the front leaves to it, until it ends. The front is believed in
// nothing but the form of what it says.
func (c *Carrier) Answered(to io.Writer, from io.Reader, holder Holder) error {
	in := &incoming{from: from, rooms: c.Rooms}
	defer in.release()
	out := outgoing{to: to, bare: true}
	told := tellerOf(holder)
	defer func() { c.back(out.b) }()
	flush := func() error {
		if len(out.b) == 0 {
			return nil
		}
		_, err := to.Write(out.b)
		out.b = out.b[:0]
		return err
	}
	for {
		if in.r == in.w { // it may take a while
			if err := flush(); err != nil {
				return err
			}
			c.back(out.b)
			out.b = nil
		}
		f, err := readFrame(in)
		if err != nil {
			return ended(err)
		}
		if n := f.room(); len(out.b)+n > roomSize || f.kind > framePiece { // the holder may take a while
			if err := flush(); err != nil {
				return err
			}
		}
		if cap(out.b) < roomSize && f.room() > idleSize*4 {
			out.b = append(c.Rooms.get()[:0], out.b...)
		}
		c.answer(&out, f, holder, &told)
	}
}

func (c *Carrier) answer(out *outgoing, f frame, holder Holder, told *teller) {
	var err error
	switch f.kind {
	case frameWords:
		out.b = append(out.b, f.rest...)
		return
	case framePiece:
		if out.data(f, holder) {
			return
		}
		err = errNotRead
	case frameShut:
		err = holder.ShutOpen(f.first)
	case frameStat:
		told.anew()
		var e channel.BoxEntry
		if e, err = holder.Stat(channel.BoxPath{Folder: string(f.rest[:f.first]), File: string(f.rest[f.first:])}); err == nil {
			out.attrsOf(f.id, e)
			return
		}
	case framePut:
		told.anew()
		err = holder.Put(string(f.rest[:f.first]), f.rest[f.first:])
	}
	code, text := said(err, c.Log)
	told.tell(code, text)
	out.status(f.id, code, text)
}

var errNotRead = errors.New("a piece of an open file is not there")

// data appends a piece; false when it is not there.
func (o *outgoing) data(f frame, holder Holder) bool {
	at := o.begin(fxData, f.id)
	o.u32(uint32(f.n))
	from := len(o.b)
	o.b = slices.Grow(o.b, f.n)[:from+f.n]
	if n, _ := holder.ReadOpen(f.first, o.b[from:], int64(f.second)); n != f.n {
		o.b = o.b[:at]
		return false
	}
	o.end(at)
	return true
}
