package tunnelsui

import (
	"net/http"
	"strings"

	"github.com/labwarden/labwarden/internal/domain/tunnels"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
)

const tag = "Tunnels"

type none struct{}

// Done is the answer of an operation that only acts.
type Done struct {
	Done bool `json:"done" doc:"always true"`
}

type nameIn struct {
	Name string `path:"name" doc:"the tunnel's name"`
}

type addIn struct {
	Name     string           `json:"name" doc:"small letters, digits and -"`
	Kind     string           `json:"kind" doc:"wireguard or tls"`
	Standard bool             `json:"standard" doc:"the far side is a device that speaks WireGuard itself"`
	Allow    []string         `json:"allow" doc:"HOST:PORT or HOST:FIRST-LAST at the far side that the hub may reach"`
	Offers   []tunnels.Opened `json:"offers" doc:"sources that the far side may reach"`
	Reason   string           `json:"reason" doc:"why; never name a patient"`
}

type allowIn struct {
	Name   string           `path:"name" doc:"the tunnel's name"`
	Allow  []string         `json:"allow" doc:"HOST:PORT or HOST:FIRST-LAST at the far side that the hub may reach"`
	Offers []tunnels.Opened `json:"offers" doc:"sources that the far side may reach"`
	Reason string           `json:"reason" doc:"why; never name a patient"`
}

type reasonIn struct {
	Name   string `path:"name" doc:"the tunnel's name"`
	Reason string `json:"reason" doc:"why; never name a patient"`
}

type exportIn struct {
	Name   string `path:"name" doc:"the tunnel's name"`
	Public string `json:"public" doc:"the device's own public key; empty: one is made for it"`
}

// given is a reason that must be there.
func given(text string) (string, error) {
	if text = strings.TrimSpace(text); text == "" {
		return "", web.Invalid("reason: " + sayWhy)
	}
	return text, nil
}

func (d Deps) ops() []web.Route {
	see, change := authz.TunnelsSee, authz.TunnelsChange
	const of = "/api/v1/tunnels/{name}"
	return []web.Route{
		web.Op[none, []tunnels.Seen]{Pattern: "GET /api/v1/tunnels", Needs: see, Tag: tag, Summary: "All tunnels and how they are", Do: func(r *http.Request, _ none) ([]tunnels.Seen, error) {
			return d.Reader.List(r.Context())
		}}.Route(),
		web.Op[none, []tunnels.VPN]{Pattern: "GET /api/v1/vpns", Needs: see, Tag: tag, Summary: "The VPNs that partners keep, as seen from here", Do: func(*http.Request, none) ([]tunnels.VPN, error) {
			return append([]tunnels.VPN{}, d.Reader.VPNs()...), nil
		}}.Route(),
		web.Op[nameIn, tunnels.Seen]{Pattern: "GET " + of, Needs: see, Tag: tag, Summary: "One tunnel and how it is", Do: func(r *http.Request, in nameIn) (tunnels.Seen, error) {
			return d.Reader.Show(r.Context(), in.Name)
		}}.Route(),
		web.Op[addIn, tunnels.Invitation]{Pattern: "POST /api/v1/tunnels", Needs: change, Tag: tag, Summary: "Add a tunnel", Detail: "The token in the answer is never given out again.", Do: func(r *http.Request, in addIn) (tunnels.Invitation, error) {
			defer said(r)
			return d.Keeper.Add(r.Context(), tunnels.Ask{Name: in.Name, Kind: in.Kind, Standard: in.Standard, Allowed: tunnels.Allowed{Allow: in.Allow, Offers: in.Offers}, Reason: strings.TrimSpace(in.Reason)}, who(r))
		}}.Route(),
		web.Op[allowIn, tunnels.Seen]{Pattern: "POST " + of + "/allow", Needs: change, Tag: tag, Summary: "Replace what may pass", Do: func(r *http.Request, in allowIn) (tunnels.Seen, error) {
			reason, err := given(in.Reason)
			if err != nil {
				return tunnels.Seen{}, err
			}
			defer said(r)
			return d.Keeper.Allow(r.Context(), in.Name, tunnels.Allowed{Allow: in.Allow, Offers: in.Offers}, who(r), reason)
		}}.Route(),
		web.Op[reasonIn, tunnels.Invitation]{
			Pattern: "POST " + of + "/invite", Needs: change, Tag: tag, Summary: "Make another token; the far end that joined before is cut", Detail: "The token in the answer is never given out again.",
			Do: func(r *http.Request, in reasonIn) (tunnels.Invitation, error) {
				reason, err := given(in.Reason)
				if err != nil {
					return tunnels.Invitation{}, err
				}
				defer said(r)
				return d.Secrets.Invite(r.Context(), in.Name, who(r), reason)
			},
		}.Route(),
		web.Op[nameIn, Done]{Pattern: "POST " + of + "/rotate", Needs: change, Tag: tag, Summary: "Renew the keys on both sides now", Do: func(r *http.Request, in nameIn) (Done, error) {
			defer said(r)
			return Done{true}, d.Keeper.Rotate(r.Context(), in.Name, who(r))
		}}.Route(),
		web.Op[exportIn, tunnels.File]{
			Pattern: "POST " + of + "/export", Needs: change, Tag: tag, Summary: "Make a device's WireGuard configuration, with new keys", Detail: "The configuration made before stops working; this one is never given out again.",
			Do: func(r *http.Request, in exportIn) (tunnels.File, error) {
				defer said(r)
				return d.Secrets.Export(r.Context(), in.Name, in.Public, who(r))
			},
		}.Route(),
		web.Op[reasonIn, Done]{Pattern: "POST " + of + "/remove", Needs: change, Tag: tag, Summary: "Cut a tunnel and forget its keys", Do: func(r *http.Request, in reasonIn) (Done, error) {
			reason, err := given(in.Reason)
			if err != nil {
				return Done{}, err
			}
			defer said(r)
			return Done{true}, d.Keeper.Remove(r.Context(), in.Name, who(r), reason)
		}}.Route(),
	}
}
