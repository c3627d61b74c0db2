package accountsui_test

import (
	"os"
	"slices"
	"testing"

	"github.com/labwarden/labwarden/e2e/pages"
	"github.com/labwarden/labwarden/internal/domain/access/accounts"
)

// The main pages with a browser, all with LABWARDEN_BARS: both themes, wide and
// narrow, axe-core, no script.
func TestPagesAccountsAndRecord(t *testing.T) {
	l := furnished(t).as("carla")
	vendors, err := l.deps.Accounts.Vendors(t.Context(), false)
	check(t, err)
	p, err := l.deps.Accounts.Offer(t.Context(), "windows", []byte(list+"newone;New One;;True;2026-11-02;\n"), l.at, accounts.By{Account: "anna"})
	check(t, err)
	bad, err := l.deps.Accounts.Offer(t.Context(), "windows", []byte("Kennung,Wer\na,b\n"), l.at, accounts.By{Account: "anna"})
	check(t, err)
	plan := pages.Plan{Base: l.srv.URL}
	for name, x := range map[string]pages.Page{
		"systems": {Path: "/accounts", Narrow: true}, "system": {Path: "/accounts/systems/windows", Narrow: true, Print: true}, "system-unknown": {Path: "/accounts/systems/vpn"},
		"system-new": {Path: "/accounts/new"}, "system-end": {Path: "/accounts/systems/vpn/end"}, "list-upload": {Path: "/accounts/systems/windows/list", Narrow: true},
		"list": {Path: "/accounts/lists/" + p.Import.ID.String(), Narrow: true}, "list-columns": {Path: "/accounts/lists/" + bad.Import.ID.String(), Narrow: true},
		"findings": {Path: "/accounts/findings", Narrow: true}, "finding": {Path: "/accounts/findings/" + l.findingID(accounts.Leaver), Narrow: true}, "account": {Path: "/accounts/of/" + l.accountID("j.doe"), Narrow: true},
		"reviews": {Path: "/access-review", Narrow: true}, "review": {Path: "/access-review/2026-Q4", Narrow: true}, "review-report": {Path: "/access-review/2026-Q4/report", Print: true},
		"vendors": {Path: "/vendors", Narrow: true, Print: true}, "vendor": {Path: "/vendors/" + vendors[0].ID.String(), Narrow: true}, "vendor-new": {Path: "/vendors/new"}, "vendor-file": {Path: "/vendors/file"},
		"record": {Path: "/record", Narrow: true}, "record-mine": {Path: "/record/mine", Narrow: true}, "patient": {Path: "/record/patient", Narrow: true},
	} {
		if os.Getenv("LABWARDEN_BARS") == "" && !slices.Contains([]string{"system", "review", "record"}, name) {
			continue // make soak looks at all of them
		}
		x.Name = "accounts-" + name
		plan.Pages = append(plan.Pages, x)
	}
	r := pages.Look(t, plan)
	if len(r.Measured) != len(plan.Pages) {
		t.Errorf("%d of %d pages were looked at", len(r.Measured), len(plan.Pages))
	}
	// This one comes after a form: two pages are loaded, so the first load is both.
	pages.Look(t, pages.Plan{Base: l.srv.URL, First: 2 * 120 << 10, Script: 2 * 25 << 10, Pages: []pages.Page{{
		Name: "accounts-patient-report", Path: "/record/patient", Narrow: true, Print: true,
		Steps: []pages.Step{{Do: "fill", At: "#f-id", Value: "PA17"}, {Do: "press", Key: "Enter"}, {Do: "see", Text: "To whom it went"}},
	}}})
}
