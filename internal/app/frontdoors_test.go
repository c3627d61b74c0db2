package app

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel/frontlink"
	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// TestTheOtherDoorsOfAFrontThatWasTakenOver: a front that sends what it likes reaches
// the portal and the FHIR server and no page of the laboratory. What it saw there,
// cookies and tokens, opens nothing at the addresses that portal and FHIR server have
// of their own, and what was given out there opens nothing through the front.
func TestTheOtherDoorsOfAFrontThatWasTakenOver(t *testing.T) {
	s := newSite(t, "")
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	p := newPuller(t, s)
	own, pages, sock := portalPort(t), portalPort(t), filepath.Join(s.dir, "f", "s")
	node := p.node + fmt.Sprintf("  web: {listen: %q, public_url: \"https://lab.example\"}\n  portal: {listen: %q, public_url: \"https://results.lab.example\"}\n  front: {socket: %s, web: {listen: %q}}\n", pages, own, sock, portalPort(t))
	src := strings.Replace(s.source(p.partners+"  p: {name: Practice One, destination: {portal: {}}}\n", "p", "carry"), "sources:\n", node+"sources:\n", 1) + "portal: {phone: \"+1 555 0142\"}\n"
	c := s.parse(src)
	h := s.open()
	must(stated(ctx, h, c))
	_, err := h.Begin(ctx, c.Node, c, []byte(src), "tester")
	must(err)
	s.serve(h, c)

	nc, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Net: "unixpacket", Name: sock})
	must(err)
	link := frontlink.New(nc, func(context.Context, *frontlink.Call) (frontlink.Reply, error) { return frontlink.Reply{}, nil }, slog.New(slog.DiscardHandler))
	over := make(chan struct{})
	go func() { _ = link.Run(ctx); close(over) }()
	t.Cleanup(func() { _ = link.Close(); <-over })

	// answer is what a connection answers to what is written to it.
	answer := func(conn net.Conn, text string) (int, string) {
		t.Helper()
		defer conn.Close()
		must(conn.SetDeadline(time.Now().Add(20 * time.Second)))
		_, err := io.WriteString(conn, text)
		must(err)
		w, err := http.ReadResponse(bufio.NewReader(conn), nil)
		must(err)
		defer w.Body.Close()
		b, err := io.ReadAll(w.Body)
		must(err)
		return w.StatusCode, string(b) + w.Header.Get("Location")
	}
	evil := func(text string) (int, string) {
		t.Helper()
		_, f, err := link.Ask(ctx, frontlink.VerbWeb, frontlink.Came{}, nil, nil, nil)
		must(err)
		conn, err := net.FileConn(f)
		_ = f.Close()
		must(err)
		line, rest, _ := strings.Cut(text, "\r\n")
		return answer(conn, line+"\r\nLabwarden-Client: 192.0.2.7:4711\r\nLabwarden-Tls: 0304 1301 11ec\r\nConnection: close\r\n"+rest)
	}
	straight := func(at, text string) (int, string) {
		t.Helper()
		conn, err := tls.Dial("tcp", at, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}) // whose certificate it is, is looked at elsewhere
		must(err)
		line, rest, _ := strings.Cut(text, "\r\n")
		return answer(conn, line+"\r\nConnection: close\r\n"+rest)
	}

	if code, text := evil("GET /sign-in HTTP/1.1\r\nHost: results.lab.example\r\n\r\n"); code != http.StatusOK || !strings.Contains(text, "You have a letter") {
		t.Fatal(code, text)
	}
	_, port, _ := net.SplitHostPort(pages)
	for _, head := range []string{
		"GET /sign-in HTTP/1.1\r\nHost: lab.example\r\n", "GET /sign-in HTTP/1.1\r\nHost: LAB.example:443\r\n", "GET /sign-in HTTP/1.1\r\nHost: lab.example:" + port + "\r\n", "GET / HTTP/1.1\r\nHost: " + pages + "\r\n",
		"GET / HTTP/1.1\r\nHost: localhost\r\n", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", "GET / HTTP/1.1\r\nHost: \r\n", "GET /sign-in HTTP/1.1\r\nHost: results.lab.example:8443\r\n", "GET /sign-in HTTP/1.1\r\nHost: results.lab.example.\r\n",
		"GET https://lab.example/sign-in HTTP/1.1\r\nHost: results.lab.example\r\n", "GET /metrics HTTP/1.1\r\nHost: other.example\r\n", "GET /api/v1/partners HTTP/1.1\r\nHost: lab.example\r\nX-Forwarded-Host: lab.example\r\n",
	} {
		if code, text := evil(head + "\r\n"); code != http.StatusNotFound || strings.Contains(text, "<") {
			t.Errorf("%q: %d %.200s", head, code, text)
		}
	}
	if code, _ := evil("GET /sign-in HTTP/1.1\r\nHost: results.lab.example\r\nHost: lab.example\r\n\r\n"); code != http.StatusBadRequest {
		t.Error("two hosts:", code)
	}
	// The laboratory's host behind the name that it forwards counts for nothing.
	for _, head := range []string{"X-Forwarded-Host: lab.example", "Forwarded: host=lab.example", "X-Original-Host: lab.example"} {
		if code, text := evil("GET /sign-in HTTP/1.1\r\nHost: results.lab.example\r\n" + head + "\r\n\r\n"); code != http.StatusOK || !strings.Contains(text, "You have a letter") {
			t.Error(head, code)
		}
	}

	// A session of a person, of each door.
	who, _, err := h.rooms.portal.Invite(ctx, portal.Invitation{Partner: "p", Name: "Dana Ruiz", By: "tester"})
	must(err)
	session := func(door string) string {
		t.Helper()
		token, err := h.rooms.portal.Start(ctx, portal.Start{Person: who.ID, Level: authz.LevelTwo, Method: "passkey", Device: "Firefox", Door: door})
		must(err)
		return "GET / HTTP/1.1\r\nHost: results.lab.example\r\nUser-Agent: Firefox/140\r\nSec-Fetch-Site: none\r\nCookie: __Host-lwp=" + token + "\r\n\r\n"
	}
	atFront, atOwn := session("front"), session("")
	opens := func(code int, text string) bool { return code == http.StatusOK && strings.Contains(text, "Dana Ruiz") }
	if !opens(evil(atFront)) || !opens(straight(own, atOwn)) {
		t.Error("a session does not open its own door")
	}
	if opens(evil(atOwn)) {
		t.Error("a session of the portal's own address opens through the front")
	}
	if opens(straight(own, atFront)) {
		t.Error("a session that passed the front opens the portal's own address")
	}

	// A program's token, of each door.
	base, err := url.Parse(p.base)
	must(err)
	get := func(ask func(string) (int, string)) string {
		t.Helper()
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {"system/*.rs"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion(t, p.keyFile, p.base+"/token")}}.Encode()
		_, text := ask(fmt.Sprintf("POST /fhir/token HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", base.Host, len(form), form))
		var got struct {
			Token string `json:"access_token"`
		}
		must(json.Unmarshal([]byte(text), &got))
		if got.Token == "" {
			t.Fatal(text)
		}
		return "GET /fhir/DiagnosticReport HTTP/1.1\r\nHost: " + base.Host + "\r\nAuthorization: Bearer " + got.Token + "\r\n\r\n"
	}
	direct := func(text string) (int, string) { return straight(base.Host, text) }
	byFront, byOwn := get(evil), get(direct)
	for name, x := range map[string]struct {
		ask  func(string) (int, string)
		text string
		want int
	}{
		"the front's, through the front": {evil, byFront, http.StatusOK}, "its own, at its own": {direct, byOwn, http.StatusOK},
		"its own, through the front": {evil, byOwn, http.StatusUnauthorized}, "the front's, at its own": {direct, byFront, http.StatusUnauthorized},
	} {
		if code, text := x.ask(x.text); code != x.want {
			t.Errorf("a token: %s: %d %.200s", name, code, text)
		}
	}
}
