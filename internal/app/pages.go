package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/domain/access/accessui"
	"github.com/labwarden/labwarden/internal/domain/access/accountsui"
	"github.com/labwarden/labwarden/internal/domain/partners/keysui"
	"github.com/labwarden/labwarden/internal/domain/partners/portalui"
	"github.com/labwarden/labwarden/internal/domain/results/resultsui"
	"github.com/labwarden/labwarden/internal/domain/setup/setupui"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// pages are the pages and the JSON API of this node.
type pages struct {
	web  *web.Server
	http *http.Server
	ln   net.Listener
	// hints tells open pages what has changed, until its context ends.
	hints func(context.Context) error
}

const (
	pagesConns = 1000
	// pagesEach connections may come from one address: a laboratory behind one router
	// has a browser for each person, and each browser takes one.
	pagesEach = 150
	// pagesStreams requests at a time go over one connection.
	pagesStreams = 20
	pagesHeaders = 32 << 10
)

// openPages opens the pages' door; nil where the configuration has none. A door
// that cannot be opened is a fault that is shown and stops no result.
func (h *Hub) openPages(ctx context.Context, c *config.Config) (*pages, error) {
	w := c.Node.Web
	if w == nil {
		return nil, nil
	}
	conf, err := h.pagesTLS(ctx, c)
	if err != nil {
		return nil, err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", string(w.Listen))
	if err != nil {
		return nil, fmt.Errorf("open the pages' address: %w", err)
	}
	h.welcome(c)
	s := h.newWeb(c)
	p := &pages{web: s, hints: h.hintPages, ln: tls.NewListener(limitConns(ln, pagesConns, pagesEach), conf)}
	p.http = &http.Server{
		Handler: h.noticingWeb(wayPages, s.Handler()), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: pagesHeaders, TLSConfig: conf,
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: pagesStreams},
		ErrorLog: slog.NewLogLogger(h.slog.Handler(), slog.LevelDebug), // scanners fill it
	}
	h.slog.Info("pages", "address", ln.Addr().String(), "url", string(w.PublicURL))
	return p, nil
}

// welcome tells sign-in where the pages are.
func (h *Hub) welcome(c *config.Config) {
	h.rooms.signin.Apply(signin.Settings{PublicURL: string(c.Node.Web.PublicURL), Lab: c.Lab.Name})
	if err := h.rooms.signin.PasskeysWork(); err != nil {
		h.slog.Warn("nobody can use a passkey", "error", err)
	}
	h.applying.Lock()
	defer h.applying.Unlock()
	if _, err := h.takeBreached(c); err != nil {
		h.slog.Error("new passwords are not looked up in the list of stolen ones", "error", err)
	}
}

// newWeb puts the server of the pages together.
func (h *Hub) newWeb(c *config.Config) *web.Server {
	modules := h.modules(c)
	refused := &refusals{h: h, last: map[string]time.Time{}}
	s := &web.Server{
		Identify: h.Access.Identify, Kinds: webKind, SignIn: "/sign-in", StepUp: "/step-up", Report: "/problems/new",
		Live: h.live, Now: h.now, Log: h.slog, Version: h.version, Pace: c.Node.Web.Pace,
	}
	s.Refused = refused.note
	s.Shell = func(r *http.Request, who *authz.Subject) kit.Shell {
		now := h.now()
		sh := kit.Shell{Lab: c.Lab.Name, Clock: now.Local().Format("15:04")}
		if cur := h.inForce(); cur != nil {
			sh.Lab = cur.Lab.Name
		}
		if who == nil {
			return sh
		}
		sh.Me = &kit.Me{Name: who.Name, Role: roleName(who)}
		sh.Nav = menu(r.Context(), modules, h.current(c), who, func(p authz.Permission) bool { return !who.Scope(p, now).Empty() })
		for _, x := range h.rooms.setup.OpenWindows(now) {
			b := kit.Banner{State: kit.Warn, Text: "Maintenance until " + x.Until.Local().Format("15:04") + ": nobody is called about " + strings.Join(append(slices.Clone(x.Partners), x.Sources...), ", ") + "."}
			if !who.Scope(authz.AlarmsSee, now).Empty() {
				b.Action = &kit.Action{Text: "See it", Href: "/maintenance"}
			}
			sh.Banners = append(sh.Banners, b)
		}
		if who.Glass != (event.ID{}) {
			sh.Banners = append(sh.Banners, kit.Banner{State: kit.Warn, Text: "Break-glass access is open. Everything you look at is recorded and will be reviewed."})
		}
		return sh
	}
	for _, m := range modules {
		s.Add(m.Routes...)
	}
	return s
}

// serve answers until ctx ends.
func (p *pages) serve(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- p.http.Serve(p.ln) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve the pages: %w", err)
	case <-ctx.Done():
	}
	p.web.Close()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := p.http.Shutdown(stop); err != nil {
		return errors.Join(p.http.Close())
	}
	return nil
}

// webKind maps what domains return: each knows its own, the rest is told by the
// same table as the command line's.
func webKind(err error) *web.Error {
	for _, of := range []func(error) *web.Error{resultsui.Kinds, accessui.Kinds, accountsui.Kinds, setupui.Kinds, keysui.Kinds, portalui.Kinds} {
		if e := of(err); e != nil {
			return e
		}
	}
	kind, text := control.Classify(err)
	kinds := map[control.Kind]web.Kind{
		control.Invalid: web.KindInvalid, control.Denied: web.KindDenied, control.NotFound: web.KindNotFound,
		control.Conflict: web.KindConflict, control.Unavailable: web.KindUnavailable,
	}
	k, ok := kinds[kind]
	if !ok {
		return nil
	}
	return &web.Error{Kind: k, Message: text}
}
