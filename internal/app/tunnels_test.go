package app

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/channel/tunnel"
	"github.com/labwarden/labwarden/internal/node/tunnelend"
)

func tunnelPort(t *testing.T, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, port, _ := net.SplitHostPort(c.LocalAddr().String())
		return port
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// farEnd joins with a token and runs as labwarden tunnel run does.
func farEnd(t *testing.T, token string) (tunnelend.Folder, <-chan error) {
	t.Helper()
	f := tunnelend.Folder(filepath.Join(t.TempDir(), "far"))
	d := tunnelend.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	s, err := tunnelend.Join(t.Context(), f, token, d)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Confirm(s.Lines()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		ended <- tunnelend.Run(ctx, f, d, func(tunnel.FarState, []string, []string) {})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return f, ended
}

// A result leaves through each kind of tunnel for a practice that the hub does
// not reach otherwise, and one comes in from the practice's side.
func TestResultsThroughATunnel(t *testing.T) {
	for _, kind := range []string{"wireguard", "tls"} {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t, "")
			p := newPapers(t, "hub", "clinic", "lis")
			practice := secured(t, p)
			src := s.source(fmt.Sprintf("  p: {name: Practice, destination: {tunnel: riverside, mllp: {address: %q, tls: {ca: %s, server_name: clinic}}}}\n", practice.addr, p.path("ca.pem")), "p", "carry")
			src = strings.Replace(src, "lis:\n    mllp: {listen: \"127.0.0.1:0\"}", fmt.Sprintf("lis:\n    tunnel: riverside\n    mllp: {listen: \"127.0.0.1:0\", tls: {client_ca: %s}}", p.path("ca.pem")), 1)
			tcp := tunnelPort(t, "tcp")
			src = strings.Replace(src, "sources:\n", fmt.Sprintf("  tls: {certificate: %s, key: %s}\n  tunnels: {listen: \"127.0.0.1:%s\", address: \"127.0.0.1:%s\", wireguard_port: %s}\nsources:\n",
				p.path("hub.pem"), p.path("hub.key"), tcp, tcp, tunnelPort(t, "udp")), 1)
			c := s.parse(src)
			h := s.open()
			if _, err := propose(t.Context(), h, c, src); err != nil {
				t.Fatal(err)
			}
			addrs, _ := s.serve(h, c)
			room := h.rooms.tunnels
			at := "127.0.0.1:" + tunnelPort(t, "tcp")
			in, err := room.Add(t.Context(), control.NewTunnel{Name: "riverside", Kind: kind, Allowed: control.TunnelList{
				Allow: []string{practice.addr}, Offers: []control.TunnelOffer{{Source: "lis", Listen: at}},
			}}, "tester")
			if err != nil {
				t.Fatal(err)
			}
			l, _, err := p.dial(addrs["lis"], "lis")
			if err != nil {
				t.Fatal(err)
			}
			mustSend(t, l, "M1") // waits: nobody has joined
			_, ended := farEnd(t, in.Token)
			eventually(t, "the practice has what waited", func() bool { got, _ := practice.list(); return len(got) == 1 })

			// From the far side, through its own machine's port.
			pool := x509.NewCertPool()
			pool.AppendCertsFromPEM(p.ca.RootPEM())
			var far *lis
			eventually(t, "the far side reaches the source", func() bool {
				nc, err := tls.Dial("tcp", at, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{p.pair("lis")}, RootCAs: pool, ServerName: "hub"})
				if err != nil {
					return false
				}
				far = &lis{nc, bufio.NewReader(nc)}
				return true
			})
			defer far.Close()
			mustSend(t, far, "M2")
			eventually(t, "the practice has both", func() bool { got, _ := practice.list(); return len(got) == 2 })

			// New keys while results flow: no connection ends.
			_, before := practice.list()
			was, err := room.Show(t.Context(), "riverside")
			if err != nil {
				t.Fatal(err)
			}
			if was.State != "up" || was.In == 0 || was.Out == 0 || len(was.Users) != 2 || !was.PostQuantum {
				t.Errorf("%+v", was)
			}
			if err := room.Rotate(t.Context(), "riverside", "tester"); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the keys are new", func() bool {
				now, err := room.Show(t.Context(), "riverside")
				return err == nil && now.KeyNumber == was.KeyNumber+1 && len(now.Certificates) == 1 && now.Certificates[0] != was.Certificates[0]
			})
			mustSend(t, far, "M3")
			eventually(t, "the practice has all", func() bool { got, _ := practice.list(); return len(got) == 3 })
			if _, after := practice.list(); after != before {
				t.Errorf("the practice saw %d connections, then %d", before, after)
			}

			if err := room.Remove(t.Context(), "riverside", "tester", "a test"); err != nil {
				t.Fatal(err)
			}
			_ = far.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, err := far.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
				t.Errorf("the connection lives: %v", err)
			}
			select {
			case err := <-ended:
				if err == nil || !strings.Contains(err.Error(), "removed this tunnel") {
					t.Errorf("the far end ended with %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Error("the far end does not know that it was removed")
			}
			mustSend(t, l, "M4") // is taken, and waits
			if a, err := h.Audit(t.Context(), nil); err != nil || len(a.Findings) > 0 {
				t.Errorf("%v %+v", err, a)
			}
		})
	}
}
