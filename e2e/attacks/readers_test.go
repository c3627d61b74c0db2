package attacks

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// dialFrom is dial from another address of this machine; an error where it is
// not let in.
func (h *hub) dialFrom(from net.IP, proto string) (*tls.Conn, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}, Config: &tls.Config{RootCAs: h.roots, ServerName: "localhost", NextProtos: []string{proto}, MinVersion: tls.VersionTLS12}}
	c, err := d.DialContext(h.t.Context(), "tcp", h.addr)
	if err != nil {
		return nil, err
	}
	h.t.Cleanup(func() { _ = c.Close() })
	return c.(*tls.Conn), nil
}

// Whoever asks and does not read the answers (an HTTP/2 window of nothing) holds
// little and keeps nobody out: not the next stranger of another address, and not
// whoever is signed in, at the same address even.
func TestReadersWhoDoNotRead(t *testing.T) {
	t.Parallel()
	h := newHub(t, quietPartner, "quiet")
	dana := h.administrator()
	before, _ := h.memory()
	const addresses, conns, streams = 6, 40, 250
	block := getBlock(h.host())
	missing := append([]byte{0x82, 0x87, 0x04, 9}, "/livingly"...)
	missing = append(missing, 0x01, byte(len(h.host())))
	missing = append(missing, h.host()...)
	var wg sync.WaitGroup
	for a := range addresses {
		from := net.IPv4(127, 0, 2, byte(1+a))
		if a == 0 {
			from = net.IPv4(127, 0, 0, 1) // where she is, too
		}
		for range conns {
			wg.Go(func() {
				c, err := h.dialFrom(from, "h2")
				if err != nil {
					t.Errorf("from %v: %v", from, err)
					return
				}
				go func() { _, _ = io.Copy(io.Discard, c) }() // frames, of which none is an answer's body
				var b strings.Builder
				b.WriteString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
				b.Write(frame(h2Settings, 0, 0, []byte{0, 4, 0, 0, 0, 0}))
				for i := range streams {
					x := block
					if i%2 == 1 {
						x = missing
					}
					b.Write(frame(h2Headers, endStream|endHeaders, uint32(2*i+1), x))
				}
				_, _ = io.WriteString(c, b.String()) // the hub may have ended it
			})
		}
	}
	wg.Wait()
	for range 20 {
		at := time.Now()
		dana.want(dana.get("/"), http.StatusOK, "Today")
		if took := time.Since(at); took > 3*time.Second {
			t.Errorf("she waited %v", took)
		}
	}
	elsewhere := h.browserFrom(&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 3, 1)}})
	until, again := time.Now().Add(40*time.Second), time.NewTicker(200*time.Millisecond)
	defer again.Stop()
	for {
		if r, err := elsewhere.try(http.MethodGet, "/sign-in", nil); err == nil && r.status == http.StatusOK {
			break
		} else if time.Now().After(until) {
			t.Fatalf("a stranger of another address is not let in: %v, %v", r.status, err)
		}
		<-again.C // the strangers' places are free again after their time limit
	}
	now, peak := h.memory()
	t.Logf("%d connections with %d requests each whose answers nobody reads: %d MiB before, %d now, %d at most", addresses*conns, streams, before, now, peak)
	if peak > before+256 {
		t.Errorf("the hub held %d MiB before and %d at most", before, peak)
	}
}

// One address cannot take all connections.
func TestConnectionsOfOneAddress(t *testing.T) {
	t.Parallel()
	h := newHub(t, quietPartner, "quiet")
	from := net.IPv4(127, 0, 2, 9)
	let := 0
	for range 180 {
		c, err := h.dialFrom(from, "http/1.1")
		if err == nil {
			let++
			defer func() { _ = c.Close() }()
		}
	}
	if let < 100 || let > 150 {
		t.Errorf("%d connections of one address were let in", let)
	}
	other := h.browser()
	other.want(other.get("/sign-in"), http.StatusOK, "Sign in")
}

// An export that nobody reads holds up nobody's pages, the exporter's neither.
func TestExportsNobodyReads(t *testing.T) {
	t.Parallel()
	h := newHub(t, quietPartner, "quiet")
	dana := h.administrator()
	cookie := ""
	for _, x := range dana.jar.Cookies(mustURL(t, dana.url)) {
		cookie += x.Name + "=" + x.Value + "; "
	}
	c, err := h.dialFrom(net.IPv4(127, 0, 0, 1), "h2")
	must(t, err)
	go func() { _, _ = io.Copy(io.Discard, c) }()
	var b strings.Builder
	b.WriteString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	b.Write(frame(h2Settings, 0, 0, []byte{0, 4, 0, 0, 0, 0}))
	head := fields(":method", "POST", ":scheme", "https", ":path", "/record/mine", ":authority", h.host(), "cookie", strings.TrimSuffix(cookie, "; "),
		"content-type", "application/x-www-form-urlencoded", "origin", dana.url, "user-agent", "Chrome/130 Linux")
	for i := range 30 {
		id := uint32(2*i + 1)
		b.Write(frame(h2Headers, endHeaders, id, head))
		b.Write(frame(h2Data, endStream, id, []byte("as=csv")))
	}
	_, err = io.WriteString(c, b.String())
	must(t, err)
	for range 10 {
		dana.want(dana.get("/"), http.StatusOK, "Today")
	}
}
