package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/pki"
)

// A partner's own certificate is pinned instead of a file, and taken out again.
func TestAPinnedCertificateLetsItsChannelIn(t *testing.T) {
	s := newSite(t, "")
	src := s.source("  p: {name: P, destination: {mllp: {address: \"127.0.0.1:1\"}}}\n", "p", "carry")
	src = strings.Replace(src, `mllp: {listen: "127.0.0.1:0"}`, `mllp: {listen: "127.0.0.1:0", tls: {pinned: true}}`, 1)
	papers := newPapers(t, "hub", "theirs")
	src = strings.Replace(src, "sources:\n", fmt.Sprintf("  tls: {certificate: %s, key: %s}\nsources:\n", papers.path("hub.pem"), papers.path("hub.key")), 1)
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
	lets := func(id string) bool {
		l, _, err := papers.dial(at["lis"], "theirs")
		if err != nil {
			return false
		}
		defer l.Close()
		code, err := l.send(result(id))
		return err == nil && code == "AA"
	}
	if lets("P1") {
		t.Fatal("let in before anything was pinned")
	}
	b, err := os.ReadFile(papers.path("theirs.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pin, err := h.rooms.certificates.Import(t.Context(), "source lis", b, "M. Okafor", annCA)
	if err != nil {
		t.Fatal(err)
	}
	h.certificatesChanged(t.Context())
	if !lets("P2") {
		t.Fatal("a pinned certificate was refused")
	}
	live, _, err := papers.dial(at["lis"], "theirs")
	if err != nil {
		t.Fatal(err)
	}
	mustSend(t, live, "P3")
	list := h.endings(h.inForce(), time.Now())
	if !slices.ContainsFunc(list, func(d control.Date) bool {
		return d.Of == "source lis" && d.Owner == "M. Okafor" && d.Ends.Equal(pin.Ends)
	}) {
		t.Errorf("it is not in the calendar: %+v", list)
	}
	pinID, err := event.ParseID(pin.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.rooms.certificates.Unpin(t.Context(), pinID, annCA); err != nil {
		t.Fatal(err)
	}
	if err := live.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := live.r.ReadByte(); err == nil {
		t.Error("the live connection was not cut")
	}
	eventually(t, "it is refused", func() bool { return !lets(fmt.Sprint("Q", time.Now().UnixNano())) })
}

// certificates are issued and pinned.
func (w *worked) certificates() {
	w.t.Helper()
	initCA(w.t, w.h)
	ca := w.h.rooms.certificates
	for _, name := range []string{"lis", "p"} {
		text, _, err := ca.Token(w.ctx, certificates.Ask{Identity: pki.Identity{Kind: pki.Partner, Name: name}, Address: "hub.example:8446"}, annCA)
		if err != nil {
			w.t.Fatal(err)
		}
		tok, err := pki.ParseToken(text)
		if err != nil {
			w.t.Fatal(err)
		}
		_, csr, err := pki.Request(rand.Reader)
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := ca.Enrol(w.ctx, tok.Secret, csr); err != nil {
			w.t.Fatal(err)
		}
	}
	if _, err := ca.Own("node-test", []string{"hub.example"}); err != nil {
		w.t.Fatal(err)
	}
	theirs, err := pki.New(pki.Options{Name: "Theirs", Now: time.Now(), Life: 100 * 24 * time.Hour, Rand: rand.Reader})
	if err != nil {
		w.t.Fatal(err)
	}
	b, _, err := theirs.Issue("clinic.example")
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := ca.Import(w.ctx, "partner p", b, "M. Okafor", annCA); err != nil {
		w.t.Fatal(err)
	}
}

// With the hub dead the bypass lets in whom the hub let in, and nobody else.
func TestTheBypassCarriesTheAuthority(t *testing.T) {
	s := newSite(t, "")
	t.Chdir(s.dir)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	src := s.ownSource(freePort(t), ln.Addr().String())
	c := s.bypassed(src)
	h := s.open()
	if err := stated(t.Context(), h, c); err != nil {
		t.Fatal(err)
	}
	start, err := h.Begin(t.Context(), c.Node, c, []byte(src), "tester")
	if err != nil {
		t.Fatal(err)
	}
	start.Config.Node = c.Node
	_, stop := s.serve(h, start.Config)
	initCA(t, h)
	good, gone := enrolled(t, h, pki.Service, "lis"), enrolled(t, h, pki.Device, "lis")
	p := clinicWith(t, enrolled(t, h, pki.Partner, "p", "clinic.example"), ln)
	if _, err := h.rooms.certificates.Revoke(t.Context(), "device lis", annCA); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the card has it", func() bool {
		h.bypassed.mu.Lock()
		defer h.bypassed.mu.Unlock()
		return h.bypassed.certs == h.rooms.certificates.Mark()
	})
	stop()
	b, err := OpenBypass(t.Context(), &c.Node, opener, s.deps())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if len(b.Cannot) > 0 {
		t.Fatal(b.Cannot)
	}
	ctx, cancel := context.WithCancel(t.Context())
	door, done := b.Doors["lis"], make(chan error, 1)
	go func() { done <- door.Server.Serve(ctx, door.Listener) }()
	at := door.Listener.Addr().String()
	if !letIn(t, good, at, "B1") {
		t.Error("the bypass refuses the source")
	}
	if letIn(t, gone, at, "B2") {
		t.Error("the bypass lets in what was revoked")
	}
	if !p.has("B1") {
		t.Error("the result did not arrive")
	}
	cancel()
	<-done
}
