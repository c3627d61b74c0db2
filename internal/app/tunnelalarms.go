package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// The kinds of alarms about tunnels and VPNs.
const (
	kindTunnelDown = "tunnel.down"
	kindTunnelNone = "tunnel.missing"
	kindTunnelKeys = "tunnel.keys_old"
	kindTunnelOff  = "tunnel.not_served"
	kindVPNDown    = "vpn.down"
	kindVPNEnds    = "vpn.ends"
)

const (
	// tunnelDownFor is how long a tunnel is down before it is an alarm: a far end
	// that restarts is back sooner.
	tunnelDownFor = 2 * time.Minute
	// vpnFails in a row are an alarm; one may be a lost packet.
	vpnFails = 2
)

// tunnels: ways to partners that are down, and keys nobody has renewed.
func (l *lookout) tunnels(ctx context.Context, c *config.Config) ([]string, []alarm.Alarm, error) {
	kinds := []string{kindTunnelDown, kindTunnelNone, kindTunnelKeys, kindTunnelOff, kindVPNDown}
	var out []alarm.Alarm
	room, now := l.h.rooms.tunnels, l.h.now()
	if fault := room.trouble(); fault != "" {
		out = append(out, alarm.Alarm{
			Key: alarm.Key{Kind: kindTunnelOff}, Severity: alarm.Urgent, Sentence: fault,
			Advice: "Results for partners behind tunnels wait. The others flow.",
		})
	}
	all, err := room.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	there := map[string]bool{}
	for _, t := range all {
		there[t.Name] = true
		out = append(out, tunnelAlarms(t, now, rotateOf(c))...)
	}
	missing := func(user, name string) {
		if name != "" && !there[name] {
			out = append(out, alarm.Alarm{
				Key: alarm.Key{Kind: kindTunnelNone, About: user}, Severity: alarm.Urgent,
				Sentence: fmt.Sprintf("%s is to be reached through tunnel %s, which is not there.", user, name),
				Advice:   "Make it with labwarden tunnel add " + name + ", or take it out of the configuration.",
			})
		}
	}
	for _, key := range sorted(c.Partners) {
		missing("partner "+key, c.Partners[key].Destination.Tunnel)
	}
	for _, key := range sorted(c.Sources) {
		missing("source "+key, c.Sources[key].Tunnel)
	}
	for _, v := range l.h.rooms.vpns.tell(c) {
		if v.State == "down" && l.h.rooms.vpns.fails(v.Name) >= vpnFails {
			out = append(out, alarm.Alarm{
				Key: alarm.Key{Kind: kindVPNDown, About: v.Name}, Severity: alarm.Urgent, Owner: v.Owner,
				Sentence: fmt.Sprintf("VPN %s to %s is down since %s: %s does not answer through it.", v.Name, v.Peer, when(v.Since), v.Checked),
				Advice:   "Call whoever keeps it. Results for partners behind it wait and go by themselves when it is back.",
			})
		}
	}
	return kinds, out, nil
}

func rotateOf(c *config.Config) time.Duration {
	if c.Node.Tunnels == nil {
		return 0
	}
	return c.Node.Tunnels.Rotate.Std()
}

func tunnelAlarms(t control.Tunnel, now time.Time, rotate time.Duration) []alarm.Alarm {
	var out []alarm.Alarm
	down := (t.State == "down" || t.State == "partly") && !t.JoinedAt.IsZero() && !t.Since.IsZero() && now.Sub(t.Since) > tunnelDownFor
	if down && (len(t.Users) > 0 || !t.Standard) { // a device may be silent while nobody needs it
		a := alarm.Alarm{
			Key: alarm.Key{Kind: kindTunnelDown, About: t.Name}, Severity: alarm.Warning,
			Sentence: fmt.Sprintf("Tunnel %s does not work since %s. %s", t.Name, when(t.Since), t.Words),
			Advice:   "Look at it under Tunnels, or with labwarden tunnel show " + t.Name + ". At the far side labwarden tunnel run must run and reach the hub.",
		}
		if len(t.Users) > 0 {
			a.Severity = alarm.Urgent
			a.Sentence += " It is the way of " + strings.Join(t.Users, " and ") + "; results wait."
		}
		out = append(out, a)
	}
	if !t.Standard && rotate > 0 && !t.KeysAt.IsZero() && t.State != "waiting" && now.Sub(t.KeysAt) > 3*rotate {
		out = append(out, alarm.Alarm{
			Key: alarm.Key{Kind: kindTunnelKeys, About: t.Name}, Severity: alarm.Warning,
			Sentence: fmt.Sprintf("The keys of tunnel %s were last renewed on %s, later than they should be.", t.Name, when(t.KeysAt)),
			Advice:   "It goes on with the keys it has. The logs of the hub and of the far end say why; labwarden tunnel rotate " + t.Name + " tries at once.",
		})
	}
	return out
}
