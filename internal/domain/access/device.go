package access

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/web"
)

// Device says where a sign-in comes from, for people to recognise.
type Device struct {
	// Name is made from the User-Agent: "Firefox on Windows". It has no version, so
	// an update is no new device.
	Name string
	// Network is the address.
	Network string
}

// DeviceOf reads it from a request. Nothing hangs on it but a hint: whoever steals
// a cookie can send any User-Agent.
func DeviceOf(r *http.Request) Device {
	d := Device{Name: deviceName(r.UserAgent())}
	if a := web.From(r); a.IsValid() {
		d.Network = a.String()
	}
	return d
}

func deviceName(agent string) string {
	find := func(otherwise string, words ...string) string {
		for i := 0; i+1 < len(words); i += 2 {
			if strings.Contains(agent, words[i]) {
				return words[i+1]
			}
		}
		return otherwise
	}
	program := find("Another program", "Edg/", "Edge", "EdgA/", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "FxiOS/", "Firefox", "CriOS/", "Chrome",
		"Chromium/", "Chromium", "Chrome/", "Chrome", "Safari/", "Safari", "curl/", "curl", "labwarden/", "Labwarden")
	system := find("", "Android", "Android", "iPhone", "iPhone", "iPad", "iPad", "CrOS", "ChromeOS", "Windows", "Windows", "Mac OS X", "macOS", "Linux", "Linux")
	if system == "" {
		return program
	}
	return program + " on " + system
}

// networkOf is the network of an address; what is none is its own.
func networkOf(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return address
	}
	return p.String()
}

// sameNetwork: an address moves within its network without being a new place:
// 24 bits of IPv4, 48 of IPv6.
func sameNetwork(a, b string) bool { return networkOf(a) == networkOf(b) }
