package app

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/node/enrolment"
	"github.com/labwarden/labwarden/internal/platform/pki"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

var annCA = certificates.By{Who: "ann", Reason: "test"}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// ownSource is a configuration whose source and partner go by our authority.
func (s *site) ownSource(enrol, partner string) string {
	src := s.source(fmt.Sprintf("  p: {name: P, destination: {mllp: {address: %q, tls: {own_ca: true, server_name: clinic.example}}}}\n", partner), "p", "carry")
	src = strings.Replace(src, `mllp: {listen: "127.0.0.1:0"}`, `mllp: {listen: "127.0.0.1:0", tls: {own_ca: true}}`, 1)
	return strings.Replace(src, "sources:\n", fmt.Sprintf("  enrol: {listen: %q, address: %q, names: [hub.example]}\nsources:\n", enrol, enrol), 1)
}

// initCA is `labwarden ca init`.
func initCA(t *testing.T, h *Hub) {
	t.Helper()
	ctx := t.Context()
	csr, err := h.rooms.certificates.Request(ctx, annCA)
	if err != nil {
		t.Fatal(err)
	}
	root, err := pki.NewRoot(pki.RootOptions{Lab: "Test", Now: time.Now(), Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	der, err := root.SignIntermediate(csr, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := pki.Certificates(pki.PEM(der, root.Cert.Raw))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.rooms.certificates.Install(ctx, chain, false, annCA); err != nil {
		t.Fatal(err)
	}
	h.certificatesChanged(ctx)
}

func enrolToken(t *testing.T, h *Hub, kind pki.Kind, name string, names ...string) string {
	t.Helper()
	text, _, err := h.rooms.certificates.Token(t.Context(), certificates.Ask{Identity: pki.Identity{Kind: kind, Name: name}, Names: names, Address: h.enrolAddress()}, annCA)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// enrolled is a folder with a certificate.
func enrolled(t *testing.T, h *Hub, kind pki.Kind, name string, names ...string) *enrolment.Client {
	t.Helper()
	c := &enrolment.Client{Dir: filepath.Join(t.TempDir(), "cert"), Now: time.Now}
	if _, err := c.Enrol(t.Context(), enrolToken(t, h, kind, name, names...)); err != nil {
		t.Fatal(err)
	}
	return c
}

// dialOwn connects with the folder's certificate to one of the hub's doors.
func dialOwn(t *testing.T, c *enrolment.Client, addr string) (*lis, error) {
	t.Helper()
	pair, err := c.Identity()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(c.Dir, enrolment.RootFile))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b)
	conn, err := tls.Dial("tcp", addr, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*pair}, RootCAs: pool, ServerName: "hub.example"})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	return &lis{conn, bufio.NewReader(conn)}, nil
}

// letIn says whether the hub takes a message from the folder's owner; in TLS 1.3
// a client learns of a refusal with its first read.
func letIn(t *testing.T, c *enrolment.Client, addr, id string) bool {
	t.Helper()
	l, err := dialOwn(t, c, addr)
	if err != nil {
		return false
	}
	defer l.Close()
	code, err := l.send(result(id))
	return err == nil && code == "AA"
}

// clinicWith is a partner's MLLP server that shows the folder's certificate.
func clinicWith(t *testing.T, c *enrolment.Client, ln net.Listener) *practice {
	t.Helper()
	pair, err := c.Identity()
	if err != nil {
		t.Fatal(err)
	}
	p := &practice{addr: ln.Addr().String(), ln: ln}
	in := tls.NewListener(ln, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*pair}, ClientAuth: tls.RequireAnyClientCert})
	go func() {
		for {
			conn, err := in.Accept()
			if err != nil {
				return
			}
			go p.talk(conn)
		}
	}()
	return p
}

func TestOwnAuthorityFromTokenToRevocation(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		src := s.ownSource(freePort(t), ln.Addr().String())
		c := s.parse(src)
		h := s.open()
		if err := stated(t.Context(), h, c); err != nil {
			t.Fatal(err)
		}
		start, err := h.Begin(t.Context(), c.Node, c, []byte(src), "tester")
		if err != nil {
			t.Fatal(err)
		}
		at, _ := s.serve(h, start.Config)
		initCA(t, h)
		own, other := enrolled(t, h, pki.Service, "lis"), enrolled(t, h, pki.Service, "other")
		if !letIn(t, own, at["lis"], "A1") {
			t.Fatal("the source's own certificate was refused")
		}
		if letIn(t, other, at["lis"], "A2") {
			t.Fatal("somebody else's certificate was let in as this source")
		}
		// Out: a server that shows another's certificate gets nothing.
		clinic := enrolled(t, h, pki.Partner, "p", "clinic.example")
		p := clinicWith(t, clinic, ln)
		eventually(t, "the result there", func() bool { return p.has("A1") })

		// A renewed certificate works as well, with a key of its own.
		before, err := own.Identity()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := own.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after, err := own.Identity(); err != nil || bytes.Equal(after.Certificate[0], before.Certificate[0]) {
			t.Fatal("not renewed", err)
		}
		// A live connection when all of its name are revoked.
		live, err := dialOwn(t, own, at["lis"])
		if err != nil {
			t.Fatal(err)
		}
		if code, err := live.send(result("A3")); err != nil || code != "AA" {
			t.Fatal(code, err)
		}
		began := time.Now()
		if _, err := h.rooms.certificates.Revoke(t.Context(), "service lis", annCA); err != nil {
			t.Fatal(err)
		}
		if letIn(t, own, at["lis"], "A4") {
			t.Error("a revoked certificate was let in")
		}
		if err := live.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := live.r.ReadByte(); err == nil {
			t.Error("the hub sent something")
		}
		took := time.Since(began)
		t.Logf("new handshakes refused and the live connection cut within %s", took)
		if took > time.Second {
			t.Errorf("it took %s", took)
		}
		if _, err := own.Renew(t.Context()); err == nil || !strings.Contains(err.Error(), "revoked") {
			t.Errorf("a revoked certificate was renewed: %v", err)
		}
		// The partner's server too.
		if _, err := h.rooms.certificates.Revoke(t.Context(), "partner p", annCA); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the partner's connection was made anew", func() bool { return h.cuts.of("partner p") > 0 })
		third := enrolled(t, h, pki.Service, "lis")
		if !letIn(t, third, at["lis"], "A5") {
			t.Fatal("a new certificate was refused")
		}
		if p.has("A5") {
			t.Error("a result went to a partner whose certificate was revoked")
		}
		curls(t, h)
	})
}

// curls fetches, uses and is refused with programs that we did not write: openssl
// makes key and request, curl enrols by EST (RFC 7030 4.2) and renews by mutual
// TLS, openssl checks chain and list.
func curls(t *testing.T, h *Hub) {
	t.Helper()
	for _, p := range []string{"curl", "openssl"} {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(p + " is missing")
			}
			t.Log("NOT TRIED: " + p + " is missing")
			return
		}
	}
	dir := t.TempDir()
	script := `set -eu
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -subj / -outform DER -out csr.der 2>/dev/null
openssl base64 -in csr.der -out csr.b64
est="https://$HUB/.well-known/est"
curl -sS --fail-with-body --cacert root.pem "$est/cacerts" | openssl base64 -d | openssl pkcs7 -inform DER -print_certs -out cas.pem
curl -sS --fail-with-body --cacert root.pem -u "token:$SECRET" -H 'Content-Type: application/pkcs10' --data-binary @csr.b64 "$est/simpleenroll" |
  openssl base64 -d | openssl pkcs7 -inform DER -print_certs -out got.pem
openssl verify -x509_strict -CAfile root.pem -untrusted cas.pem got.pem
curl -sS --fail-with-body --cacert root.pem --cert got.pem --key key.pem -H 'Accept: application/pem-certificate-chain' --data-binary @csr.b64 "$est/simplereenroll" > again.pem
openssl verify -x509_strict -CAfile root.pem -untrusted cas.pem again.pem
if curl -sS --fail-with-body --cacert root.pem -u "token:$SECRET" --data-binary @csr.b64 "$est/simpleenroll"; then echo "THE TOKEN WORKED TWICE"; exit 1; fi
if curl -sS --fail-with-body --cacert root.pem --data-binary @csr.b64 "$est/simplereenroll"; then echo "RENEWED WITHOUT A CERTIFICATE"; exit 1; fi
curl -sS --fail-with-body --cacert root.pem "https://$HUB/ca/crl" | openssl crl -inform DER -CAfile cas.pem -text
`
	tok, err := pki.ParseToken(enrolToken(t, h, pki.Device, "analyzer-7"))
	if err != nil {
		t.Fatal(err)
	}
	chain := h.rooms.certificates.Chain()
	writeFile(t, filepath.Join(dir, "root.pem"), string(pki.PEM(chain[len(chain)-1])))
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "HUB="+h.enrolAddress(), "SECRET="+tok.Password())
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), ": OK") != 2 || !strings.Contains(string(out), "verify OK") || strings.Count(string(out), "Serial Number:") != 3 {
		t.Errorf("%v\n%s", err, out)
	}
}

// Whoever answers at the address must be the hub itself.
func TestEnrolmentBelievesTheHubOnly(t *testing.T) {
	s := newSite(t, "")
	src := s.ownSource(freePort(t), "127.0.0.1:1")
	c := s.parse(src)
	h := s.open()
	if err := stated(t.Context(), h, c); err != nil {
		t.Fatal(err)
	}
	start, err := h.Begin(t.Context(), c.Node, c, []byte(src), "tester")
	if err != nil {
		t.Fatal(err)
	}
	s.serve(h, start.Config)
	initCA(t, h)
	dir := func() string { return filepath.Join(t.TempDir(), "x") }
	tok, err := pki.ParseToken(enrolToken(t, h, pki.Device, "a"))
	if err != nil {
		t.Fatal(err)
	}
	for off, want := range map[time.Duration]string{24 * time.Hour * 31: "clock says", -24 * time.Hour: "clock is probably wrong"} {
		c := &enrolment.Client{Dir: dir(), Now: func() time.Time { return time.Now().Add(off) }}
		if _, err := c.Enrol(t.Context(), tok.String()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a clock off by %s: %v", off, err)
		}
	}
	wrong := tok
	wrong.Root[0] ^= 1
	if _, err := (&enrolment.Client{Dir: dir(), Now: time.Now}).Enrol(t.Context(), wrong.String()); err == nil || !strings.Contains(err.Error(), "in between") {
		t.Errorf("another root: %v", err)
	}
	// A device of the same laboratory that answers in the hub's place.
	device := enrolled(t, h, pki.Device, "thief", "localhost")
	pair, err := device.Identity()
	if err != nil {
		t.Fatal(err)
	}
	chain := h.rooms.certificates.Chain()
	pair.Certificate = append(pair.Certificate, chain[len(chain)-1])
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*pair}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, conn) }()
		}
	}()
	mim := tok
	mim.Address = ln.Addr().String()
	if _, err := (&enrolment.Client{Dir: dir(), Now: time.Now}).Enrol(t.Context(), mim.String()); err == nil || !strings.Contains(err.Error(), "not the hub") {
		t.Errorf("a device that answers as the hub: %v", err)
	}
	// The token is still good: nothing of it was given away.
	whole := &enrolment.Client{Dir: dir(), Now: time.Now}
	if _, err := whole.Enrol(t.Context(), tok.String()); err != nil {
		t.Fatal(err)
	}
	if _, err := whole.Enrol(t.Context(), tok.String()); err == nil {
		t.Error("a folder was enrolled twice")
	}
	again := &enrolment.Client{Dir: dir(), Now: time.Now}
	if _, err := again.Enrol(t.Context(), tok.String()); err == nil || !strings.Contains(err.Error(), "not valid") {
		t.Errorf("a token was used twice: %v", err)
	}
	// It renews itself when two thirds are over, here by a clock that a test moves.
	ahead := time.Duration(0)
	watching := &enrolment.Client{Dir: whole.Dir, Now: func() time.Time { return time.Now().Add(ahead) }}
	var said []string
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	err = watching.Watch(ctx, func(line string) { said = append(said, line); ahead = 0 }, func(context.Context, time.Duration) bool {
		if len(said) > 0 {
			return false
		}
		ahead += 21 * 24 * time.Hour
		return true
	})
	if err != nil || len(said) != 1 || !strings.HasPrefix(said[0], "renewed: device a until") {
		t.Errorf("watch: %v %v", err, said)
	}
}

// What is revoked by way of one node the other refuses, and cuts, within a second.
func TestRevocationReachesTheOtherNodeWithinASecond(t *testing.T) {
	s := newSite(t, storetest.PostgresDSN(t))
	var hubs []*Hub
	var doors []string
	for _, name := range []string{"north", "south"} {
		own := *s
		own.node = name
		src := own.ownSource(freePort(t), "127.0.0.1:1")
		c := own.parse(src)
		h := own.open()
		if err := stated(t.Context(), h, c); err != nil {
			t.Fatal(err)
		}
		start, err := h.Begin(t.Context(), c.Node, c, []byte(src), "tester")
		if err != nil {
			t.Fatal(err)
		}
		at, _ := own.serve(h, start.Config)
		hubs, doors = append(hubs, h), append(doors, at["lis"])
	}
	north, south := hubs[0], hubs[1]
	initCA(t, north)
	eventually(t, "the other node has the authority", func() bool { return south.rooms.certificates.Ready() })
	c := enrolled(t, north, pki.Service, "lis")
	var took []time.Duration
	for i := range 5 {
		eventually(t, "the other node lets it in", func() bool { return letIn(t, c, doors[1], fmt.Sprintf("N%d", i)) })
		live, err := dialOwn(t, c, doors[1])
		if err != nil {
			t.Fatal(err)
		}
		if code, err := live.send(result(fmt.Sprintf("L%d", i))); err != nil || code != "AA" {
			t.Fatal(code, err)
		}
		began := time.Now()
		if _, err := north.rooms.certificates.Revoke(t.Context(), "service lis", annCA); err != nil {
			t.Fatal(err)
		}
		if err := live.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := live.r.ReadByte(); err == nil {
			t.Error("the hub sent something")
		}
		took = append(took, time.Since(began))
		if letIn(t, c, doors[1], fmt.Sprintf("R%d", i)) {
			t.Error("the other node lets in what was revoked")
		}
		c = enrolled(t, north, pki.Service, "lis")
	}
	slices.Sort(took)
	t.Logf("revoked on one node, cut on the other: %v median, %v worst", took[2], took[4])
	if took[4] > time.Second {
		t.Errorf("it took %v", took[4])
	}
}
