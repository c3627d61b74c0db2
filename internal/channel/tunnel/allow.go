package tunnel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Kind is how a tunnel is carried.
type Kind string

// The kinds of tunnels.
const (
	Wireguard Kind = "wireguard"
	TLS       Kind = "tls"
)

// Offer opens one door of the hub to a far end. Listen is where the far end's
// own machine listens for it (IP:PORT); a device that speaks WireGuard itself
// connects to the port of Listen at the hub's address in the tunnel.
type Offer struct {
	Service string `json:"service"`
	Listen  string `json:"listen"`
}

// ErrNotAllowed: the address or service is not on the tunnel's list.
var ErrNotAllowed = errors.New("not on the tunnel's list of what may pass")

// Address writes host:port in its one form: a name in lower case, an IP address
// as netip writes it, the port without zeros in front. There are no wildcards.
func Address(s string) (string, error) {
	host, port, err := net.SplitHostPort(strings.TrimSpace(s))
	if err != nil {
		return "", fmt.Errorf("%q is not HOST:PORT", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("%q has no port from 1 to 65535", s)
	}
	if host, err = machine(s, host); err != nil {
		return "", err
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10)), nil
}

// mostPorts is how many ports one line of a list may open.
const mostPorts = 1024

// Line writes a line of what the hub may reach in its one form: an Address, or the
// ports of one machine as HOST:FIRST-LAST. An FTP server takes a port of its own
// for each file (RFC 959 3.2), out of a range that its keeper knows.
func Line(s string) (string, error) {
	host, first, last, err := span(s)
	switch {
	case err != nil:
		return "", err
	case first == last:
		return Address(net.JoinHostPort(host, strconv.Itoa(first)))
	case last < first:
		return "", fmt.Errorf("%q ends before it begins", s)
	case last-first >= mostPorts:
		return "", fmt.Errorf("%q has more than %d ports", s, mostPorts)
	}
	if host, err = machine(s, host); err != nil {
		return "", err
	}
	return net.JoinHostPort(host, strconv.Itoa(first)+"-"+strconv.Itoa(last)), nil
}

// span parts a line; of an address first and last are the same.
func span(s string) (host string, first, last int, err error) {
	host, ports, err := net.SplitHostPort(strings.TrimSpace(s))
	if err != nil {
		return "", 0, 0, fmt.Errorf("%q is not HOST:PORT", s)
	}
	from, to, several := strings.Cut(ports, "-")
	if !several {
		to = from
	}
	a, err1 := strconv.ParseUint(from, 10, 16)
	b, err2 := strconv.ParseUint(to, 10, 16)
	if err1 != nil || err2 != nil || a == 0 || b == 0 {
		return "", 0, 0, fmt.Errorf("%q has no port from 1 to 65535", s)
	}
	return host, int(a), int(b), nil
}

// machine writes the host of s in its one form.
func machine(s, host string) (string, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Zone() != "" || ip.IsUnspecified() || ip.IsMulticast() {
			return "", fmt.Errorf("%q is not the address of one machine", s)
		}
		host = ip.Unmap().String()
	} else if !hostName(host) {
		return "", fmt.Errorf("%q has no name or IP address of one machine", s)
	}
	return strings.ToLower(host), nil
}

// hostName: letters, digits, - and . (RFC 1123 2.1), and not something that
// looks like a number, which resolvers read in ways of their own.
func hostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	letters := false
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			letters = true
		case r >= '0' && r <= '9' || r == '-' || r == '.':
		default:
			return false
		}
	}
	return letters && !strings.HasPrefix(strings.ToLower(s), "0x")
}

// permits says whether addr is on the list; default is no.
func permits(list []string, addr string) bool {
	a, err := Address(addr)
	if err != nil {
		return false
	}
	host, port, _, err := span(a)
	return err == nil && slices.ContainsFunc(list, func(line string) bool {
		of, first, last, err := span(line)
		return err == nil && of == host && first <= port && port <= last
	})
}

func offered(list []Offer, service string) bool {
	return slices.ContainsFunc(list, func(o Offer) bool { return o.Service == service })
}
