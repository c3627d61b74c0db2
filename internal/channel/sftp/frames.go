package sftp

import (
	"encoding/binary"
	"io"
)

// What the front says to the client goes to the hub in frames. Words are passed on
// as they are. The others the hub answers itself, with what it has and the front
// need not see: a piece of an open file; shut, which ends an open file once all
// pieces before it were sent; what is to be said of a place; and a small file that
// is whole. See docs/develop/decisions/pieces-by-the-hub.md.
//
// A frame is its kind, the request's number, two numbers and the length of what
// follows.
const (
	frameWords = iota + 1 // the packets
	framePiece            // file, offset; four bytes: length
	frameShut             // file
	frameStat             // length of the folder's name; folder and file
	framePut              // length of the file's name; name and content
)

const frameHead = 1 + 4 + 8 + 8 + 4

// outgoing collects frames until flush. A bare one collects packets.
type outgoing struct {
	to   io.Writer
	b    []byte
	bare bool
}

// frame begins a frame; what it is about is appended, and ends with sealed.
func (o *outgoing) frame(kind byte, id uint32, first, second uint64) int {
	at := len(o.b)
	o.b = append(o.b, kind)
	o.u32(id)
	o.u64(first)
	o.u64(second)
	o.u32(0)
	return at
}

func (o *outgoing) sealed(at int) {
	binary.BigEndian.PutUint32(o.b[at+frameHead-4:], uint32(len(o.b)-at-frameHead))
}

// begin begins a packet; end, with what begin returned, ends it.
func (o *outgoing) begin(kind byte, id uint32) int {
	at := len(o.b)
	if !o.bare {
		o.frame(frameWords, 0, 0, 0)
	}
	o.b = append(o.b, 0, 0, 0, 0, kind)
	o.u32(id)
	return at
}

func (o *outgoing) end(at int) {
	if !o.bare {
		o.sealed(at)
		at += frameHead
	}
	binary.BigEndian.PutUint32(o.b[at:], uint32(len(o.b)-at-4))
}

func (o *outgoing) u32(v uint32)    { o.b = binary.BigEndian.AppendUint32(o.b, v) }
func (o *outgoing) u64(v uint64)    { o.b = binary.BigEndian.AppendUint64(o.b, v) }
func (o *outgoing) string(s string) { o.u32(uint32(len(s))); o.b = append(o.b, s...) }

func (o *outgoing) strings(s ...string) {
	for _, e := range s {
		o.string(e)
	}
}

func (o *outgoing) status(id, code uint32, text string) {
	at := o.begin(fxStatus, id)
	o.u32(code)
	o.strings(text, "en") // section 7: message, language
	o.end(at)
}

func (o *outgoing) piece(id uint32, file uint64, off int64, n int) {
	at := o.frame(framePiece, id, file, uint64(off))
	o.u32(uint32(n))
	o.sealed(at)
}

func (o *outgoing) shut(id uint32, file uint64) { o.frame(frameShut, id, file, 0) }

func (o *outgoing) stat(id uint32, folder, file string) {
	at := o.frame(frameStat, id, uint64(len(folder)), 0)
	o.b = append(append(o.b, folder...), file...)
	o.sealed(at)
}

func (o *outgoing) put(id uint32, name string, body []byte) {
	at := o.frame(framePut, id, uint64(len(name)), 0)
	o.b = append(append(o.b, name...), body...)
	o.sealed(at)
}

func (o *outgoing) flush() error {
	if len(o.b) == 0 {
		return nil
	}
	_, err := o.to.Write(o.b)
	if o.b = o.b[:0]; cap(o.b) > 2*idleSize {
		o.b = nil
	}
	return err
}

// frame is what the front said, as the hub reads it.
type frame struct {
	kind          byte
	id            uint32
	first, second uint64
	rest          []byte // good until the next is read
	n             int    // of framePiece: the length
}

// room is at most what it becomes on the way to the client.
func (f *frame) room() int { return dataHead + f.n + len(f.rest) + 1024 }

// readFrame reads one, and believes only what can be.
func readFrame(in *incoming) (f frame, err error) {
	b, err := in.need(frameHead)
	if err != nil {
		return f, err
	}
	n := binary.BigEndian.Uint32(b[frameHead-4:])
	if n > maxPacket {
		return f, errPacket
	}
	if b, err = in.need(frameHead + int(n)); err != nil {
		return f, err
	}
	in.use(len(b))
	f = frame{kind: b[0], id: binary.BigEndian.Uint32(b[1:]), first: binary.BigEndian.Uint64(b[5:]), second: binary.BigEndian.Uint64(b[13:]), rest: b[frameHead:]}
	ok := false
	switch f.kind {
	case frameWords:
		ok = true
	case framePiece:
		if len(f.rest) == 4 {
			n := binary.BigEndian.Uint32(f.rest)
			ok = f.second < 1<<62 && n >= 1 && n <= maxPiece
			f.n = int(n)
		}
	case frameShut:
		ok = len(f.rest) == 0
	case frameStat, framePut:
		ok = f.first <= uint64(len(f.rest))
	}
	if !ok {
		return f, errPacket
	}
	return f, nil
}
