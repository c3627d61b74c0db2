package app

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/pki"
)

// papers is a folder of certificates.
type papers struct {
	t   *testing.T
	dir string
	ca  *pki.Authority
}

func newPapers(t *testing.T, names ...string) *papers {
	t.Helper()
	p := &papers{t: t, dir: t.TempDir()}
	p.authority("first")
	if err := p.ca.Write(p.dir, names...); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *papers) path(name string) string { return filepath.Join(p.dir, name) }

// authority makes another one; what was issued before stays on disk.
func (p *papers) authority(name string) {
	p.t.Helper()
	ca, err := pki.New(pki.Options{Name: name, Now: time.Now(), Life: 365 * 24 * time.Hour, Rand: rand.Reader})
	if err != nil {
		p.t.Fatal(err)
	}
	p.ca = ca
}

// until issues a certificate with an end of its own.
func (p *papers) until(name string, end time.Time) {
	p.t.Helper()
	c, k, err := p.ca.IssueUntil(name, end)
	if err != nil {
		p.t.Fatal(err)
	}
	writeFile(p.t, p.path(name+".pem"), string(c))
	writeFile(p.t, p.path(name+".key"), string(k))
}

func (p *papers) pair(name string) tls.Certificate {
	p.t.Helper()
	c, err := tls.LoadX509KeyPair(p.path(name+".pem"), p.path(name+".key"))
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// dial connects as name to a hub whose certificate is of the present authority.
func (p *papers) dial(addr, name string) (*lis, *x509.Certificate, error) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(p.ca.RootPEM())
	c, err := tls.Dial("tcp", addr, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{p.pair(name)}, RootCAs: pool, ServerName: "hub"})
	if err != nil {
		return nil, nil, err
	}
	p.t.Cleanup(func() { c.Close() })
	return &lis{c, bufio.NewReader(c)}, c.ConnectionState().PeerCertificates[0], nil
}

// secure is a configuration whose source and partner speak TLS.
func (f *filed) secure(p *papers, partner, more string) string {
	src := f.source(fmt.Sprintf("  p: {name: Practice, destination: {mllp: {address: %q, tls: {ca: %s, server_name: clinic}}}}\n", partner, p.path("ca.pem")), "p", "carry")
	src = strings.Replace(src, `mllp: {listen: "127.0.0.1:0"}`, fmt.Sprintf(`mllp: {listen: "127.0.0.1:0", tls: {client_ca: %s}}`, p.path("ca.pem")), 1)
	return strings.Replace(src, "  control:", fmt.Sprintf("  tls: {certificate: %s, key: %s}\n  control:", p.path("hub.pem"), p.path("hub.key")), 1) + more
}

// secured is a practice behind TLS; conf is asked for each connection.
func secured(t *testing.T, p *papers) *practice {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &practice{addr: ln.Addr().String(), ln: ln}
	t.Cleanup(func() { ln.Close() })
	conf := &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAnyClientCert, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(p.path("clinic.pem"), p.path("clinic.key"))
		return &c, err
	}}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conn++
			s.mu.Unlock()
			go s.talk(tls.Server(c, conf))
		}
	}()
	return s
}

func mustSend(t *testing.T, l *lis, id string) {
	t.Helper()
	if code, err := l.send(result(id)); err != nil || code != "AA" {
		t.Fatalf("%s: %s %v", id, code, err)
	}
}

func TestReloadTakesRenewedCertificatesAndAuthoritiesAndLosesNothing(t *testing.T) {
	f, p := newFiled(t), newPapers(t, "hub", "lis", "clinic")
	clinic := secured(t, p)
	src := f.secure(p, clinic.addr, "")
	writeFile(t, f.file, src)
	h := f.open(t)
	addrs, _ := f.serve(h, f.parse(src))
	if _, err := propose(t.Context(), h, f.parse(src), src); err != nil {
		t.Fatal(err)
	}
	c := f.client(t)
	old, leaf, err := p.dial(addrs["lis"], "lis")
	if err != nil {
		t.Fatal(err)
	}
	mustSend(t, old, "A")
	eventually(t, "the first result there", func() bool { got, _ := clinic.list(); return len(got) == 1 })
	_, conns := clinic.list()

	// Nothing changed: nothing is touched.
	r, err := c.Reload(t.Context())
	if err != nil || !slices.Equal(r.Taken.Taken, []string{"keys"}) || len(r.Pending) != 0 || len(r.Restart) != 0 {
		t.Fatalf("%+v %v", r, err)
	}
	mustSend(t, old, "B")

	// A half-renewed pair cannot be used: everything stays.
	key := readFile(t, p.path("hub.key"))
	p.until("hub", time.Now().Add(90*24*time.Hour))
	writeFile(t, p.path("hub.key"), key)
	if _, err := c.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "hub.pem") {
		t.Errorf("a certificate without its key was taken: %v", err)
	}
	mustSend(t, old, "C")
	st, err := c.Status(t.Context())
	if err != nil || !strings.Contains(strings.Join(st.Advice, " "), "lies on disk and is not in use") {
		t.Errorf("status says nothing of the new certificate: %q %v", st.Advice, err)
	}

	// Renewed: with results under way, none is lost and the new pair shows.
	p.until("hub", time.Now().Add(90*24*time.Hour))
	if r, err = c.Reload(t.Context()); err != nil || !slices.Equal(r.Taken.Taken, []string{"keys", "partner p", "source lis"}) {
		t.Fatalf("%+v %v", r, err)
	}
	next, renewed, err := p.dial(addrs["lis"], "lis")
	if err != nil || renewed.Equal(leaf) {
		t.Fatalf("the old certificate is shown: %v", err)
	}
	mustSend(t, next, "D")
	eventually(t, "all four results", func() bool { got, _ := clinic.list(); return len(got) == 4 })
	if _, now := clinic.list(); now == conns {
		t.Error("the partner was not connected to with the new certificate")
	}

	// Another authority: its certificates get in, those of the old one do not.
	was := p.pair("lis")
	p.authority("second")
	if err := p.ca.Write(p.dir, "hub", "lis", "clinic"); err != nil {
		t.Fatal(err)
	}
	writeFile(t, f.file, strings.Replace(src, "name: all", "name: every", 1)+"# more\n")
	if r, err = c.Reload(t.Context()); err != nil || len(r.Taken.Taken) != 3 {
		t.Fatalf("%+v %v", r, err)
	}
	if !strings.Contains(strings.Join(r.Pending, " "), "every") || h.Results.Settings().Revision != f.parse(src).Revision() {
		t.Errorf("the changed file was taken or not reported: %q", r.Pending)
	}
	last, _, err := p.dial(addrs["lis"], "lis")
	if err != nil {
		t.Fatal(err)
	}
	mustSend(t, last, "E")
	eventually(t, "the result under the new authority", func() bool { got, _ := clinic.list(); return len(got) == 5 })
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(p.ca.RootPEM())
	stale, err := tls.Dial("tcp", addrs["lis"], &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{was}, RootCAs: pool, ServerName: "hub"})
	if err == nil { // TLS 1.3: the refusal comes with the first read
		_, err = (&lis{stale, bufio.NewReader(stale)}).send(result("F"))
		stale.Close()
	}
	if err == nil {
		t.Error("a certificate of the authority that was replaced got in")
	}
}

// Results travel while certificates are renewed again and again: a sender that
// repeats what was not answered, as a LIS does, loses nothing, and nothing
// arrives twice.
func TestReloadUnderLoadLosesNothing(t *testing.T) {
	f, p := newFiled(t), newPapers(t, "hub", "lis", "clinic")
	clinic := secured(t, p)
	src := f.secure(p, clinic.addr, "")
	writeFile(t, f.file, src)
	h := f.open(t)
	addrs, _ := f.serve(h, f.parse(src))
	const n, renewals = 300, 6
	step := make(chan struct{}, renewals)
	sent := make(chan error, 1)
	go func() {
		sent <- func() error {
			var l *lis
			for i, tries := 0, 0; i < n; {
				if l == nil {
					var err error
					if l, _, err = p.dial(addrs["lis"], "lis"); err != nil {
						return err
					}
				}
				code, err := l.send(result(fmt.Sprintf("L%d", i)))
				switch {
				case err != nil && tries < 5:
					l.Close()
					l, tries = nil, tries+1
					continue
				case err != nil || code != "AA":
					return fmt.Errorf("message %d: %s %w", i, code, err)
				}
				if tries = 0; i%(n/renewals) == 10 {
					step <- struct{}{}
				}
				i++
			}
			return nil
		}()
	}()
	for i := range renewals {
		<-step
		p.until("hub", time.Now().Add(time.Duration(30+i)*day))
		if r, err := h.Reload(t.Context()); err != nil || len(r.Taken.Taken) != 3 {
			t.Fatalf("%+v %v", r, err)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	eventually(t, "every result there", func() bool { got, _ := clinic.list(); return len(got) >= n })
	got, conns := clinic.list()
	slices.Sort(got)
	if len(got) != n || len(slices.Compact(got)) != n {
		t.Errorf("the clinic has %d results, %d different; want %d", len(got), len(slices.Compact(got)), n)
	}
	if conns < 2 {
		t.Errorf("only %d connections: the new certificates were never shown", conns)
	}
}

func TestApplyTakesWitnessesAndFactsLive(t *testing.T) {
	f := newFiled(t)
	folder := filepath.Join(f.dir, "witness")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	base := f.source(onePartner, "p", "shadow")
	writeFile(t, f.file, base)
	h := f.open(t)
	f.serve(h, f.parse(base))
	if _, err := propose(t.Context(), h, f.parse(base), base); err != nil {
		t.Fatal(err)
	}
	c := f.client(t)
	with := strings.Replace(base, "Practice One", "Practice Renamed", 1) + "witnesses:\n  - {kind: folder, name: second-site, path: " + folder + ", every: 1s}\n"
	out, err := c.Apply(t.Context(), targetOf(with), whyTest)
	if err != nil || !slices.Equal(out.Taken.Taken, []string{"partner p", "witness second-site", "witnesses"}) {
		t.Fatalf("%+v %v", out, err)
	}
	eventually(t, "the new witness confirms", func() bool {
		st, ok := h.Witnesses()
		return ok && len(st.Witnesses) == 1 && st.Witnesses[0].Size > 0
	})
	if st, err := c.Status(t.Context()); err != nil || st.Partners[0].Name != "Practice Renamed" {
		t.Errorf("the facts are those of the start: %+v %v", st.Partners, err)
	}
	if st, _ := h.Witnesses(); st.Closed != "" {
		t.Errorf("views are closed: %s", st.Closed)
	}
	// A reload leaves the witness alone; without it in the configuration it is gone.
	if r, err := c.Reload(t.Context()); err != nil || len(r.Taken.Taken) != 1 {
		t.Errorf("%+v %v", r, err)
	}
	// A new signing key is known to the witness without a restart.
	before, _ := h.Witnesses()
	if _, err := c.Rotate(t.Context(), []string{"signer"}, "yearly"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the witness confirms under the new key", func() bool {
		st, _ := h.Witnesses()
		return len(st.Witnesses) == 1 && st.Witnesses[0].Size > before.Witnesses[0].Size && st.Witnesses[0].Problem == ""
	})
	quiet := strings.Replace(base, "Practice One", "Practice Two", 1) + "log: {level: error}\n"
	out, err = c.Apply(t.Context(), targetOf(quiet), whyTest)
	if err != nil || !slices.Contains(out.Restart, "log: level and format") || slices.Contains(out.Taken.Taken, "log") {
		t.Fatalf("%+v %v", out, err)
	}
	if st, _ := h.Witnesses(); len(st.Witnesses) != 0 {
		t.Errorf("the witness is still there: %+v", st.Witnesses)
	}
	// The node section is this machine's: it is named, and taken at a start only.
	moved := strings.Replace(readFile(t, f.file), "  data: ", "  data: /other", 1)
	writeFile(t, f.file, moved)
	r, err := c.Reload(t.Context())
	if err != nil || len(r.Restart) != 1 || !strings.Contains(r.Restart[0], "data") || len(r.Pending) != 0 {
		t.Errorf("%+v %v", r, err)
	}
}
