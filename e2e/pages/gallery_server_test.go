package pages

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// serve runs the gallery behind the hub's own server for pages, over TLS.
func serve(t *testing.T) (base string) {
	t.Helper()
	var ended atomic.Bool
	s := &web.Server{
		Pace: 1_000_000, // the test asks faster than people do
		Identify: func(*http.Request) (*authz.Subject, error) {
			if ended.Load() {
				return nil, nil
			}
			return &authz.Subject{Name: "Dana Reyes", Grants: []authz.Grant{{Role: authz.Technologist}}, Level: authz.LevelPasskey, FreshAt: time.Now()}, nil
		},
		Shell:  func(*http.Request, *authz.Subject) kit.Shell { return shell() },
		SignIn: "/sign-in",
		Live:   web.NewLive(), Now: time.Now, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	const why = "the gallery holds nothing of anybody"
	for _, c := range cards() {
		path := c.path
		if path == "/" {
			path = "/{$}"
		}
		rt := web.Route{Pattern: "GET " + path, Needs: authz.TodaySee}
		if path == "/sign-in" {
			rt.Needs, rt.Access, rt.Why = "", web.Open, why
		}
		rt.Handle = func(w http.ResponseWriter, r *http.Request) error { return web.Render(w, r, c.page(r)) }
		s.Add(rt)
	}
	s.Add(
		web.Route{Pattern: "GET /poke", Access: web.Open, Why: why, Handle: func(_ http.ResponseWriter, r *http.Request) error {
			web.Say(r, "live")
			return nil
		}},
		web.Route{Pattern: "GET /end", Access: web.Open, Why: why, Handle: func(http.ResponseWriter, *http.Request) error {
			ended.Store(true)
			return nil
		}},
		// An order number stands in no address.
		web.Route{Pattern: "POST /results/search", Access: web.Open, Why: why, Handle: func(w http.ResponseWriter, r *http.Request) error {
			if r.PostFormValue("order") != "26-118204" {
				return web.Invalid("The search did not arrive.")
			}
			return web.Done(w, r, "/nothing", "")
		}},
		web.Route{Pattern: "POST /forms", Access: web.Open, Why: why, Handle: func(w http.ResponseWriter, r *http.Request) error {
			if r.FormValue("host") == "" {
				return web.Render(w, r, wrongPage(r))
			}
			return web.Done(w, r, "/nothing", "Riverside was added.")
		}},
	)
	srv := httptest.NewUnstartedServer(s.Handler())
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(func() { s.Close(); srv.CloseClientConnections(); srv.Close() })
	return srv.URL
}
