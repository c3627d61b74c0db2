package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/publiccert"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindPublicCertificate is the fact that a public authority gave a certificate.
const KindPublicCertificate = "public_certificate.obtained"

// kindPublicFails: a public certificate cannot be had.
const kindPublicFails = "certificate.public_fails"

// publicPatience is how long trying for a certificate that is not there may fail
// before a person is told; what was told at once would often be the first minute
// after a start.
const publicPatience = 10 * time.Minute

// publicCerts are the certificates of the public authority.
type publicCerts struct {
	keeper *publiccert.Keeper
	http   *http.Server
	ln     net.Listener // nil: challenges are answered by TLS-ALPN-01
	log    *slog.Logger
}

// openPublic begins to see to public certificates; nil where the configuration
// has none.
func (h *Hub) openPublic(ctx context.Context, c *config.Config) (*publicCerts, error) {
	a, hosts := c.Node.ACME, c.Node.ACMEHosts()
	if a == nil || len(hosts) == 0 {
		return nil, nil
	}
	ca, err := roots(a.CA)
	if err != nil {
		return nil, err
	}
	p := &publicCerts{log: h.slog}
	if a.HTTP != "" {
		if p.ln, err = (&net.ListenConfig{}).Listen(ctx, "tcp", string(a.HTTP)); err != nil {
			return nil, fmt.Errorf("open the address of challenges: %w", err)
		}
		p.ln = limitConns(p.ln, 64, 16)
	}
	p.keeper, err = publiccert.Open(ctx, publiccert.Options{
		Storage: h.rooms.publicStore, Directory: string(a.Directory), Email: a.Email, Agreed: a.Agree, Roots: ca, HTTP: a.HTTP != "", Names: hosts,
		Obtained: h.publicObtained, Shown: func(ctx context.Context, _ string) { go h.tellFront(context.WithoutCancel(ctx)) }, Ready: h.publicReady(c), Now: h.now, Log: h.slog,
	})
	if err != nil {
		if p.ln != nil {
			err = errors.Join(err, p.ln.Close())
		}
		return nil, err
	}
	p.http = &http.Server{
		Handler: p.keeper, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(h.slog.Handler(), slog.LevelDebug), // scanners fill it
	}
	return p, nil
}

// serve sees to them until ctx ends.
func (p *publicCerts) serve(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.keeper.Run(ctx) })
	if p.ln != nil {
		g.Go(func() error {
			if err := p.http.Serve(p.ln); !errors.Is(err, http.ErrServerClosed) { // no reason to stop the hub
				p.log.Error("challenges for public certificates are no longer answered; restart to answer them again", "error", err)
			}
			return nil
		})
		g.Go(func() error {
			<-ctx.Done()
			return p.http.Close()
		})
	}
	return g.Wait()
}

// publicReady says whether the doors are open that an authority comes to: a front
// for the sites behind it.
func (h *Hub) publicReady(c *config.Config) func() bool {
	n := &c.Node
	behind := n.Portal != nil && n.Portal.ACME && n.Portal.Listen == "" || n.FHIR != nil && n.FHIR.ACME && n.FHIR.Listen == ""
	if !behind || n.ACME.HTTP != "" {
		return nil
	}
	return func() bool {
		f := h.front.Load()
		return f != nil && f.hub.Fronts() > 0
	}
}

// publicObtained writes it to the ledger.
func (h *Hub) publicObtained(ctx context.Context, name string, renewed bool) {
	ctx = context.WithoutCancel(ctx)
	err := h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		how := "first"
		if renewed {
			how = "renewed"
		}
		_, err := bus.Publish(ctx, tx, ledger.Event{
			Kind: KindPublicCertificate, At: h.now().UnixMicro(), IDs: ledger.Pairs{{K: "host", V: ledger.Code(name)}}, Codes: ledger.Pairs{{K: "how", V: how}},
		})
		return err
	})
	if err != nil {
		h.slog.Error("a public certificate is used though the ledger does not say that it came", "name", name, "error", err)
	}
}

// shown is how a site finds its certificate: the public one for its host where
// it is to have one and has, and otherwise the other.
func (h *Hub) shown(public bool, site config.URL, otherwise func(*tls.ClientHelloInfo) (*tls.Certificate, error)) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	u, err := url.Parse(string(site))
	if !public || err != nil {
		return otherwise
	}
	host := strings.ToLower(u.Hostname())
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if p := h.rooms.public.Load(); p != nil && (hello == nil || hello.ServerName == "" || strings.EqualFold(hello.ServerName, host)) {
			if c := p.keeper.Certificate(host); c != nil {
				return c, nil
			}
		}
		return otherwise(hello)
	}
}

// challenged lets a site's own door answer an authority.
func (h *Hub) challenged(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if p := h.rooms.public.Load(); p != nil {
		return p.keeper.ForChallenge(hello)
	}
	return nil, nil
}

// publicEndings are the ends of public certificates, for the calendar.
func (h *Hub) publicEndings(now time.Time) []control.Date {
	p := h.rooms.public.Load()
	if p == nil {
		return nil
	}
	var out []control.Date
	for _, s := range p.keeper.States() {
		if !s.Ends.IsZero() {
			out = append(out, control.Date{Of: s.Name, Kind: control.DatePublic, Begins: s.Begins, Ends: s.Ends, What: s.Issuer, Renews: !s.Late(now)})
		}
	}
	return out
}

// publicCertificates: names for which no certificate can be had. One that ends is
// among the dates.
func (l *lookout) publicCertificates(_ context.Context, c *config.Config) ([]string, []alarm.Alarm, error) {
	var out []alarm.Alarm
	if p := l.h.rooms.public.Load(); p != nil {
		now := l.h.now()
		for _, s := range p.keeper.States() {
			if s.Failed == "" || !s.Ends.IsZero() && !s.Late(now) || now.Sub(s.Since) < publicPatience {
				continue
			}
			a := alarm.Alarm{
				Key: alarm.Key{Kind: kindPublicFails, About: s.Name}, Severity: alarm.Warning, Owner: c.Alarms.DateOwner,
				Sentence: fmt.Sprintf("The public certificate of %s cannot be had since %s. The authority's answer: %s", s.Name, s.Since.Local().Format("2006-01-02 15:04"), s.Failed),
				Advice:   "See that the name leads here, that port 443 (port 80 with node.acme.http_listen) reaches this program from outside, and that this machine reaches the authority. It is tried again by itself.",
			}
			if s.Ends.IsZero() {
				a.Sentence += " Until then the site shows a certificate that nobody outside believes."
			}
			out = append(out, a)
		}
	}
	return []string{kindPublicFails}, out, nil
}
