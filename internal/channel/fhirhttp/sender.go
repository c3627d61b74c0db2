package fhirhttp

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/fhir"
)

// Sender posts transaction bundles to one server. It is safe for concurrent use.
type Sender struct {
	cfg  Config
	http *http.Client
	tr   *http.Transport

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
	t := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: cfg.Roots}
	if cfg.MinTLS12 {
		t.MinVersion = tls.VersionTLS12
	}
	if cfg.Certificate != nil {
		t.Certificates = []tls.Certificate{*cfg.Certificate}
	}
	tr := &http.Transport{
		Proxy:                  nil,
		DialContext:            (&net.Dialer{Timeout: cfg.ConnectTimeout}).DialContext,
		TLSClientConfig:        t,
		TLSHandshakeTimeout:    cfg.ConnectTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    4,
		MaxConnsPerHost:        16,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // a small answer cannot unfold into a large one
	}
	return &Sender{cfg: cfg, tr: tr, fetch: make(chan struct{}, 1),
		http: &http.Client{Transport: tr, CheckRedirect: noRedirect}}, nil
}

// Close ends idle connections.
func (s *Sender) Close() error {
	s.tr.CloseIdleConnections()
	return nil
}

func (s *Sender) random(b []byte) (int, error) {
	if s.cfg.Random != nil {
		return s.cfg.Random(b)
	}
	return rand.Read(b)
}

// Send posts m.Body, which must be a transaction bundle in FHIR JSON, and reads
// the answer. Errors are *channel.Error. RetryAfter tells how long a busy server
// asked to be left alone.
func (s *Sender) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	sent, err := countEntries(m.Body)
	if err != nil {
		return channel.Receipt{}, misconfigured(err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
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
	if class, err := judge(resp, body, sent); err != nil {
		e.Class, e.Err = class, err
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
	p := channel.Peer{Name: s.cfg.Name, Proof: "none"}
	if u, err := httpsURL(s.cfg.URL); err == nil {
		p.Addr = u.Host
	}
	if state != nil && len(state.PeerCertificates) > 0 {
		sum := sha256.Sum256(state.PeerCertificates[0].Raw)
		p.Proof, p.Fingerprint = "certificate", hex.EncodeToString(sum[:])
		p.TLS = tls.VersionName(state.Version) + " " + tls.CipherSuiteName(state.CipherSuite)
	}
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
	case errors.As(err, &cert):
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
