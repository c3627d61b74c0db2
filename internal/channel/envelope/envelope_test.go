package envelope

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/labwarden/labwarden/internal/channel"
	ct "github.com/labwarden/labwarden/internal/channel/channeltest"
)

// bodies are what every format must carry unchanged.
func bodies() [][]byte {
	return [][]byte{
		nil, []byte("x"), []byte("MSH|^~\\&|LAB\rPID|1\r\n"), []byte("a\nb\r\n\x00"),
		ct.Bytes(1, 1<<20, ""), ct.Bytes(2, 65537, ""),
	}
}

// program finds a program this project did not write, or skips loudly.
func program(t *testing.T, name string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIPPED: %s is not installed; nothing but our own libraries opened what we encrypt", name)
	}
	return p
}

// run runs a program and returns its output.
func run(t *testing.T, stdin []byte, env []string, name string, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = bytes.NewReader(stdin), &out, &errs, append(os.Environ(), env...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, errs.String())
	}
	return out.Bytes()
}

func file(t *testing.T, dir, name string, b []byte) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.WriteFile(p, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func ageOrSkip(t *testing.T) {
	t.Helper()
	if fips140.Enabled() {
		t.Skip("SKIPPED: age is off in the FIPS build")
	}
}

func TestAgeIsOffUnderFIPS(t *testing.T) {
	if !fips140.Enabled() {
		t.Skip("SKIPPED: not the FIPS build")
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewAge(id.Recipient().String()); !errors.Is(err, ErrFIPS) {
		t.Errorf("a file would be encrypted: %v", err)
	}
	if _, err := ReadPublicKey([]byte(id.Recipient().String()), time.Now()); !errors.Is(err, ErrFIPS) || !errors.Is(err, ErrKey) {
		t.Errorf("a key was taken: %v", err)
	}
}

func TestAgeLibrary(t *testing.T) {
	ageOrSkip(t)
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		to string
		id age.Identity
	}{{classic.Recipient().String(), classic}, {hybrid.Recipient().String(), hybrid}} {
		e, err := NewAge(" " + c.to + "\n")
		if err != nil {
			t.Fatal(err)
		}
		if r := e.Recipients(); len(r) != 1 || r[0] != c.to || !e.NotAfter().IsZero() {
			t.Errorf("%v", r)
		}
		for _, body := range bodies() {
			sealed, err := e.Encrypt(body)
			if err != nil {
				t.Fatal(err)
			}
			if len(body) > 16 && bytes.Contains(sealed, body[:16]) {
				t.Error("not encrypted")
			}
			r, err := age.Decrypt(bytes.NewReader(sealed), c.id)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%d bytes back, %v", len(got), err)
			}
			if _, err := age.Decrypt(bytes.NewReader(sealed), other); err == nil {
				t.Error("opened with another key")
			}
		}
	}
	for _, bad := range [][]string{
		{},
		{""},
		{"hunter2"},
		{"age1"},
		{"age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t"},
		{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN"},
		{classic.String()},
		{hybrid.String()},
		{classic.Recipient().String(), hybrid.Recipient().String()},
	} {
		_, err := NewAge(bad...)
		if err == nil {
			t.Errorf("%q accepted", bad)
		} else if strings.Contains(err.Error(), "AGE-SECRET-KEY") {
			t.Errorf("secret key in the error: %v", err)
		}
	}
}

// TestAgeProgram opens with the age program: the one in the path if it is new
// enough for hybrid keys, or the pinned one from the module cache or proxy.
func TestAgeProgram(t *testing.T) {
	ageOrSkip(t)
	dir := t.TempDir()
	bin, err := exec.LookPath("age")
	if err == nil {
		if v, err := exec.CommandContext(t.Context(), bin, "--version").Output(); err != nil || !strings.HasPrefix(string(v), "v1.3") {
			bin = ""
		}
	}
	if bin == "" {
		cmd := exec.CommandContext(t.Context(), "go", "install", "filippo.io/age/cmd/age@v1.3.1")
		cmd.Dir = dir // outside the module: its go.mod stays as it is
		cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("SKIPPED: the age 1.3 program is not there and cannot be built (%v); only the age library opened what we encrypt: %s", err, out)
		}
		bin = filepath.Join(dir, "age")
	}
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for to, id := range map[string]string{
		classic.Recipient().String(): classic.String(), hybrid.Recipient().String(): hybrid.String(),
	} {
		e, err := NewAge(to)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range bodies() {
			sealed, err := e.Encrypt(body)
			if err != nil {
				t.Fatal(err)
			}
			if got := run(t, sealed, nil, bin, "-d", "-i", file(t, dir, "id", []byte(id))); !bytes.Equal(got, body) {
				t.Errorf("%d bytes back of %d", len(got), len(body))
			}
		}
	}
}

func rsaCert(t *testing.T, bits int, usage x509.KeyUsage, until time.Time) (tls.Certificate, []byte) {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return cert(t, k, usage, until)
}

func cert(t *testing.T, k crypto.Signer, usage x509.KeyUsage, until time.Time) (tls.Certificate, []byte) {
	t.Helper()
	// CMS finds a recipient by issuer and serial number (RFC 5652 6.2.1).
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "clinic"}, KeyUsage: usage,
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	kd, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k, Leaf: leaf},
		append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kd})...)
}

func TestCMSOpenSSL(t *testing.T) {
	bin := program(t, "openssl")
	dir := t.TempDir()
	// Past its date: goes on, and says so.
	until := time.Now().Add(-time.Hour).Truncate(time.Second)
	to, toPEM := rsaCert(t, 2048, x509.KeyUsageKeyEncipherment, until)
	second, secondPEM := rsaCert(t, 3072, 0, time.Now().Add(time.Hour))
	ek, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecSigner, ecPEM := cert(t, ek, x509.KeyUsageDigitalSignature, time.Now().Add(time.Hour))
	rsaSigner, rsaPEM := rsaCert(t, 2048, x509.KeyUsageDigitalSignature, time.Now().Add(time.Hour))
	keys := map[string][]byte{"to": toPEM, "second": secondPEM}
	for name, sign := range map[string]struct {
		c   *tls.Certificate
		pem []byte
	}{"unsigned": {}, "RSA": {&rsaSigner, rsaPEM}, "EC": {&ecSigner, ecPEM}} {
		t.Run(name, func(t *testing.T) {
			e, err := NewCMS([]*x509.Certificate{to.Leaf, second.Leaf}, sign.c)
			if err != nil {
				t.Fatal(err)
			}
			if !e.NotAfter().Equal(until) || len(e.Recipients()) != 2 {
				t.Errorf("until %v, recipients %v", e.NotAfter(), e.Recipients())
			}
			for _, body := range bodies() {
				sealed, err := e.Encrypt(body)
				if err != nil {
					t.Fatal(err)
				}
				for who, text := range keys {
					p := file(t, dir, who, text)
					got := run(t, sealed, nil, bin, "cms", "-decrypt", "-inform", "DER", "-inkey", p, "-recip", p, "-binary")
					if sign.c != nil {
						in := file(t, dir, "signed", got)
						got = run(t, nil, nil, bin, "cms", "-verify", "-inform", "DER", "-in", in, "-binary",
							"-CAfile", file(t, dir, "signer", sign.pem), "-purpose", "any")
					}
					if !bytes.Equal(got, body) {
						t.Errorf("%s: %d bytes back of %d", who, len(got), len(body))
					}
				}
				text := string(run(t, sealed, nil, bin, "cms", "-cmsout", "-print", "-inform", "DER", "-noout"))
				if !strings.Contains(text, "aes-256-cbc") || strings.Count(text, "rsaesOaep") != 2 {
					t.Errorf("algorithms: %.600s", text)
				}
			}
		})
	}
	for name, bad := range map[string][]*x509.Certificate{"none": nil, "EC": {ecSigner.Leaf}, "signing only": {rsaSigner.Leaf}} {
		if _, err := NewCMS(bad, nil); err == nil {
			t.Errorf("%s accepted", name)
		}
	}
}

// TestSender: the wrapper, over something that carries files.
func TestSender(t *testing.T) {
	ageOrSkip(t)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewAge(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	box := &box{}
	s, err := New(box, e)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.Send(t.Context(), channel.Message{ID: "i", Name: "r.hl7", ContentType: "x/y", Body: []byte("result")}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, m := range box.got {
		r, err := age.Decrypt(bytes.NewReader(m.Body), id)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(r); string(got) != "result" || m.Name != "r.hl7.age" || m.ContentType != "application/octet-stream" || m.ID != "i" {
			t.Errorf("%q %+v", got, m)
		}
	}
	if len(box.got) != 8 {
		t.Errorf("%d sent", len(box.got))
	}
	if err := s.Close(); err != nil || !box.closed {
		t.Error("not closed")
	}
	if _, err := New(struct{ channel.Sender }{box}, e); err == nil {
		t.Error("encrypts on a transport that carries no files")
	}
	broken, err := New(box, failing{e})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := broken.Send(t.Context(), channel.Message{Body: []byte("result")}); channel.ClassOf(err) != channel.Misconfigured || len(box.got) != 8 {
		t.Errorf("%v, %d sent", err, len(box.got))
	}
}

type failing struct{ Encrypter }

func (failing) Encrypt([]byte) ([]byte, error) { return nil, errors.New("no") }
