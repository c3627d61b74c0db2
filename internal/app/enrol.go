package app

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/smallstep/pkcs7"

	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/pki"
)

const (
	enrolConns = 100
	enrolEach  = 10
	enrolBody  = 64 << 10
	// chainPEM is how our own client asks for certificates (RFC 8555 9.1); EST's
	// own form is PKCS #7.
	chainPEM = "application/pem-certificate-chain"
)

// enrolDoor is where certificates of the laboratory's own authority are fetched:
// EST (RFC 7030), as far as a small authority needs it.
type enrolDoor struct {
	h    *Hub
	http *http.Server
	ln   net.Listener
}

// openEnrol opens it; nil where it is not configured.
func (h *Hub) openEnrol(ctx context.Context, c *config.Config) (*enrolDoor, error) {
	if c.Node.Enrol == nil {
		return nil, nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", string(c.Node.Enrol.Listen))
	if err != nil {
		return nil, fmt.Errorf("open the enrolment's address: %w", err)
	}
	names := ownNames(&c.Node)
	conf := &tls.Config{
		MinVersion: tls.VersionTLS12, // devices
		CipherSuites: []uint16{ // of TLS 1.2: forward secrecy and AEAD only (NIST SP 800-52r2 3.3.1)
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		},
		SessionTicketsDisabled: true,
		// A certificate is looked at by whoever renews it, who can say in words what is
		// wrong with it; that its key is held is checked here (RFC 8446 4.4.3).
		ClientAuth: tls.RequestClientCert,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return h.rooms.certificates.Own(ownName(h.node), names)
		},
	}
	d := &enrolDoor{h: h, ln: tls.NewListener(limitConns(ln, enrolConns, enrolEach), conf)}
	d.http = &http.Server{
		Handler: d.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second,
		IdleTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(h.slog.Handler(), slog.LevelDebug),
	}
	h.slog.Info("enrolment", "address", ln.Addr().String(), "reached_by", string(c.Node.Enrol.Address))
	return d, nil
}

func (d *enrolDoor) serve(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- d.http.Serve(d.ln) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve enrolment: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := d.http.Shutdown(stop); err != nil {
		return d.http.Close()
	}
	return nil
}

func (d *enrolDoor) handler() http.Handler {
	mux := http.NewServeMux()
	ca := d.h.rooms.certificates
	mux.HandleFunc("GET /.well-known/est/cacerts", func(w http.ResponseWriter, r *http.Request) { // RFC 7030 4.1
		d.give(w, r, ca.Chain(), nil)
	})
	mux.HandleFunc("POST /.well-known/est/simpleenroll", func(w http.ResponseWriter, r *http.Request) { // RFC 7030 4.2.1
		_, password, _ := r.BasicAuth() // RFC 7030 3.2.3; the token names who it is for
		secret, ok := pki.ParsePassword(password)
		if !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="labwarden enrolment"`)
			d.refuse(w, r, certificates.ErrToken)
			return
		}
		csr, err := request(w, r)
		if err != nil {
			d.refuse(w, r, err)
			return
		}
		chain, err := ca.Enrol(r.Context(), secret, csr)
		d.give(w, r, chain, err)
	})
	mux.HandleFunc("POST /.well-known/est/simplereenroll", func(w http.ResponseWriter, r *http.Request) { // RFC 7030 4.2.2
		if len(r.TLS.PeerCertificates) == 0 {
			d.refuse(w, r, &certificates.InvalidError{Err: errors.New("show the certificate that is to be renewed")})
			return
		}
		csr, err := request(w, r)
		if err != nil {
			d.refuse(w, r, err)
			return
		}
		chain, err := ca.Renew(r.Context(), r.TLS.PeerCertificates[0], csr)
		d.give(w, r, chain, err)
	})
	mux.HandleFunc("GET /ca/crl", func(w http.ResponseWriter, r *http.Request) {
		der, err := ca.CRL(r.Context())
		if err != nil {
			d.refuse(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/pkix-crl") // RFC 5280 4.2.1.13
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(der) // the caller may have gone
	})
	return mux
}

// request reads a PKCS #10 request: base64 as RFC 7030 4.2.1 has it, PEM or DER.
func request(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, enrolBody))
	if err != nil {
		return nil, &certificates.InvalidError{Err: errors.New("the request is larger than 64 KiB, or did not come whole")}
	}
	if p, _ := pem.Decode(b); p != nil {
		return b, nil
	}
	if plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(b)), "")); err == nil {
		return plain, nil
	}
	return b, nil
}

// give answers with certificates, as PEM or as EST's PKCS #7 (RFC 7030 4.1.3).
func (d *enrolDoor) give(w http.ResponseWriter, r *http.Request, chain [][]byte, err error) {
	if err == nil && len(chain) == 0 {
		err = certificates.ErrNone
	}
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Accept")); kind == chainPEM {
		w.Header().Set("Content-Type", chainPEM)
		_, _ = w.Write(pki.PEM(chain...)) //nolint:gosec // certificates, never HTML; the caller may have gone
		return
	}
	var all []byte
	for _, c := range chain {
		all = append(all, c...)
	}
	p7, err := pkcs7.DegenerateCertificate(all)
	if err != nil {
		d.refuse(w, r, fmt.Errorf("write PKCS #7: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/pkcs7-mime; smime-type=certs-only")
	w.Header().Set("Content-Transfer-Encoding", "base64")
	for text := base64.StdEncoding.EncodeToString(p7); text != ""; { // in lines, RFC 2045 6.8
		n := min(len(text), 64)
		_, _ = io.WriteString(w, text[:n]+"\r\n") //nolint:gosec // base64 of certificates; the caller may have gone
		text = text[n:]
	}
}

// refuse says why, in words that give nothing away.
func (d *enrolDoor) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var invalid *certificates.InvalidError
	status, text := http.StatusInternalServerError, "the hub could not do this; its log says why"
	switch {
	case errors.As(err, &invalid):
		status, text = http.StatusBadRequest, err.Error()
	case errors.Is(err, certificates.ErrToken):
		status, text = http.StatusUnauthorized, certificates.ErrToken.Error()
	case errors.Is(err, certificates.ErrRevoked), errors.Is(err, certificates.ErrUnknown), errors.Is(err, certificates.ErrWhose), errors.Is(err, certificates.ErrDamaged):
		status, text = http.StatusForbidden, err.Error()
	case errors.Is(err, certificates.ErrNone):
		status, text = http.StatusServiceUnavailable, err.Error()
	}
	d.h.slog.Warn("an enrolment was refused", "from", r.RemoteAddr, "path", r.URL.Path, "status", status, "error", err)
	http.Error(w, text, status)
}
