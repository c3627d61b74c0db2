package fhirhttp

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/fhir"
)

// Sender posts transaction bundles to one server. It is safe for concurrent use.
type Sender struct {
	cfg          Config
	http, tokens *http.Client

	ctx   context.Context // ends with Close
	end   context.CancelFunc
	mu    sync.Mutex // orders Close after the Sends it saw begin
	shut  bool
	sends sync.WaitGroup

	fetch  chan struct{} // guards bearer and until
	bearer string
	until  time.Time
}

var _ channel.Sender = (*Sender)(nil)

// New checks the configuration and returns a Sender; it connects to nothing.
func New(cfg Config) (*Sender, error) {
	if err := cfg.fill(); err != nil {
		return nil, misconfigured(err)
	}
	s := &Sender{cfg: cfg, fetch: make(chan struct{}, 1)}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.http = client(cfg, cfg.TLS)
	s.tokens = s.http
	if cfg.OAuth != nil && cfg.OAuth.TLS != nil {
		s.tokens = client(cfg, cfg.OAuth.TLS)
	}
	return s, nil
}

func client(cfg Config, t *tls.Config) *http.Client {
	return &http.Client{CheckRedirect: noRedirect, Transport: &http.Transport{
		Proxy:                  nil,
		DialContext:            cfg.Dial,
		TLSClientConfig:        t.Clone(),
		TLSHandshakeTimeout:    cfg.ConnectTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    4,
		MaxConnsPerHost:        16,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // a small answer cannot unfold into a large one
	}}
}

// Warning is the sentence about an exception in force, empty without one.
func (s *Sender) Warning() string { return s.cfg.Exception.Warning(s.cfg.Now()) }

// Close ends requests in flight (Unanswered) and drops the connections.
func (s *Sender) Close() error {
	s.mu.Lock()
	s.shut = true
	s.mu.Unlock()
	s.end()
	s.sends.Wait()
	s.http.CloseIdleConnections()
	s.tokens.CloseIdleConnections()
	return nil
}

// begin lets a Send in, unless the sender is closed.
func (s *Sender) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.shut {
		s.sends.Add(1)
	}
	return !s.shut
}

func (s *Sender) random(b []byte) (int, error) {
	if s.cfg.Random != nil {
		return s.cfg.Random(b)
	}
	return rand.Read(b)
}

// Send posts m.Body, which must be a transaction bundle in FHIR JSON, and reads
// the answer. Errors are *channel.Error. RetryAfter in it tells how long a busy server
// asked to be left alone.
func (s *Sender) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	sent, err := countEntries(m.Body)
	if err != nil {
		return channel.Receipt{}, misconfigured(err)
	}
	if !s.begin() {
		return channel.Receipt{}, &channel.Error{Class: channel.Unreachable, Peer: s.peer(nil), Err: errors.New("sender is closed")}
	}
	defer s.sends.Done()
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	if err := ctx.Err(); err != nil {
		return channel.Receipt{}, &channel.Error{Class: channel.Unreachable, Peer: s.peer(nil), Err: err}
	}
	if s.cfg.OAuth == nil {
		r, _, err := s.post(ctx, m, "", sent)
		return r, err
	}
	token, err := s.token(ctx, "")
	if err != nil {
		return channel.Receipt{}, err
	}
	r, code, err := s.post(ctx, m, token, sent)
	if code != http.StatusUnauthorized {
		return r, err
	}
	// RFC 6750 3.1: the token was expired or revoked; the request was not acted on.
	if token, err = s.token(ctx, token); err != nil {
		return channel.Receipt{}, err
	}
	r, _, err = s.post(ctx, m, token, sent)
	return r, err
}

// countEntries makes sure that what leaves is a transaction.
func countEntries(body []byte) (int, error) {
	a, err := fhir.ReadAnswer(body)
	if err != nil || a.ResourceType != "Bundle" || a.BundleType != "transaction" {
		return 0, errors.New("body is no FHIR transaction bundle")
	}
	return len(a.Statuses), nil
}

// post makes one request and judges the answer.
func (s *Sender) post(ctx context.Context, m channel.Message, token string, sent int) (channel.Receipt, int, error) {
	// written says whether any byte may have left; it decides between Unreachable
	// (a retry doubles nothing) and Unanswered.
	var written atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaderField: func(string, []string) { written.Store(true) }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodPost, s.cfg.URL, bytes.NewReader(m.Body))
	if err != nil {
		return channel.Receipt{}, 0, misconfigured(errors.New("bad url"))
	}
	req.Header.Set("Content-Type", fhir.ContentType)
	req.Header.Set("Accept", fhir.ContentType)
	req.Header.Set("Prefer", "return=minimal") // R4 http.html: no resources in the answer
	if headerText(m.ID) {
		req.Header.Set("X-Request-Id", m.ID) // R4 http.html, custom headers
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	// The transport must not repeat a POST by itself: what became of it is ours to judge.
	req.GetBody = nil
	resp, err := s.http.Do(req)
	if err != nil {
		class := channel.Unreachable
		if written.Load() {
			class = channel.Unanswered
		}
		return channel.Receipt{}, 0, &channel.Error{Class: class, Peer: s.peer(nil), Err: cause(err)}
	}
	defer resp.Body.Close()
	peer := s.peer(resp.TLS)
	body, err := io.ReadAll(io.LimitReader(resp.Body, s.cfg.MaxAnswer+1))
	e := &channel.Error{Class: channel.Unanswered, Code: status(resp), Reply: body, Peer: peer}
	if err != nil {
		e.Err = fmt.Errorf("read answer: %w", cause(err))
		return channel.Receipt{}, resp.StatusCode, e
	}
	if int64(len(body)) > s.cfg.MaxAnswer {
		e.Reply, e.Err = body[:s.cfg.MaxAnswer], fmt.Errorf("answer is longer than %d bytes", s.cfg.MaxAnswer)
		return channel.Receipt{}, resp.StatusCode, e
	}
	if ctx.Err() != nil {
		// The server may end its answer cleanly just as we give it up; what was
		// cut short by our own patience is not judged.
		e.Err = fmt.Errorf("read answer: %w", ctx.Err())
		return channel.Receipt{}, resp.StatusCode, e
	}
	if class, err := judge(resp, body, sent); err != nil {
		e.Class, e.Err = class, err
		if class == channel.Busy {
			e.RetryAfter = channel.RetryAfter(resp.Header, s.cfg.Now())
		}
		return channel.Receipt{}, resp.StatusCode, e
	}
	return channel.Receipt{Level: channel.Accepted, Code: status(resp), Body: body, Peer: peer, At: s.cfg.Now()}, resp.StatusCode, nil
}

func status(r *http.Response) string { return strconv.Itoa(r.StatusCode) }

// headerText: only what cannot break a header; ids of ours are such.
func headerText(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func (s *Sender) peer(state *tls.ConnectionState) channel.Peer {
	p := channel.Peer{Proof: "none"}
	if u, err := httpsURL(s.cfg.URL); err == nil {
		p.Addr = u.Host
	}
	if state != nil {
		p = channel.PeerOf(*state, p.Addr)
	}
	p.Name = s.cfg.Name
	return p
}

// cause reduces a transport error to words of ours: the library's text holds the
// URL, and a server can put text of its own into some.
func cause(err error) error {
	var (
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
		op   *net.OpError
		alrt tls.AlertError
		net_ net.Error
	)
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("stopped: %w", context.Canceled)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &net_) && net_.Timeout():
		return fmt.Errorf("time ran out: %w", context.DeadlineExceeded)
	case errors.As(err, &dns):
		return errors.New("host name not found")
	case errors.As(err, &cert), certificateRefused(err):
		return errors.New("server certificate is not trusted")
	case errors.As(err, &alrt):
		return fmt.Errorf("TLS refused: %s", alrt.Error())
	case errors.As(err, &op) && op.Op == "dial":
		return errors.New("connection refused or no route")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("connection closed before the answer was whole")
	}
	return errors.New("connection failed")
}

// certificateRefused: channel.TLS verifies in VerifyConnection, whose errors
// crypto/tls hands on as they are.
func certificateRefused(err error) bool {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	return errors.As(err, &unknown) || errors.As(err, &name) || errors.As(err, &invalid) || strings.Contains(err.Error(), "is not pinned")
}
