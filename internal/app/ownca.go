package app

import (
	"context"
	"crypto/fips140"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/pki"
)

// newCertificates makes the laboratory's own authority. Who keeps connections is
// told of what is revoked.
func (h *Hub) newCertificates() *certificates.Service {
	s := certificates.New(certificates.Options{
		DB: h.DB, Vault: h.Vault, Now: h.now, Log: h.slog, FIPS: fips140.Enabled(),
		Lab: func() string {
			if c := h.inForce(); c != nil {
				return c.Lab.Name
			}
			return "Laboratory"
		},
	})
	s.OnRevoked(func(list []certificates.Revoked) { go h.cut(list) })
	return s
}

// cuts remembers which certificate each partner's server showed last, and how
// often its connections were cut.
type cuts struct {
	mu    sync.Mutex
	shown map[string]string // channel -> fingerprint
	count map[string]int
}

func (c *cuts) saw(of string, leaf *x509.Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shown == nil {
		c.shown, c.count = map[string]string{}, map[string]int{}
	}
	c.shown[of] = channel.Fingerprint(leaf)
}

func (c *cuts) of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count[name]
}

// hit counts a cut of the channels whose other end showed one of these.
func (c *cuts) hit(gone map[string]bool) (any bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, print := range c.shown {
		if gone[print] {
			c.count[name]++
			any = true
		}
	}
	return any
}

// cut ends the live connections of certificates that were revoked: those that
// came to a source's door at once, those that we made by building their sender
// anew.
func (h *Hub) cut(list []certificates.Revoked) {
	gone := map[string]bool{}
	for _, r := range list {
		if r.Fingerprint != "" {
			gone[r.Fingerprint] = true
		}
	}
	n := 0
	h.applying.Lock()
	if h.running != nil {
		for _, d := range h.running.doors {
			if d.server != nil {
				n += d.server.Disconnect(func(p channel.Peer) bool { return gone[p.Fingerprint] })
			}
		}
	}
	h.applying.Unlock()
	for _, r := range list {
		h.slog.Warn("a certificate is no longer believed", "of", r.Identity.String(), "serial", r.Serial, "fingerprint", r.Fingerprint)
	}
	if n > 0 {
		h.slog.Warn("connections with revoked certificates were cut", "connections", n)
	}
	if h.cuts.hit(gone) {
		if _, err := h.restage(context.Background()); err != nil {
			h.slog.Error("a partner whose certificate was revoked is not connected to anew; new handshakes are refused", "error", err)
		}
	}
}

// ownMark is what of the authority a channel is built from, beside its
// configuration; empty where it uses nothing of it.
func (h *Hub) ownMark(of string, own, pinned bool) string {
	var parts []string
	if own {
		root, _ := h.rooms.certificates.RootPrint()
		parts = append(parts, hex.EncodeToString(root[:]))
	}
	if pinned {
		for _, p := range h.rooms.certificates.Pins(of) {
			parts = append(parts, p.Fingerprint)
		}
		slices.Sort(parts)
	}
	if n := h.cuts.of(of); n > 0 {
		parts = append(parts, fmt.Sprint(n))
	}
	return strings.Join(parts, " ")
}

// sourceMark and partnerMark are ownMark of a configured channel.
func (h *Hub) sourceMark(source string, t *config.ServerTLS) string {
	if t == nil {
		return ""
	}
	return h.ownMark("source "+source, t.OwnCA, t.Pinned)
}

func (h *Hub) partnerMark(key string, d config.Destination) string {
	t := clientOf(d)
	if t == nil {
		t = &config.ClientTLS{}
	}
	return h.ownMark("partner "+key, t.OwnCA, t.Pinned)
}

// clientOf is the TLS section of a destination; nil where it has none.
func clientOf(d config.Destination) *config.ClientTLS {
	for _, t := range []*config.ClientTLS{
		field(d.MLLP, func(m *config.MLLPDestination) *config.ClientTLS { return m.TLS }),
		field(d.FHIR, func(m *config.FHIRDestination) *config.ClientTLS { return m.TLS }),
		field(d.HTTP, func(m *config.HTTPDestination) *config.ClientTLS { return m.TLS }),
	} {
		if t != nil {
			return t
		}
	}
	return nil
}

// authority is the laboratory's own, in the hub or as a bypass carries it.
type authority interface {
	Roots() *x509.CertPool
	Pins(channel string) []certificates.Pin
	Believe(leaf *x509.Certificate) error
	Admit(leaf *x509.Certificate, name string, kinds ...pki.Kind) error
	Own(node string, names []string) (*tls.Certificate, error)
}

var errNoOwnInBypass = errors.New("the bypass card carries no authority and no pinned certificate: the hub had none when it was written")

// own lets a channel go by the laboratory's authority and pinned certificates.
// kinds are whom a certificate of the authority must be for, under the
// channel's own name.
func (w watched) own(t *channel.TLS, node *config.Node, ca, pinned, certificate bool, kinds ...pki.Kind) error {
	s := w.ca
	if s == nil {
		if ca || pinned {
			return errNoOwnInBypass
		}
		return nil
	}
	called := "bypass"
	if w.h != nil {
		called = ownName(w.h.node)
	}
	_, name, _ := strings.Cut(w.channel, " ")
	configured := slices.Clone(t.Pins)
	if pinned {
		for _, p := range s.Pins(w.channel) {
			t.Pins = append(t.Pins, p.Fingerprint)
		}
		if len(t.Pins) == 0 && t.Roots == nil && !ca {
			t.Roots = x509.NewCertPool() // nobody, until one is imported
		}
	}
	if ca {
		t.Roots = s.Roots()
		if certificate { // none of its own is configured
			names := ownNames(node)
			t.Certificate = func() (*tls.Certificate, error) { return s.Own(called, names) }
		}
	}
	t.Believe = func(leaf *x509.Certificate, isPinned bool) error {
		if ca && !isPinned {
			return s.Admit(leaf, name, kinds...)
		}
		if isPinned && pinned && !named(configured, leaf) && !slices.ContainsFunc(s.Pins(w.channel), func(p certificates.Pin) bool { return p.Fingerprint == channel.Fingerprint(leaf) }) {
			return errors.New("it is no longer pinned")
		}
		return s.Believe(leaf)
	}
	return nil
}

// usesOwn says whether a channel goes by the authority.
func usesOwn(c *config.Config) bool {
	for _, s := range c.Sources {
		if s.MLLP != nil && s.MLLP.TLS != nil && s.MLLP.TLS.OwnCA {
			return true
		}
	}
	for _, p := range c.Partners {
		if t := clientOf(p.Destination); t != nil && t.OwnCA {
			return true
		}
	}
	return false
}

// named says whether the configuration names the certificate's fingerprint.
func named(pins []string, leaf *x509.Certificate) bool {
	is := channel.Fingerprint(leaf)
	return slices.ContainsFunc(pins, func(p string) bool {
		return strings.EqualFold(strings.ReplaceAll(strings.TrimSpace(p), ":", ""), is)
	})
}

// ownName is a node's name as it stands in certificates.
func ownName(node string) string {
	out := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '-'
	}, strings.ToLower(node))
	return "node-" + out[:min(len(out), 50)]
}

// ownNames are the host names and addresses in the hub's own certificate.
func ownNames(n *config.Node) []string {
	var out []string
	if e := n.Enrol; e != nil {
		out = append(out, e.Names...)
		if host, _, err := net.SplitHostPort(string(e.Address)); err == nil && host != "" {
			out = append(out, host)
		}
	}
	out = append(out, "localhost", "127.0.0.1", "::1")
	slices.Sort(out)
	return slices.Compact(out)
}

// certificatesEvery is how soon what changed in the authority or in pinned
// certificates is taken over by channels.
const certificatesEvery = 250 * time.Millisecond

// keepCertificates takes over what changes of the authority until ctx ends: what
// other nodes do, and for channels another root or another pin.
func (h *Hub) keepCertificates(ctx context.Context) error {
	go func() { _ = h.rooms.certificates.Follow(ctx) }() // ends with ctx, never fails
	tick := time.NewTicker(certificatesEvery)
	defer tick.Stop()
	known := h.certificatesMark()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := h.certificatesMark()
		if now == known {
			continue
		}
		known = now
		if _, err := h.restage(ctx); err != nil && ctx.Err() == nil {
			h.slog.Error("a changed authority or pinned certificate is not taken over yet", "error", err)
			known = ""
		}
	}
}

// certificatesMark is everything of the authority that channels are built from.
func (h *Hub) certificatesMark() string {
	c := h.inForce()
	if c == nil {
		return ""
	}
	var parts []string
	for _, key := range sorted(c.Sources) {
		if m := c.Sources[key].MLLP; m != nil {
			parts = append(parts, h.sourceMark(key, m.TLS))
		}
	}
	for _, key := range sorted(c.Partners) {
		parts = append(parts, h.partnerMark(key, c.Partners[key].Destination))
	}
	return strings.Join(parts, "|")
}

// certificateControl is the authority as the command line uses it.
func (h *Hub) certificateControl() *control.Certificates {
	return &control.Certificates{
		Service: h.rooms.certificates, Address: h.enrolAddress,
		Known: func(channel string) bool {
			c := h.inForce()
			return c != nil && hasChannel(c, channel)
		},
		Renewed: h.certificatesChanged,
	}
}

// enrolAddress is where others enrol; empty where that door is not configured.
func (h *Hub) enrolAddress() string {
	return enrolAddress(h.inForce())
}

func enrolAddress(c *config.Config) string {
	if c == nil || c.Node.Enrol == nil {
		return ""
	}
	return string(c.Node.Enrol.Address)
}

// certificatesChanged takes over at once what keepCertificates would soon.
func (h *Hub) certificatesChanged(ctx context.Context) {
	if _, err := h.restage(ctx); err != nil {
		h.slog.Error("a changed authority or pinned certificate is not taken over yet; it is tried again", "error", err)
	}
}

// ownEndings are the ends of the authority, of what it issued and did not renew
// itself, and of pinned certificates.
func (h *Hub) ownEndings(now time.Time) []control.Date {
	var out []control.Date
	s := h.rooms.certificates
	for i, der := range s.Chain() {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			continue // our own, and read before
		}
		of := "the hub's issuing authority"
		if i > 0 {
			of = "the offline root"
		}
		out = append(out, control.Date{Of: of, Kind: control.DateOwn, Ends: c.NotAfter, What: c.Subject.CommonName})
	}
	for _, x := range s.Late(now) {
		out = append(out, control.Date{Of: x.Identity.String(), Kind: control.DateIssued, Ends: x.Ends, What: x.Form + " " + x.Serial})
	}
	return out
}

// pinnedEndings are the ends of certificates that are pinned for channels.
func (h *Hub) pinnedEndings(c *config.Config) []control.Date {
	var of []string
	for _, key := range sorted(c.Sources) {
		of = append(of, "source "+key)
	}
	for _, key := range sorted(c.Partners) {
		of = append(of, "partner "+key)
	}
	var out []control.Date
	for _, name := range of {
		for _, p := range h.rooms.certificates.Pins(name) {
			out = append(out, control.Date{Of: name, Kind: control.DateTheirs, Ends: p.Ends, Owner: p.Owner, What: p.Subject})
		}
	}
	return out
}
