package httppost

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// Config describes one destination. A zero duration or size takes its default.
type Config struct {
	// Name is the partner's configured name.
	Name string
	// URL is https, or http with an Exception for plaintext; no user or password.
	URL string
	// TLS is the connecting side's configuration, from channel.TLS.Client.
	TLS       *tls.Config
	Exception *channel.Exception
	// Header is added to each request (a partner's API key); it cannot replace
	// Content-Type, Content-Length or Idempotency-Key.
	Header http.Header
	// Connections is how many requests are in flight at once; default 4.
	Connections int
	// Timeout bounds one Send from connecting to the last byte of the answer;
	// default 60 s. DialTimeout (default 10 s) bounds name, connection and,
	// separately, TLS handshake.
	Timeout, DialTimeout time.Duration
	// Dial replaces the TCP dialer, as for a tunnel.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// MaxReply is how much of an answer is kept; default 1 MiB.
	MaxReply int64
	// Now is the clock of receipts and of Retry-After dates; nil is time.Now.
	Now func() time.Time
}

// Sender posts to one destination. It is safe for concurrent use.
type Sender struct {
	cfg    Config
	client *http.Client
	tr     *http.Transport
	slots  chan struct{}
	host   string // the URL may hold a key in its query, so it is not shown

	ctx   context.Context
	end   context.CancelFunc
	mu    sync.Mutex // orders Close after the Sends it saw begin
	shut  bool
	sends sync.WaitGroup
}

var errClosed = errors.New("sender is closed")

// NewSender checks the configuration; it connects on the first Send.
func NewSender(c Config) (*Sender, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, errors.New("http destination needs an absolute URL without user and password")
	}
	if c.Exception != nil {
		if err := c.Exception.Validate(); err != nil {
			return nil, err
		}
	}
	switch {
	case u.Scheme == "https" && c.TLS == nil:
		return nil, errors.New("https destination has no TLS configuration")
	case u.Scheme == "http" && (c.Exception == nil || !c.Exception.Plaintext):
		return nil, errors.New("http destination without TLS takes an exception for plaintext")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("http destination with scheme %q", u.Scheme)
	}
	if c.Timeout <= 0 {
		c.Timeout = time.Minute
	}
	if c.DialTimeout <= 0 {
		c.DialTimeout = 10 * time.Second
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: c.DialTimeout}).DialContext
	}
	if c.MaxReply <= 0 {
		c.MaxReply = 1 << 20
	}
	if c.Connections <= 0 {
		c.Connections = 4
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Header = c.Header.Clone()
	s := &Sender{cfg: c, slots: make(chan struct{}, c.Connections), host: u.Host}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.tr = transport(c)
	s.client = &http.Client{
		Transport:     s.tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s, nil
}

// CarriesFiles marks the transport as one whose bodies may be encrypted.
func (s *Sender) CarriesFiles() {}

// Close ends requests in flight (Unanswered) and drops the connections.
func (s *Sender) Close() error {
	s.mu.Lock()
	s.shut = true
	s.mu.Unlock()
	s.end()
	s.sends.Wait()
	s.tr.CloseIdleConnections()
	return nil
}

// Warning is the sentence about an exception in force, empty without one.
func (s *Sender) Warning() string { return s.cfg.Exception.Warning(s.cfg.Now()) }

// Send posts m.Body. The receipt's code is the status ("201") and its level
// Committed; its body is the answer, empty when it was over MaxReply.
//
// Errors: Unreachable before the request began to leave; Unanswered without a
// whole answer; Busy for 408, 425, 429 and 5xx, with RetryAfter where the
// partner gave one; Rejected for other 4xx; Misconfigured for a redirect, which
// says that the address is not the right one, and for what HTTP cannot carry.
func (s *Sender) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	s.mu.Lock()
	if s.shut {
		s.mu.Unlock()
		return channel.Receipt{}, s.fail(channel.Unreachable, errClosed)
	}
	s.sends.Add(1)
	s.mu.Unlock()
	defer s.sends.Done()

	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	if err := ctx.Err(); err != nil {
		return channel.Receipt{}, s.fail(channel.Unreachable, err)
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return channel.Receipt{}, s.fail(channel.Unreachable, s.reason(ctx, ctx.Err()))
	}
	peer := channel.Peer{Name: s.cfg.Name, Addr: s.host, Proof: "none"}
	var begun atomic.Bool
	req, err := s.request(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// From here on bytes may have left.
		GotConn: func(httptrace.GotConnInfo) { begun.Store(true) },
	}), m)
	if err != nil {
		return channel.Receipt{}, s.fail(channel.Misconfigured, err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		class := channel.Unreachable
		if begun.Load() && !certificateRefused(err) {
			class = channel.Unanswered
		}
		return channel.Receipt{}, &channel.Error{Class: class, Peer: peer, Err: s.reason(ctx, bare(err))}
	}
	defer resp.Body.Close()
	if resp.TLS != nil {
		addr := peer.Addr
		peer = channel.PeerOf(*resp.TLS, addr)
		peer.Name = s.cfg.Name
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, s.cfg.MaxReply+1))
	if err != nil {
		// RFC 9112 8: an answer cut short is no answer.
		return channel.Receipt{}, &channel.Error{
			Class: channel.Unanswered, Reply: body, Peer: peer,
			Err: fmt.Errorf("read answer: %w", s.reason(ctx, err)),
		}
	}
	if int64(len(body)) > s.cfg.MaxReply {
		body = nil
	}
	return s.judge(resp, body, peer)
}

func (s *Sender) request(ctx context.Context, m channel.Message) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.URL, bytes.NewReader(m.Body))
	if err != nil {
		return nil, bare(err)
	}
	// Without GetBody net/http cannot repeat the request on its own.
	req.GetBody = nil
	for k, v := range s.cfg.Header {
		req.Header[k] = v
	}
	ct := m.ContentType
	if ct == "" {
		ct = "application/octet-stream"
	}
	req.Header.Set("Content-Type", ct)
	if m.ID != "" {
		// draft-ietf-httpapi-idempotency-key-header 2.1: a structured-field string.
		if strings.IndexFunc(m.ID, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) >= 0 {
			return nil, errors.New("message id cannot be a header")
		}
		req.Header.Set("Idempotency-Key", `"`+m.ID+`"`)
	}
	if m.Name != "" {
		if d := mime.FormatMediaType("attachment", map[string]string{"filename": m.Name}); d != "" {
			req.Header.Set("Content-Disposition", d)
		}
	}
	req.Header.Set("User-Agent", "Labwarden")
	return req, nil
}

// judge reads the status (RFC 9110 15; RFC 6585 4; RFC 8470 5.2 for 425).
func (s *Sender) judge(resp *http.Response, body []byte, peer channel.Peer) (channel.Receipt, error) {
	n := resp.StatusCode
	code := strconv.Itoa(n)
	if n >= 200 && n < 300 {
		return channel.Receipt{Level: channel.Committed, Code: code, Body: body, Peer: peer, At: s.cfg.Now()}, nil
	}
	e := &channel.Error{Code: code, Reply: body, Peer: peer, Class: channel.Rejected, Err: errors.New("the partner refused the message")}
	switch {
	case n == 408, n == 425, n == 429, n >= 500:
		e.Class, e.Err = channel.Busy, errors.New("the partner cannot take it now")
		e.RetryAfter = channel.RetryAfter(resp.Header, s.cfg.Now())
	case n >= 300 && n < 400:
		e.Class, e.Err = channel.Misconfigured, errors.New("the partner redirects elsewhere")
	case n < 200:
		e.Class, e.Err = channel.Unanswered, errors.New("the partner gave no final answer")
	}
	return channel.Receipt{}, e
}

// reason says why ctx ended, when it did.
func (s *Sender) reason(ctx context.Context, err error) error {
	if s.ctx.Err() != nil {
		return errClosed
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (s *Sender) fail(c channel.Class, err error) error {
	return &channel.Error{Class: c, Peer: channel.Peer{Name: s.cfg.Name, Addr: s.host, Proof: "none"}, Err: err}
}
