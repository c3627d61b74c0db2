package certificatesui_test

import (
	"crypto/rand"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/labwarden/labwarden/e2e/pages"
	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/platform/pki"
)

// The pages with a browser, all with LABWARDEN_BARS.
func TestPagesCertificates(t *testing.T) {
	l := newLab(t)
	l.authority()
	by := certificates.By{Who: "anna", Reason: "a lost notebook"}
	x := l.enrol("lis")
	l.enrol("engine")
	gone := l.enrol("old-notebook")
	_, err := l.ca.Revoke(t.Context(), "service old-notebook", by)
	check(t, err)
	theirs, err := pki.New(pki.Options{Name: "Riverside", Now: l.now, Life: 400 * 24 * time.Hour, Rand: rand.Reader})
	check(t, err)
	pem, _, err := theirs.Issue("hl7.riverside.example")
	check(t, err)
	pin, err := l.ca.Import(t.Context(), "partner riverside", pem, "M. Okafor", by)
	check(t, err)
	plan := pages.Plan{Base: l.srv.URL}
	for name, p := range map[string]pages.Page{
		"calendar": {Path: "/certificates?all=yes", Narrow: true, Print: true}, "one": {Path: "/certificates/issued/" + x.Serial, Narrow: true}, "revoked": {Path: "/certificates/issued/" + gone.Serial},
		"revoke": {Path: "/certificates/issued/" + x.Serial + "/revoke?all=yes", Narrow: true}, "token": {Path: "/certificates/token", Narrow: true}, "ssh": {Path: "/certificates/ssh"},
		"pin": {Path: "/certificates/pin"}, "unpin": {Path: "/certificates/pins/" + pin.ID + "/remove", Narrow: true},
	} {
		if os.Getenv("LABWARDEN_BARS") == "" && !slices.Contains([]string{"calendar", "token"}, name) {
			continue // make soak looks at all of them
		}
		p.Name = "certificates-" + name
		plan.Pages = append(plan.Pages, p)
	}
	r := pages.Look(t, plan)
	if len(r.Measured) != len(plan.Pages) {
		t.Errorf("%d of %d pages were looked at", len(r.Measured), len(plan.Pages))
	}
	pages.Look(t, pages.Plan{Base: l.srv.URL, First: 2 * 120 << 10, Script: 2 * 25 << 10, Pages: []pages.Page{{
		Name: "certificates-token-made", Path: "/certificates/token", Narrow: true,
		Steps: []pages.Step{{Do: "fill", At: "#f-name", Value: "analyzer-7"}, {Do: "press", Key: "Enter"}, {Do: "see", Text: "not shown again"}},
	}}})
}
