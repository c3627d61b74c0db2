package pages

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/e2e/npm"
)

// TestPagesHub looks at the pages of the real program as a laboratory has them on
// an ordinary morning: results have travelled, one partner is down, one message
// could not be read. Every person came in through the pages.
func TestPagesHub(t *testing.T) {
	if whole() {
		t.Skip("TestBarPages looks at all of them")
	}
	lookAtHub(t)
}

// TestBarPages looks at every page that is served, and does every job.
func TestBarPages(t *testing.T) {
	if !whole() {
		t.Skip("SKIPPED A BAR: TestPagesHub looks at the main pages in every test; `make soak` looks at all")
	}
	began := time.Now()
	reportPages(t, lookAtHub(t), time.Since(began))
}

// lookAtHub begins with a new laboratory where the browser stopped answering.
func lookAtHub(t *testing.T) Report {
	t.Helper()
	r := tryHub(t)
	if r.Hung != "" {
		t.Logf("THE BROWSER HUNG, once more with a new laboratory: %s", r.Hung)
		r = tryHub(t)
	}
	if r.Hung != "" {
		t.Fatalf("the browser hung: %s", r.Hung)
	}
	return r
}

func tryHub(t *testing.T) Report {
	t.Helper()
	l := newLaboratory(t)
	plan := Plan{
		Base: l.url, Trust: l.certs, Console: l.console, People: everybody(l), Sparse: !whole(), Shots: filepath.Join(npm.Root(t), ".test", "screens", "hub"),
		Pages: mainPages(), Jobs: jobs(t, l), JobsFirst: true,
	}
	if whole() {
		plan.People = append(plan.People, others()...)
		plan.Pages = append(plan.Pages, otherPages()...)
		plan.Crawl = &Crawl{As: dana, Keys: keys(), Skip: []string{`[?&]csv=`, `format=csv`, `\.csv`, `/proof$`, `openapi\.json`, `/report$`}}
	}
	if only := os.Getenv("LABWARDEN_PAGES"); only != "" { // while mending one page
		plan.Pages, plan.Crawl, plan.Jobs = nil, nil, nil
		for i, path := range strings.Split(only, ",") {
			as, path, ok := strings.Cut(path, ":")
			if !ok {
				as, path = dana, as
			}
			plan.Pages = append(plan.Pages, Page{Name: fmt.Sprintf("one-%d", i), Path: path, As: as, Leads: true})
		}
	}
	r := Try(t, plan)
	if r.Hung != "" {
		return r
	}
	tell(t, r)
	if len(plan.Jobs) > 0 {
		l.verify(false)
		l.verify(true)
	}
	if len(r.Measured) < len(plan.Pages) || len(r.Done) < len(plan.Jobs) {
		t.Errorf("%d of %d pages were looked at, %d of %d jobs done", len(r.Measured), len(plan.Pages), len(r.Done), len(plan.Jobs))
	}
	return r
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
		{Name: "result", Path: "{{result}}", As: okafor, Narrow: true, Print: true},
		{Name: "quarantine", Path: "/quarantine", As: dana},
		{Name: "partner", Path: "/partners/northgate", As: dana},
		{Name: "people", Path: "/people", As: dana},
		{Name: "settings", Path: "/settings", As: dana},
		{Name: "me", Path: "/me", As: okafor},
		{Name: "sign-in", Path: "/sign-in", SignedOut: true},
	}
}

// otherPages are what other people see, and what no link of the administrator's
// leads to. What a job kept stands in {{…}}.
func otherPages() []Page {
	return []Page{
		{Name: "result-waiting", Path: "{{waits}}", As: dana},
		{Name: "call", Path: "{{call}}", As: okafor},
		{Name: "calls", Path: "/calls", As: okafor},
		{Name: "draft", Path: "{{draft}}", As: dana},
		{Name: "routes", Path: "/routes", As: bell},
		{Name: "route", Path: "/routes/county-reports", As: bell},
		{Name: "delegations", Path: "/people/delegations", As: bell},
		{Name: "stop-clinical", Path: "/stops/clinical/new", As: bell},
		{Name: "record", Path: "/record", As: hahn, Narrow: true},
		{Name: "record-patient", Path: "/record/patient", As: hahn},
		{Name: "review", Path: "/access-review", As: hahn},
		{Name: "acts", Path: "/people/acts", As: hahn},
		{Name: "vendors-new", Path: "/vendors/new", As: hahn},
		{Name: "today-provider", Path: "/", As: quist},
		{Name: "results-provider", Path: "/results", As: quist},
		{Name: "today-auditor", Path: "/", As: audit},
		{Name: "record-auditor", Path: "/record/mine", As: audit},
		{Name: "today-security", Path: "/", As: weiss},
		{Name: "api", Path: "/api", As: dana},
		{Name: "refused", Path: "/record", As: okafor, Status: 403},
		{Name: "missing", Path: "/no-such-page", As: okafor, Status: 404},
	}
}
