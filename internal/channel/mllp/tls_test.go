package mllp

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	ct "github.com/labwarden/labwarden/internal/channel/channeltest"
)

// TestTLSRefusals: who does not get in, by the server's own count.
func TestTLSRefusals(t *testing.T) {
	a, other := ct.NewAuthority(t), ct.NewAuthority(t)
	s := startServer(t, a, nil)
	cert := a.Issue("lab.test", time.Time{})
	for name, c := range map[string]*tls.Config{
		"TLS 1.2":         {MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}},
		"wrong authority": {Certificates: []tls.Certificate{other.Issue("lab.test", time.Time{})}},
		"no certificate":  {},
		"expired":         {Certificates: []tls.Certificate{a.Issue("lab.test", time.Now().Add(-time.Hour))}},
	} {
		t.Run(name, func(t *testing.T) {
			before := s.Status().HandshakeFailed
			c.RootCAs, c.ServerName = a.Pool, "hub.test"
			// The client may believe that it is in (TLS 1.3); it gets no reply.
			nc := tls.Client(dial(t, s.addr), c)
			if nc.Handshake() == nil {
				nc.Write(frame(message(1, 1).Body))
			}
			if n, err := nc.Read(make([]byte, 1)); err == nil {
				t.Errorf("read %d bytes", n)
			}
			ct.Eventually(t, "counted", func() error {
				if st := s.Status(); st.HandshakeFailed != before+1 || st.Messages != 0 {
					return fmt.Errorf("%+v", st.Stats)
				}
				return nil
			})
		})
	}
	t.Run("plaintext", func(t *testing.T) {
		before := s.Status().HandshakeFailed
		nc := dial(t, s.addr)
		nc.Write(frame(message(1, 1).Body))
		for _, err := nc.Read(make([]byte, 100)); err == nil; _, err = nc.Read(make([]byte, 100)) {
		}
		if st := s.Status(); st.HandshakeFailed != before+1 || st.Messages != 0 {
			t.Errorf("%+v", st.Stats)
		}
	})
	t.Run("handshake time", func(t *testing.T) {
		s := startServer(t, a, func(s *Server) { s.Limits.Handshake = 50 * time.Millisecond })
		if _, err := dial(t, s.addr).Read(make([]byte, 1)); err == nil {
			t.Error("a silent connection got something")
		}
		ct.Eventually(t, "counted", func() error {
			if s.Status().HandshakeFailed != 1 {
				return errors.New("not yet")
			}
			return nil
		})
	})
	t.Run("plaintext server without exception", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := (&Server{Handler: s.Handler}).Serve(t.Context(), ln); err == nil {
			t.Error("serves in plaintext")
		}
		if _, err := NewSender(Config{Addr: "127.0.0.1:1"}); err == nil {
			t.Error("sends in plaintext")
		}
	})
}

func TestPinsExpiryAndIdentity(t *testing.T) {
	a, other := ct.NewAuthority(t), ct.NewAuthority(t)
	pinned := other.Issue("lis.test", time.Now().Add(-time.Hour)) // past its date, of no known authority
	late := a.Issue("late.test", time.Now().Add(-time.Hour))
	hub := other.Issue("whatever", time.Time{})
	peers := make(chan channel.Peer, 1)
	s := startServer(t, a, func(s *Server) {
		cfg, err := channel.TLS{
			Certificate: ct.Source(hub), Roots: a.Pool,
			Pins:    []string{strings.ToUpper(channel.Fingerprint(pinned.Leaf))},
			Expired: func(l *x509.Certificate) bool { return l.Subject.CommonName == "late.test" },
		}.Server()
		if err != nil {
			t.Fatal(err)
		}
		s.TLS = cfg
		s.Identify = func(st tls.ConnectionState, _ net.Addr) (channel.Peer, error) {
			name := st.PeerCertificates[0].Subject.CommonName
			if name == "stranger.test" {
				return channel.Peer{}, errors.New("unknown sender")
			}
			p := channel.Peer{Name: name}
			peers <- p
			return p, nil
		}
	})
	send := func(cert tls.Certificate) (channel.Receipt, error) {
		c, err := channel.TLS{Certificate: ct.Source(cert), Pins: []string{channel.Fingerprint(hub.Leaf)}}.Client()
		if err != nil {
			t.Fatal(err)
		}
		return newSender(t, Config{Name: "hub", Addr: s.addr, TLS: c, ReplyTimeout: time.Second}).Send(t.Context(), message(1, 1))
	}
	for _, cert := range []tls.Certificate{pinned, late} {
		r, err := send(cert)
		if err != nil {
			t.Fatal(err)
		}
		if p := <-peers; p.Name != cert.Leaf.Subject.CommonName {
			t.Errorf("peer %q", p.Name)
		}
		if r.Peer.Fingerprint != channel.Fingerprint(hub.Leaf) || !strings.HasPrefix(r.Peer.TLS, "TLS 1.3 TLS_") || r.Peer.Proof != "certificate" || r.Peer.Name != "hub" {
			t.Errorf("receipt's peer %+v", r.Peer)
		}
	}
	// Past its date and nobody vouches: turned down, and known as not delivered.
	_, err := send(a.Issue("gone.test", time.Now().Add(-time.Hour)))
	if channel.ClassOf(err) != channel.Unreachable {
		t.Errorf("expired certificate: %v", err)
	}
	_, err = send(a.Issue("stranger.test", time.Time{}))
	// Let in by TLS and sent away then: unanswered, unless it was seen before the write.
	if c := channel.ClassOf(err); c != channel.Unanswered && c != channel.Unreachable {
		t.Errorf("stranger: %v", err)
	}
	if s.Status().Unidentified != 1 {
		t.Errorf("%+v", s.Status().Stats)
	}
	// The server must be the pinned one.
	c, err := channel.TLS{Certificate: ct.Source(pinned), Pins: []string{channel.Fingerprint(late.Leaf)}}.Client()
	if err != nil {
		t.Fatal(err)
	}
	if _, err = newSender(t, Config{Addr: s.addr, TLS: c}).Send(t.Context(), message(1, 1)); channel.ClassOf(err) != channel.Unreachable {
		t.Errorf("wrong pin: %v", err)
	}
	// By authority the name counts.
	if _, err = newSender(t, Config{Addr: s.addr, TLS: clientTLS(t, other, "else.test")}).Send(t.Context(), message(1, 1)); channel.ClassOf(err) != channel.Unreachable {
		t.Errorf("wrong name: %v", err)
	}
}

func TestDisconnect(t *testing.T) {
	a := ct.NewAuthority(t)
	s := startServer(t, a, nil)
	nc := tls.Client(dial(t, s.addr), clientTLS(t, a, "hub.test"))
	nc.Write(frame(message(1, 1).Body))
	reply(t, bufio.NewReader(nc))
	if n := s.Disconnect(func(p channel.Peer) bool { return p.Fingerprint == "other" }); n != 0 {
		t.Errorf("disconnected %d", n)
	}
	if n := s.Disconnect(func(p channel.Peer) bool { return p.Fingerprint != "" }); n != 1 {
		t.Errorf("disconnected %d", n)
	}
	if _, err := nc.Read(make([]byte, 1)); err == nil {
		t.Error("still connected")
	}
}

func TestExceptionShows(t *testing.T) {
	s := startServer(t, nil, nil)
	if st := s.Status(); st.Encrypted || st.Warning != "plaintext allowed until 2030-01-02 (old analyzer; owner N. N.)" {
		t.Errorf("%+v", st)
	}
	s2 := &Server{Exception: plaintext(), Now: func() time.Time { return time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC) }}
	if w := s2.Status().Warning; !strings.Contains(w, "EXPIRED since 2030-01-02") {
		t.Errorf("%q", w)
	}
	e := plaintext()
	e.Owner = " "
	if _, err := NewSender(Config{Addr: "x:1", Exception: e}); err == nil || !strings.Contains(err.Error(), "owner") {
		t.Errorf("exception without owner: %v", err)
	}
}

// TestOpenSSL has another implementation look at the port.
func TestOpenSSL(t *testing.T) {
	bin, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("SKIPPED: openssl is not installed; the TLS facts are unproven by another program")
	}
	a := ct.NewAuthority(t)
	cert := filepath.Join(t.TempDir(), "client.pem")
	writePEM(t, cert, a.Issue("openssl.test", time.Time{}))
	weak := startServer(t, a, func(s *Server) {
		e := &channel.Exception{TLS12: true, Reason: "old LIS", Owner: "N. N.", Until: time.Now().Add(time.Hour)}
		cfg, err := channel.TLS{Certificate: ct.Source(a.Issue("hub.test", time.Time{})), Roots: a.Pool, Exception: e}.Server()
		if err != nil {
			t.Fatal(err)
		}
		s.TLS, s.Exception = cfg, e
	})
	strict := startServer(t, a, nil)
	m := string(message(7, 0).Body)
	for _, c := range []struct {
		name, addr string
		args       []string
		answered   bool
		says       string
	}{
		{"TLS 1.3", strict.addr, []string{"-cert", cert, "-key", cert}, true, "New, TLSv1.3, Cipher is TLS_"},
		{"TLS 1.2 refused", strict.addr, []string{"-cert", cert, "-key", cert, "-tls1_2"}, false, "alert protocol version"},
		{"no certificate refused", strict.addr, nil, false, "alert certificate required"},
		{"TLS 1.2 by exception", weak.addr, []string{"-cert", cert, "-key", cert, "-tls1_2"}, true, "GCM"},
		{"TLS 1.2 CBC refused in spite of the exception", weak.addr, []string{"-cert", cert, "-key", cert, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"}, false, "alert handshake failure"},
		{"TLS 1.1 refused in spite of the exception", weak.addr, []string{"-cert", cert, "-key", cert, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"}, false, "alert protocol version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), bin, append([]string{"s_client", "-connect", c.addr, "-servername", "hub.test", "-ign_eof"}, c.args...)...)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			var out outcome
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			go stdin.Write(frame([]byte(m)))
			ct.Eventually(t, "openssl says", func() error {
				s := out.String()
				if strings.Contains(s, "MSA|AA|M7.0") == c.answered && strings.Contains(s, c.says) {
					return nil
				}
				return errors.New(s)
			})
			cmd.Process.Kill()
			cmd.Wait()
			if strings.Contains(out.String(), "MSA|AA") != c.answered {
				t.Error(out.String())
			}
		})
	}
}

func writePEM(t *testing.T, path string, c tls.Certificate) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
