package mail_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/mail"
)

// server is a mail server that keeps what it was given.
type server struct {
	mu     sync.Mutex
	got    []string
	to     []string
	secure []bool // was the connection encrypted when the message came
	refuse *smtp.SMTPError
}

func (s *server) NewSession(c *smtp.Conn) (smtp.Session, error) { return &session{s: s, c: c}, nil }

type session struct {
	s    *server
	c    *smtp.Conn
	in   bool
	rcpt string
}

func (x *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (x *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "labwarden" || password != "hunter2hunter2" {
			return errors.New("no: " + password)
		}
		x.in = true
		return nil
	}), nil
}
func (x *session) Mail(string, *smtp.MailOptions) error { return nil }
func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if x.s.refuse != nil {
		return x.s.refuse
	}
	x.rcpt = to
	return nil
}

func (x *session) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, secure := x.c.TLSConnectionState()
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.s.got, x.s.to, x.s.secure = append(x.s.got, string(b)), append(x.s.to, x.rcpt), append(x.s.secure, secure)
	return nil
}
func (x *session) Reset()        {}
func (x *session) Logout() error { return nil }

// serve starts the server; implicit speaks TLS at once, a nil conf never.
func serve(t *testing.T, b *server, conf *tls.Config, implicit bool) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(b)
	s.Domain, s.TLSConfig, s.ReadTimeout, s.WriteTimeout, s.AllowInsecureAuth = "test", conf, 10*time.Second, 10*time.Second, true
	s.ErrorLog = log.New(io.Discard, "", 0)
	if implicit {
		ln = tls.NewListener(ln, conf)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ln) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return ln.Addr().String()
}

// certificate is one for 127.0.0.1, and who vouches for it.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: s.TLS.Certificates}, pool
}

var message = alarm.Message{
	ID: "0192d3a4-0000-7000-8000-000000000000", What: alarm.Raised, Lab: "Millbrook", At: time.Date(2026, 5, 4, 6, 52, 0, 0, time.UTC),
	Subject: "[Millbrook] Urgent: alarm 1: nothing gets through to Zürich", Text: "Call them.\n",
}

func TestMailGoesEncryptedAndAuthenticated(t *testing.T) {
	conf, pool := certificate(t)
	for _, implicit := range []bool{false, true} {
		b := &server{}
		addr := serve(t, b, conf, implicit)
		s, err := mail.New(mail.Config{
			Addr: addr, Implicit: implicit, Roots: pool, From: "labwarden@millbrook.example", User: "labwarden", Password: "hunter2hunter2",
		}, "m.okafor@millbrook.example")
		if err != nil {
			t.Fatal(err)
		}
		answer, err := s.Send(t.Context(), message)
		if err != nil {
			t.Fatalf("implicit %t: %v", implicit, err)
		}
		if len(b.got) != 1 || !b.secure[0] || b.to[0] != "m.okafor@millbrook.example" || answer == "" {
			t.Fatalf("implicit %t: got %d, secure %v, to %v, answer %q", implicit, len(b.got), b.secure, b.to, answer)
		}
		for _, want := range []string{"Message-ID: <0192d3a4-0000-7000-8000-000000000000@labwarden.invalid>", "Auto-Submitted: auto-generated", "Call them."} {
			if !strings.Contains(b.got[0], want) {
				t.Errorf("no %q in\n%s", want, b.got[0])
			}
		}
	}
}

func TestNothingLeavesInPlaintext(t *testing.T) {
	own, pool := certificate(t)
	b := &server{}
	conf := mail.Config{Roots: pool, From: "labwarden@millbrook.example", User: "labwarden", Password: "hunter2hunter2"}
	// The server offers no STARTTLS.
	conf.Addr = serve(t, b, nil, false)
	try := func(what string) {
		t.Helper()
		s, err := mail.New(conf, "m.okafor@millbrook.example")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Send(t.Context(), message); err == nil {
			t.Errorf("%s: the message left", what)
		}
	}
	try("no STARTTLS")
	// Its certificate is vouched for by nobody we trust.
	conf.Addr, conf.Roots = serve(t, b, own, false), x509.NewCertPool()
	try("unknown authority")
	conf.Addr = serve(t, b, own, true)
	conf.Implicit = true
	try("unknown authority, implicit")
	if len(b.got) > 0 {
		t.Errorf("the server got %q", b.got)
	}
}

func TestRefusalsAreToldWithoutThePassword(t *testing.T) {
	own, pool := certificate(t)
	b := &server{refuse: &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}}
	conf := mail.Config{Addr: serve(t, b, own, false), Roots: pool, From: "labwarden@millbrook.example"}
	s, err := mail.New(conf, "gone@millbrook.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Send(t.Context(), message); err == nil || !strings.Contains(err.Error(), "no such mailbox") {
		t.Errorf("refused recipient: %v", err)
	}
	conf.User, conf.Password = "labwarden", "wrong-password"
	if s, err = mail.New(conf, "gone@millbrook.example"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Send(t.Context(), message); err == nil || strings.Contains(err.Error(), "wrong-password") {
		t.Errorf("wrong password: %v", err)
	}
	for _, bad := range []string{"", "nobody", "a@b\r\nRCPT TO:<c@d>"} {
		if _, err := mail.New(conf, bad); err == nil {
			t.Errorf("address %q was taken", bad)
		}
	}
}
