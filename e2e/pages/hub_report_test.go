package pages

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/e2e/npm"
)

const pagesHead = `# Soak: the pages

Written by ` + "`make soak`" + ` (e2e/pages, TestBarPages): the real program in front of six partners, looked at with Chromium by people who came in through its pages. Every page in both themes at 1440 and 390: no finding of axe-core, no sideways scrolling (at 320 either), no refusal of the content security policy, one heading, nothing dead without JavaScript. Figures are of the machine it ran on.
`

// reportPages writes what a whole run measured, where it found nothing.
func reportPages(t *testing.T, r Report, took time.Duration) {
	t.Helper()
	if t.Failed() || len(r.Measured) == 0 {
		return
	}
	by := func(of func(Measured) int) Measured {
		return slices.MaxFunc(r.Measured, func(a, b Measured) int { return of(a) - of(b) })
	}
	first, later, script := by(func(m Measured) int { return m.First }), by(func(m Measured) int { return m.Later }), by(func(m Measured) int { return m.Script })
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d pages in %v. Heaviest, over the wire: first load %.1f KB (%s, bound 120), a later one %.1f KB (%s, bound 15), scripts %.1f KB (%s, bound 25).\n\n",
		pagesHead, len(r.Measured), took.Round(time.Second), float64(first.First)/1024, first.Page, float64(later.Later)/1024, later.Page, float64(script.Script)/1024, script.Page)
	b.WriteString("| Job | Clicks |\n|---|---:|\n")
	for _, j := range r.Done {
		fmt.Fprintf(&b, "| %s | %d |\n", j.Name, j.Chosen)
	}
	fmt.Fprintf(&b, "\nA job without a remark was done by keyboard alone: Enter and Space count as clicks.\n\nCommit %s, %d processors.\n", commit(t), runtime.NumCPU())
	path := filepath.Join(npm.Root(t), "docs", "operate", "soak", "pages.md")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
