package front

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/labwarden/labwarden/internal/channel/frontlink"
)

// blocks is how many blocks of an open file are kept: clients ask for 32 KiB, many
// at a time and one after the other, and the hub is asked for frontlink.MaxBody.
const blocks = 4

// reader reads an open file block by block. It is safe for concurrent use.
type reader struct {
	s    *session
	file frontlink.OpenFile
	size int64

	mu   sync.Mutex
	kept []*block // the one asked for last at the end
}

// block is a part of the file, or on its way.
type block struct {
	n    int64
	done chan struct{}
	b    []byte
	err  error
}

func (r *reader) Size() int64 { return r.size }

func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) && off < r.size {
		b, err := r.block(off / frontlink.MaxBody)
		if err != nil {
			return done, err
		}
		n := copy(p[done:], b[off%frontlink.MaxBody:])
		done += n
		off += int64(n)
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// block returns block n; several who want it wait for one call.
func (r *reader) block(n int64) ([]byte, error) {
	r.mu.Lock()
	for _, k := range r.kept {
		if k.n == n {
			r.mu.Unlock()
			<-k.done
			return k.b, k.err
		}
	}
	k := &block{n: n, done: make(chan struct{})}
	if len(r.kept) >= blocks {
		r.kept = append(r.kept[:0], r.kept[1:]...)
	}
	r.kept = append(r.kept, k)
	r.mu.Unlock()
	k.b, k.err = r.fetch(n)
	close(k.done)
	return k.b, k.err
}

func (r *reader) fetch(n int64) ([]byte, error) {
	at := n * frontlink.MaxBody
	words := frontlink.Piece{OpenFile: r.file, Offset: at, Length: int(min(frontlink.MaxBody, r.size-at))}
	b, f, err := r.s.hub.link.Ask(context.Background(), frontlink.VerbRead, words, nil, nil, nil)
	if f != nil {
		_ = f.Close()
	}
	if err != nil {
		return nil, boxError(err)
	}
	if len(b) != words.Length {
		return nil, errors.New("the hub gave a piece of another length")
	}
	return b, nil
}

func (r *reader) Close() error {
	return r.s.hub.ask(context.Background(), frontlink.VerbShut, r.file, nil)
}
