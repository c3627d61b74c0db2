package boxes

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Hosts of the front's web door.
const (
	portalHost = "results.lab.example"
	fhirHost   = "fhir.lab.example"
)

// doors are the addresses of all that a laboratory can open to the outside.
type doors struct {
	*lab
	web, tunnels, enrol string
}

// allDoors makes a laboratory that has opened all of them: boxes, portal and FHIR
// server through the front; tunnels and certificates in the hub.
func allDoors(t *testing.T) *doors {
	t.Helper()
	d := &doors{web: free(t), tunnels: free(t), enrol: free(t)}
	d.lab = newLabWith(t, func(l *lab, s string) string {
		_, port, _ := net.SplitHostPort(d.web)
		cert, key := selfSigned(t, l.dir, fhirHost)
		cert2, key2 := selfSigned(t, l.dir, portalHost)
		return strings.Replace(s, "\nsources:", fmt.Sprintf("\n    web: {listen: %q}\n  portal: {public_url: \"https://%s:%s\", tls: {certificate: %s, key: %s}}\n"+
			"  fhir: {public_url: \"https://%s:%s\", tls: {certificate: %s, key: %s}}\n  tunnels: {listen: %q, address: %q, wireguard_port: 0}\n  enrol: {listen: %q, address: %q, names: [hub.lab.example]}\nsources:",
			d.web, portalHost, port, cert2, key2, fhirHost, port, cert, key, d.tunnels, d.tunnels, d.enrol, d.enrol), 1) + "portal: {phone: \"+1 555 0142\"}\n"
	})
	l := d.lab
	l.must(os.WriteFile(filepath.Join(l.dir, "passphrase"), []byte("gravel teacup orbit lantern\n"), 0o600))
	l.run("ca", "init", "--root-out", filepath.Join(l.dir, "root.p8"), "--passphrase-file", filepath.Join(l.dir, "passphrase"))
	for _, at := range []string{d.sftp, d.ftps, d.web, d.tunnels, d.enrol} {
		l.reached(at)
	}
	return d
}

// reached waits until somebody listens there.
func (l *lab) reached(at string) {
	l.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		c, err := net.DialTimeout("tcp", at, time.Second)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			b, _ := os.ReadFile(filepath.Join(l.dir, "hub.log"))
			l.t.Fatalf("nobody listens at %s: %v\n%s", at, err, tail(b))
		}
	}
}
