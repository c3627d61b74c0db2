package pebble

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/e2e/npm"
	"github.com/labwarden/labwarden/internal/platform/pki"
)

// Options say how the server looks at those who ask it.
type Options struct {
	// HTTPPort and TLSPort are where it looks for answers to challenges.
	HTTPPort, TLSPort int
	// Life is how long its certificates live [90 days].
	Life time.Duration
}

// Server is a running one.
type Server struct {
	// Directory is its address, CAFile a PEM file and CA the pool that vouches for it.
	Directory, CAFile string
	CA                *x509.CertPool
	// Issued vouches for what it issues.
	Issued *x509.CertPool
	// Log is what it wrote.
	Log    *os.File
	client *http.Client
}

// Start starts one; without the means to build it the test is skipped loudly, and
// fails when CI is set.
func Start(t *testing.T, o Options) *Server {
	t.Helper()
	if o.Life == 0 {
		o.Life = 90 * 24 * time.Hour
	}
	bin, dir := build(t), t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a, err := pki.New(pki.Options{Name: "Pebble", Now: time.Now(), Life: time.Hour, Rand: rand.Reader})
	must(err)
	must(a.Write(dir, "localhost"))
	listen, manage, names, challenges := free(t), free(t), free(t), free(t)
	conf, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": manage, "httpPort": o.HTTPPort, "tlsPort": o.TLSPort, "keyAlgorithm": "ecdsa",
		"certificate": filepath.Join(dir, "localhost.pem"), "privateKey": filepath.Join(dir, "localhost.key"),
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "of the test", "validityPeriod": int(o.Life / time.Second)}},
	}})
	must(err)
	file := filepath.Join(dir, "pebble.json")
	must(os.WriteFile(file, conf, 0o600))
	s := &Server{Directory: "https://" + listen + "/dir", CAFile: filepath.Join(dir, "ca.pem"), CA: x509.NewCertPool(), Issued: x509.NewCertPool()}
	s.CA.AppendCertsFromPEM(a.RootPEM())
	s.Log, err = os.Create(filepath.Join(dir, "log"))
	must(err)
	t.Cleanup(func() { _ = s.Log.Close() })
	s.run(t, filepath.Join(bin, "pebble-challtestsrv"), "-dnsserver", names, "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-management", challenges, "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "")
	s.run(t, filepath.Join(bin, "pebble"), "-strict", "-config", file, "-dnsserver", names)
	s.client = &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.CA, MinVersion: tls.VersionTLS12}}, Timeout: 5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		root, err := s.get("https://" + manage + "/roots/0")
		if err == nil && s.Issued.AppendCertsFromPEM(root) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatal("pebble did not start: ", err, s.Said())
		}
		<-time.After(20 * time.Millisecond)
	}
}

// Said is what it has written to its log.
func (s *Server) Said() string {
	b, err := os.ReadFile(s.Log.Name())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (s *Server) get(url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("ask pebble: %w", err)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask pebble: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	return io.ReadAll(io.LimitReader(res.Body, 1<<20))
}

// run starts a program that ends with the test.
func (s *Server) run(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...) //nolint:gosec,noctx // built here; ended below
	cmd.Stdout, cmd.Stderr = s.Log, s.Log
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=5", "GODEBUG=")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// build makes the programs under .test, which later tests find there.
func build(t *testing.T) string {
	t.Helper()
	root := npm.Root(t)
	dir := filepath.Join(root, ".test", "pebble")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-modfile=tools/go.mod", "-o", dir+string(filepath.Separator), "github.com/letsencrypt/pebble/v2/cmd/pebble", "github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv") //nolint:gosec // paths of this tree
	cmd.Dir = root
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "GOFLAGS=") && !strings.HasPrefix(e, "GOFIPS140=") && !strings.HasPrefix(e, "GODEBUG=") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, "GOFLAGS=-buildvcs=false")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if out, err := cmd.CombinedOutput(); err != nil && os.Getenv("CI") != "" {
		t.Fatalf("build pebble: %v\n%s", err, out)
	} else if err != nil {
		t.Skipf("SKIPPED: Let's Encrypt's test server cannot be built here: %v\n%s", err, out)
	}
	return dir
}

// free is an address that nobody had a moment ago.
func free(t *testing.T) string {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}
