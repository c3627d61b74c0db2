package tunnelsui

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/tunnels"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Reader tells of tunnels as they are now.
type Reader interface {
	List(ctx context.Context) ([]tunnels.Seen, error)
	Show(ctx context.Context, name string) (tunnels.Seen, error)
	// VPNs are those that partners keep, as seen from here.
	VPNs() []tunnels.VPN
}

// Keeper adds tunnels and changes them.
type Keeper interface {
	Add(ctx context.Context, a tunnels.Ask, who string) (tunnels.Invitation, error)
	Allow(ctx context.Context, name string, l tunnels.Allowed, who, reason string) (tunnels.Seen, error)
	Rotate(ctx context.Context, name, who string) error
	Remove(ctx context.Context, name, who, reason string) error
}

// Secrets makes what opens a tunnel; each is given out once.
type Secrets interface {
	Invite(ctx context.Context, name, who, reason string) (tunnels.Invitation, error)
	Export(ctx context.Context, name, public, who string) (tunnels.File, error)
}

// Deps is what the pages stand on; app fills it.
type Deps struct {
	Reader  Reader
	Keeper  Keeper
	Secrets Secrets
	// Closed says why tunnels are not served here, in sentences; empty where they are.
	Closed func() string
	// Sources are those that can be opened to a far side.
	Sources func() []string
	// FIPS: WireGuard is off.
	FIPS bool
	// Wrong says what of an error a person can mend in a form.
	Wrong func(err error) (text string, ok bool)
}

const home = "/tunnels"

// Routes are all pages and operations.
func Routes(d Deps) []web.Route {
	see, change := authz.TunnelsSee, authz.TunnelsChange
	return append(d.ops(), []web.Route{
		{Pattern: "GET /tunnels", Needs: see, Handle: d.list},
		{Pattern: "POST /tunnels", Needs: change, Handle: d.add},
		{Pattern: "GET /setup/tunnel", Needs: change, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.askAdd(w, r, "") }},
		{Pattern: "GET /tunnels/{name}", Needs: see, Handle: d.one},
		{Pattern: "GET /tunnels/{name}/allow", Needs: change, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.askAllow(w, r, "") }},
		{Pattern: "POST /tunnels/{name}/allow", Needs: change, Handle: d.allow},
		{Pattern: "GET /tunnels/{name}/invite", Needs: change, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.askInvite(w, r, "") }},
		{Pattern: "POST /tunnels/{name}/invite", Needs: change, Handle: d.invite},
		{Pattern: "GET /tunnels/{name}/export", Needs: change, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.askExport(w, r, "") }},
		{Pattern: "POST /tunnels/{name}/export", Needs: change, Handle: d.export},
		{Pattern: "POST /tunnels/{name}/rotate", Needs: change, Handle: d.rotate},
		{Pattern: "GET /tunnels/{name}/remove", Needs: change, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.askRemove(w, r, "") }},
		{Pattern: "POST /tunnels/{name}/remove", Needs: change, Handle: d.remove},
	}...)
}

func clock(r *http.Request) time.Time { return web.Now(r).Local() }

func who(r *http.Request) string { return web.Who(r).Account }

func mayChange(r *http.Request) bool { return !web.Scope(r, authz.TunnelsChange).Empty() }

func crumbs(more ...kit.Crumb) []kit.Crumb {
	return append([]kit.Crumb{{Name: "Tunnels", Href: home}}, more...)
}

func at(name string) string { return home + "/" + name }

// ofOne leads back to a tunnel.
func ofOne(name, here string) []kit.Crumb {
	return crumbs(kit.Crumb{Name: name, Href: at(name)}, kit.Crumb{Name: here})
}

// said tells open pages.
func said(r *http.Request) { web.Say(r, "tunnels", "today") }

// lines are what stands in a text field, one a line.
func lines(text string) []string {
	out := []string{}
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}
