package httppost

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// transport is HTTP/1.1 only: one request per connection at a time, so that one
// that hangs holds up no other.
func transport(c Config) *http.Transport {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	t := &http.Transport{
		Proxy:                  nil, // the environment does not say where results go
		DialContext:            c.Dial,
		TLSHandshakeTimeout:    c.DialTimeout,
		MaxConnsPerHost:        c.Connections,
		MaxIdleConnsPerHost:    c.Connections,
		IdleConnTimeout:        c.Timeout,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // the answer is kept byte for byte
		Protocols:              p,
	}
	if c.TLS != nil {
		t.TLSClientConfig = c.TLS.Clone()
	}
	return t
}

// bare drops the URL that net/http puts around its errors: its query may hold a
// key.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// certificateRefused recognises the alert by which a TLS 1.3 server turns our
// certificate down; it may arrive after the request began to leave, but such a
// server never reads it (RFC 8446 4.4.2.4, 6.2).
func certificateRefused(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return false
	}
	text := op.Err.Error()
	return strings.Contains(text, "certificate") || strings.Contains(text, "access denied")
}
