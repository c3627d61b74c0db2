package attacks

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fields writes a header block of literal fields that are not indexed and not
// squeezed (RFC 7541 6.2.2): any bytes as they are.
func fields(pairs ...string) []byte {
	var b []byte
	for i := 0; i < len(pairs); i += 2 {
		b = append(b, 0, byte(len(pairs[i])))
		b = append(b, pairs[i]...)
		b = append(b, byte(len(pairs[i+1])))
		b = append(b, pairs[i+1]...)
	}
	return b
}

// digits reads a status as Go's server writes one: in the code of RFC 7541
// appendix B, where 0 to 2 have five bits and 3 to 9 have six.
func digits(b []byte) string {
	var bits strings.Builder
	for _, x := range b {
		fmt.Fprintf(&bits, "%08b", x)
	}
	s, out := bits.String(), ""
	for len(out) < 3 && len(s) >= 5 {
		if n := strings.Index("00000 00001 00010", s[:5]); n >= 0 {
			out, s = out+string(rune('0'+n/6)), s[5:]
			continue
		}
		if len(s) < 6 {
			break
		}
		n := strings.Index("011001 011010 011011 011100 011101 011110 011111", s[:6])
		if n < 0 {
			break
		}
		out, s = out+string(rune('3'+n/7)), s[6:]
	}
	return out
}

// status2 is that of a block of an answer; "" where this reader knows it not.
func status2(block []byte) string {
	known := map[byte]string{0x88: "200", 0x89: "204", 0x8a: "206", 0x8b: "304", 0x8c: "400", 0x8d: "404", 0x8e: "500"}
	switch {
	case len(block) == 0:
		return ""
	case known[block[0]] != "":
		return known[block[0]]
	case block[0] < 0x48 || block[0] > 0x4e || len(block) < 2 || len(block) < 2+int(block[1]&0x7f): // :status by its name (RFC 7541 appendix A)
	case block[1]&0x80 != 0:
		return digits(block[2 : 2+int(block[1]&0x7f)])
	default:
		return string(block[2 : 2+int(block[1])])
	}
	return ""
}

// wire2 sends frames over a connection of its own and returns what came of each
// stream, in turn: a status, or "ended" for a stream or connection that the hub
// ended.
func (h *hub) wire2(frames ...[]byte) (got []string) {
	h.t.Helper()
	c := h.dial("h2")
	defer c.Close()
	_, err := io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+string(frame(h2Settings, 0, 0, nil))+string(slices.Concat(frames...)))
	must(h.t, err)
	must(h.t, c.SetReadDeadline(time.Now().Add(2*time.Second)))
	head := make([]byte, 9)
	for {
		if _, err := io.ReadFull(c, head); err != nil {
			return got
		}
		body := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(c, body); err != nil {
			return got
		}
		stream := binary.BigEndian.Uint32(head[5:]) & 0x7fffffff
		switch head[3] {
		case h2Headers:
			got = append(got, fmt.Sprintf("%d:%s", stream, status2(body)))
		case h2Reset:
			if binary.BigEndian.Uint32(body) != 0 { // after an answer: the rest is not wanted
				got = append(got, fmt.Sprintf("%d:ended", stream))
			}
		case h2GoAway:
			if binary.BigEndian.Uint32(body[4:]) != 0 {
				return append(got, "0:ended")
			}
		}
	}
}

// TestShapesOfHTTP2: what RFC 9113 8.1 to 8.3 calls malformed is answered with a
// refusal or ends the stream, and nothing in it becomes a request of its own.
func TestShapesOfHTTP2(t *testing.T) {
	t.Parallel()
	h := newHub(t, quietPartner, "quiet")
	host := h.host()
	get := []string{":method", "GET", ":scheme", "https", ":path", "/sign-in", ":authority", host}
	post := []string{":method", "POST", ":scheme", "https", ":path", "/sign-in", ":authority", host, "content-type", "application/x-www-form-urlencoded"}
	with := func(base []string, more ...string) []byte { return fields(slices.Concat(base, more)...) }
	// sends is a request that ends with its headers, or with a body.
	sends := func(block []byte, body ...string) [][]byte {
		if len(body) == 0 {
			return [][]byte{frame(h2Headers, endStream|endHeaders, 1, block)}
		}
		out := [][]byte{frame(h2Headers, endHeaders, 1, block)}
		for i, b := range body {
			flags := byte(0)
			if i == len(body)-1 {
				flags = endStream
			}
			out = append(out, frame(h2Data, flags, 1, []byte(b)))
		}
		return out
	}
	refused := []string{"1:400", "1:ended", "0:ended"}
	cut := append([]string{"1:413", "1:422"}, refused...)
	one := func(s ...string) []string { return s }
	type shape2 struct {
		name   string
		frames [][]byte
		want   []string
	}
	shapes := []shape2{
		{"as it should be", sends(with(get)), one("1:200")},
		{"trailers are welcome", sends(with(get, "te", "trailers")), one("1:200")},
		{"a length that fits", sends(with(post, "content-length", "3"), "a=b"), one("1:401", "1:422")},

		{"connection", sends(with(get, "connection", "close")), refused},
		{"keep-alive", sends(with(get, "keep-alive", "timeout=5")), refused},
		{"proxy-connection", sends(with(get, "proxy-connection", "keep-alive")), refused},
		{"upgrade", sends(with(get, "upgrade", "h2c")), refused},
		{"te of something else", sends(with(get, "te", "gzip")), refused},
		{"transfer-encoding", sends(with(post, "transfer-encoding", "chunked"), "0\r\n\r\n"+smuggled), refused},
		{"transfer-encoding and a length", sends(with(post, "content-length", "3", "transfer-encoding", "chunked"), "0\r\n\r\n"+smuggled), refused},

		{"longer than its length", sends(with(post, "content-length", "3"), "a=b"+smuggled), refused},
		{"longer than its length, later", sends(with(post, "content-length", "3"), "a=b", smuggled), refused},
		{"shorter than its length", sends(with(post, "content-length", "300"), "a=b"), cut},
		{"a length and no body", sends(with(post, "content-length", "3")), cut},
		{"no length and a body", sends(with(post, "content-length", "0"), smuggled), refused},
		{"two lengths", sends(with(post, "content-length", "3", "content-length", "300"), "a=b"), cut},
		{"a list of lengths", sends(with(post, "content-length", "3, 300"), "a=b"), refused},
		{"a signed length", sends(with(post, "content-length", "+3"), "a=b"), refused},
		{"a negative length", sends(with(post, "content-length", "-3"), "a=b"), refused},

		{"upper case", sends(with(get, "X-Upper", "y")), refused},
		{"a line end in a value", sends(with(get, "x", "y\r\nTransfer-Encoding: chunked")), refused},
		{"LF in a value", sends(with(get, "x", "y\nz")), refused},
		{"CR in a value", sends(with(get, "x", "y\rz")), refused},
		{"NUL in a value", sends(with(get, "x", "y\x00z")), refused},
		{"a line end in a name", sends(with(get, "x\r\ny", "z")), refused},
		{"a colon in a name", sends(with(get, "x:y", "z")), refused},
		{"a space in a name", sends(with(get, "x y", "z")), refused},
		{"an empty name", sends(with(get, "", "z")), refused},
		{"a line end in the path", sends(fields(":method", "GET", ":scheme", "https", ":path", "/assets/none HTTP/1.1\r\nHost: x\r\n\r\n"+smuggled, ":authority", host)), refused},
		{"a space in the method", sends(fields(":method", "GET /assets/x HTTP/1.1", ":scheme", "https", ":path", "/", ":authority", host)), append(one("1:404"), refused...)},
		{"a line end in the host", sends(fields(":method", "GET", ":scheme", "https", ":path", "/", ":authority", host+"\r\nx: y")), refused},

		{"no path", sends(fields(":method", "GET", ":scheme", "https", ":authority", host)), refused},
		{"an empty path", sends(fields(":method", "GET", ":scheme", "https", ":path", "", ":authority", host)), refused},
		{"two paths", sends(with(get, ":path", "/people")), refused},
		{"two methods", sends(with(get, ":method", "POST")), refused},
		{"no method", sends(fields(":scheme", "https", ":path", "/", ":authority", host)), refused},
		{"no scheme", sends(fields(":method", "GET", ":path", "/", ":authority", host)), refused},
		{"pseudo-header after another", sends(fields(":method", "GET", ":scheme", "https", ":path", "/", "x", "y", ":authority", host)), refused},
		{"a pseudo-header of nobody", sends(with(get, ":x", "y")), refused},
		{"the status of an answer", sends(with(get, ":status", "200")), refused},
		{"pseudo-header in trailers", append(sends(with(post), "a=b")[:1], frame(h2Data, 0, 1, []byte("a=b")), frame(h2Headers, endStream|endHeaders, 1, fields(":path", "/people"))), refused},
		{"trailers without an end", append(sends(with(post), "a=b")[:1], frame(h2Data, 0, 1, []byte("a=b")), frame(h2Headers, endHeaders, 1, fields("x", "y"))), refused},
		{"a body after the end", [][]byte{frame(h2Headers, endStream|endHeaders, 1, with(get)), frame(h2Data, endStream, 1, []byte(smuggled))}, append(one("1:200"), refused...)},
	}
	if both := h.wire2(frame(h2Headers, endStream|endHeaders, 1, with(get)), frame(h2Headers, endStream|endHeaders, 3, with(get))); len(both) != 2 {
		t.Fatalf("two requests are seen as %q: this test would miss one", both)
	}
	var wg sync.WaitGroup
	room := make(chan struct{}, 8)
	for _, s := range shapes {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			got := h.wire2(s.frames...)
			bad := len(got) == 0
			for _, g := range got {
				bad = bad || !slices.Contains(s.want, g)
			}
			if answers := slices.DeleteFunc(slices.Clone(got), func(g string) bool { return strings.HasSuffix(g, ":ended") }); bad || len(answers) > 1 {
				t.Errorf("%s: %q, want of %q", s.name, got, s.want)
			}
		})
	}
	wg.Wait()
	b := h.browser()
	b.want(b.get("/sign-in"), http.StatusOK, "Sign in")
}
