package attacks

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// scan runs a scanner of others against the hub and keeps what it said in
// .test/scanners. It skips loudly where the scanner is not installed.
func (h *hub) scan(t *testing.T, limit time.Duration, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIPPED A SCANNER: %s is not installed (apt-get install nmap sslscan testssl.sh wapiti)", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = h.dir
	cmd.Env = append(os.Environ(), "TERM=dumb", "HOME="+h.dir)
	out, err := cmd.CombinedOutput()
	var status *exec.ExitError
	if ctx.Err() != nil || err != nil && !errors.As(err, &status) {
		t.Fatalf("%s did not end as it should: %v\n%.2000s", name, err, out)
	}
	folder := filepath.Join("..", "..", ".test", "scanners")
	must(t, os.MkdirAll(folder, 0o755))
	must(t, os.WriteFile(filepath.Join(folder, name+".txt"), out, 0o644))
	return string(out)
}

// TestBarScanners: what docs/comply/scanners.md does not explain is a fault.
func TestBarScanners(t *testing.T) {
	if bars() != "whole" {
		t.Skip("SKIPPED A BAR: the scanners run with LABWARDEN_BARS=whole; `make soak` runs it")
	}
	h := newHub(t, quietPartner, "quiet")
	dana := h.administrator()
	lena := dana.invite("lena", "Lena Hahn", "laboratory-director", "")
	h.present(message(1, hostile[0]))
	_, port, _ := strings.Cut(h.addr, ":")
	host := "localhost:" + port
	root := h.path("root.pem")
	must(t, os.WriteFile(root, []byte(h.must("access", "root")), 0o600))
	if block, _ := pem.Decode([]byte(h.must("access", "root"))); block == nil {
		t.Fatal("no root")
	}

	t.Run("nmap", func(t *testing.T) {
		out := h.scan(t, 3*time.Minute, "nmap", "-sT", "-Pn", "-n", "-p", port, "--script", "ssl-enum-ciphers,ssl-cert,ssl-heartbleed,ssl-poodle,ssl-dh-params,ssl-ccs-injection,+http-security-headers,+http-trace,+http-methods", "127.0.0.1")
		for _, want := range []string{"TLSv1.2", "TLSv1.3", "least strength: A"} {
			if !strings.Contains(out, want) {
				t.Errorf("nmap does not say %q", want)
			}
		}
		for _, bad := range []string{"TLSv1.0", "TLSv1.1", "SSLv3", "VULNERABLE", "TRACE is enabled", "_CBC_", "warnings:"} {
			if strings.Contains(out, bad) {
				t.Errorf("nmap says %q\n%s", bad, out)
			}
		}
	})
	t.Run("sslscan", func(t *testing.T) {
		out := h.scan(t, 3*time.Minute, "sslscan", "--no-colour", "--show-certificate", host)
		for _, want := range []string{"SSLv2     disabled", "SSLv3     disabled", "TLSv1.0   disabled", "TLSv1.1   disabled", "TLSv1.2   enabled", "TLSv1.3   enabled"} {
			if !strings.Contains(out, want) {
				t.Errorf("sslscan does not say %q\n%s", want, out)
			}
		}
		for _, line := range strings.Split(out, "\n") {
			if (strings.HasPrefix(line, "Accepted") || strings.HasPrefix(line, "Preferred")) && !strings.Contains(line, "GCM") && !strings.Contains(line, "CHACHA20") {
				t.Errorf("sslscan: a cipher without authentication: %s", line)
			}
			if strings.Contains(line, "vulnerable to heartbleed") && !strings.Contains(line, "not vulnerable") {
				t.Error(line)
			}
		}
	})
	t.Run("testssl", func(t *testing.T) {
		report := h.path("testssl.json")
		h.scan(t, 20*time.Minute, "testssl", "--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1", "--add-ca", root, "--jsonfile", report, "https://"+host+"/sign-in")
		b, err := os.ReadFile(report)
		must(t, err)
		var all []struct{ ID, Severity, Finding string }
		must(t, json.Unmarshal(b, &all))
		grave := 0
		for _, f := range all {
			if !slices.Contains([]string{"LOW", "MEDIUM", "HIGH", "CRITICAL", "WARN"}, f.Severity) {
				continue
			}
			if explained(f.ID) == "" {
				grave++
				t.Errorf("testssl: %s %s: %s", f.Severity, f.ID, f.Finding)
			} else {
				t.Logf("explained: %s %s: %s", f.Severity, f.ID, f.Finding)
			}
		}
		t.Logf("%d findings in all, %d unexplained", len(all), grave)
		if len(all) < 50 {
			t.Errorf("only %d findings: it has not looked", len(all))
		}
	})
	// Signed in it reads: its forms are sent as another site's, or it would sign
	// itself out (Debian's cannot leave an address out). Not signed in it sends them.
	for name, more := range map[string][]string{
		"wapiti signed in":  {"-H", "Cookie: " + cookieName + "=" + lena.cookie(cookieName), "-H", "Sec-Fetch-Site: cross-site"},
		"wapiti a stranger": {"-s", h.url + "/sign-in", "-s", h.url + "/welcome", "-H", "Sec-Fetch-Site: same-origin"},
	} {
		t.Run(name, func(t *testing.T) {
			report := h.path("wapiti.json")
			h.scan(t, 10*time.Minute, "wapiti", append([]string{
				"-u", h.url + "/", "--scope", "domain", "--flush-session", "--verify-ssl", "0", "--max-scan-time", "90", "--no-bugreport", "-A", "Chrome/130 Linux", "-v", "1",
				"-m", "xss,permanentxss,sql,exec,file,crlf,redirect,csp,http_headers,cookieflags,methods,backup", "-f", "json", "-o", report,
			}, more...)...)
			b, err := os.ReadFile(report)
			must(t, err)
			var r struct {
				Vulnerabilities, Anomalies map[string][]struct{ Method, Path, Info string }
			}
			must(t, json.Unmarshal(b, &r))
			for _, of := range []map[string][]struct{ Method, Path, Info string }{r.Vulnerabilities, r.Anomalies} {
				for kind, found := range of {
					for _, f := range found {
						if explained(f.Info) == "" {
							t.Errorf("%s: %s %s: %s", kind, f.Method, f.Path, f.Info)
						}
					}
				}
			}
		})
	}
}

// explained is where docs/comply/scanners.md speaks of a finding of testssl.sh;
// empty for one that it does not explain.
func explained(id string) string {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "comply", "scanners.md"))
	if err != nil {
		return ""
	}
	return regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(id) + "` .*$").FindString(string(b))
}
