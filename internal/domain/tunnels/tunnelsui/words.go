package tunnelsui

import (
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/tunnels"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// state is how a tunnel stands, drawn.
func state(t *tunnels.Seen, now time.Time) (kit.State, string) {
	switch t.State {
	case "up":
		if len(t.Missing) > 0 {
			return kit.Warn, "Up, not all agreed to"
		}
		return kit.Fine, "Up"
	case "partly":
		return kit.Warn, "Half up"
	case "waiting":
		if over(t, now) {
			return kit.Warn, "Nobody has joined"
		}
		return kit.Unknown, "Waits for its far end"
	}
	switch {
	case t.Standard && len(t.Users) == 0:
		return kit.Unknown, "Silent" // a device may be, while nobody needs it
	case t.Since.IsZero():
		return kit.Unknown, "Not served here"
	}
	return kit.Stopped, "Down"
}

// over: the token has ended unused.
func over(t *tunnels.Seen, now time.Time) bool {
	return !t.Standard && t.State == "waiting" && !now.Before(t.InvitedUntil)
}

func kindWords(t *tunnels.Seen) string {
	switch {
	case t.Standard:
		return "WireGuard, a device of theirs"
	case t.Kind == "tls":
		return "mutual TLS"
	}
	return "WireGuard"
}

// lead answers for the list.
func lead(all []tunnels.Seen, vpns []tunnels.VPN, now time.Time) (lead, rest string) {
	bad, waits := 0, 0
	for i := range all {
		switch s, _ := state(&all[i], now); s {
		case kit.Stopped, kit.Warn:
			bad++
		case kit.Unknown:
			waits++
		case kit.Fine:
		}
	}
	for i := range vpns {
		if vpns[i].State == "down" {
			bad++
		}
	}
	if waits > 0 {
		rest = kit.Many(waits, "tunnel is not in use yet, or silent.", "tunnels are not in use yet, or silent.")
	}
	switch {
	case len(all)+len(vpns) == 0:
		return "There is no tunnel and no watched VPN.", "Partners are reached over the open network, each by its own encryption."
	case bad > 0:
		return kit.Many(bad, "way to a partner needs somebody.", "ways to partners need somebody."), rest
	case len(all) == 0:
		return "There is no tunnel of ours.", "The VPNs that partners keep are watched."
	case waits == len(all):
		return "No tunnel is in use yet.", ""
	}
	return kit.Many(len(all)-waits, "tunnel is up.", "tunnels are up."), rest
}

// size writes bytes as people read them.
func size(n int64) string {
	f := float64(n)
	for _, u := range []string{"B", "kB", "MB", "GB"} {
		if f < 1000 || u == "GB" {
			if u == "B" || f >= 100 {
				return fmt.Sprintf("%.0f %s", f, u)
			}
			return fmt.Sprintf("%.1f %s", f, u)
		}
		f /= 1000
	}
	return ""
}

// moves is what passes now.
func moves(t *tunnels.Seen) string {
	if t.InRate+t.OutRate == 0 {
		return "nothing now"
	}
	return size(t.InRate) + "/s in, " + size(t.OutRate) + "/s out"
}

// heard names what Seen.Handshake is.
func heard(t *tunnels.Seen) string {
	if t.Kind == "tls" {
		return "Last heard"
	}
	return "Last handshake"
}

func moment(t, now time.Time, never string) string {
	if t.IsZero() {
		return never
	}
	return kit.Second(t, now)
}

// why is the state's sentence behind its word, which stands in front of it.
func why(words string, now time.Time) string {
	for _, word := range []string{"Up: ", "Down: ", "Half up: "} {
		if rest, ok := strings.CutPrefix(words, word); ok {
			words = strings.ToUpper(rest[:1]) + rest[1:]
		}
	}
	return kit.Here(words, now)
}

// users says whose way it is.
func users(t *tunnels.Seen) string {
	if len(t.Users) == 0 {
		return "nobody"
	}
	return strings.Join(t.Users, ", ")
}

func offerLine(o tunnels.Opened) string { return o.Source + "@" + o.Listen }

// vpnState is how a partner's VPN stands, drawn.
func vpnState(v *tunnels.VPN) (kit.State, string) {
	switch v.State {
	case "up":
		return kit.Fine, "Up"
	case "down":
		return kit.Stopped, "Down"
	}
	return kit.Unknown, "Not known"
}

// ends is the end of a VPN's agreement, drawn.
func ends(v *tunnels.VPN, now time.Time) kit.Cell {
	day, err := time.ParseInLocation(time.DateOnly, v.Expires, now.Location())
	if err != nil {
		return kit.C("not told")
	}
	end := day.AddDate(0, 0, 1)
	switch left := end.Sub(now); {
	case left <= 0:
		return kit.CState(kit.Stopped, "Past", kit.Date(day, now))
	case left <= 30*24*time.Hour:
		return kit.CState(kit.Warn, "Soon", kit.Date(day, now))
	}
	return kit.C(kit.Date(day, now))
}
