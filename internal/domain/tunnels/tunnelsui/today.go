package tunnelsui

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Today tells of tunnels that wait for somebody and of VPNs of which nothing is
// known. What is down, and agreements that end, are alarms.
func (d Deps) Today() today.Source {
	return today.Source{Name: "tunnels", Needs: authz.TunnelsSee, Look: func(ctx context.Context, _ *authz.Subject, now time.Time) ([]today.Item, error) {
		all, err := d.Reader.List(ctx)
		if err != nil {
			return nil, fmt.Errorf("look at tunnels: %w", err)
		}
		var out []today.Item
		for i := range all {
			t := &all[i]
			x := today.Item{State: kit.Warn, Rank: today.RankLater, Needs: authz.TunnelsSee, Action: kit.Action{Text: "Look at it", Href: at(t.Name)}}
			switch {
			case over(t, now):
				x.Since, x.Title, x.Text = t.InvitedUntil, "Nobody has joined tunnel "+t.Name, "Its token has ended unused. Make another, or remove the tunnel. "+used(t)
			case len(t.Missing) > 0:
				x.Title = "Not all of tunnel " + t.Name + " passes"
				x.Text = kit.Many(len(t.Missing), "line of its list waits for a yes at the far side:", "lines of its list wait for a yes at the far side:") + " labwarden tunnel confirm, there. Until then it is refused there."
			default:
				continue
			}
			out = append(out, x)
		}
		for _, v := range d.Reader.VPNs() {
			if v.State == "up" || v.State == "down" || v.At.IsZero() {
				continue
			}
			out = append(out, today.Item{
				State: kit.Unknown, Rank: today.RankUnknown, Since: v.At, Needs: authz.TunnelsSee, Title: "Nothing is known of VPN " + v.Name,
				Text: kit.Here(v.Words, now) + " Whether results get through it, their deliveries say.", Action: kit.Action{Text: "See VPNs", Href: home + "#vpns"},
			})
		}
		return out, nil
	}}
}
