package app

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	chromium "github.com/labwarden/labwarden/e2e/pages"
	"github.com/labwarden/labwarden/internal/domain/partners/portal"
)

// TestBarPortalThroughTheFront: a person with Chromium, the real front between: from
// the letter to a password and an app, signing in again with password and code,
// reading a result, its PDF; live pages stream; nothing breaks the content security
// policy, and the pages look as they do without the front.
func TestBarPortalThroughTheFront(t *testing.T) {
	if os.Getenv("LABWARDEN_BARS") == "" {
		t.Skip("SKIPPED A BAR: LABWARDEN_BARS is not set; `make bars` looks at the portal through the front")
	}
	s := newSite(t, "")
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := portalPort(t)
	_, port, _ := net.SplitHostPort(at)
	cert, key := rsaPair(t, s.dir, "localhost")
	sock := filepath.Join(s.dir, "f", "s")
	node := fmt.Sprintf("  portal: {public_url: \"https://localhost:%s\", tls: {certificate: %s, key: %s}}\n  front: {socket: %s, web: {listen: %q}}\n", port, cert, key, sock, at)
	src := strings.Replace(s.source("  p: {name: Practice One, destination: {portal: {}}}\n", "p", "carry"), "sources:\n", node+"sources:\n", 1) + "portal: {phone: \"+1 555 0142\"}\n"
	c := s.parse(src)
	h := s.open()
	must(stated(ctx, h, c))
	_, err := h.Begin(ctx, c.Node, c, []byte(src), "tester")
	must(err)
	addrs, _ := s.serve(h, c)
	frontProcess(t, sock)
	eventually(t, "the front's web door", func() bool {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	if code, err := dial(t, addrs["lis"]).send(result("M1")); err != nil || code != "AA" {
		t.Fatal(code, err)
	}
	_, letter, err := h.rooms.portal.Invite(ctx, portal.Invitation{Partner: "p", Name: "Dana Ruiz", By: "tester"})
	must(err)
	shown, err := readCertificates(c.Node.Portal.TLS.Certificate)
	must(err)

	const password = "gravel teacup orbit lantern"
	paper := filepath.Join(t.TempDir(), "result.pdf")
	open := []chromium.Step{{Do: "click", At: "tbody a[href^='/results/']"}, {Do: "see", Text: "About this page"}, {Do: "see", Text: "Glucose"}}
	steps := []chromium.Step{
		{Do: "goto", Path: "/"},
		{Do: "click", At: "a:has-text('Type the code of a letter')"},
		{Do: "fill", At: "#f-code", Value: letter.Code},
		{Do: "click", At: "button:has-text('Go on')"},
		{Do: "see", Text: "Choose how you sign in from now on."},
		{Do: "fill", At: "#f-password", Value: password},
		{Do: "click", At: "button:has-text('Go on')"},
		{Do: "see", Text: "Scan, then type the code."},
		{Do: "keep", At: "main", Name: "seed", Code: "[A-Z2-7]{4}(?:[ \\n][A-Z2-7]{4}){5,}"},
		{Do: "totp", At: "#f-code", Secret: "{{seed}}"},
		{Do: "press", Key: "Enter"},
		{Do: "see", Text: "1 new result", Within: 10000},
	}
	steps = append(steps, open...)
	steps = append(steps, []chromium.Step{
		{Do: "download", At: "a:has-text('PDF')", Value: paper},
		{Do: "goto", Path: "/switch"},
		{Do: "click", At: "button:has-text('Sign Dana Ruiz out')"},
		{Do: "see", Text: "Sign in under your own name."},
		{Do: "fill", At: "#f-account", Value: "dana.ruiz"},
		{Do: "fill", At: "#f-password", Value: password},
		{Do: "click", At: "button:has-text('Go on')"},
		{Do: "wait", At: "#f-code"},
		{Do: "totp", At: "#f-code", Secret: "{{seed}}"},
		{Do: "click", At: "button:has-text('Sign in')"},
		{Do: "see", Text: "Results", Within: 10000},
		{Do: "goto", Path: "/?show=all"},
	}...)
	steps = append(steps, open...)
	steps = append(steps, chromium.Step{Do: "keep", At: "link[rel=canonical], body", Name: "there", Code: ".{4}"}, chromium.Step{Do: "shot", Name: "portal-through-the-front"})
	r := chromium.Look(t, chromium.Plan{
		Base: "https://localhost:" + port, Trust: []*x509.Certificate{shown[0]}, People: []chromium.Person{{Name: "dana", Steps: steps}},
		Pages: []chromium.Page{
			{Name: "front-list", Path: "/?show=all", As: "dana", Narrow: true, Expect: "Dana Ruiz"},
			{Name: "front-me", Path: "/me", As: "dana", Expect: "You sign in with a password and a code."},
			{Name: "front-sign-in", Path: "/sign-in", SignedOut: true, Expect: "Sign in under your own name."},
		},
	})
	if len(r.Measured) != 3 {
		t.Errorf("%d of 3 pages were looked at", len(r.Measured))
	}
	b, err := os.ReadFile(paper)
	if err != nil || !bytes.HasPrefix(b, []byte("%PDF-")) {
		t.Fatalf("the PDF: %.20q %v", b, err)
	}
	if path, err := exec.LookPath("pdftotext"); err == nil {
		text, err := exec.CommandContext(ctx, path, "-layout", paper, "-").CombinedOutput()
		if err != nil || !strings.Contains(string(text), "Glucose") || !strings.Contains(string(text), "Dana Ruiz") {
			t.Errorf("the PDF says %v\n%s", err, text)
		}
	} else if os.Getenv("CI") != "" {
		t.Error("pdftotext is missing")
	}
	lines, err := h.Posture(ctx)
	must(err)
	for _, l := range lines {
		if l.Channel == wayPortal && (l.PostQuantum != "yes" || l.Protocol != "TLS 1.3") {
			t.Errorf("Chromium's line: %+v", l)
		}
	}
}
