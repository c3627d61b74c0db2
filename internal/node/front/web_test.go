package front

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel/frontlink"
)

// says answers with what the hub is told of the client.
func says(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Said", fmt.Sprintf("%q %q %q %s", r.Header.Values(frontlink.HeaderClient), r.Header.Values(frontlink.HeaderTLS), r.Header.Values("X-Forwarded-For"), r.Host))
	_, _ = io.Copy(io.Discard, r.Body)
}

// TestAClientCannotSpeakForTheFront: what the hub hears of address and TLS is the
// front's word alone, also when the client calls the headers hop-by-hop or sends
// them twice.
func TestAClientCannotSpeakForTheFront(t *testing.T) {
	at := newRig(t, http.HandlerFunc(says)).doors()["web"]
	for _, h2 := range []bool{false, true} {
		heads := [][]string{{}, {"Labwarden-Client", "203.0.113.66:1", "Labwarden-Client", "203.0.113.66:2", "Labwarden-Tls", "0304 1301 001d", "X-Forwarded-For", "203.0.113.66"}}
		if !h2 {
			heads = append(heads, []string{"Connection", "Labwarden-Client, Labwarden-Tls", "labwarden-client", "203.0.113.66:1"})
		}
		for _, head := range heads {
			code, said, err := get(client(t, at, h2), "/", head...)
			if err != nil || code != http.StatusOK || !strings.HasPrefix(said, `["127.0.0.1:`) || strings.Contains(said, "203.0.113") || !strings.Contains(said, `["0304 13`) || !strings.Contains(said, ` 11ec"] `) || !strings.HasSuffix(said, " a.example") || strings.Count(said, ",") != 0 {
				t.Error(h2, head, code, said, err)
			}
		}
	}
}

// TestWebDoorHasLimits: no handshake for another name, TLS 1.3 only, headers and
// bodies bounded, a host other than that of the handshake refused.
func TestWebDoorHasLimits(t *testing.T) {
	at := newRig(t, http.HandlerFunc(says)).doors()["web"]
	for name, conf := range map[string]*tls.Config{
		"other name": {ServerName: "b.example"}, "no name": {}, "TLS 1.2": {ServerName: "a.example", MaxVersion: tls.VersionTLS12},
	} {
		conf.InsecureSkipVerify = true
		if c, err := tls.Dial("tcp", at, conf); err == nil {
			_ = c.Close()
			t.Error(name, "had a handshake")
		}
	}
	c := client(t, at, true)
	if code, _, err := get(c, "/", "X-Large", strings.Repeat("a", 64<<10)); err == nil && code != http.StatusRequestHeaderFieldsTooLarge {
		t.Error("headers of 64 KiB:", code)
	}
	post := func(body io.Reader, host string) (int, error) {
		r, err := http.NewRequest(http.MethodPost, "https://a.example/", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		w, err := client(t, at, false).Do(r)
		if err != nil {
			return 0, err
		}
		return w.StatusCode, w.Body.Close()
	}
	if code, err := post(bytes.NewReader(make([]byte, maxRequest)), "a.example"); err != nil || code != http.StatusOK {
		t.Error(code, err)
	}
	if code, err := post(io.MultiReader(bytes.NewReader(make([]byte, maxRequest+1))), "a.example"); err == nil && code != http.StatusRequestEntityTooLarge && code != http.StatusBadGateway {
		t.Error("a body that is too large:", code)
	}
	if code, err := post(nil, "b.example"); err != nil || code != http.StatusMisdirectedRequest {
		t.Error(code, err)
	}
}

// TestStreamsPass: a piece reaches the client while the answer goes on.
func TestStreamsPass(t *testing.T) {
	let := make(chan struct{})
	at := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: first\n\n")
		_ = http.NewResponseController(w).Flush()
		<-let
		_, _ = io.WriteString(w, "data: last\n\n")
	})).doors()["web"]
	for _, h2 := range []bool{true, false} {
		w, err := client(t, at, h2).Get("https://a.example/")
		if err != nil {
			t.Fatal(err)
		}
		b := bufio.NewReader(w.Body)
		if line, err := b.ReadString('\n'); err != nil || line != "data: first\n" {
			t.Fatal(line, err)
		}
		if h2 {
			let <- struct{}{}
		} else {
			close(let)
		}
		if rest, err := io.ReadAll(b); err != nil || !strings.Contains(string(rest), "last") {
			t.Fatal(string(rest), err)
		}
		_ = w.Body.Close()
	}
}

// TestDoorsAsTheHubSays: settings open and close listeners; one that stays open
// keeps its port and its count.
func TestDoorsAsTheHubSays(t *testing.T) {
	r := newRig(t, http.HandlerFunc(says))
	at := r.doors()
	if len(at) != 1 {
		t.Fatal(at)
	}
	r.tell(func(s *frontlink.Settings) { s.SFTP.Address = "127.0.0.1:0" })
	two := r.doors()
	if len(two) != 2 || two["web"] != at["web"] {
		t.Fatal(two, at)
	}
	r.tell(func(s *frontlink.Settings) { s.Web.Listen = frontlink.Listen{} })
	if one := r.doors(); len(one) != 1 || one["sftp"] != two["sftp"] {
		t.Fatal(one)
	}
	if c, err := net.Dial("tcp", at["web"]); err == nil {
		_ = c.Close()
		t.Fatal("a door that the hub closed is open")
	}
	r.tell(func(s *frontlink.Settings) { s.Web.Listen = frontlink.Listen{Address: "127.0.0.1:0", Conns: 2} })
	at = r.doors()
	if code, _, err := get(client(t, at["web"], true), "/"); err != nil || code != http.StatusOK {
		t.Fatal(code, err)
	}
	// Two at a time: the third is closed at once.
	var open []net.Conn
	refused := false
	for range 4 {
		c, err := net.Dial("tcp", at["web"])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
	}
	for _, c := range open {
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
			refused = true
		}
	}
	if !refused {
		t.Fatal("four connections were taken where two may be")
	}
}

// TestTheHubRestarts: the ports stay open, who comes meanwhile is sent away, and
// then it goes on.
func TestTheHubRestarts(t *testing.T) {
	r := newRig(t, http.HandlerFunc(says))
	at := r.doors()["web"]
	if code, _, err := get(client(t, at, true), "/"); err != nil || code != http.StatusOK {
		t.Fatal(code, err)
	}
	r.end()
	c := client(t, at, true)
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, _, err := get(c, "/")
		if err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("requests are answered without a hub")
		}
	}
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal("the port was given up:", err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Fatal("somebody was let in without a hub")
	}
	_ = conn.Close()
	r.begin()
	if again := r.doors()["web"]; again != at {
		t.Fatal(again, at)
	}
	if code, _, err := get(client(t, at, true), "/"); err != nil || code != http.StatusOK {
		t.Fatal(code, err)
	}
}
