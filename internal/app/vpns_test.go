package app

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// A VPN is up only while it was tried and answered.
func TestVPNIsNeverUpWithoutATry(t *testing.T) {
	s := newSite(t, "")
	h := s.open()
	defer s.close(h)
	now := time.Date(2026, 5, 4, 6, 52, 0, 0, time.UTC)
	h.now = func() time.Time { return now }
	up := true
	room := &vpnRoom{h: h, seen: map[string]vpnSeen{}, dial: func(context.Context, string, string) (net.Conn, error) {
		if !up {
			return nil, errors.New("no route to host")
		}
		a, b := net.Pipe()
		b.Close()
		return a, nil
	}}
	c := &config.Config{VPNs: map[string]config.VPN{"hilltop": {
		Peer: "Hilltop's firewall", Check: "10.40.1.10:2576", Every: config.Duration(time.Minute), Cipher: "AES-256-GCM", ToldBy: "M. Okafor", ToldOn: "2026-03-02", Owner: "S. Lindqvist",
		Expires: "2026-05-10",
	}}}
	is := func(state, words string) {
		t.Helper()
		v := room.tell(c)[0]
		if v.State != state || !strings.Contains(v.Words, words) {
			t.Errorf("%+v, want %s, %q", v, state, words)
		}
	}
	is("not known", "Not tried yet")
	room.look(t.Context(), c)
	is("up", "was reached through it at 2026-05-04 06:52")
	if v := room.tell(c)[0]; v.Cipher != "AES-256-GCM (as told by M. Okafor on 2026-03-02)" {
		t.Errorf("%+v", v)
	}
	now = now.Add(10 * time.Minute) // the hub slept
	is("not known", "Not tried since")
	up = false
	room.look(t.Context(), c)
	is("down", "no route to host")
	if n := room.fails("hilltop"); n != 1 {
		t.Errorf("%d fails", n)
	}
	since := room.tell(c)[0].Since
	now = now.Add(time.Minute)
	room.look(t.Context(), c)
	if v := room.tell(c)[0]; !v.Since.Equal(since) || room.fails("hilltop") != 2 {
		t.Errorf("%+v", v)
	}
	// Another address: what was seen of the old one says nothing.
	x := c.VPNs["hilltop"]
	x.Check = "10.40.1.11:2576"
	c.VPNs["hilltop"] = x
	is("not known", "Not tried yet")

	// Its end stands with the other dates.
	found := false
	for _, d := range h.endings(c, now) {
		if days, due := d.Threshold(now); d.Kind == control.DateVPN && due && days == 7 && strings.Contains(d.Words(now), "vpn hilltop to Hilltop's firewall ends on 2026-05-10") {
			found = true
		}
	}
	if !found {
		t.Errorf("%+v", h.endings(c, now))
	}
}
