package posture

import (
	"strings"
	"testing"
	"time"
)

func TestReportOfATrial(t *testing.T) {
	at := time.Date(2026, 11, 22, 17, 0, 0, 0, time.UTC)
	x := Trial{Name: "try.abc", Made: at, Ends: at.Add(time.Hour)}
	if r := x.Report("Millbrook", true); !strings.Contains(r, "No connection came yet") || !strings.Contains(r, "No result is in it") {
		t.Error(r)
	}
	for _, c := range []struct {
		t     Tried
		wants []string
		fine  bool
	}{
		{Tried{at, "SFTP", "SSH mlkem768x25519-sha256 aes128-gcm@openssh.com", "OpenSSH_10.0", "key"}, []string{"Nothing that can be seen", "mlkem768x25519-sha256", "OpenSSH_10.0", "unknown. SSH is not named"}, true},
		{Tried{at, "SFTP", "SSH curve25519-sha256 aes128-ctr", "WinSCP", "password"}, []string{"OpenSSH from 9.9", "AES-GCM first", "key rather than", "Post-quantum        no"}, false},
		{Tried{at, "FTPS", "TLS 1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 CurveP256", "", "password"}, []string{"speak TLS 1.3", "X25519MLKEM768", "yes. TLS with approved"}, false},
		{Tried{at, "portal", "TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 X25519MLKEM768", "curl/8", ""}, []string{"SP 800-52 does not approve", "no. The cipher", "For FIPS"}, false},
		{Tried{at, "portal", "TLS 1.3 TLS_AES_128_GCM_SHA256 X25519MLKEM768", "curl/8", ""}, []string{"Nothing that can be seen", "Post-quantum        yes"}, true},
	} {
		x.Tried = []Tried{c.t}
		build := c.t.Protocol != "SFTP" // the FIPS build's SSH has no ML-KEM
		r := x.Report("Millbrook", build)
		for _, l := range strings.Split(r, "\n") {
			if len(l) > reportWidth && !strings.Contains(l, "This box") {
				t.Errorf("a line of %d: %s", len(l), l)
			}
		}
		flat := strings.Join(strings.Fields(r), " ")
		for _, want := range c.wants {
			if !strings.Contains(flat, strings.Join(strings.Fields(want), " ")) {
				t.Errorf("%s lacks %q:\n%s", c.t.Secured, want, r)
			}
		}
		if fine := len(c.t.Judge(build).Change) == 0; fine != c.fine {
			t.Errorf("%s: %v", c.t.Secured, c.t.Judge(true).Change)
		}
		if c.t.Judge(false).Guidance == Yes {
			t.Error(c.t.Secured, "meets the guidance without the validated module")
		}
	}
}
