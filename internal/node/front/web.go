package front

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/channel/frontlink"
)

// Limits of the web door. What a request may ask for is the hub's to say.
const (
	maxHeader  = 32 << 10
	maxRequest = 1 << 20 // body; no page and no FHIR operation takes as much
	maxStreams = 100     // requests at a time on one HTTP/2 connection; net/http cuts one that resets many times that
	maxAsked   = 256     // requests at a time that the hub is asked; further ones wait
	pieceTime  = 30 * time.Second
)

// serveWeb ends TLS with the hub's signature and passes each request on to the
// hub. What it may see is the hub's to say: the front adds nothing but from where
// it came.
func serveWeb(h *hub, w frontlink.Web, out *slog.Logger) (serving, error) {
	pick, err := certificates(h, w.Sites)
	if err != nil {
		return serving{}, err
	}
	pass := &http.Transport{
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return h.dial(ctx) },
		MaxConnsPerHost: maxAsked, MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: time.Minute, DisableCompression: true,
	}
	srv := &http.Server{
		Handler: ownHost(http.MaxBytesHandler(passOn(pass, out), maxRequest)), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeader, ErrorLog: log.New(io.Discard, "", 0), // what clients sent stays out of the log
		HTTP2:     &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: pick, GetConfigForClient: h.challenged},
	}
	f := newFeed()
	go func() {
		if err := srv.ServeTLS(f, "", ""); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			out.Error("the web door is not served", "err", err)
		}
	}()
	return serving{take: f.put, stop: func() {
		_ = srv.Close()
		pass.CloseIdleConnections()
	}}, nil
}

// certificates picks by the name that the client asks for. One that asks for no
// name of ours is not told whose door this is.
func certificates(h *hub, sites []frontlink.Site) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	all := map[string]*tls.Certificate{}
	var address *tls.Certificate // of a site that is named by an address: clients name none then (RFC 6066 3)
	for _, s := range sites {
		key, err := newSigner(h, s.Key, s.Chain)
		if err != nil {
			return nil, fmt.Errorf("serve %s: %w", s.Host, err)
		}
		c := &tls.Certificate{Certificate: s.Chain, PrivateKey: key}
		all[strings.ToLower(s.Host)] = c
		if _, err := netip.ParseAddr(s.Host); err == nil {
			address = c
		}
	}
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "" {
			return address, nil
		}
		return all[strings.ToLower(hello.ServerName)], nil
	}, nil
}

// challenged answers an authority that asks by TLS-ALPN-01 (RFC 8737) whether the
// host is ours, with what the hub has for it; everybody else is none of its.
func (h *hub) challenged(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	const asks = "acme-tls/1"
	if len(hello.SupportedProtos) != 1 || hello.SupportedProtos[0] != asks || hello.ServerName == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(hello.Context(), signTime)
	defer cancel()
	var site frontlink.Site
	if err := h.ask(ctx, frontlink.VerbChallenge, frontlink.Named{Host: hello.ServerName}, &site); err != nil {
		return nil, err
	}
	key, err := newSigner(h, site.Key, site.Chain)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{asks}, Certificates: []tls.Certificate{{Certificate: site.Chain, PrivateKey: key}}}, nil
}

// ownHost refuses a request for another host than the handshake was for (RFC 9110
// 15.5.20).
func ownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if r.TLS == nil || r.TLS.NegotiatedProtocol == "acme-tls/1" || r.TLS.ServerName != "" && !strings.EqualFold(r.TLS.ServerName, host) {
			http.Error(w, "This address does not answer for that host.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// passOn passes requests on to the hub, and what it answers back piece by piece:
// live pages stream.
func passOn(pass http.RoundTripper, out *slog.Logger) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "hub"
			r.Out.Host = r.In.Host
			r.Out.Header.Set(frontlink.HeaderClient, r.In.RemoteAddr)
			r.Out.Header.Set(frontlink.HeaderTLS, fmt.Sprintf("%04x %04x %04x", r.In.TLS.Version, r.In.TLS.CipherSuite, uint16(r.In.TLS.CurveID)))
		},
		Transport: pass, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				http.Error(w, "The request is larger than may be sent.", http.StatusRequestEntityTooLarge)
				return
			}
			out.Debug("request not passed on", "err", err)
			http.Error(w, "The laboratory's system cannot answer now. Try again in a minute.", http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxy.ServeHTTP(&paced{ResponseWriter: w, c: http.NewResponseController(w)}, r)
	})
}

// paced cuts a client that takes nothing of an answer for pieceTime, however long
// the whole takes.
type paced struct {
	http.ResponseWriter
	c *http.ResponseController
}

func (p *paced) Write(b []byte) (int, error) {
	if err := p.c.SetWriteDeadline(time.Now().Add(pieceTime)); err != nil {
		return 0, fmt.Errorf("limit time: %w", err)
	}
	return p.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController, which flushes.
func (p *paced) Unwrap() http.ResponseWriter { return p.ResponseWriter }
