package config

import (
	"math"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// scalar is a setting that reads itself from its text. refused and fix are
// empty when it could; neither repeats a secret.
type scalar interface {
	read(text string) (refused, fix string)
	// kind says in words what to write.
	kind() string
	String() string
}

// Duration is a length of time. A day is 24 hours, a week 7 days and a year
// 366 days, so that nothing kept for years is ever deleted a day early.
type Duration time.Duration

// The longer units of Duration.
const (
	Day  = Duration(24 * time.Hour)
	Week = 7 * Day
	Year = 366 * Day
)

var durationUnits = []struct {
	name string
	d    Duration
}{
	{"y", Year},
	{"w", Week},
	{"d", Day},
	{"h", Duration(time.Hour)},
	{"m", Duration(time.Minute)},
	{"s", Duration(time.Second)},
	{"ms", Duration(time.Millisecond)},
}

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes d with the largest unit that divides it: "3d", "90m".
func (d Duration) String() string {
	if d <= 0 {
		return "0s"
	}
	for _, u := range durationUnits {
		if d%u.d == 0 {
			return strconv.FormatInt(int64(d/u.d), 10) + u.name
		}
	}
	return time.Duration(d).String()
}

var durationPart = regexp.MustCompile(`^([0-9]{1,9})(ms|[smhdwy])`)

func (d *Duration) read(text string) (string, string) {
	const fix = "write a number and a unit: 30s, 10m, 72h, 7d, 2w or 10y"
	rest, sum := strings.TrimSpace(text), 0.0
	if rest == "" {
		return "empty, where a length of time is needed", fix
	}
	var total Duration
	for rest != "" {
		m := durationPart.FindStringSubmatch(rest)
		if m == nil {
			return quote(text) + " is not a length of time", fix
		}
		n, _ := strconv.ParseInt(m[1], 10, 64)
		for _, u := range durationUnits {
			if u.name == m[2] {
				sum += float64(n) * float64(u.d)
				if sum >= math.MaxInt64 {
					return quote(text) + " is too long", fix
				}
				total += Duration(n) * u.d
			}
		}
		rest = rest[len(m[0]):]
	}
	*d = total
	return "", ""
}

func (*Duration) kind() string { return "length of time" }

// Size is a number of bytes.
type Size int64

var sizeUnits = []struct {
	name string
	n    Size
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String writes s with the largest unit that divides it, "32MiB".
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s >= u.n && s%u.n == 0 {
			return strconv.FormatInt(int64(s/u.n), 10) + u.name
		}
	}
	return "0B"
}

func (s *Size) read(text string) (string, string) {
	const fix = "write a whole number and a unit: 512KiB, 32MiB or 10GiB"
	t := strings.TrimSpace(text)
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(t, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
		if err != nil {
			break
		}
		if n > uint64(math.MaxInt64)/uint64(u.n) {
			return quote(text) + " is too large", fix
		}
		*s = Size(n) * u.n
		return "", ""
	}
	return quote(text) + " is not a size", fix
}

func (*Size) kind() string { return "size" }

// Date is a day, YYYY-MM-DD. It lasts until midnight UTC at its end.
type Date string

func (d Date) String() string { return string(d) }

// End returns the first moment after the day, in UTC.
func (d Date) End() time.Time {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return time.Time{}
	}
	return t.AddDate(0, 0, 1)
}

func (d *Date) read(text string) (string, string) {
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return quote(text) + " is not a date", "write year-month-day: 2027-01-31"
	}
	*d = Date(text)
	return "", ""
}

func (*Date) kind() string { return "date" }

// Secret says where a secret is kept; it never is the secret.
type Secret string

func (s Secret) String() string { return string(s) }

// Vault returns the name under which the vault keeps the secret, empty when it
// is in a file.
func (s Secret) Vault() string {
	name, _ := strings.CutPrefix(string(s), "vault:")
	return s.other(name)
}

// File returns the path of the file that holds the secret, empty when it is in
// the vault.
func (s Secret) File() string { path, _ := strings.CutPrefix(string(s), "file:"); return s.other(path) }

func (s Secret) other(rest string) string {
	if rest == string(s) {
		return ""
	}
	return rest
}

var secretName = regexp.MustCompile(`^vault:[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (s *Secret) read(text string) (string, string) {
	path, isFile := strings.CutPrefix(text, "file:")
	if !secretName.MatchString(text) && (!isFile || strings.TrimSpace(path) == "") {
		return "a secret must not stand in the configuration",
			"put it into the vault and write vault:NAME, or into a file only Labwarden can read and write file:PATH"
	}
	*s = Secret(text)
	return "", ""
}

func (*Secret) kind() string { return "secret reference" }

// Listen is an address we listen on, IP:PORT. A port alone listens on
// 127.0.0.1: loopback is the default everywhere.
type Listen string

func (l Listen) String() string { return string(l) }

// Loopback says whether only this machine can reach the address.
func (l Listen) Loopback() bool {
	ap, err := netip.ParseAddrPort(string(l))
	return err == nil && ap.Addr().IsLoopback()
}

func (l *Listen) read(text string) (string, string) {
	const fix = "write 127.0.0.1:PORT, or the address of one network interface and a port"
	if p, err := strconv.ParseUint(strings.TrimPrefix(text, ":"), 10, 16); err == nil {
		*l = Listen(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(p)).String())
		return "", ""
	}
	if port, ok := strings.CutPrefix(text, "localhost:"); ok {
		text = "127.0.0.1:" + port
	}
	ap, err := netip.ParseAddrPort(text)
	if err != nil {
		return quote(text) + " is not an address to listen on", fix
	}
	*l = Listen(ap.String())
	return "", ""
}

func (*Listen) kind() string { return "listen address" }

// Address is where we connect to, HOST:PORT.
type Address string

func (a Address) String() string { return string(a) }

// Loopback says whether the address is on this machine.
func (a Address) Loopback() bool {
	host, _, err := net.SplitHostPort(string(a))
	return err == nil && loopbackHost(host)
}

func loopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

var hostName = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.?$`)

func (a *Address) read(text string) (string, string) {
	const fix = "write HOST:PORT, for example hl7.riverside.example:2576"
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return quote(text) + " is not an address", fix
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return quote(port) + " is not a port from 1 to 65535", fix
	}
	if _, err := netip.ParseAddr(host); err != nil && (len(host) > 253 || !hostName.MatchString(host)) {
		return quote(host) + " is not a host name or address", fix
	}
	*a = Address(text)
	return "", ""
}

func (*Address) kind() string { return "address" }

// Network is an IP network, 192.0.2.0/24; a single address is a network of one.
type Network string

func (n Network) String() string { return string(n) }

// Prefix returns n parsed; the zero Prefix when n was not read by Parse.
func (n Network) Prefix() netip.Prefix {
	p, _ := netip.ParsePrefix(string(n))
	return p
}

func (n *Network) read(text string) (string, string) {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		*n = Network(netip.PrefixFrom(ip, ip.BitLen()).String())
		return "", ""
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return quote(text) + " is not a network", "write an address and a prefix length: 192.0.2.0/24, or 192.0.2.7/32 for one machine"
	}
	if p != p.Masked() {
		return quote(text) + " has bits behind its prefix", "write " + p.Masked().String() + ", or /" + strconv.Itoa(p.Addr().BitLen()) + " for this one machine"
	}
	*n = Network(p.String())
	return "", ""
}

func (*Network) kind() string { return "network" }

// URL is an absolute http or https address without user or password in it.
type URL string

func (u URL) String() string { return string(u) }

// Plaintext says whether the address is http to another machine.
func (u URL) Plaintext() bool {
	p, err := url.Parse(string(u))
	return err == nil && p.Scheme == "http" && !loopbackHost(p.Hostname())
}

// TLS says whether the address is https.
func (u URL) TLS() bool { return strings.HasPrefix(string(u), "https:") }

func (u *URL) read(text string) (string, string) {
	const fix = "write https://HOST/PATH"
	p, err := url.Parse(text)
	if err != nil {
		return "not a URL", fix
	}
	if p.User != nil {
		return "a user or password must not stand in a URL", fix + " and give the secret as vault:NAME or file:PATH"
	}
	if p.Scheme != "https" && p.Scheme != "http" || p.Hostname() == "" || p.Fragment != "" {
		return quote(text) + " is not a web address", fix
	}
	*u = URL(text)
	return "", ""
}

func (*URL) kind() string { return "web address" }

// Path is a file or folder; a relative one counts from the folder of the
// configuration file.
type Path string

func (p Path) String() string { return string(p) }

func (p *Path) read(text string) (string, string) {
	if strings.Contains(text, "-----BEGIN") {
		return "the text of a key or certificate stands where a path is needed", "save it as a file and write its path"
	}
	if strings.TrimSpace(text) == "" || strings.ContainsAny(text, "\x00\n\r") {
		return quote(text) + " is not a path", "write a path like ./tls/hub.crt"
	}
	*p = Path(text)
	return "", ""
}

func (*Path) kind() string { return "path" }

// Fingerprint is the SHA-256 of a certificate in lower-case hex.
type Fingerprint string

func (f Fingerprint) String() string { return string(f) }

var hex64 = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (f *Fingerprint) read(text string) (string, string) {
	t := strings.ToLower(strings.ReplaceAll(text, ":", ""))
	t = strings.TrimPrefix(t, "sha256")
	if !hex64.MatchString(t) {
		return quote(text) + " is not a certificate fingerprint",
			"write the 64 hex digits that openssl x509 -noout -fingerprint -sha256 -in FILE shows"
	}
	*f = Fingerprint(t)
	return "", ""
}

func (*Fingerprint) kind() string { return "fingerprint" }
