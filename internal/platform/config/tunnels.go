package config

import (
	"net/netip"
	"strings"
)

// Tunnels is where far ends of tunnels connect to this machine.
type Tunnels struct {
	Listen    Listen   `yaml:"listen" default:"0.0.0.0:7443" doc:"IP:PORT (TCP) where far ends connect: to join, to renew keys, and for tunnels of kind tls everything else. TLS 1.3 with ML-KEM only."`
	Address   Address  `yaml:"address" rule:"required" ex:"tunnels.millbrook.example:7443" doc:"HOST:PORT by which far ends reach listen from outside. It stands in each token."`
	Wireguard int      `yaml:"wireguard_port" default:"51820" rule:"min=0,max=65535" doc:"UDP port of WireGuard for all tunnels, on every address of this machine. 0 leaves it closed: then there are tunnels of kind tls only."`
	Outside   Address  `yaml:"wireguard_address" ex:"tunnels.millbrook.example:51820" doc:"HOST:PORT by which far ends reach wireguard_port from outside; the host of address and wireguard_port when absent."`
	Network   Network  `yaml:"network" default:"10.213.0.0/16" doc:"Addresses inside WireGuard tunnels. They are seen by devices that speak WireGuard themselves only: choose a network that those do not use. IPv4, /24 or larger."`
	Rotate    Duration `yaml:"rotate" default:"1d" rule:"min=1h,max=90d" doc:"How often the keys of each tunnel are renewed, on both sides, by themselves."`
	TokenLife Duration `yaml:"token_life" default:"1h" rule:"min=5m,max=7d" doc:"How long a one-time token to join is good for."`
}

func (d *decoder) checkTunnels(c *Config, taken map[Listen]string) {
	t := c.Node.Tunnels
	if t == nil || d.bad("node.tunnels") {
		return
	}
	if l := t.Listen; !strings.HasSuffix(string(l), ":0") {
		if other, twice := taken[l]; twice {
			d.add("node.tunnels.listen", "write another port", "%s has this address already", other)
		}
		taken[l] = "node.tunnels"
	}
	if p, err := netip.ParsePrefix(string(t.Network)); err == nil && (!p.Addr().Is4() || p.Bits() > 24) {
		d.add("node.tunnels.network", "write an IPv4 network, /24 or larger: 10.213.0.0/16", "%s has no room for tunnels", t.Network)
	}
}
