package app

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/domain/partners/portalui"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/receipt"
	"github.com/labwarden/labwarden/internal/platform/signin"
)

// portalPort is a port of this machine that nobody has now.
func portalPort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// TestResultTravelsIntoThePortal: from the LIS by a route into the portal, where it is
// placed and not acknowledged; opened by a person who came by letter; held ones never
// appear; the site speaks TLS 1.3; the bypass says that it cannot go there.
func TestResultTravelsIntoThePortal(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		at := portalPort(t)
		src := strings.Replace(s.source("  p: {name: Practice One, destination: {portal: {}}}\n", "p", "carry"), "  seals:",
			"  portal: {listen: \""+at+"\", public_url: \"https://results.lab.example\"}\n  seals:", 1) + "portal: {phone: \"+1 555 0142\"}\nsites: {hill: {name: Hill Street}}\n"
		src = strings.Replace(src, "  lis:\n", "  lis:\n    site: hill\n", 1)
		c := s.parse(src)
		h := s.open()
		must(stated(ctx, h, c))
		_, err := h.Begin(ctx, c.Node, c, []byte(src), "tester")
		must(err)
		addrs, stop := s.serve(h, c)
		defer stop()
		l := dial(t, addrs["lis"])
		answer, err := l.send(result("M1"))
		if err != nil || answer != "AA" {
			t.Fatal(answer, err)
		}
		state := func() results.Delivery {
			list, err := h.Results.List(ctx, results.Page{})
			must(err)
			return list[0].Deliveries[0]
		}
		eventually(t, "the result is placed", func() bool { return state().State == results.Done })
		if d := state(); d.Level != "placed" || d.Code != "in-portal" {
			t.Fatalf("%+v", d)
		}
		p, get, post := arrive(t, h, portalui.Handler(h.portalDeps(c)), "p", "Dana Ruiz")
		// The laboratory's sign-in knows nobody of this name, and no token of this site.
		if _, err := h.rooms.signin.Password(ctx, signin.Ask{From: netip.MustParseAddr("192.0.2.9")}, p.Account, "gravel teacup orbit lantern"); err == nil {
			t.Fatal("a person of a practice signed in to the laboratory's pages")
		}
		if who, err := h.Access.Identify(httptest.NewRequest(http.MethodGet, "https://lab.example/", nil)); who != nil || err != nil {
			t.Fatal(who, err)
		}
		w := get("/")
		path := regexp.MustCompile(`/results/[0-9a-f-]{36}`).FindString(w.Body.String())
		if w.Code != http.StatusOK || path == "" || !strings.Contains(w.Body.String(), "JANE DOE") {
			t.Fatal(w.Code, w.Body.String())
		}
		if w = get(path); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "70-99") || !strings.Contains(w.Body.String(), "+1 555 0142") || !strings.Contains(w.Body.String(), "Hill Street, Test") {
			t.Fatal(w.Code, w.Body.String())
		}
		// The message as a file, and the laboratory's word about it.
		print, err := receipt.PrintOf(get(path + "/message").Body)
		must(err)
		signed := get(path + "/receipt")
		if rep := receipt.Verify(signed.Body.Bytes(), print, strings.Join(h.Vault.VerifierKeys(), "\n")+"\n"); signed.Code != http.StatusOK || !rep.Holds() || !strings.Contains(signed.Body.String(), `"portal"`) {
			t.Fatal(signed.Code, signed.Body.String())
		}
		// Sent again by a person: the newer copy of the same is the latest.
		_, err = h.Results.Resend(ctx, state().Seq, results.By{Who: "tester", Reason: "a-test"})
		must(err)
		again := func() int { return strings.Count(get("/?show=all").Body.String(), `href="/results/`) }
		eventually(t, "it is there twice", func() bool { return again() == 2 })
		if n := strings.Count(get("/?show=all").Body.String(), "superseded by a later version, opened"); n != 1 {
			t.Fatal(n, "are superseded: the older copy is")
		}
		// What the practice did not get is sent again by that act, and seen so by both.
		w = post(path + "/missing")
		if w.Code != http.StatusSeeOther {
			t.Fatal(w.Code, w.Body.String())
		}
		eventually(t, "another copy is there", func() bool { return again() == 3 })
		told, err := h.rooms.portal.Tellings(ctx, "p", false, 10)
		if err != nil || len(told) != 1 || told[0].Sent == 0 {
			t.Fatal(err, told)
		}
		must(h.rooms.portal.Answer(ctx, "p", told[0].ID, portal.OutcomeSent, "tester"))
		// A held one does not exist there.
		_, err = h.Results.PlaceStop(ctx, results.Stop{Kind: results.TransportStop, Scope: results.ScopePartner, Target: "p", Text: "a test"}, results.Named{By: results.By{Who: "tester", Reason: "a-test"}, Person: "Tester"})
		must(err)
		_, err = l.send(result("M2"))
		must(err)
		if d := state(); d.State == results.Done {
			t.Fatalf("%+v", d)
		}
		if n := again(); n != 3 {
			t.Fatal(n, "results in the portal, another is stopped")
		}
		// The site itself.
		conn, err := tls.Dial("tcp", at, &tls.Config{InsecureSkipVerify: true, ServerName: "results.lab.example"}) // only its version and name are looked at
		must(err)
		defer conn.Close()
		if st := conn.ConnectionState(); st.Version != tls.VersionTLS13 || st.PeerCertificates[0].VerifyHostname("results.lab.example") != nil {
			t.Fatalf("%x %v", st.Version, st.PeerCertificates[0].DNSNames)
		}
		a, err := h.Audit(ctx, nil)
		if err != nil || a.Found != 0 {
			t.Fatal(err, a.Findings)
		}
		if _, err := (builder{now: time.Now}).sender(c, "p"); err == nil || !strings.Contains(err.Error(), "the portal is a part of the hub") {
			t.Fatal(err)
		}
	})
}
