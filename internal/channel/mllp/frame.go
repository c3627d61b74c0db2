package mllp

import (
	"bytes"
	"errors"
	"io"
)

// Framing bytes, MLLP release 1, section 1.2 (block format): <SB>dddd<EB><CR>.
const (
	startBlock = 0x0B // <SB>, VT
	endBlock   = 0x1C // <EB>, FS
	carriage   = 0x0D // <CR>
)

// Framing names the ways a peer may deviate from the block format. The zero
// value is the standard.
type Framing struct {
	// MissingCR accepts an end block without the carriage return after it.
	MissingCR bool
}

// What a frame reader refuses. None of the texts holds content.
var (
	errNoStart  = errors.New("bytes before the start block")
	errNoCR     = errors.New("end block without carriage return")
	errRestart  = errors.New("start block inside a block")
	errOversize = errors.New("message over the size limit")
	errMemory   = errors.New("no memory for a large message in time")
)

// AppendFrame appends body as one block. It does not check the body: see Fits.
func AppendFrame(dst, body []byte) []byte {
	dst = append(dst, startBlock)
	dst = append(dst, body...)
	return append(dst, endBlock, carriage)
}

// Fits reports whether body can be carried: MLLP has no escape, so its content
// must not hold the framing bytes (MLLP release 1, sections 1.2 and 1.3).
func Fits(body []byte) bool {
	return bytes.IndexByte(body, startBlock) < 0 && bytes.IndexByte(body, endBlock) < 0
}

const (
	firstBuf = 8 << 10  // what an idle connection holds
	ownBuf   = 64 << 10 // what every connection may hold without asking
	readStep = 16 << 10 // at most this much past a frame; a TLS record's size
	midBuf   = 1 << 20  // the middle tier of shared memory

	shrinkAfter = 16 // small blocks before a grown buffer is given up
)

// frames cuts a byte stream into blocks. A block that fits the connection's own
// buffer is handed out in place, without copying or allocating.
type frames struct {
	src io.Reader
	max int // largest body
	Framing
	// wait is called before every read; partial tells whether a block has begun.
	wait func(partial bool) error
	mem  *share // nil: memory is not shared out

	buf     []byte
	pos     int // start of the block
	end     int // end of what was read
	seen    int // up to here no end block was found
	skipCR  bool
	size    int // of the block handed out last
	small   int // blocks in a row that a smaller buffer would have held
	midHeld bool
	bigHeld bool
}

// next returns the next body, valid until the following call. io.EOF means that
// the peer closed between blocks, io.ErrUnexpectedEOF inside one.
func (f *frames) next() ([]byte, error) {
	f.tidy()
	for {
		if f.skipCR && f.pos < f.end {
			if f.buf[f.pos] == carriage {
				f.pos++
			}
			f.skipCR = false
		}
		if f.pos == f.end {
			f.pos, f.end = 0, 0
			if err := f.fill(false); err != nil {
				return nil, err
			}
			continue
		}
		break
	}
	if f.buf[f.pos] != startBlock { // MLLP release 1, section 1.2: nothing stands between blocks
		return nil, errNoStart
	}
	f.seen = f.pos + 1
	for {
		if i := bytes.IndexByte(f.buf[f.seen:f.end], endBlock); i >= 0 {
			f.seen += i
			if f.seen-f.pos-1 > f.max {
				return nil, errOversize
			}
			if f.MissingCR || f.seen+1 < f.end {
				return f.cut()
			}
		} else {
			f.seen = f.end
			if f.end-f.pos-1 > f.max {
				return nil, errOversize
			}
		}
		if err := f.fill(true); err != nil {
			return nil, err
		}
	}
}

// cut hands out the block that ends at seen.
func (f *frames) cut() ([]byte, error) {
	body := f.buf[f.pos+1 : f.seen : f.seen]
	switch {
	case f.seen+1 < f.end && f.buf[f.seen+1] == carriage:
		f.seen++
	case f.MissingCR:
		f.skipCR = f.seen+1 == f.end
	default:
		return nil, errNoCR
	}
	// A sender that broke off and began again would merge two patients' messages
	// into one; section 1.2 allows no start block in the data.
	if bytes.IndexByte(body, startBlock) >= 0 {
		return body, errRestart
	}
	f.pos, f.size = f.seen+1, len(body)
	return body, nil
}

// fill reads once, making room first.
func (f *frames) fill(partial bool) error {
	if err := f.room(); err != nil {
		return err
	}
	if f.wait != nil {
		if err := f.wait(partial); err != nil {
			return err
		}
	}
	for range 100 {
		n, err := f.src.Read(f.buf[f.end:min(len(f.buf), f.end+readStep)])
		f.end += n
		switch {
		case n > 0:
			return nil
		case errors.Is(err, io.EOF) && partial:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

// room makes sure that something can be read: by moving the block to the front,
// then by a larger buffer, from the connection's own through the shared tiers.
func (f *frames) room() error {
	if f.end < len(f.buf) {
		return nil
	}
	if f.pos > 0 {
		f.end = copy(f.buf, f.buf[f.pos:f.end])
		f.seen -= f.pos
		f.pos = 0
		return nil
	}
	size := max(2*len(f.buf), firstBuf)
	switch {
	case size <= ownBuf:
	case size <= midBuf:
		size = midBuf
		if f.mem == nil {
			break
		}
		if !f.mem.takeMid() {
			return errMemory
		}
		f.midHeld = true
		f.swap(f.mem.midBuffer())
		return nil
	default:
		if f.mem != nil && !f.bigHeld {
			if !f.mem.takeBig() {
				return errMemory
			}
			f.bigHeld = true
		}
		// One step past the limit is enough to see that a message is too long.
		size = min(size, max(f.max+readStep, len(f.buf)+readStep))
	}
	f.swap(make([]byte, size))
	return nil
}

func (f *frames) swap(b []byte) {
	copy(b, f.buf[:f.end])
	if f.mem != nil && len(f.buf) == midBuf {
		f.mem.returnMid(f.buf)
	}
	f.buf = b
}

// tidy gives shared memory back once the block before is done with. What was
// read past it is at most readStep.
func (f *frames) tidy() {
	if len(f.buf) <= ownBuf {
		if len(f.buf) == firstBuf || f.size >= firstBuf {
			f.small = 0
		} else if f.small++; f.small >= shrinkAfter && f.pos == f.end {
			f.buf, f.pos, f.end, f.small = nil, 0, 0, 0
		}
		return
	}
	rest := f.buf[f.pos:f.end]
	small := make([]byte, max(firstBuf, 2*len(rest)))
	n := copy(small, rest)
	if f.mem != nil && len(f.buf) == midBuf {
		f.mem.returnMid(f.buf)
	}
	f.buf, f.pos, f.end = small, 0, n
	f.release()
}

// release gives the shared tiers back; the buffer must not be used after it.
func (f *frames) release() {
	if f.bigHeld {
		f.mem.giveBig()
	}
	if f.midHeld {
		f.mem.giveMid()
	}
	f.bigHeld, f.midHeld = false, false
}
