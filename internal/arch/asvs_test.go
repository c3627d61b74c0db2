package arch

import (
	"encoding/csv"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// asvsIDs are the requirements of OWASP ASVS 5.0.0 that docs/comply/asvs.csv
// answers, by section: all of level 2, and level 3 of authentication (V6),
// sessions (V7), authorization (V8), cryptography (V11), secrets (V13.3) and
// logging (V16). Ids only; the text is OWASP's.
const asvsIDs = `
V1.1 1-2
V1.2 1-9
V1.3 1-11
V1.4 1-3
V1.5 1-2
V2.1 1-3
V2.2 1-3
V2.3 1-4
V2.4 1
V3.2 1-2
V3.3 1-4
V3.4 1-6
V3.5 1-5
V3.7 1-2
V4.1 1-3
V4.2 1
V4.3 1-2
V4.4 1-4
V5.1 1
V5.2 1-3
V5.3 1-2
V5.4 1-3
V6.1 1-3
V6.2 1-12
V6.3 1-8
V6.4 1-6
V6.5 1-8
V6.6 1-4
V6.7 1-2
V6.8 1-4
V7.1 1-3
V7.2 1-4
V7.3 1-2
V7.4 1-5
V7.5 1-3
V7.6 1-2
V8.1 1-4
V8.2 1-4
V8.3 1-3
V8.4 1-2
V9.1 1-3
V9.2 1-4
V10.1 1-2
V10.2 1-2
V10.3 1-4
V10.4 1-11
V10.5 1-5
V10.6 1-2
V10.7 1-3
V11.1 1-4
V11.2 1-5
V11.3 1-5
V11.4 1-4
V11.5 1-2
V11.6 1-2
V11.7 1-2
V12.1 1-3
V12.2 1-2
V12.3 1-4
V13.1 1
V13.2 1-5
V13.3 1-4
V13.4 1-5
V14.1 1-2
V14.2 1-4
V14.3 1-3
V15.1 1-3
V15.2 1-3
V15.3 1-7
V16.1 1
V16.2 1-5
V16.3 1-4
V16.4 1-3
V16.5 1-4
V17.1 1
V17.2 1-4
V17.3 1-2
`

func asvsWanted(t *testing.T) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(strings.TrimSpace(asvsIDs)) {
		section, numbers, _ := strings.Cut(strings.TrimSpace(line), " ")
		for r := range strings.SplitSeq(numbers, ",") {
			a, b, two := strings.Cut(r, "-")
			from, err := strconv.Atoi(a)
			if err != nil {
				t.Fatal(err)
			}
			to := from
			if two {
				if to, err = strconv.Atoi(b); err != nil {
					t.Fatal(err)
				}
			}
			for n := from; n <= to; n++ {
				out = append(out, fmt.Sprintf("%s.%d", section, n))
			}
		}
	}
	return out
}

// testNames are all tests and fuzz targets of the tree.
func testNames(t *testing.T, root string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"testdata", "node_modules", "dist", "bin"}, d.Name())) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, x := range file.Decls {
			if f, ok := x.(*ast.FuncDecl); ok && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
				out[f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var asvsID = regexp.MustCompile(`\bV[0-9]+\.[0-9]+\.[0-9]+\b`)

var namedTest = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z][A-Za-z0-9]+`)

// TestASVS: each requirement is answered once, and what it names as its test or
// page is there.
func TestASVS(t *testing.T) {
	root := rootFolder(t)
	file, err := os.Open(filepath.Join(root, "docs", "comply", "asvs.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(rows[0], []string{"id", "level", "area", "status", "test or page", "reason"}) {
		t.Fatalf("the columns are %q", rows[0])
	}
	tests, counts, gaps := testNames(t, root), map[string]int{}, map[string][]string{}
	var ids []string
	for _, row := range rows[1:] {
		id, level, status, evidence, reason := row[0], row[1], row[3], row[4], row[5]
		ids = append(ids, id)
		counts[status]++
		gaps[status] = append(gaps[status], id)
		if !slices.Contains([]string{"1", "2", "3"}, level) || row[2] == "" {
			t.Errorf("%s has no level or area", id)
		}
		switch status {
		case "met":
			if evidence == "" {
				t.Errorf("%s is met by nothing", id)
			}
		case "not applicable", "accepted", "not yet": // accepted: decided otherwise; not yet: to be done
			if reason == "" {
				t.Errorf("%s is %s without a reason", id, status)
			}
		default:
			t.Errorf("%s has the state %q", id, status)
		}
		if evidence != "" && !namedTest.MatchString(evidence) {
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(evidence))); err != nil {
				t.Errorf("%s names a page that is not there: %v", id, err)
			}
		}
		for _, name := range namedTest.FindAllString(evidence+" "+reason, -1) {
			if !tests[name] {
				t.Errorf("%s names %s, which is no test of this tree", id, name)
			}
		}
	}
	if want := asvsWanted(t); !slices.Equal(ids, want) {
		for _, id := range want {
			if !slices.Contains(ids, id) {
				t.Errorf("%s is not answered", id)
			}
		}
		t.Errorf("%d rows, want %d in the order of the standard, each once", len(ids), len(want))
	}
	asvsSummary(t, root, counts, gaps, len(ids))
	asvsAgainstFeed(t, root, ids)
}

// asvsSummary holds docs/comply/security.md against the list: its counts, and each
// gap by its id, under what it is.
func asvsSummary(t *testing.T, root string, counts map[string]int, gaps map[string][]string, all int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "comply", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("Of %d requirements %d are met, %d do not apply, %d are accepted otherwise and %d are not met yet.", all, counts["met"], counts["not applicable"], counts["accepted"], counts["not yet"])
	_, known, _ := strings.Cut(string(text), "## Known gaps")
	if !strings.Contains(known, want) {
		t.Errorf("docs/comply/security.md, Known gaps, does not say: %s", want)
	}
	for status, begins := range map[string]string{"accepted": "- Accepted, because we decided so:", "not yet": "- Not met yet:"} {
		_, line, _ := strings.Cut(known, begins)
		line, _, _ = strings.Cut(line, "\n-")
		if got := asvsID.FindAllString(line, -1); !slices.Equal(got, gaps[status]) {
			t.Errorf("docs/comply/security.md lists %q as %s, docs/comply/asvs.csv %q", got, status, gaps[status])
		}
	}
}

// asvsAgainstFeed compares ids and levels with OWASP's own list where a copy lies
// beside the project.
func asvsAgainstFeed(t *testing.T, root string, ids []string) {
	t.Helper()
	file, err := os.Open(filepath.Join(root, "..", "shared", "feeds", "owasp-asvs-5.0.0.csv"))
	if err != nil {
		t.Log("OWASP's list is not beside the project: its ids were not compared")
		return
	}
	defer func() { _ = file.Close() }()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	deep := []string{"V6", "V7", "V8", "V11", "V16"}
	for _, row := range rows[1:] {
		chapter, section, id, level := row[0], row[2], row[4], row[6]
		if (level != "3" || slices.Contains(deep, chapter) || section == "V13.3") != slices.Contains(ids, id) {
			t.Errorf("%s of level %s: in one list and not in the other", id, level)
		}
	}
}
