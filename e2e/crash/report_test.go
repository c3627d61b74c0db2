package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// page is a page of figures.
type page struct{ file, head string }

var (
	crashReport = page{"crash.md", reportHead}
	nodesReport = page{"nodes.md", nodesHead}
)

const nodesHead = `# Soak: several nodes

Written by ` + "`make soak`" + ` (e2e/crash, TestBarNodes). Each part names the commit it ran on; figures are of the machine it ran on.
`

const reportHead = `# Soak: what happens when things break

Written by ` + "`make soak`" + ` (e2e/crash). Each part names the commit it ran on; figures are of the machine it ran on.
`

// report writes the figures of a whole run: the section of that name is
// replaced, the others stay.
func report(t *testing.T, whole bool, section, text string) {
	t.Helper()
	reportIn(t, whole, crashReport, section, text)
}

func reportIn(t *testing.T, whole bool, p page, section, text string) {
	t.Helper()
	if !whole || t.Failed() {
		return
	}
	path := filepath.Join(built.root, "docs", "operate", "soak", p.file)
	old, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	head := "\n## " + section + "\n"
	var kept []string
	for _, part := range strings.Split(strings.TrimPrefix(string(old), p.head), "\n## ") {
		part = strings.TrimSpace(part)
		if part != "" && !strings.HasPrefix(part, section+"\n") {
			kept = append(kept, "\n## "+part+"\n")
		}
	}
	kept = append(kept, fmt.Sprintf("%s\n%s\n\nCommit %s, %d processors.\n", head, text, commit(t), runtime.NumCPU()))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(p.head+strings.Join(kept, "")), 0o644); err != nil {
		t.Fatal(err)
	}
}
