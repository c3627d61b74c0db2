package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
)

// Config is a gateway.
type Config struct {
	URL    string
	To     string // whom the gateway is to reach; empty when the address says it
	Secret []byte // signs; at least 16 bytes
	Roots  *x509.CertPool
	Now    func() time.Time
}

// Sender posts to one gateway for one person.
type Sender struct {
	conf   Config
	host   string
	client *http.Client
}

var _ alarm.Sender = (*Sender)(nil)

// MinSecret is the fewest bytes a shared secret has.
const MinSecret = 16

// New checks the settings; it does not connect.
func New(c Config) (*Sender, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, errors.New("the gateway's address must be https://HOST/...")
	}
	if len(c.Secret) < MinSecret {
		return nil, fmt.Errorf("the secret that signs for %s is shorter than %d bytes", u.Host, MinSecret)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Sender{conf: c, host: u.Host, client: &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots}, ForceAttemptHTTP2: true, MaxIdleConns: 1,
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 15 * time.Second, IdleConnTimeout: 30 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// body is what is posted.
type body struct {
	alarm.Message
	To string `json:"to,omitempty"`
}

// Send implements alarm.Sender; the answer is the status.
func (s *Sender) Send(ctx context.Context, m alarm.Message) (string, error) {
	b, err := json.Marshal(body{m, s.conf.To})
	if err != nil {
		return "", fmt.Errorf("write message: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.conf.URL, bytes.NewReader(b))
	if err != nil {
		return "", errors.New("the gateway's address cannot be used")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Labwarden")
	r.Header.Set("Idempotency-Key", m.ID)
	r.Header.Set("Labwarden-Signature", Sign(s.conf.Secret, s.conf.Now(), b))
	resp, err := s.client.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address
		}
		return "", fmt.Errorf("post to %s: %w", s.host, err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // the status has decided
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return "", fmt.Errorf("post to %s: it answered %d %s", s.host, resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode)), nil
}

// Sign is the value of Labwarden-Signature for a body posted at t.
func Sign(secret []byte, t time.Time, body []byte) string {
	at := strconv.FormatInt(t.Unix(), 10)
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(at + "."))
	h.Write(body)
	return "t=" + at + ",v1=" + hex.EncodeToString(h.Sum(nil))
}
