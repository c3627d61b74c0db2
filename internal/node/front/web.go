package front

import (
	"context"
	"crypto/tls"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"time"

	"github.com/labwarden/labwarden/internal/channel/frontlink"
)

// Headers that the front sets for the hub, and takes away where a client sent
// them.
const (
	HeaderClient = "Labwarden-Client" // the client's address, host:port
	HeaderTLS    = "Labwarden-Tls"    // protocol and suite
)

// Limits of a web connection.
const (
	maxHeader  = 32 << 10
	maxRequest = 1 << 20
)

// serveWeb ends TLS with the hub's signature and passes each request on to the
// hub. What it may see is the hub's to say: the front adds nothing but from where
// it came.
func serveWeb(h *hub, w frontlink.Web, out *slog.Logger) (serving, error) {
	key, err := newSigner(h, w.Key, w.Chain)
	if err != nil {
		return serving{}, err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "hub"
			r.Out.Host = r.In.Host
			r.Out.Header.Set(HeaderClient, r.In.RemoteAddr)
			r.Out.Header.Set(HeaderTLS, secured(r.In.TLS))
		},
		Transport: &http.Transport{
			DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return h.dial(ctx) },
			MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: time.Minute, DisableCompression: true,
		},
		FlushInterval: -1, // live pages stream
		ErrorLog:      log.New(discard{}, "", 0),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			out.Debug("request not passed on", "err", err)
			http.Error(w, "The laboratory's system cannot answer now. Try again in a minute.", http.StatusBadGateway)
		},
	}
	srv := &http.Server{
		Handler: http.MaxBytesHandler(proxy, maxRequest), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: maxHeader, ErrorLog: log.New(discard{}, "", 0),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: w.Chain, PrivateKey: key}}},
	}
	f := newFeed()
	go func() { _ = srv.ServeTLS(f, "", "") }()
	return serving{take: f.put, stop: func() { _ = srv.Close() }}, nil
}

func secured(s *tls.ConnectionState) string {
	if s == nil {
		return ""
	}
	return tls.VersionName(s.Version) + " " + tls.CipherSuiteName(s.CipherSuite)
}

// discard keeps what clients sent out of the log.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
