package attacks

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var statusLine = regexp.MustCompile(`(?m)^HTTP/1\.[01] (\d{3}) `)

// wire sends bytes as they are and returns the statuses that came back, until the
// hub closed or said nothing for a while.
func (h *hub) wire(payload string, patience time.Duration) (statuses []string, all string) {
	h.t.Helper()
	c := h.dial("http/1.1")
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(c, payload) // it may close before it has read all
	}()
	var got bytes.Buffer
	buf := make([]byte, 32<<10)
	for {
		must(h.t, c.SetReadDeadline(time.Now().Add(patience)))
		n, err := c.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			break
		}
	}
	_ = c.Close() // read to its end, or given up
	<-sent
	for _, m := range statusLine.FindAllStringSubmatch(got.String(), -1) {
		statuses = append(statuses, m[1])
	}
	return statuses, got.String()
}

const smuggled = "GET /assets/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"

// shape is one request that two readers could read differently, or that is broken.
type shape struct {
	name, text string
	want       []string // each answer's status; several: any of them, once
}

// shapes: RFC 9112 and what is known of request smuggling.
func shapes(host string) []shape {
	form := "Host: " + host + "\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	post := "POST /sign-in HTTP/1.1\r\n" + form
	get := "GET /assets/none HTTP/1.1\r\nHost: " + host + "\r\n"
	tail := "Connection: close\r\n\r\n"
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, "X-%d: y\r\n", i)
	}
	one := func(status ...string) []string { return status }
	return []shape{
		{"both lengths, chunks end first", post + "Content-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, one("400", "401", "422")},
		{"both lengths, the other first", post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + smuggled, one("400", "401", "422")},
		{"folded Transfer-Encoding", post + "Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + smuggled, one("400", "401", "422", "501")},
		{"unknown Transfer-Encoding", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled, one("400", "501")},
		{"two Transfer-Encodings", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled, one("400", "501")},
		{"Transfer-Encoding in a list", post + "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" + smuggled, one("400", "501")},
		{"tab in Transfer-Encoding", post + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n" + smuggled, one("400", "501")},
		{"tab before Transfer-Encoding's value", post + "Transfer-Encoding:\tchunked\t\r\n\r\n0\r\n\r\nx" + smuggled, one("400", "401", "422")},
		{"chunked twice", post + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + smuggled, one("400", "501")},
		{"chunks in HTTP/1.0", "POST /sign-in HTTP/1.0\r\nConnection: keep-alive\r\n" + form + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, one("400", "401", "422")},
		{"space before the colon of a length", post + "Content-Length : 60\r\n\r\n" + smuggled, one("400")},
		{"a length with an underscore", post + "Content-Length: 1_0\r\n\r\n" + smuggled, one("400")},
		{"chunk size in C's way", post + "Transfer-Encoding: chunked\r\n\r\n0x3\r\na=b\r\n0\r\n\r\n" + smuggled, one("400", "422")},
		{"chunk longer than its size", post + "Transfer-Encoding: chunked\r\n\r\n1\r\na=b\r\n0\r\n\r\n" + smuggled, one("400", "422")},
		{"space before the colon", post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + smuggled, one("400")},
		{"two Content-Lengths", post + "Content-Length: 0\r\nContent-Length: 50\r\n\r\n" + smuggled, one("400")},
		{"a list of Content-Lengths", post + "Content-Length: 0, 50\r\n\r\n" + smuggled, one("400")},
		{"signed Content-Length", post + "Content-Length: +0\r\n\r\n" + smuggled, one("400")},
		{"negative Content-Length", post + "Content-Length: -1\r\n\r\n" + smuggled, one("400")},
		{"hexadecimal Content-Length", post + "Content-Length: 0x10\r\n\r\n" + smuggled, one("400")},
		{"huge Content-Length", post + "Content-Length: 99999999999999999999\r\n\r\n", one("400")},
		{"signed chunk size", post + "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" + smuggled, one("400", "422")},
		{"bare LF in chunks", post + "Transfer-Encoding: chunked\r\n\r\n5\na=bcd\n0\n\n" + smuggled, one("400", "422")},
		{"bare LF ends a chunk extension", post + "Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n4f\r\n0\r\n\r\n" + smuggled, one("400", "422")},
		{"endless chunk extension", post + "Transfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", 1<<20) + "\r\na\r\n0\r\n\r\n" + smuggled, one("400", "422")},
		{"chunk extensions by the thousand", post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("x", 200)+"\r\na\r\n", 5000) + "0\r\n\r\n" + smuggled, one("400", "422")},
		{"chunk size of 17 digits", post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("f", 17) + "\r\n" + smuggled, one("400", "422")},
		{"a body on a GET", get + "Content-Length: 49\r\n" + tail + smuggled, one("404")},
		{"bare LF", "GET /assets/none HTTP/1.1\nHost: " + host + "\nConnection: close\n\n" + smuggled, one("400", "404")},
		{"bare CR in a value", get + "X: a\rTransfer-Encoding: chunked\r\n" + tail, one("400")},
		{"NUL in a value", get + "X: a\x00b\r\n" + tail, one("400")},
		{"NUL in a name", get + "X\x00: a\r\n" + tail, one("400")},
		{"NUL in the address", "GET /assets/\x00 HTTP/1.1\r\nHost: " + host + "\r\n" + tail, one("400")},
		{"no colon", get + "nothing\r\n" + tail, one("400")},
		{"an empty name", get + ": x\r\n" + tail, one("400")},
		{"first header folded", "GET /assets/none HTTP/1.1\r\n X: y\r\nHost: " + host + "\r\n" + tail, one("400")},
		{"no Host", "GET /assets/none HTTP/1.1\r\n" + tail, one("400")},
		{"two Hosts", get + "Host: evil.example\r\n" + tail, one("400")},
		{"a Host with a path", "GET /assets/none HTTP/1.1\r\nHost: localhost/evil\r\n" + tail, one("400")},
		{"absolute form, another host", "GET https://evil.example/assets/none HTTP/1.1\r\nHost: " + host + "\r\n" + tail, one("400", "404")},
		{"absolute form, no http", "GET ftp://evil.example/ HTTP/1.1\r\nHost: " + host + "\r\n" + tail, one("303", "400", "404")},
		{"authority form", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n" + tail, one("400", "404", "405")},
		{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: " + host + "\r\n" + tail, one("200", "404", "405")},
		{"TRACE", "TRACE / HTTP/1.1\r\nHost: " + host + "\r\nX-Secret: echoed-back\r\n" + tail, one("404", "405")},
		{"HTTP/0.9", "GET /\r\n\r\n", one("400")},
		{"HTTP/3.9", "GET / HTTP/3.9\r\nHost: " + host + "\r\n" + tail, one("400", "505")},
		{"two spaces in the request line", "GET  / HTTP/1.1\r\nHost: " + host + "\r\n" + tail, one("400")},
		{"a method of nobody", "G\x01T / HTTP/1.1\r\nHost: " + host + "\r\n" + tail, one("400")},
		{"preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", one("400", "505")},
		{"upgrade to h2c", get + "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n", one("404")},
		{"a header of 64 KiB", get + "X: " + strings.Repeat("x", 64<<10) + "\r\n" + tail, one("431")},
		{"10,000 headers", get + many.String() + tail, one("431")},
		{"an address of 64 KiB", "GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: " + host + "\r\n" + tail, one("414", "431")},
		{"an endless first line", strings.Repeat("A", 1<<20), one("400", "414", "431")},
		{"expects something else", post + "Expect: the-impossible\r\nContent-Length: 5\r\n\r\na=b&c" + smuggled, one("417")},
	}
}

// Each shape is answered once, with a refusal or as the one request it is; what
// stands behind it is never carried out as another, and the next person is served.
func TestShapesOnTheWire(t *testing.T) {
	t.Parallel()
	h := newHub(t, quietPartner, "quiet")
	b := h.browser()
	b.want(b.get("/sign-in"), http.StatusOK, "Sign in")
	before, _ := h.memory()
	get := "GET /assets/none HTTP/1.1\r\nHost: " + h.host() + "\r\n\r\n"
	if got, _ := h.wire(get+smuggled, 2*time.Second); len(got) != 2 {
		t.Fatalf("two requests are seen as %q: this test would miss one", got)
	}
	var wg sync.WaitGroup
	room := make(chan struct{}, 8)
	for _, s := range shapes(h.host()) {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			got, all := h.wire(s.text, 2*time.Second)
			if len(got) != 1 || !slices.Contains(s.want, got[0]) {
				t.Errorf("%s: answered with %q, want one of %q\n%.400s", s.name, got, s.want, all)
			}
			if strings.Contains(all, "echoed-back") || strings.Contains(all, "evil.example") {
				t.Errorf("%s: comes back in the answer\n%.600s", s.name, all)
			}
		})
	}
	wg.Wait()
	b.want(b.get("/sign-in"), http.StatusOK, "Sign in")
	c := h.browser()
	c.want(c.get("/sign-in"), http.StatusOK, "Sign in")
	// Forms without a name are hashed too, at 19 MiB each, as many at a time as there
	// are processors (8 at most); an idle hub holds none of that.
	if now, _ := h.memory(); now > before+64+19*min(runtime.NumCPU(), 8) {
		t.Errorf("the hub held %d MiB before and %d after", before, now)
	}
}

// Plain HTTP on the TLS port gets no page, old TLS no handshake; half a request is
// given up after five seconds; as many slow ones as an address may have, 300 at
// most, keep nobody else out.
func TestSlowAndPlain(t *testing.T) {
	t.Parallel()
	h := newHub(t, quietPartner, "quiet")
	plain, err := net.Dial("tcp", h.addr)
	must(t, err)
	defer plain.Close()
	_, err = io.WriteString(plain, "GET /sign-in HTTP/1.1\r\nHost: localhost\r\n\r\n")
	must(t, err)
	must(t, plain.SetDeadline(time.Now().Add(5*time.Second)))
	if got, _ := io.ReadAll(plain); strings.Contains(string(got), "Sign in") {
		t.Errorf("over plain HTTP: %s", got)
	}

	// Old TLS, and suites without forward secrecy or authenticated encryption.
	for name, c := range map[string]*tls.Config{
		"TLS 1.0": {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10},
		"TLS 1.1": {MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11},
		"CBC":     {MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}},
		"no ECDH": {MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_CBC_SHA}},
	} {
		c.RootCAs, c.ServerName = h.roots, "localhost"
		if old, err := (&tls.Dialer{Config: c}).DialContext(t.Context(), "tcp", h.addr); err == nil {
			t.Errorf("%s is taken", name)
			_ = old.Close()
		}
	}

	headers := h.dial("http/1.1")
	_, err = io.WriteString(headers, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
	must(t, err)
	began := time.Now()
	var bodies []net.Conn
	for range 300 {
		c, err := (&tls.Dialer{Config: &tls.Config{RootCAs: h.roots, ServerName: "localhost", NextProtos: []string{"http/1.1"}}}).DialContext(t.Context(), "tcp", h.addr)
		if err != nil {
			break // this address has all the connections that one may have
		}
		must(t, c.SetDeadline(time.Now().Add(20*time.Second)))
		bodies = append(bodies, c)
		if _, err := io.WriteString(c, "POST /sign-in HTTP/1.1\r\nHost: "+h.host()+"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\naccount="); err != nil {
			break
		}
	}
	if len(bodies) < 60 {
		t.Fatalf("only %d connections: nobody was kept out by so few", len(bodies))
	}
	t.Logf("%d slow connections of one address", len(bodies))
	// They all come from this machine: others are asked for over its other address.
	other := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	b := h.browserFrom(other)
	b.want(b.get("/sign-in"), http.StatusOK, "Sign in")
	if bars() == "whole" {
		c := bodies[0]
		must(t, c.SetDeadline(time.Now().Add(50*time.Second)))
		if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("a body that never comes holds its connection")
		}
	}
	must(t, headers.SetDeadline(time.Now().Add(10*time.Second)))
	got, err := io.ReadAll(headers)
	if took := time.Since(began); errors.Is(err, os.ErrDeadlineExceeded) || took > 9*time.Second {
		t.Errorf("half a header was waited for %v: %q %v", took, got, err)
	}
	for _, c := range bodies {
		_ = c.Close() // the hub may have closed it
	}
}
