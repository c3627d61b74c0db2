package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/e2e/pebble"
	"github.com/labwarden/labwarden/internal/app/control"
)

// TestPublicCertificates: with Let's Encrypt's test server, by TLS-ALPN-01 on the
// one port that the front has. The front, a process without keys, answers the
// challenges of portal and FHIR server with the hub's, and shows both certificates;
// the dates and the ledger tell of them; a start after that asks for nothing.
func TestPublicCertificates(t *testing.T) {
	s := newSite(t, "")
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := portalPort(t)
	host, port, err := net.SplitHostPort(at)
	must(err)
	var n int
	_, err = fmt.Sscan(port, &n)
	must(err)
	ca := pebble.Start(t, pebble.Options{TLSPort: n, HTTPPort: 1})
	sock := filepath.Join(s.dir, "f", "s")
	node := fmt.Sprintf("  acme: {directory: \"%s\", ca: %s, email: it@lab.example, agree_to_terms: true}\n", ca.Directory, ca.CAFile) +
		"  portal: {public_url: \"https://results.lab.example\", acme: true}\n  fhir: {public_url: \"https://fhir.lab.example\", acme: true}\n" +
		fmt.Sprintf("  front: {socket: %s, web: {listen: \"%s\"}}\n", sock, at)
	src := strings.Replace(s.source("  p: {name: Practice One, destination: {portal: {}}}\n", "p", "carry"), "sources:\n", node+"sources:\n", 1)
	c := s.parse(src)
	h := s.open()
	must(stated(ctx, h, c))
	_, err = h.Begin(ctx, c.Node, c, []byte(src), "tester")
	must(err)
	frontProcess(t, sock)
	_, stop := s.serve(h, c)
	shown := func(name string) (*x509.Certificate, error) {
		d := tls.Dialer{Config: &tls.Config{ServerName: name, RootCAs: ca.Issued, MinVersion: tls.VersionTLS13}}
		conn, err := d.DialContext(ctx, "tcp", at)
		if err != nil {
			return nil, err
		}
		defer func() { _ = conn.Close() }()
		return conn.(*tls.Conn).ConnectionState().PeerCertificates[0], nil //nolint:forcetypeassert // tls.Dialer's
	}
	both := func() (out []string) {
		for _, name := range []string{"results.lab.example", "fhir.lab.example"} {
			if x, err := shown(name); err == nil {
				out = append(out, x.SerialNumber.String())
			}
		}
		return out
	}
	for end := time.Now().Add(60 * time.Second); len(both()) < 2; {
		if time.Now().After(end) {
			t.Fatal("the front does not show both certificates:\n", ca.Said())
		}
		<-time.After(50 * time.Millisecond)
	}
	serials := both()
	dates := 0
	for _, d := range h.endings(c, h.now()) {
		if _, due := d.Threshold(h.now()); d.Kind == control.DatePublic {
			dates++
			if due || !d.Renews || !strings.Contains(d.Words(h.now()), "public certificate of") {
				t.Errorf("%+v", d)
			}
			d.Renews = false
			if days, due := d.Threshold(d.Ends.AddDate(0, 0, -10)); days != 14 || !due || !strings.Contains(d.Words(h.now()), "should have been renewed") {
				t.Errorf("one that was not renewed in time is not told of: %+v", d)
			}
		}
	}
	if dates != 2 {
		t.Errorf("%d public certificates in the calendar", dates)
	}
	// A client that speaks the challenge's protocol gets nothing while none is open,
	// and nobody gets one for another's name.
	for _, name := range []string{"results.lab.example", "other.lab.example"} {
		d := tls.Dialer{Config: &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"acme-tls/1"}, MinVersion: tls.VersionTLS13}}
		if conn, err := d.DialContext(ctx, "tcp", at); err == nil {
			_ = conn.Close()
			t.Error(name, "had a handshake")
		}
	}
	stop()
	asked := strings.Count(ca.Said(), "order")

	h = s.open()
	_, stop = s.serve(h, c)
	defer stop()
	eventually(t, "the front shows them again", func() bool { return fmt.Sprint(both()) == fmt.Sprint(serials) })
	if now := strings.Count(ca.Said(), "order"); now != asked {
		t.Error("after a restart the authority was asked again")
	}
	if a, err := h.Audit(context.WithoutCancel(ctx), nil); err != nil || len(a.Findings) > 0 {
		t.Errorf("%v %+v", err, a)
	}
	_ = host
}
