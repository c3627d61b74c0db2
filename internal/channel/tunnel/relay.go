package tunnel

import (
	"io"
	"net"
	"sync"
)

// closeWriter is a connection of which one direction can end alone.
type closeWriter interface{ CloseWrite() error }

// relay carries bytes between a and b until both directions have ended, each end
// passed on by itself, and closes both.
func relay(a, b net.Conn) {
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		wg.Go(func() {
			if _, err := io.CopyBuffer(struct{ io.Writer }{way[0]}, struct{ io.Reader }{way[1]}, make([]byte, 64<<10)); err != nil {
				// A broken connection is broken for both.
				a.Close()
				b.Close()
				return
			}
			if c, ok := way[0].(closeWriter); ok && c.CloseWrite() == nil {
				return
			}
			way[0].Close()
		})
	}
	wg.Wait()
	a.Close()
	b.Close()
}

// open asks for a stream to addr on c and waits for the answer.
func open(c net.Conn, to string) error {
	if err := put(c, request{To: to}); err != nil {
		return err
	}
	var v verdict
	if err := get(c, &v); err != nil {
		return err
	}
	if v.No != "" {
		return &Refusal{v.No}
	}
	return nil
}

// Refusal is why the other end did not do it, in its words.
type Refusal struct{ Words string }

func (r *Refusal) Error() string { return "the other end refuses: " + r.Words }
