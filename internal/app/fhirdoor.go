package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results/resultsfhir"
	"github.com/labwarden/labwarden/internal/platform/config"
)

const (
	fhirConns = 500
	fhirEach  = 50 // of one address
)

// fhirSettings are the partners' programs and what each may.
func (h *Hub) fhirSettings(c *config.Config) (*resultsfhir.Settings, error) {
	set := &resultsfhir.Settings{Lab: c.Lab.Name, Clients: map[string]*resultsfhir.Client{}}
	if f := c.Node.FHIR; f != nil {
		set.Base = strings.TrimSuffix(string(f.PublicURL), "/") + "/fhir"
	}
	for _, key := range sorted(c.Partners) {
		d := c.Partners[key].Destination.FHIRPull
		if d == nil {
			continue
		}
		client, err := h.fhirClient(c, key, d)
		if err != nil {
			return nil, fmt.Errorf("partner %s: %w", key, err)
		}
		set.Clients[d.ClientID] = client
	}
	return set, nil
}

func (h *Hub) fhirClient(c *config.Config, key string, d *config.FHIRPullDestination) (*resultsfhir.Client, error) {
	raw, err := os.ReadFile(string(d.Keys))
	if err != nil {
		return nil, fmt.Errorf("read the program's keys: %w", err)
	}
	keys, err := resultsfhir.ParseKeys(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Keys, err)
	}
	out := &resultsfhir.Client{ID: d.ClientID, Partner: key, Name: c.Partners[key].Name, Keys: keys, Scopes: d.Scopes, Pace: d.Pace}
	if len(out.Scopes) == 0 {
		out.Scopes = []string{"system/*.rs"}
	}
	for _, s := range out.Scopes {
		if !resultsfhir.ScopeKnown(s) {
			return nil, fmt.Errorf("the scope %s is not one that the FHIR server knows", s)
		}
	}
	for _, n := range d.Notify {
		conf, err := webTLS(n.TLS, string(n.Endpoint), &c.Node, nil, false, h.builder().watched("notify "+key))
		if err != nil {
			return nil, err
		}
		way := wayNotices(key, string(n.Endpoint))
		out.Notify = append(out.Notify, resultsfhir.Endpoint{Prefix: string(n.Endpoint), Transport: noticedTrip{
			resultsfhir.NewTransport(conf, n.Private), func(secured string) { h.rooms.sightings.saw(way, secured) },
		}})
	}
	return out, nil
}

// fhirDoor is the FHIR server and its own address. A front in another process
// forwards to the same handler.
type fhirDoor struct {
	http *http.Server
	ln   net.Listener // nil: it is reached through the front alone
	cert func(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// openFHIR opens it; nil where the configuration has none.
func (h *Hub) openFHIR(ctx context.Context, c *config.Config) (*fhirDoor, error) {
	f := c.Node.FHIR
	if f == nil {
		return nil, nil
	}
	files := f.TLS
	if files == nil {
		files = c.Node.TLS
	}
	var get func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	switch {
	case files != nil:
		get = (&ownCertificate{files: *files, now: h.now}).get
	case f.ACME:
		made, err := h.madeFor(c, f.PublicURL)
		if err != nil {
			return nil, err
		}
		get = made.get
	default:
		return nil, errors.New("there is no certificate for the FHIR server")
	}
	if _, err := get(nil); err != nil {
		return nil, err
	}
	get = h.shown(f.ACME, f.PublicURL, get)
	conf := &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: get}
	if f.ACME {
		conf.GetConfigForClient = h.challenged
	}
	d := &fhirDoor{cert: get}
	d.http = &http.Server{
		Handler: h.rooms.trials.over("the FHIR server", h.rooms.fhir.Handler()), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: pagesHeaders, TLSConfig: conf,
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: pagesStreams},
		ErrorLog: slog.NewLogLogger(h.slog.Handler(), slog.LevelDebug), // scanners fill it
	}
	if f.Listen == "" {
		h.slog.Info("FHIR server", "address", "through the front", "url", string(f.PublicURL))
		return d, nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", string(f.Listen))
	if err != nil {
		return nil, fmt.Errorf("open the FHIR server's address: %w", err)
	}
	d.ln = tls.NewListener(limitConns(ln, fhirConns, fhirEach), conf)
	h.slog.Info("FHIR server", "address", ln.Addr().String(), "url", string(f.PublicURL))
	return d, nil
}

// serve answers until ctx ends.
func (d *fhirDoor) serve(ctx context.Context) error {
	if d.ln == nil {
		<-ctx.Done()
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- d.http.Serve(d.ln) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve FHIR: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := d.http.Shutdown(stop); err != nil {
		return errors.Join(d.http.Close())
	}
	return nil
}
