package control

import (
	"context"
	"net/http"
	"net/url"

	"github.com/labwarden/labwarden/internal/domain/tunnels"
)

// Tunnels are the laboratory's tunnels.
type Tunnels interface {
	List(ctx context.Context) ([]Tunnel, error)
	Show(ctx context.Context, name string) (Tunnel, error)
	// VPNs are those that partners keep, as seen from here.
	VPNs() []VPN
	Add(ctx context.Context, n NewTunnel, who string) (Invitation, error)
	Invite(ctx context.Context, name, who, reason string) (Invitation, error)
	Allow(ctx context.Context, name string, l TunnelList, who, reason string) (Tunnel, error)
	Rotate(ctx context.Context, name, who string) error
	Export(ctx context.Context, name, public, who string) (TunnelFile, error)
	Remove(ctx context.Context, name, who, reason string) error
}

// What is told of tunnels, and what is asked for, is package tunnels'.
type (
	// Tunnel is one tunnel and how it is now.
	Tunnel = tunnels.Seen
	// TunnelOffer opens a source's door to the far end.
	TunnelOffer = tunnels.Opened
	// TunnelList is what may pass.
	TunnelList = tunnels.Allowed
	// NewTunnel is a tunnel to be added.
	NewTunnel = tunnels.Ask
	// Invitation lets one far end join, once.
	Invitation = tunnels.Invitation
	// TunnelFile is a standard WireGuard configuration: a secret.
	TunnelFile = tunnels.File
	// VPN is a partner's IPsec VPN as it was seen from here.
	VPN = tunnels.VPN
)

// ExportTunnel asks for a device's configuration; Public is the device's own key
// where it made one.
type ExportTunnel struct {
	Public string `json:"public,omitempty"`
}

// ChangeTunnel is an act on a tunnel, with the list for an act that changes it.
type ChangeTunnel struct {
	TunnelList
	Reason string `json:"reason,omitempty"`
}

// TunnelsAnswer is the list.
type TunnelsAnswer struct {
	Tunnels []Tunnel `json:"tunnels"`
	VPNs    []VPN    `json:"vpns"`
}

func (s *Server) tunnelRoutes(all map[string]route) map[string]route {
	if s.Tunnels == nil {
		return all
	}
	change := func(do func(r *http.Request, q ChangeTunnel, name, who string) (any, error)) route {
		return func(r *http.Request) (any, error) {
			var q ChangeTunnel
			if err := read(r, &q); err != nil {
				return nil, err
			}
			return do(r, q, r.PathValue("name"), by(r, "").Who)
		}
	}
	all["GET /v1/tunnels"] = func(r *http.Request) (any, error) {
		list, err := s.Tunnels.List(r.Context())
		return TunnelsAnswer{list, s.Tunnels.VPNs()}, err
	}
	all["GET /v1/tunnels/{name}"] = func(r *http.Request) (any, error) { return s.Tunnels.Show(r.Context(), r.PathValue("name")) }
	all["POST /v1/tunnels"] = func(r *http.Request) (any, error) {
		var q NewTunnel
		if err := read(r, &q); err != nil {
			return nil, err
		}
		return s.Tunnels.Add(r.Context(), q, by(r, "").Who)
	}
	all["POST /v1/tunnels/{name}/export"] = func(r *http.Request) (any, error) {
		var q ExportTunnel
		if err := read(r, &q); err != nil {
			return nil, err
		}
		return s.Tunnels.Export(r.Context(), r.PathValue("name"), q.Public, by(r, "").Who)
	}
	all["POST /v1/tunnels/{name}/invite"] = change(func(r *http.Request, q ChangeTunnel, name, who string) (any, error) {
		return s.Tunnels.Invite(r.Context(), name, who, q.Reason)
	})
	all["POST /v1/tunnels/{name}/allow"] = change(func(r *http.Request, q ChangeTunnel, name, who string) (any, error) {
		return s.Tunnels.Allow(r.Context(), name, q.TunnelList, who, q.Reason)
	})
	all["POST /v1/tunnels/{name}/rotate"] = change(func(r *http.Request, _ ChangeTunnel, name, who string) (any, error) {
		return struct{}{}, s.Tunnels.Rotate(r.Context(), name, who)
	})
	all["POST /v1/tunnels/{name}/remove"] = change(func(r *http.Request, q ChangeTunnel, name, who string) (any, error) {
		return struct{}{}, s.Tunnels.Remove(r.Context(), name, who, q.Reason)
	})
	return all
}

func tunnelPath(name, act string) string { return "/v1/tunnels/" + url.PathEscape(name) + "/" + act }

// Tunnels lists them.
func (c *Client) Tunnels(ctx context.Context) (TunnelsAnswer, error) {
	return ask[TunnelsAnswer](ctx, c, "/v1/tunnels", nil)
}

// Tunnel shows one.
func (c *Client) Tunnel(ctx context.Context, name string) (Tunnel, error) {
	return ask[Tunnel](ctx, c, "/v1/tunnels/"+url.PathEscape(name), nil)
}

// AddTunnel adds one.
func (c *Client) AddTunnel(ctx context.Context, n NewTunnel) (Invitation, error) {
	return ask[Invitation](ctx, c, "/v1/tunnels", n)
}

// InviteTunnel makes another token.
func (c *Client) InviteTunnel(ctx context.Context, name, reason string) (Invitation, error) {
	return ask[Invitation](ctx, c, tunnelPath(name, "invite"), ChangeTunnel{Reason: reason})
}

// AllowTunnel replaces what may pass.
func (c *Client) AllowTunnel(ctx context.Context, name string, l TunnelList, reason string) (Tunnel, error) {
	return ask[Tunnel](ctx, c, tunnelPath(name, "allow"), ChangeTunnel{TunnelList: l, Reason: reason})
}

// RotateTunnel renews the keys now.
func (c *Client) RotateTunnel(ctx context.Context, name string) error {
	_, err := ask[struct{}](ctx, c, tunnelPath(name, "rotate"), ChangeTunnel{})
	return err
}

// ExportTunnel makes the configuration of a device.
func (c *Client) ExportTunnel(ctx context.Context, name, public string) (TunnelFile, error) {
	return ask[TunnelFile](ctx, c, tunnelPath(name, "export"), ExportTunnel{public})
}

// RemoveTunnel cuts and forgets one.
func (c *Client) RemoveTunnel(ctx context.Context, name, reason string) error {
	_, err := ask[struct{}](ctx, c, tunnelPath(name, "remove"), ChangeTunnel{Reason: reason})
	return err
}
