package fhirhttp

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// Config is one destination.
type Config struct {
	// URL is the server's base ("https://fhir.example.org/r4").
	URL string
	// Name is the partner's configured name, for receipts.
	Name string
	// TLS is the connecting side's configuration, from channel.TLS.Client: with
	// our certificate for mutual TLS, pins, and a named exception for TLS 1.2.
	TLS *tls.Config
	// Exception is the one TLS was made with, for Warning; nil for none.
	Exception *channel.Exception
	// OAuth, when set, gets a bearer token for each request.
	OAuth *OAuth
	// ConnectTimeout bounds dialling and the TLS handshake (default 10 s),
	// Timeout a whole request with its answer (default 60 s).
	ConnectTimeout, Timeout time.Duration
	// Dial replaces the TCP dialer, as for a tunnel.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// MaxAnswer bounds an answer in bytes (default 8 MiB).
	MaxAnswer int64
	// Now is the clock (default time.Now), for token expiry and receipts.
	Now func() time.Time
	// Random gives the bytes of JWT ids (default crypto/rand).
	Random func([]byte) (int, error)
}

// OAuth is a client of an authorization server (SMART Backend Services).
type OAuth struct {
	// TokenURL is the token endpoint, https.
	TokenURL string
	// TLS is that of the token endpoint, where it is another host; nil means
	// Config.TLS.
	TLS      *tls.Config
	ClientID string
	// Scope such as "system/*.cruds"; sent as it stands.
	Scope string
	// KeyID is the "kid" under which the server knows our public key.
	KeyID string
	// Key signs: *rsa.PrivateKey (RS384) or *ecdsa.PrivateKey on P-384 (ES384), or
	// any crypto.Signer with such a public key (TPM, HSM).
	Key crypto.Signer
	// Audience is the JWT's "aud"; default TokenURL.
	Audience string
}

var errConfig = errors.New("fhirhttp: configuration")

func (c *Config) fill() error {
	u, err := httpsURL(c.URL)
	if err != nil {
		return fmt.Errorf("%w: url: %w", errConfig, err)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%w: url: no query and no fragment, please", errConfig)
	}
	if c.TLS == nil {
		return fmt.Errorf("%w: TLS configuration is missing", errConfig)
	}
	if c.Exception != nil {
		if err := c.Exception.Validate(); err != nil {
			return fmt.Errorf("%w: %w", errConfig, err)
		}
	}
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = 10 * time.Second
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: c.ConnectTimeout}).DialContext
	}
	if c.Timeout <= 0 {
		c.Timeout = 60 * time.Second
	}
	if c.MaxAnswer <= 0 {
		c.MaxAnswer = 8 << 20
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.OAuth != nil {
		return c.OAuth.check()
	}
	return nil
}

// httpsURL accepts an absolute https address without user data: patient data
// and secrets never stand in a URL.
func httpsURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("cannot be read")
	case u.Scheme != "https":
		return nil, errors.New("must begin with https://")
	case u.Host == "":
		return nil, errors.New("has no host")
	case u.User != nil:
		return nil, errors.New("must not hold a user or password")
	}
	return u, nil
}

// misconfigured wraps what our side cannot do.
func misconfigured(err error) *channel.Error {
	return &channel.Error{Class: channel.Misconfigured, Err: err}
}

// noRedirect makes a redirect an answer like any other: following one would hand
// patient data and tokens to whoever the server, or somebody in its place, names.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
