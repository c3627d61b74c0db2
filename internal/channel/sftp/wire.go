package sftp

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"
)

// Types of packets (draft-ietf-secsh-filexfer-02 section 3).
const (
	fxInit          = 1
	fxVersion       = 2
	fxOpen          = 3
	fxClose         = 4
	fxRead          = 5
	fxWrite         = 6
	fxLstat         = 7
	fxFstat         = 8
	fxSetstat       = 9
	fxFsetstat      = 10
	fxOpendir       = 11
	fxReaddir       = 12
	fxRemove        = 13
	fxRealpath      = 16
	fxStat          = 17
	fxRename        = 18
	fxStatus        = 101
	fxHandle        = 102
	fxData          = 103
	fxName          = 104
	fxAttrs         = 105
	fxExtended      = 200
	fxExtendedReply = 201
)

// Codes of a status (section 7).
const (
	fxOK          = 0
	fxEOF         = 1
	fxNoSuchFile  = 2
	fxFailure     = 4
	fxBadMessage  = 5
	fxUnsupported = 8
)

const (
	// maxPacket is the longest packet that is taken: OpenSSH's own limit.
	maxPacket = 256 << 10
	// maxPiece is the longest answer to a read: OpenSSH's own limit. Clients that ask
	// for as much as OpenSSH gives take a shorter answer for the end of the file.
	maxPiece = 255 << 10
	// wishPiece is the longest read and write that is asked for
	// ("limits@openssh.com"). Three chunks of the spool: a client that keeps to it has
	// each sealed, and opened, once and in place.
	wishPiece = 192 << 10
	// dataHead is what stands before the bytes of fxData.
	dataHead = 4 + 1 + 4 + 4
	roomSize = maxPacket + 4<<10
	idleSize = 512
)

var errPacket = errors.New("the packet cannot be read")

// Rooms lends large buffers to sessions that are busy; one that waits has none.
type Rooms struct{ pool sync.Pool }

func (r *Rooms) get() []byte {
	if b, ok := r.pool.Get().(*[roomSize]byte); ok {
		return b[:]
	}
	return new([roomSize]byte)[:]
}

func (r *Rooms) put(b []byte) { r.pool.Put((*[roomSize]byte)(b[:roomSize])) }

// incoming is a stream read through a buffer that is large only while there is
// something in it.
type incoming struct {
	from  io.Reader
	rooms *Rooms
	small [idleSize]byte
	buf   []byte
	r, w  int // what is read and not yet used
}

// need reads until n bytes are there, and returns them; they are good until the
// next call, and used up by use.
func (in *incoming) need(n int) ([]byte, error) {
	for in.w-in.r < n {
		if in.r == in.w {
			in.release()
			in.r, in.w = 0, 0
		}
		switch {
		case in.buf == nil && n <= idleSize:
			in.buf = in.small[:]
		case in.buf == nil:
			in.buf = in.rooms.get()
		case n > len(in.buf):
			room := in.rooms.get()
			in.w = copy(room, in.buf[in.r:in.w])
			in.r, in.buf = 0, room
		case n > len(in.buf)-in.r:
			in.w = copy(in.buf, in.buf[in.r:in.w])
			in.r = 0
		}
		k, err := in.from.Read(in.buf[in.w:])
		in.w += k
		if k == 0 && err != nil {
			if errors.Is(err, io.EOF) && in.w > in.r {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return in.buf[in.r : in.r+n], nil
}

func (in *incoming) use(n int) { in.r += n }

// release gives a large buffer back.
func (in *incoming) release() {
	if len(in.buf) == roomSize {
		in.rooms.put(in.buf)
	}
	in.buf = nil
}

// packet reads one: its type, and what follows; good until the next call.
func (in *incoming) packet() (kind byte, body []byte, err error) {
	b, err := in.need(4)
	if err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(b)
	if n < 1 || n > maxPacket {
		return 0, nil, errPacket
	}
	if b, err = in.need(4 + int(n)); err != nil {
		return 0, nil, err
	}
	in.use(len(b))
	return b[4], b[5:], nil
}

// whole says that a packet is there without reading.
func (in *incoming) whole() bool {
	b := in.buf[in.r:in.w]
	return len(b) >= 4 && uint32(len(b)-4) >= binary.BigEndian.Uint32(b)
}

// fields takes a packet apart. After something was missing, all is zero.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) take(n int) []byte {
	if f.bad || n > len(f.b) {
		f.bad, f.b = true, nil
		return nil
	}
	p := f.b[:n]
	f.b = f.b[n:]
	return p
}

func (f *fields) u32() uint32 {
	if p := f.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (f *fields) u64() uint64 {
	if p := f.take(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

// bytes is a string of the protocol (section 3): good as long as the packet.
func (f *fields) bytes() []byte {
	n := f.u32()
	if uint64(n) > uint64(len(f.b)) {
		f.bad = true
		return nil
	}
	return f.take(int(n))
}

func (f *fields) string() string { return string(f.bytes()) }
