package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/labwarden/labwarden/internal/platform/alarm"
)

// Config is a mail server and how we show ourselves.
type Config struct {
	// Addr is HOST:PORT; the certificate must be for HOST.
	Addr string
	// Implicit speaks TLS from the first byte (RFC 8314 3.3); otherwise STARTTLS
	// (RFC 3207) is required.
	Implicit bool
	Roots    *x509.CertPool // nil: the system's
	From     string
	// User and Password are for AUTH; none is tried without a user.
	User, Password string
	// Hello is what we call ourselves; "localhost" when empty.
	Hello string
	// Timeout bounds each step; 0 means 15 s.
	Timeout time.Duration
	Now     func() time.Time
}

// Sender sends to one address. It connects for each message: alarms are few.
type Sender struct {
	to      string
	conf    Config
	options []gomail.Option
}

var _ alarm.Sender = (*Sender)(nil)

// New checks the addresses and makes a sender; it does not connect.
func New(c Config, to string) (*Sender, error) {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return nil, fmt.Errorf("read mail server's address: %w", err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("read mail server's port: %w", err)
	}
	if c.Timeout <= 0 {
		c.Timeout = 15 * time.Second
	}
	if c.Hello == "" {
		c.Hello = "localhost"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Sender{to: to, conf: c, options: []gomail.Option{
		gomail.WithPort(n), gomail.WithTimeout(c.Timeout), gomail.WithHELO(c.Hello),
		gomail.WithTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: c.Roots}),
	}}
	if c.Implicit {
		s.options = append(s.options, gomail.WithSSL())
	} else {
		s.options = append(s.options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if c.User != "" {
		s.options = append(s.options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(c.User), gomail.WithPassword(c.Password))
	}
	if _, err := gomail.NewClient(host, s.options...); err != nil {
		return nil, fmt.Errorf("set up mail: %w", err)
	}
	if _, err := s.message(alarm.Message{ID: "0", At: c.Now()}); err != nil {
		return nil, err
	}
	return s, nil
}

// Send implements alarm.Sender; the answer is the server's.
func (s *Sender) Send(ctx context.Context, m alarm.Message) (string, error) {
	msg, err := s.message(m)
	if err != nil {
		return "", err
	}
	host, _, err := net.SplitHostPort(s.conf.Addr)
	if err != nil {
		return "", fmt.Errorf("read mail server's address: %w", err)
	}
	// A client holds the connection: one of its own for each message.
	c, err := gomail.NewClient(host, s.options...)
	if err != nil {
		return "", fmt.Errorf("set up mail: %w", err)
	}
	if err := c.DialAndSendWithContext(ctx, msg); err != nil {
		// The server may end the connection badly after it has taken the message.
		if msg.IsDelivered() {
			return answer(msg), nil
		}
		return "", fmt.Errorf("send mail by %s: %w", s.conf.Addr, plain(err, s.conf.Password))
	}
	return answer(msg), nil
}

func answer(m *gomail.Msg) string {
	if a := strings.TrimSpace(m.ServerResponse()); a != "" {
		return a
	}
	return "taken by the mail server"
}

// plain makes sure that an answer that repeats the password does not show it.
func plain(err error, password string) error {
	if password != "" && strings.Contains(err.Error(), password) {
		return errors.New("the server's answer repeats the password and is not shown")
	}
	return err
}

func (s *Sender) message(m alarm.Message) (*gomail.Msg, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := msg.From(s.conf.From); err != nil {
		return nil, fmt.Errorf("read sender's address: %w", err)
	}
	if err := msg.To(s.to); err != nil {
		return nil, fmt.Errorf("read recipient's address: %w", err)
	}
	msg.Subject(m.Subject)
	msg.SetDateWithValue(m.At)
	msg.SetMessageIDWithValue(m.ID + "@labwarden.invalid")
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 5
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	return msg, nil
}
