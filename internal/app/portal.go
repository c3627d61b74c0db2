package app

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/domain/partners/portalui"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/pki"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// portalRealm parts the people of practices from the laboratory's own.
const portalRealm = "portal"

// furnishPortal makes the portal's rooms.
func (h *Hub) furnishPortal() {
	h.rooms.portal = portal.New(portal.Deps{
		DB: h.DB, Vault: h.Vault, Results: portalResults{h}, Receipts: portalResults{h}, Raise: h.Alarms, Now: h.now, Zone: time.Local, Log: h.slog, Settings: h.portalSettings,
	})
	h.rooms.portalDoor = signin.New(signin.Options{
		DB: h.DB, Vault: h.Vault, Realm: portalRealm, People: h.rooms.portal, Hasher: signin.NewHasher(signin.HasherOptions{}), Now: h.now, Log: h.slog, Raise: h.Alarms, Tell: h.rooms.portal,
	})
	h.rooms.portal.With(h.rooms.portalDoor)
}

// portalSettings are those of the configuration in force; none while there is none.
func (h *Hub) portalSettings() portal.Settings {
	out := portal.Settings{Partners: map[string]string{}}
	c := h.inForce()
	if c == nil {
		return out
	}
	out.Letter, out.Idle, out.CopyWithin = c.Portal.Letter.Std(), c.Portal.Idle.Std(), c.Portal.CopyWithin.Std()
	for key, p := range c.Partners {
		if p.Destination.Portal != nil {
			out.Partners[key] = p.Name
		}
	}
	for _, r := range c.Portal.Rules {
		out.Rules = append(out.Rules, portal.Rule{Name: r.Name, Codes: r.Codes, Under: r.Under, Copies: r.Copies, Partners: r.Partners, Then: r.Then})
	}
	return out
}

// portalRemind is after how long an unopened result is an item on Today.
func (h *Hub) portalRemind() map[string]time.Duration {
	out := map[string]time.Duration{}
	if c := h.inForce(); c != nil {
		for key, p := range c.Partners {
			if p.Destination.Portal != nil {
				out[key] = p.Destination.Portal.RemindAfter.Std()
			}
		}
	}
	return out
}

// portalResults is what the portal asks of the results.
type portalResults struct{ h *Hub }

func (p portalResults) Sent(ctx context.Context, delivery int64) ([]byte, error) {
	body, err := p.h.Results.Sent(ctx, delivery)
	switch {
	case errors.Is(err, results.ErrErased):
		return nil, errors.Join(portal.ErrGone, err)
	case errors.Is(err, results.ErrViewsClosed):
		return nil, errors.Join(portal.ErrClosed, err)
	case errors.Is(err, results.ErrConflict):
		return nil, errors.Join(portal.ErrSoon, err)
	case errors.Is(err, results.ErrNotFound):
		return nil, errors.Join(portal.ErrNotFound, err)
	}
	return body, err
}

// Opened tells the delivery that the practice's people have read it; who did stands
// in the portal's own rows and events.
func (p portalResults) Opened(ctx context.Context, delivery int64, at time.Time, _ string) error {
	return p.h.Results.PickedUp(ctx, delivery, at, results.PickupRead)
}

// Again makes a new delivery; what this practice has of the same orders since goes
// behind it.
func (p portalResults) Again(ctx context.Context, delivery int64, by string) error {
	_, err := p.h.Results.Resend(ctx, delivery, results.By{Who: by, Reason: "not-received"})
	return err
}

func (p portalResults) OnItsWay(ctx context.Context, message event.ID, partner string) (bool, error) {
	m, err := p.h.Results.Show(ctx, message)
	if errors.Is(err, results.ErrNotFound) {
		return false, errors.Join(portal.ErrNotFound, err)
	}
	var newest results.Delivery
	for _, d := range m.Deliveries {
		if d.Partner == partner && d.Seq >= newest.Seq {
			newest = d
		}
	}
	return newest.Again && newest.State < results.Done, err
}

func (p portalResults) Receipt(ctx context.Context, delivery int64, by string) ([]byte, error) {
	b, _, err := p.h.Results.TakeReceipt(ctx, delivery, results.By{Who: by, Reason: "practice"})
	switch {
	case errors.Is(err, results.ErrErased):
		return nil, errors.Join(portal.ErrGone, err)
	case errors.Is(err, results.ErrConflict):
		return nil, errors.Join(portal.ErrSoon, err)
	case errors.Is(err, results.ErrNotFound):
		return nil, errors.Join(portal.ErrNotFound, err)
	}
	return b, err
}

// portalSender puts results into a practice's portal.
type portalSender struct {
	h       *Hub
	partner string
}

// portalCharset carries the source's charset beside a message whose own header names
// none, the site it came in for, and its place in the order of intake.
func portalCharset(r results.Rendering) (channel.Message, error) {
	m, params := r.Message, map[string]string{}
	if name := r.Charset.Name(); name != "" {
		params["charset"] = name
	}
	if r.Site != "" {
		params["site"] = r.Site
	}
	if r.Order > 0 {
		params["order"] = strconv.FormatInt(r.Order, 10)
	}
	if len(params) > 0 {
		m.ContentType = mime.FormatMediaType(m.ContentType, params)
	}
	return m, nil
}

func (s portalSender) Close() error { return nil }

// Send is done when the result is ready to be opened: Placed. What a rule keeps back
// is placed too, and the code says so.
func (s portalSender) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	peer := channel.Peer{Name: s.partner, Proof: "none"}
	fail := func(class channel.Class, err error) (channel.Receipt, error) {
		return channel.Receipt{}, &channel.Error{Class: class, Peer: peer, Err: err}
	}
	if s.h.portalSettings().Partners[s.partner] == "" {
		return fail(channel.Misconfigured, errors.New("the partner has no portal any more"))
	}
	i := strings.LastIndexByte(m.ID, '-')
	message, err := event.ParseID(m.ID[:max(i, 0)])
	seq, e2 := strconv.ParseInt(m.ID[i+1:], 10, 64)
	if err != nil || e2 != nil { // a test message: nothing is put before people
		return channel.Receipt{Level: channel.Placed, Code: "portal-ready", Peer: peer, At: s.h.now()}, nil
	}
	_, params, _ := mime.ParseMediaType(m.ContentType)    // ours, and without parameters as a rule
	order, _ := strconv.ParseInt(params["order"], 10, 64) // 0: its own number
	lab := ""
	if c := s.h.inForce(); c != nil {
		lab = c.Sites[params["site"]].Name
	}
	placed, err := s.h.rooms.portal.Place(ctx, portal.Parcel{Delivery: seq, Message: message, Partner: s.partner, Body: m.Body, Charset: params["charset"], Lab: lab, Order: order})
	switch {
	case errors.Is(err, portal.ErrUnfit):
		return fail(channel.Unfit, portal.ErrUnfit)
	case err != nil:
		return fail(channel.Unreachable, err)
	}
	r := channel.Receipt{Level: channel.Placed, Code: "in-portal", Peer: peer, At: placed.At}
	if placed.Withheld != "" {
		r.Code = "kept-back"
	}
	return r, nil
}

// portalDeps are what the pages of both sides stand on.
func (h *Hub) portalDeps(c *config.Config) portalui.Deps {
	refused := &refusals{h: h, last: map[string]time.Time{}}
	return portalui.Deps{
		Portal: h.rooms.portal, SignIn: h.rooms.portalDoor, Lab: func() string { return h.current(c).Lab.Name }, Phone: func() string { return h.current(c).Portal.Phone },
		Sender: func() string { return h.current(c).Portal.Sender }, Paper: func() string { return h.current(c).Portal.Paper },
		Address: func() string {
			if c.Node.Portal == nil {
				return "(node.portal.public_url is not set)"
			}
			return strings.TrimSuffix(strings.TrimPrefix(string(c.Node.Portal.PublicURL), "https://"), "/")
		},
		Now: h.now, Log: h.slog, Version: h.version, Zone: time.Local, Refused: refused.note,
		Door: doorOf,
	}
}

// portalModule is the laboratory's side.
func (h *Hub) portalModule(c *config.Config) Module {
	d := h.portalDeps(c)
	return Module{
		Name: "portal", Profile: config.ProfileCarry, Routes: portalui.LabRoutes(d), Today: portalui.Today(d, h.portalRemind),
		Menu: []MenuItem{
			{Name: "Portal", Href: "/portal", Icon: "inbox", Needs: authz.PortalSee},
			{Name: "Patients' copies", Href: "/patient-copies", Icon: "download", Needs: authz.PatientCopies},
		},
	}
}

// portalSite is the portal and its own listener.
type portalSite struct {
	web  *web.Server
	http *http.Server
	ln   net.Listener // nil: it is reached through the front alone
	cert func(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// openPortal opens the portal's door; nil where the configuration has none. One that
// cannot be opened is a fault that is shown and stops no result.
func (h *Hub) openPortal(ctx context.Context, c *config.Config) (*portalSite, error) {
	w := c.Node.Portal
	if w == nil {
		return nil, nil
	}
	h.rooms.portalDoor.Apply(signin.Settings{PublicURL: string(w.PublicURL), Lab: c.Lab.Name + " results"})
	if err := h.rooms.portalDoor.PasskeysWork(); err != nil {
		h.slog.Warn("nobody can use a passkey in the portal", "error", err)
	}
	conf, err := h.portalTLS(c)
	if err != nil {
		return nil, err
	}
	s := portalui.Site(h.portalDeps(c))
	p := &portalSite{web: s, cert: conf.GetCertificate}
	p.http = &http.Server{
		Handler: h.rooms.trials.over("the portal", h.noticingWeb(wayPortal, s.Handler())), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: pagesHeaders, TLSConfig: conf,
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: pagesStreams},
		ErrorLog: slog.NewLogLogger(h.slog.Handler(), slog.LevelDebug), // scanners fill it
	}
	if w.Listen == "" {
		h.slog.Info("portal", "address", "through the front", "url", string(w.PublicURL))
		return p, nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", string(w.Listen))
	if err != nil {
		return nil, fmt.Errorf("open the portal's address: %w", err)
	}
	p.ln = tls.NewListener(limitConns(ln, pagesConns, pagesEach), conf)
	h.slog.Info("portal", "address", ln.Addr().String(), "url", string(w.PublicURL))
	return p, nil
}

// portalTLS serves TLS 1.3. Without a certificate of its own the site has one of an
// authority that ends with the process: enough to try it on this machine.
func (h *Hub) portalTLS(c *config.Config) (*tls.Config, error) {
	w := c.Node.Portal
	out := &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"h2", "http/1.1"}}
	if w.TLS != nil {
		if _, err := tls.LoadX509KeyPair(string(w.TLS.Certificate), string(w.TLS.Key)); err != nil {
			return nil, fmt.Errorf("load the portal's certificate %s: %w", w.TLS.Certificate, err)
		}
		own := &ownCertificate{files: *w.TLS, now: h.now}
		out.GetCertificate = own.get
		return out, nil
	}
	made, err := h.madeFor(c, w.PublicURL)
	if err != nil {
		return nil, err
	}
	if _, err := made.get(nil); err != nil {
		return nil, err
	}
	out.GetCertificate = h.shown(w.ACME, w.PublicURL, made.get)
	if w.ACME {
		out.GetConfigForClient = h.challenged
	}
	return out, nil
}

// madeFor makes certificates for a site, of an authority that ends with the process.
func (h *Hub) madeFor(c *config.Config, site config.URL) (*madeCertificate, error) {
	u, err := url.Parse(string(site))
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("read the site's public_url: it has no host")
	}
	hosts := []string{u.Hostname()}
	for _, own := range []string{"localhost", "127.0.0.1"} {
		if own != hosts[0] {
			hosts = append(hosts, own)
		}
	}
	root, err := pki.NewFor(pki.Options{Name: c.Lab.Name, Now: h.now(), Life: pagesRootLife, Rand: rand.Reader}, hosts...)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for %s: %w", u.Hostname(), err)
	}
	return &madeCertificate{root: root, hosts: hosts, now: h.now}, nil
}

// serve answers until ctx ends.
func (p *portalSite) serve(ctx context.Context) error {
	if p.ln == nil {
		<-ctx.Done()
		p.web.Close()
		return nil
	}
	return (&pages{web: p.web, http: p.http, ln: p.ln}).serve(ctx)
}
