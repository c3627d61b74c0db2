package app

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
)

// frontProcess runs the real front at the socket, as a process of its own.
func frontProcess(t *testing.T, socket string) {
	t.Helper()
	bin := filepath.Join("..", "..", ".test", "front", "labwarden")
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/labwarden/labwarden/cmd/labwarden").CombinedOutput(); err != nil {
		t.Fatalf("build labwarden: %v\n%s", err, out)
	}
	cmd := exec.Command(bin, "front", "--socket", socket)
	cmd.Env, cmd.SysProcAttr = []string{}, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // an error means that it is gone
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the front said:\n%s", said.String())
		}
	})
}

// rsaPair writes a self-signed certificate with an RSA key: TLS 1.3 signs with
// RSASSA-PSS then.
func rsaPair(t *testing.T, dir, host string) (cert, key string) {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, host+".crt"), filepath.Join(dir, host+".key")
	writeFile(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	writeFile(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk})))
	return cert, key
}

// TestPortalAndFHIRThroughTheFront: neither has an address of its own; the front, a
// process without keys, leads to both by their hosts. A person of a practice signs in
// for the first time there, and a program fetches a token and searches.
func TestPortalAndFHIRThroughTheFront(t *testing.T) {
	s := newSite(t, "")
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	p := newPuller(t, s)
	at := portalPort(t)
	_, port, _ := net.SplitHostPort(at)
	cert, key := rsaPair(t, s.dir, "fhir.lab.example")
	sock := filepath.Join(s.dir, "f", "s")
	node := fmt.Sprintf("  portal: {public_url: \"https://results.lab.example:%s\"}\n  fhir: {public_url: \"https://fhir.lab.example:%s\", tls: {certificate: %s, key: %s}}\n  front: {socket: %s, web: {listen: \"%s\"}}\n", port, port, cert, key, sock, at)
	src := strings.Replace(s.source(p.partners+"  p: {name: Practice One, destination: {portal: {}}}\n", "p", "carry"), "sources:\n", node+"sources:\n", 1) + "portal: {phone: \"+1 555 0142\"}\n"
	c := s.parse(src)
	if c.Node.Portal.Listen != "" || c.Node.FHIR.Listen != "" {
		t.Fatal(c.Node.Portal.Listen, c.Node.FHIR.Listen, "are addresses of their own")
	}
	h := s.open()
	must(stated(ctx, h, c))
	_, err := h.Begin(ctx, c.Node, c, []byte(src), "tester")
	must(err)
	s.serve(h, c)
	frontProcess(t, sock)
	eventually(t, "the front's web door", func() bool {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})

	// curl, which we did not write, over HTTP/2 and 1.1.
	curl := func(args ...string) (code, proto, body string) {
		t.Helper()
		to := []string{"-sS", "-m", "20", "--curves", "P-256", "--cacert", cert, "-w", "\n%{http_code} %{http_version}"}
		for _, host := range []string{"fhir.lab.example", "results.lab.example", "other.lab.example"} {
			to = append(to, "--resolve", host+":"+port+":127.0.0.1")
		}
		out, err := exec.CommandContext(ctx, "curl", append(to, args...)...).CombinedOutput()
		i := strings.LastIndexByte(string(out), '\n')
		if err != nil || i < 0 {
			return "", "", string(out)
		}
		code, proto, _ = strings.Cut(string(out)[i+1:], " ")
		return code, proto, string(out)[:i]
	}
	base := "https://fhir.lab.example:" + port
	if code, proto, body := curl(base + "/fhir/metadata"); code != "200" || proto != "2" || !strings.Contains(body, "CapabilityStatement") {
		t.Fatal(code, proto, body)
	}
	if code, proto, _ := curl("--http1.1", base+"/fhir/metadata"); code != "200" || proto != "1.1" {
		t.Fatal(code, proto)
	}
	if code, _, body := curl("--tls-max", "1.2", base+"/fhir/metadata"); code != "" {
		t.Fatal(code, body, "TLS 1.2 was taken")
	}
	if code, _, body := curl("-k", "https://other.lab.example:"+port+"/"); code != "" {
		t.Fatal(code, body, "a host that is not ours had a handshake")
	}
	// The host of the handshake, not of another site; and no site but ours.
	if code, _, _ := curl("-H", "Host: results.lab.example:"+port, base+"/"); code != "421" {
		t.Fatal(code)
	}
	if code, _, _ := curl("-H", "Host: fhir.lab.example:1", base+"/fhir/metadata"); code != "404" {
		t.Fatal(code)
	}
	if code, _, body := curl("-k", "https://results.lab.example:"+port+"/sign-in"); code != "200" || !strings.Contains(body, "You have a letter") {
		t.Fatal(code, body)
	}

	// A program: token by a signed assertion, then a search.
	_, _, conf := curl(base + "/fhir/.well-known/smart-configuration")
	var smart struct {
		Token string `json:"token_endpoint"`
	}
	must(json.Unmarshal([]byte(conf), &smart))
	large := filepath.Join(s.dir, "large")
	writeFile(t, large, strings.Repeat("a", 1<<20+1))
	if code, _, body := curl("-H", "Transfer-Encoding: chunked", "--data-binary", "@"+large, smart.Token); !strings.HasPrefix(code, "4") {
		t.Fatal(code, body)
	}
	_, _, body := curl("-d", url.Values{"grant_type": {"client_credentials"}, "scope": {"system/*.rs"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion(t, p.keyFile, smart.Token)}}.Encode(), smart.Token)
	var got struct {
		Token string `json:"access_token"`
	}
	must(json.Unmarshal([]byte(body), &got))
	if got.Token == "" {
		t.Fatal(body)
	}
	if code, _, body := curl("-H", "Authorization: Bearer "+got.Token, base+"/fhir/DiagnosticReport"); code != "200" || !strings.Contains(body, `"searchset"`) {
		t.Fatal(code, body)
	}

	// A person: the letter, a password, an authenticator, the results; a form that
	// another site sends is refused as it is at the portal's own address.
	_, letter, err := h.rooms.portal.Invite(ctx, portal.Invitation{Partner: "p", Name: "Dana Ruiz", By: "tester"})
	must(err)
	jar, err := cookiejar.New(nil)
	must(err)
	origin := "https://results.lab.example:" + port
	b := &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "results.lab.example"}, // the portal's own authority ends with the process
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", at)
		},
	}}
	ask := func(method, path string, form url.Values, site string) (*http.Response, string) {
		t.Helper()
		var body io.Reader
		if form != nil {
			body = strings.NewReader(form.Encode())
		}
		r, err := http.NewRequestWithContext(ctx, method, origin+path, body)
		must(err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", site)
		r.Header.Set("Labwarden-Client", "203.0.113.66:1")
		r.Header.Set("Labwarden-Tls", "0301 0001")
		w, err := b.Do(r)
		must(err)
		defer w.Body.Close()
		text, err := io.ReadAll(w.Body)
		must(err)
		return w, html.UnescapeString(string(text))
	}
	post := func(path string, form url.Values) (*http.Response, string) {
		return ask(http.MethodPost, path, form, "same-origin")
	}
	if w, text := ask(http.MethodPost, "/letter", url.Values{"code": {letter.Code}}, "cross-site"); w.StatusCode != http.StatusForbidden {
		t.Fatal(w.StatusCode, text, "a form of another site was taken")
	}
	if w, text := post("/letter", url.Values{"code": {letter.Code}}); w.StatusCode != http.StatusSeeOther {
		t.Fatal(w.StatusCode, text)
	}
	w, text := post("/letter/password", url.Values{"password": {"gravel teacup orbit lantern"}})
	seed := regexp.MustCompile(`[A-Z2-7]{4}( [A-Z2-7]{4}){5,}`).FindString(text)
	token := regexp.MustCompile(`name="token" value="([^"]+)"|value="([^"]+)"[^>]*name="token"`).FindStringSubmatch(text)
	if w.StatusCode != http.StatusOK || seed == "" {
		t.Fatal(w.StatusCode, text)
	}
	action := regexp.MustCompile(`action="(/letter/[^"]+)"`).FindStringSubmatch(text)
	code, err := totp.GenerateCode(strings.ReplaceAll(seed, " ", ""), time.Now())
	must(err)
	if action == nil {
		t.Fatal(text)
	}
	form := url.Values{"code": {code}}
	if token != nil {
		form.Set("token", token[1]+token[2])
	}
	if w, text = post(action[1], form); w.StatusCode != http.StatusSeeOther {
		t.Fatal(w.StatusCode, text)
	}
	if w, text = ask(http.MethodGet, "/", nil, "none"); w.StatusCode != http.StatusOK || !strings.Contains(text, "Dana Ruiz") || w.Header.Get("Strict-Transport-Security") == "" {
		t.Fatal(w.StatusCode, text)
	}

	// What came through the front is seen with its key exchange: by Go's client for
	// the portal, by curl without ML-KEM for FHIR.
	lines, err := h.Posture(ctx)
	must(err)
	exchanges := map[string]string{}
	for _, l := range lines {
		exchanges[l.Channel+" "+l.Protocol+" "+l.Exchange] = l.PostQuantum
	}
	if exchanges["portal TLS 1.3 X25519MLKEM768"] != "yes" || exchanges["partner north TLS 1.3 CurveP256"] != "no" {
		t.Error(exchanges)
	}
}

// assertion is a client's signed word to the token endpoint (RFC 7523, ES384).
func assertion(t *testing.T, keyFile, aud string) string {
	t.Helper()
	raw, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	claims, err := json.Marshal(map[string]any{"iss": "north-ehr", "sub": "north-ehr", "aud": aud, "exp": time.Now().Add(2 * time.Minute).Unix(), "jti": b64(id)})
	if err != nil {
		t.Fatal(err)
	}
	text := b64([]byte(`{"alg":"ES384","kid":"k1","typ":"JWT"}`)) + "." + b64(claims)
	sum := sha512.Sum384([]byte(text))
	r, v, err := ecdsa.Sign(rand.Reader, k.(*ecdsa.PrivateKey), sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := append(r.FillBytes(make([]byte, 48)), v.FillBytes(make([]byte, 48))...)
	return text + "." + b64(sig)
}
