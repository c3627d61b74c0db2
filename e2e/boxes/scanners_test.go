package boxes

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// scan runs a scanner of others and keeps what it said in .test/scanners.
func (d *doors) scan(t *testing.T, limit time.Duration, keep, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = d.dir, append(os.Environ(), "TERM=dumb", "HOME="+d.dir)
	out, err := cmd.CombinedOutput()
	var status *exec.ExitError
	if ctx.Err() != nil || err != nil && !errors.As(err, &status) {
		t.Errorf("%s did not end as it should: %v\n%.2000s", name, err, out)
	}
	folder := filepath.Join(root, ".test", "scanners")
	d.must(os.MkdirAll(folder, 0o755))
	d.must(os.WriteFile(filepath.Join(folder, "doors-"+keep+".txt"), out, 0o644))
	return string(out)
}

// scanner says whether one is there; it is no part of what CI installs.
func scanner(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("SKIPPED A SCANNER: %s is not installed (apt-get install nmap sslscan testssl.sh)", name)
	}
}

// TestBarScannersOfTheDoors: scanners of others look at every door that a laboratory
// can open to the outside. What docs/comply/scanners.md does not explain of a door
// is a fault.
func TestBarScannersOfTheDoors(t *testing.T) {
	if !bars(t) {
		t.Skip("SKIPPED A BAR: the scanners run with LABWARDEN_BARS=whole; `make soak` runs it")
	}
	d := allDoors(t)
	port := func(at string) string { _, p, _ := net.SplitHostPort(at); return p }

	t.Run("nmap", func(t *testing.T) {
		scanner(t, "nmap")
		tls := "ssl-enum-ciphers,ssl-heartbleed,ssl-poodle,ssl-ccs-injection,ssl-dh-params,sslv2-drown"
		args := []string{"-sT", "-Pn", "-n", "--script-args", "tls.servername=" + portalHost, "--script"}
		all := d.scan(t, 5*time.Minute, "nmap", "nmap", append(args, "banner,ssh2-enum-algos,sshv1,ftp-anon,ftp-bounce,ftp-syst,ftp-libopie,"+tls,
			"-sV", "--version-light", "-p", strings.Join([]string{port(d.sftp), port(d.ftps), port(d.web), port(d.tunnels), port(d.enrol)}, ","), "127.0.0.1")...)
		for _, want := range []string{
			"SSH-2.0-Labwarden", "mlkem768x25519-sha256", "kex-strict-s-v00@openssh.com", "aes128-gcm@openssh.com", "220 Labwarden FTPS, explicit TLS only", "TLSv1.3", "least strength: A",
		} {
			if !strings.Contains(all, want) {
				t.Errorf("nmap does not say %q", want)
			}
		}
		for _, bad := range []string{
			"TLSv1.0", "TLSv1.1", "SSLv3", "VULNERABLE", "_CBC_", "warnings:", "Anonymous FTP", "bounce working", "FTP server status", "SSHv1 supported: true", "Server supports SSHv1",
			"chacha20", "-cbc", "-ctr", "sha1", "group1", "group14", "ssh-rsa", "ssh-dss", "zlib",
		} {
			if strings.Contains(all, bad) {
				t.Errorf("nmap says %q", bad)
			}
		}
	})

	t.Run("sslscan", func(t *testing.T) {
		scanner(t, "sslscan")
		for _, x := range []struct {
			keep  string
			tls12 bool
			args  []string
		}{
			{"portal", false, []string{"--sni-name=" + portalHost, d.web}},
			{"fhir", false, []string{"--sni-name=" + fhirHost, d.web}},
			{"ftps", true, []string{"--starttls-ftp", d.ftps}},
			{"enrol", true, []string{"--sni-name=hub.lab.example", d.enrol}},
		} {
			out := d.scan(t, 3*time.Minute, "sslscan-"+x.keep, "sslscan", append([]string{"--no-colour"}, x.args...)...)
			tls12 := map[bool]string{true: "TLSv1.2   enabled", false: "TLSv1.2   disabled"}[x.tls12]
			for _, want := range []string{"SSLv2     disabled", "SSLv3     disabled", "TLSv1.0   disabled", "TLSv1.1   disabled", tls12, "TLSv1.3   enabled", "Session renegotiation not supported"} {
				if !strings.Contains(out, want) {
					t.Errorf("sslscan of %s does not say %q", x.keep, want)
				}
			}
			for line := range strings.Lines(out) {
				if (strings.HasPrefix(line, "Accepted") || strings.HasPrefix(line, "Preferred")) && !strings.Contains(line, "GCM") && !strings.Contains(line, "CHACHA20") && !strings.Contains(line, "POLY1305") {
					t.Errorf("sslscan of %s: a cipher without authentication: %s", x.keep, line)
				}
			}
		}
		// Without a name of ours, and without ML-KEM at the tunnels, nobody has a
		// handshake: there is nothing to scan.
		for keep, args := range map[string][]string{"no-name": {d.web}, "tunnels": {d.tunnels}} {
			out := d.scan(t, 3*time.Minute, "sslscan-"+keep, "sslscan", append([]string{"--no-colour"}, args...)...)
			if strings.Contains(out, "   enabled") || strings.Contains(out, "Accepted") || strings.Contains(out, "Subject:") {
				t.Errorf("sslscan %s had a handshake", keep)
			}
		}
	})

	t.Run("testssl", func(t *testing.T) {
		scanner(t, "testssl")
		roots := d.authorities()
		var wait sync.WaitGroup
		defer wait.Wait()
		for door, target := range map[string][]string{
			"portal": {"https://" + portalHost + ":" + port(d.web) + "/sign-in"}, "FHIR server": {"https://" + fhirHost + ":" + port(d.web) + "/fhir/metadata"},
			"FTPS": {"--starttls", "ftp", "localhost:" + port(d.ftps)}, "certificates": {"https://hub.lab.example:" + port(d.enrol) + "/.well-known/est/cacerts"},
		} {
			wait.Go(func() {
				keep := strings.ToLower(strings.ReplaceAll(door, " ", "-"))
				report := filepath.Join(d.dir, keep+".json")
				d.scan(t, 20*time.Minute, "testssl-"+keep, "testssl", append([]string{"--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1", "--add-ca", roots, "--jsonfile", report}, target...)...)
				d.judge(t, door, report)
			})
		}
	})
}

// judge holds a report of testssl.sh against what is explained of the door.
func (d *doors) judge(t *testing.T, door, report string) {
	b, err := os.ReadFile(report)
	if err != nil {
		t.Error(err)
		return
	}
	var all []struct{ ID, Severity, Finding string }
	if err := json.Unmarshal(b, &all); err != nil {
		t.Error(door, err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "comply", "scanners.md"))
	if err != nil {
		t.Error(err)
	}
	for _, f := range all {
		if !slices.Contains([]string{"LOW", "MEDIUM", "HIGH", "CRITICAL", "WARN"}, f.Severity) {
			continue
		}
		if row := "(?m)^\\| [^|]*\\b" + regexp.QuoteMeta(door) + "\\b[^|]* \\| `" + regexp.QuoteMeta(f.ID) + "` "; !regexp.MustCompile(row).Match(page) {
			t.Errorf("testssl of %s: %s %s: %s", door, f.Severity, f.ID, f.Finding)
		}
	}
	t.Logf("%s: %d findings", door, len(all))
	if len(all) < 50 {
		t.Errorf("%s: only %d findings: it has not looked", door, len(all))
	}
}

// authorities are all that the doors' certificates chain to, in one file.
func (d *doors) authorities() string {
	d.t.Helper()
	var all []byte
	for _, name := range []string{filepath.Join("tls", "ca.pem"), portalHost + ".crt", fhirHost + ".crt"} {
		b, err := os.ReadFile(filepath.Join(d.dir, name))
		d.must(err)
		all = append(all, b...)
	}
	path := filepath.Join(d.dir, "authorities.pem")
	d.must(os.WriteFile(path, append(all, d.run("ca", "status", "--root")...), 0o600))
	return path
}
