package app

import (
	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/domain/tunnels/tunnelsui"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/today"
)

// tunnelModule is the pages of tunnels.
func (h *Hub) tunnelModule(c *config.Config) Module {
	t := h.rooms.tunnels
	d := tunnelsui.Deps{
		Reader: t, Keeper: t, Secrets: t, FIPS: fipsMode(),
		Closed: func() string {
			switch {
			case t.running() != nil:
				return ""
			case t.trouble() != "":
				return t.trouble()
			}
			return "This node has none: add node.tunnels to its configuration file, with the address by which far ends reach it, then restart it."
		},
		Sources: func() []string {
			var out []string
			now := h.current(c)
			for _, key := range sorted(now.Sources) {
				if m := now.Sources[key].MLLP; m != nil && m.TLS != nil {
					out = append(out, key)
				}
			}
			return out
		},
		Wrong: func(err error) (string, bool) {
			kind, text := control.Classify(err)
			return text, kind == control.Invalid || kind == control.Conflict
		},
	}
	return Module{Name: "tunnels", Routes: tunnelsui.Routes(d), Today: []today.Source{d.Today()}, Menu: []MenuItem{
		{Name: "Tunnels", Href: "/tunnels", Icon: "network", Needs: authz.TunnelsSee},
	}}
}
