package boxes

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// A client that has nothing but a hybrid with ML-KEM comes in at each door that
// promises one; the tunnels take nobody without.
func TestMLKEMAlone(t *testing.T) {
	t.Parallel() // beside TestSlowClients, which waits
	d := allDoors(t)

	c, err := ssh.Dial("tcp", d.sftp, &ssh.ClientConfig{
		Config: ssh.Config{KeyExchanges: []string{"mlkem768x25519-sha256"}}, // draft-ietf-sshm-mlkem-hybrid-kex 2.3.1
		User:   "riverside", Auth: []ssh.AuthMethod{ssh.PublicKeys(d.keys["riverside"])}, HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
		HostKeyCallback: ssh.FixedHostKey(d.hostKeys[0]), Timeout: 20 * time.Second,
	})
	d.must(err)
	defer c.Close()
	f, err := sftp.NewClient(c)
	d.must(err)
	defer f.Close()
	if _, err := f.ReadDir("/results"); err != nil {
		t.Error(err)
	}

	// The tunnels want a certificate of whoever comes, and look at it later.
	cert, key := selfSigned(t, t.TempDir(), "somebody")
	own, err := tls.LoadX509KeyPair(cert, key)
	d.must(err)
	shake := func(at, host, proto string, group tls.CurveID) (tls.ConnectionState, error) {
		n := net.Dialer{Timeout: 20 * time.Second}
		c, err := tls.DialWithDialer(&n, "tcp", at, &tls.Config{
			ServerName: host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{group}, NextProtos: []string{proto},
			Certificates: []tls.Certificate{own},
		})
		if err != nil {
			return tls.ConnectionState{}, err
		}
		defer c.Close()
		return c.ConnectionState(), nil
	}
	for _, door := range []struct{ name, at, host, proto string }{
		{"portal", d.web, portalHost, "http/1.1"}, {"FHIR server", d.web, fhirHost, "http/1.1"}, {"tunnels", d.tunnels, "", "labwarden-tunnel/1"},
	} {
		if s, err := shake(door.at, door.host, door.proto, tls.X25519MLKEM768); err != nil || s.CurveID != tls.X25519MLKEM768 { // draft-ietf-tls-ecdhe-mlkem 3
			t.Errorf("%s, X25519MLKEM768 alone: %v, %v", door.name, s.CurveID, err)
		}
	}
	if s, err := shake(d.tunnels, "", "labwarden-tunnel/1", tls.X25519); err == nil {
		t.Errorf("the tunnels take a client without ML-KEM: %v", s.CurveID)
	}
}
