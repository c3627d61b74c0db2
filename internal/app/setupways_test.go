package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// What the form of the set-up writes for each new way is taken by a hub as it
// stands, and a test message goes there.
func TestTheFormsNewWaysWork(t *testing.T) {
	addr, key, fingerprint, dir := sshd(t)
	s := newSite(t, "")
	h := s.open()
	private, err := os.ReadFile(key)
	if err == nil {
		err = h.SetSecret(t.Context(), "harbor-key", private, "tester")
	}
	if err == nil {
		err = h.SetSecret(t.Context(), "harbor-password", []byte("correct horse"), "tester")
	}
	if err != nil {
		t.Fatal(err)
	}
	jwks := filepath.Join(s.dir, "ehr.jwks")
	ehr, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := ehr.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString
	writeFile(t, jwks, fmt.Sprintf(`{"keys":[{"kty":"EC","use":"sig","alg":"ES384","kid":"1","crv":"P-384","x":%q,"y":%q}]}`, text(point[1:49]), text(point[49:])))
	src := []byte(s.source("  p: {name: P, destination: {mllp: {address: \"127.0.0.1:1\"}}}\n", "p", "shadow"))
	read := func(b []byte) (*config.Config, config.Problems) {
		return config.Parse("test.yaml", b, config.Options{Validators: Validators()})
	}
	ways := []string{setup.WaySFTP, setup.WaySFTPBox, setup.WayFTPSBox, setup.WayFHIRPull, setup.WayPortal, setup.WayFTPS}
	for _, way := range ways {
		p := setup.NewPartner{
			Name: "By " + way, Accounts: "A1", Kind: way, Source: "lis", Address: addr, User: "root", HostKeys: fingerprint, Token: "harbor-key", Dir: dir + "/out", ClientID: "ehr", JWKS: jwks,
			Fingerprint: strings.Repeat("ab", 32), SSHKeys: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9iUeQQ6BHmFlGmQQDqLkM6dKzfUJjIqKCF0mfDpYcB results@riverside",
		}
		if way == setup.WayFTPS {
			p.Token = "harbor-password"
		}
		if src, err = p.Write(src, read); err != nil {
			t.Fatalf("%s: %#v", way, err)
		}
	}
	c := s.parse(string(src))
	for _, way := range ways { // this machine has no doors for the partners: the form says so
		if text := missingDoor(c, way); (text == "") != (way == setup.WaySFTP || way == setup.WayFTPS) {
			t.Errorf("%s: %q", way, text)
		}
	}
	if _, err := propose(t.Context(), h, c, string(src)); err != nil {
		t.Fatal(err)
	}
	s.serve(h, c)
	for _, way := range ways[:5] {
		if way == setup.WayFHIRPull {
			continue // takes FHIR: no test message is sent there (results.SendTest)
		}
		got, err := h.Results.SendTest(t.Context(), "by-"+way, results.Named{By: results.By{Who: "tester", Reason: "a-test"}, Person: "A. Tester"})
		if err != nil || got.Refused != nil {
			t.Errorf("%s: %v %v", way, err, got.Refused)
		}
	}
	if placed, err := filepath.Glob(dir + "/out/*.hl7"); err != nil || len(placed) != 1 {
		t.Errorf("%v %v", placed, err)
	}
}
