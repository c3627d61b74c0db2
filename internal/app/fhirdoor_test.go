package app

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/e2e/npm"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/convert/hl7fhir"
	"github.com/labwarden/labwarden/internal/platform/pki"
	"github.com/labwarden/labwarden/internal/platform/posture"
)

// puller is a partner's program: its key, and where the server is.
type puller struct {
	base, keyFile, ca string
	partners          string // for the configuration
	node              string
}

// newPuller makes a key, a certificate for the FHIR server and what the
// configuration says of both.
func newPuller(t *testing.T, s *site) *puller {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	set, err := json.Marshal(map[string]any{"keys": []any{map[string]any{"kty": "EC", "crv": "P-384", "kid": "k1", "alg": "ES384", "x": b64(raw[1:49]), "y": b64(raw[49:])}}})
	if err != nil {
		t.Fatal(err)
	}
	p := &puller{keyFile: filepath.Join(s.dir, "partner.key"), ca: filepath.Join(s.dir, "ca.pem")}
	writeFile(t, p.keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	writeFile(t, filepath.Join(s.dir, "partner.jwks"), string(set))
	ca, err := pki.New(pki.Options{Name: "Test", Now: time.Now(), Life: time.Hour, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	cert, certKey, err := ca.Issue("localhost")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, p.ca, string(ca.RootPEM()))
	writeFile(t, filepath.Join(s.dir, "fhir.crt"), string(cert))
	writeFile(t, filepath.Join(s.dir, "fhir.key"), string(certKey))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	if err := ln.Close(); err != nil { // the hub opens it next
		t.Fatal(err)
	}
	p.base = "https://localhost:" + port + "/fhir"
	p.node = fmt.Sprintf("  fhir: {listen: \"127.0.0.1:%s\", public_url: \"https://localhost:%s\", tls: {certificate: %s, key: %s}}\n",
		port, port, filepath.Join(s.dir, "fhir.crt"), filepath.Join(s.dir, "fhir.key"))
	p.partners = fmt.Sprintf("  north: {name: North, destination: {fhir_pull: {client_id: north-ehr, keys: %s, requests_per_minute: 100000}}}\n", filepath.Join(s.dir, "partner.jwks"))
	return p
}

// mappable are the messages of the corpus that have a FHIR mapping, each with a
// control id of its own.
func mappable(t *testing.T) []string {
	t.Helper()
	at := os.Getenv("LABWARDEN_SHARED")
	for _, up := range []string{"../../../shared", "../../../../shared"} {
		if _, err := os.Stat(up); at == "" && err == nil {
			at = up
		}
	}
	var out []string
	files, _ := filepath.Glob("../convert/hl7fhir/testdata/*.hl7")
	if at != "" {
		err := filepath.WalkDir(filepath.Join(at, "corpus", "hl7"), func(path string, e os.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".hl7" {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\r"), "\n", "\r")
		if strings.Count(text, "MSH|") != 1 || !strings.HasPrefix(text, "MSH|") {
			continue
		}
		head, rest, _ := strings.Cut(text, "\r")
		fields := strings.Split(head, "|")
		if len(fields) < 12 {
			continue
		}
		fields[9] = fmt.Sprintf("CORPUS%d", len(out))
		for i := 14; i < min(16, len(fields)); i++ { // MSH-15, MSH-16: original mode, so that each is answered
			fields[i] = ""
		}
		text = strings.Join(fields, "|") + "\r" + rest
		m, err := hl7.Parse([]byte(text))
		if err != nil {
			continue
		}
		if _, _, err := hl7fhir.Convert(m, hl7fhir.Options{Recorded: time.Now()}); err == nil {
			out = append(out, text)
		}
	}
	return out
}

// The hub, its own TLS door, and a client and validators that we did not write:
// every result of the corpus is taken in by MLLP, pulled and judged.
func TestAFHIRClientOfOthersPulls(t *testing.T) {
	dir, node := npm.Install(t, npm.Root(t), "no FHIR client of others has pulled anything", os.Getenv("CI") != "")
	eachEngine(t, func(t *testing.T, s *site) {
		p := newPuller(t, s)
		h := s.open()
		src := strings.Replace(s.source(p.partners, "north", "carry"), "sources:\n", p.node+"sources:\n", 1)
		c := s.parse(src)
		if err := stated(t.Context(), h, c); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Begin(t.Context(), c.Node, c, []byte(src), "tester"); err != nil {
			t.Fatal(err)
		}
		addrs, _ := s.serve(h, c)
		l := dial(t, addrs["lis"])
		sent := 0
		for _, body := range mappable(t) {
			code, err := l.send(body)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(code, "AA") || strings.HasPrefix(code, "CA") {
				sent++
			}
		}
		if sent < 7 {
			t.Fatalf("%d messages of the corpus were taken", sent)
		}
		count := func(query string) (n int64) {
			if err := h.DB.QueryRow(t.Context(), query).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		eventually(t, "everything to be placed", func() bool {
			return count("SELECT count(*) FROM results_deliveries WHERE state = 0") == 0 && count("SELECT count(*) FROM results_deliveries") >= int64(sent)
		})
		placed := count("SELECT count(*) FROM results_fhir_placed")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, node, "pull.js", p.base, "north-ehr", p.keyFile, "k1")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "NODE_EXTRA_CA_CERTS="+p.ca)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("the client: %v\n%s", err, stderr.String())
		}
		var got struct {
			Counts, Exported, Judged map[string]int
			Refused, Wrong           int
			Errors                   []string
		}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, e := range got.Errors {
			t.Error(e)
		}
		current := map[string]int64{"DiagnosticReport": 2, "Observation": 3, "Patient": 1}
		for name, k := range current {
			want := count(fmt.Sprintf("SELECT count(DISTINCT rid) FROM results_fhir_rows WHERE kind = %d", k))
			if int64(got.Counts[name]) != want || int64(got.Exported[name]) != want || want == 0 {
				t.Errorf("%s: %d pulled, %d exported, %d there", name, got.Counts[name], got.Exported[name], want)
			}
		}
		if got.Refused != http.StatusBadRequest {
			t.Errorf("a parameter that is not known was answered %d", got.Refused)
		}
		if n := count("SELECT count(*) FROM results_fhir_placed WHERE picked_at IS NULL"); n != 0 {
			t.Errorf("%d of %d deliveries are not picked up", n, placed)
		}
		t.Logf("%d messages, %d placed; pulled %v; judged %v; %d faults", sent, placed, got.Counts, got.Judged, got.Wrong)
		old := &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true}
		if conn, err := tls.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(p.base, "https://"), "/fhir"), old); err == nil {
			_ = conn.Close()
			t.Error("TLS 1.2 was taken")
		}
	})
}

// What told a subscriber has a line of its own on the posture page.
func TestPostureOfNotices(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		p := newPuller(t, s)
		hook := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
		defer hook.Close()
		ca := filepath.Join(s.dir, "hook.pem")
		writeFile(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hook.Certificate().Raw})))
		p.partners = strings.Replace(p.partners, "requests_per_minute", fmt.Sprintf("notify: [{endpoint: %q, private_address: true, tls: {ca: %s}}], requests_per_minute", hook.URL+"/hooks", ca), 1)
		h := s.open()
		defer s.close(h)
		src := strings.Replace(s.source(p.partners, "north", "carry"), "sources:\n", p.node+"sources:\n", 1)
		c := s.parse(src)
		if err := stated(t.Context(), h, c); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Begin(t.Context(), c.Node, c, []byte(src), "tester"); err != nil {
			t.Fatal(err)
		}
		line := func() posture.Line {
			t.Helper()
			all, err := h.Posture(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range all {
				if l.Partner == "north" && strings.HasPrefix(l.Way, "notices") {
					return l
				}
			}
			t.Fatalf("no line: %+v", all)
			return posture.Line{}
		}
		if l := line(); l.Where != hook.URL+"/hooks" || l.State != posture.NotSeen {
			t.Errorf("before anybody was told: %+v", l)
		}
		set, err := h.fhirSettings(c)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, hook.URL+"/hooks/1", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := set.Clients["north-ehr"].Notify[0].Transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if l := line(); l.Protocol != "TLS 1.3" || l.Cipher == "" || l.PostQuantum != posture.Yes || l.SeenAt.IsZero() {
			t.Errorf("after a notice: %+v", l)
		}
	})
}
