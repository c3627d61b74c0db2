package mllp

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"time"

	ct "github.com/labwarden/labwarden/internal/channel/channeltest"
)

// FuzzFrames: whatever comes, in whatever pieces, the blocks handed out are
// those an independent reading finds, and framing them again gives the bytes
// that were consumed.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x0bMSH|\x1c\r\x0bMSH|2\x1c\r"), uint8(1), false)
	f.Add([]byte("\x0bMSH|\x1c\x0bMSH|2\x1c\r\x0b\x1c"), uint8(3), true)
	f.Add([]byte("\x0bMSH|\x0b\x1c\r"), uint8(0), false)
	f.Add([]byte("x\x0b\x1c\r"), uint8(0), false)
	f.Fuzz(func(t *testing.T, in []byte, step uint8, lax bool) {
		const limit = 40
		fr := frames{src: &pieces{b: in, n: int(step)}, max: limit, Framing: Framing{MissingCR: lax}}
		rest := in
		for {
			body, err := fr.next()
			want, after, werr := oracle(rest, limit, lax)
			if !errors.Is(err, werr) {
				t.Fatalf("next: %v, want %v, at %q", err, werr, rest)
			}
			if err != nil {
				if errors.Is(err, errOversize) {
					if r := fr.swallow(1 << 20); r.Complete != (bytes.IndexByte(rest, endBlock) >= 0) {
						t.Fatalf("complete %v", r.Complete)
					} else if i := bytes.IndexByte(rest, endBlock); i >= 0 && (r.Length != int64(i-1) || !bytes.Equal(r.Head, rest[1:i])) {
						t.Fatalf("length %d head %q", r.Length, r.Head)
					}
				}
				return
			}
			if !bytes.Equal(body, want) {
				t.Fatalf("body %q, want %q", body, want)
			}
			if !lax && !bytes.Equal(AppendFrame(nil, body), rest[:len(rest)-len(after)]) {
				t.Fatal("framing again gives other bytes")
			}
			rest = after
		}
	})
}

// oracle reads one block from b by the words of the specification.
func oracle(b []byte, limit int, lax bool) (body, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, io.EOF
	}
	if b[0] != 0x0b {
		return nil, nil, errNoStart
	}
	i := bytes.IndexByte(b, 0x1c)
	if (i < 0 && len(b)-1 > limit) || i-1 > limit {
		return nil, nil, errOversize
	}
	if i < 0 {
		return nil, nil, io.ErrUnexpectedEOF
	}
	body, rest = b[1:i], b[i+1:]
	switch {
	case len(rest) > 0 && rest[0] == '\r':
		rest = rest[1:]
	case lax:
	case len(rest) == 0:
		return nil, nil, io.ErrUnexpectedEOF
	default:
		return nil, nil, errNoCR
	}
	if bytes.IndexByte(body, 0x0b) >= 0 {
		return nil, nil, errRestart
	}
	return body, rest, nil
}

type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	k := copy(b, p.b[:min(len(p.b), p.n+1)])
	p.b = p.b[k:]
	return k, nil
}

// TestFramesOfManySizes walks one stream through every size of buffer and back.
func TestFramesOfManySizes(t *testing.T) {
	mem := newMemory(2, 1)
	var stream []byte
	var want [][]byte
	for i := range 200 {
		size := []int{1, 50, 8 << 10, 20 << 10, 64<<10 - 2, 64 << 10, 70 << 10, 1 << 20, 3 << 20}[i*i%9]
		want = append(want, ct.Bytes(i, size, "\x0b\x1c"))
		stream = AppendFrame(stream, want[i])
	}
	for _, src := range []io.Reader{bytes.NewReader(stream), &pieces{b: stream, n: 1400}, iotest.DataErrReader(bytes.NewReader(stream))} {
		stop := make(chan struct{})
		f := frames{src: src, max: 3 << 20, mem: &share{all: mem, peer: mem.newQuota(), stop: stop, left: func() time.Duration { return time.Second }}}
		for i := range want {
			got, err := f.next()
			if err != nil || !bytes.Equal(got, want[i]) {
				t.Fatalf("block %d: %v, %d bytes, want %d", i, err, len(got), len(want[i]))
			}
		}
		if _, err := f.next(); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if len(mem.mid) != 0 || len(mem.big) != 0 || len(f.buf) > ownBuf {
			t.Errorf("mid %d big %d buffer %d", len(mem.mid), len(mem.big), len(f.buf))
		}
	}
}

func TestFramesAllocateNothing(t *testing.T) {
	one := AppendFrame(nil, ct.Bytes(1, 1900, "\x0b\x1c"))
	src := &repeat{b: one}
	f := frames{src: src, max: 1 << 20}
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := f.next(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a block", n)
	}
}

type repeat struct {
	b  []byte
	at int
}

func (r *repeat) Read(b []byte) (int, error) {
	n := copy(b, r.b[r.at:])
	r.at = (r.at + n) % len(r.b)
	return n, nil
}
