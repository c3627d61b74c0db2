package pages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/e2e/npm"
)

// TestPagesHub looks at the pages of the real program as a laboratory has them on
// an ordinary morning: results have travelled, one partner is down, one message
// could not be read. Every person came in through the pages.
func TestPagesHub(t *testing.T) {
	l := newLaboratory(t)
	plan := Plan{Base: l.url, Trust: l.certs, People: everybody(l), Sparse: !whole(), Shots: filepath.Join(npm.Root(t), ".test", "screens", "hub")}
	if whole() {
		plan.People = append(plan.People, others()...)
		plan.Crawl = &Crawl{As: dana, Keys: keys(), Skip: []string{`[?&]csv=`, `format=csv`, `\.csv`, `/proof$`, `openapi\.json`, `/report$`}}
	}
	plan.Pages = mainPages()
	if only := os.Getenv("LABWARDEN_PAGES"); only != "" { // while mending one page
		plan.Pages, plan.Crawl = nil, nil
		for i, path := range strings.Split(only, ",") {
			as, path, ok := strings.Cut(path, ":")
			if !ok {
				as, path = dana, as
			}
			plan.Pages = append(plan.Pages, Page{Name: "one-" + string(rune('a'+i)), Path: path, As: as, Leads: true})
		}
	}
	plan.Jobs, plan.JobsFirst = jobs(t, l), true
	if os.Getenv("LABWARDEN_PAGES") != "" {
		plan.Jobs = nil
	}
	r := Look(t, plan)
	if len(plan.Jobs) > 0 {
		l.verify(false)
		l.verify(true)
	}
	if len(r.Measured) < len(plan.Pages) {
		t.Errorf("%d of %d pages were looked at", len(r.Measured), len(plan.Pages))
	}
}

func keys() []string {
	out := []string{"lis", "mllp", "fhir", "http", "folder"}
	for _, p := range places() {
		out = append(out, p.key, p.key+"-results")
	}
	return append(out, "county-reports")
}

// mainPages are looked at in every test run.
func mainPages() []Page {
	return []Page{
		{Name: "today", Path: "/", As: dana, Narrow: true, Print: true},
		{Name: "results", Path: "/results", As: okafor, Narrow: true},
		{Name: "quarantine", Path: "/quarantine", As: dana},
		{Name: "partner", Path: "/partners/northgate", As: dana},
		{Name: "people", Path: "/people", As: dana},
		{Name: "settings", Path: "/settings", As: dana},
		{Name: "me", Path: "/me", As: okafor},
		{Name: "sign-in", Path: "/sign-in", SignedOut: true},
	}
}
