package hl7fhir

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/codec/fhir"
	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// The page's tables are made by these tests; LABWARDEN_UPDATE=1 writes them.
func section(t *testing.T, name, want string) {
	t.Helper()
	page := filepath.Join(repoRoot(t), "docs", "comply", "fhir-mapping.md")
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	from, to := "<!-- "+name+" -->\n", "<!-- end "+name+" -->"
	before, rest, ok1 := strings.Cut(string(b), from)
	have, after, ok2 := strings.Cut(rest, to)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no section %s", page, name)
	}
	if have == want {
		return
	}
	if os.Getenv("LABWARDEN_UPDATE") == "" {
		t.Errorf("docs/comply/fhir-mapping.md, section %s is out of date: run this test with LABWARDEN_UPDATE=1", name)
		return
	}
	if err := os.WriteFile(page, []byte(before+from+want+to+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

var derived = regexp.MustCompile(`\{"use":"secondary"[^}]*\}|"urn:uuid:[0-9a-f-]*"|"code":"[0-9a-f]{8}-[0-9a-f-]*"|"(issued|recorded)":"[^"]*"`)

// shapes gives each resource's JSON without what is derived.
func shapes(t *testing.T, b *fhir.Bundle) map[string]string {
	out := map[string]string{}
	for _, e := range b.Entry {
		j := derived.ReplaceAllString(asJSON(t, e.Resource), "")
		var r struct{ ResourceType string }
		if err := json.Unmarshal([]byte(asJSON(t, e.Resource)), &r); err != nil {
			t.Fatal(err)
		}
		out[j] = r.ResourceType
	}
	return out
}

// TestFieldTable finds by trying where each field goes.
func TestFieldTable(t *testing.T) {
	build := func(seg, line string) *hl7.Message {
		body := "MSH|^~\\&|A|B|||20260101000000+0000||ORU^R01|1|P|2.5.1\r"
		for _, s := range []string{"PID", "PD1", "NK1", "ORC", "TQ1", "OBR", "OBX", "NTE", "SPM"} {
			switch {
			case s == seg:
				body += line + "\r"
			case s == "OBX" && seg == "NTE":
				body += "OBX|1|ST\r"
			case s == "PID" || s == "OBR":
				body += s + "\r"
			}
		}
		m, err := hl7.Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	run := func(m *hl7.Message) (map[string]string, []Note) {
		b, notes, err := Convert(m, testOptions())
		if err != nil {
			t.Fatal(err)
		}
		return shapes(t, b), notes
	}
	out := "| field | goes to |\n|---|---|\n"
	for _, s := range []struct {
		name string
		n    int
	}{{"PID", 40}, {"PD1", 4}, {"NK1", 40}, {"ORC", 38}, {"TQ1", 14}, {"OBR", 53}, {"OBX", 33}, {"SPM", 32}, {"NTE", 6}} {
		for f := 1; f <= s.n; f++ {
			base := s.name
			if s.name == "OBX" && f > 2 {
				base = "OBX||ST"
			}
			was, _ := run(build(s.name, base))
			to := map[string]bool{}
			for _, probe := range []string{"QX^QY^L", "20260102030405+0000", "F", "Y", "2", "QID&NS", "QX&QY&L", "CM", "^^^^^S", "S", "4^QQ", "^QX&NS", "^PRN^PH^^1^217^5550100"} {
				fields := append(strings.Split(base, "|"), make([]string, f)...)
				fields[f] = probe
				got, notes := run(build(s.name, strings.Join(fields[:max(f+1, strings.Count(base, "|")+1)], "|")))
				if slices.ContainsFunc(notes, func(n Note) bool { return n.Path == fmt.Sprintf("%s-%d", s.name, f) && n.Why == whyUnmapped }) {
					continue
				}
				for j, kind := range got {
					if _, same := was[j]; !same {
						to[kind] = true
					}
				}
			}
			var kinds []string
			for k := range to {
				kinds = append(kinds, k)
			}
			slices.Sort(kinds)
			text := strings.Join(kinds, ", ")
			switch {
			case f == 1 && s.name != "TQ1" && s.name != "PD1":
				text = "- (set number or order control)"
			case s.name == "OBX" && f == 2:
				text = "Observation (value type)"
			case text == "":
				text = "not mapped: noted"
			}
			out += fmt.Sprintf("| %s-%d | %s |\n", s.name, f, text)
		}
	}
	section(t, "fields", out)
}

// leaves flattens a resource to "Type.path" -> values, without extensions,
// references, ids and what the server adds.
func leaves(kind string, v any, out map[string]map[string]int) {
	switch x := v.(type) {
	case map[string]any:
		for k, y := range x {
			switch k {
			case "extension", "id", "meta", "reference", "resourceType", "fullUrl", "request", "contained", "text":
				if k != "text" || kind == "" {
					continue
				}
			}
			if strings.HasPrefix(k, "_") {
				continue
			}
			leaves(kind+"."+k, y, out)
		}
	case []any:
		for _, y := range x {
			leaves(kind, y, out)
		}
	default:
		if out[kind] == nil {
			out[kind] = map[string]int{}
		}
		out[kind][normal(fmt.Sprint(x))]++
	}
}

// normal makes equal times equal and forgets the case of text.
func normal(s string) string {
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at.UTC().Format(time.RFC3339)
	}
	return strings.ToLower(strings.TrimSpace(s))
}

var compared = []string{"Patient", "Observation", "DiagnosticReport", "ServiceRequest", "Specimen", "Practitioner", "Organization"}

func flatten(t *testing.T, raw []byte) map[string]map[string]int {
	t.Helper()
	var b struct {
		Entry []struct{ Resource map[string]any }
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]int{}
	for _, e := range b.Entry {
		if kind, _ := e.Resource["resourceType"].(string); slices.Contains(compared, kind) {
			leaves(kind, e.Resource, out)
		}
	}
	return out
}

// TestCoverageAgainstPairs compares our bundles with those another pipeline made
// of the same messages, value by value, and keeps the figures in the page.
func TestCoverageAgainstPairs(t *testing.T) {
	dir := corpus(t, "hl7/cdc-reportstream")
	if dir == "" {
		t.Skip("SKIPPED: the shared corpus with its FHIR pairs is absent, coverage figures are not checked")
	}
	type count struct{ theirs, same, choice, open int }
	reasons := missReasons(t)
	paths, pairs := map[string]*count{}, 0
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(p) != ".fhir" {
			return err
		}
		raw, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		src, err := os.ReadFile(strings.TrimSuffix(p, ".fhir") + ".hl7")
		if err != nil {
			return nil // no message beside it
		}
		msgs := splitMessages(src)
		if len(msgs) != 1 {
			return nil
		}
		m, err := hl7.Parse(msgs[0])
		if err != nil {
			return nil
		}
		c, _, err := convertAll(m, testOptions())
		if err != nil {
			return nil
		}
		pairs++
		theirs, ours := flatten(t, raw), flatten(t, []byte(asJSON(t, c.b)))
		for path, values := range theirs {
			if paths[path] == nil {
				paths[path] = &count{}
			}
			for v := range values { // each once: the other pipeline repeats a resource for each use
				paths[path].theirs++
				if ours[path][v] > 0 {
					paths[path].same++
					continue
				}
				switch why := reasons.of(path); {
				case why == nil:
					t.Errorf("%s differs and testdata/misses.csv does not say why", path)
				case why.open:
					paths[path].open++
				default:
					paths[path].choice++
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	all := count{}
	kinds := map[string]*count{}
	for p, c := range paths {
		names = append(names, p)
		k, _, _ := strings.Cut(p, ".")
		if kinds[k] == nil {
			kinds[k] = &count{}
		}
		for _, sum := range []*count{&all, kinds[k]} {
			sum.theirs += c.theirs
			sum.same += c.same
			sum.choice += c.choice
			sum.open += c.open
		}
	}
	slices.Sort(names)
	ours := all.same + all.open
	out := fmt.Sprintf("%d pairs, %d values: %d the same (%d %%), %d differ by the pair's own choice, %d are open.\n"+
		"Of the %d that are ours to map by the guide, %d are the same (%d %%).\n\n| resource or member | values | same | their choice | open |\n|---|---|---|---|---|\n",
		pairs, all.theirs, all.same, 100*all.same/max(all.theirs, 1), all.choice, all.open, ours, all.same, 100*all.same/max(ours, 1))
	row := func(name string, c *count) string {
		return fmt.Sprintf("| %s | %d | %d | %d | %d |\n", name, c.theirs, c.same, c.choice, c.open)
	}
	for _, k := range compared {
		if c := kinds[k]; c != nil {
			out += row("**"+k+"**", c)
		}
		for _, p := range names {
			if strings.HasPrefix(p, k+".") {
				out += row(p, paths[p])
			}
		}
	}
	out += "\n| member | class | why |\n|---|---|---|\n"
	for _, r := range reasons {
		if !r.used {
			t.Errorf("testdata/misses.csv: %s explains nothing: take it out", r.path)
		}
		out += fmt.Sprintf("| %s | %s | %s |\n", strings.ReplaceAll(r.path, "*", `\*`), map[bool]string{true: "open", false: "theirs"}[r.open], r.why)
	}
	section(t, "coverage", out)
	t.Logf("%d pairs, %d of %d values the same", pairs, all.same, all.theirs)
	for k, floor := range map[string]int{"Patient.birthDate": 80, "Patient.name.family": 80, "Observation.code.coding.code": 80, "DiagnosticReport.status": 80} {
		if c := paths[k]; c == nil || c.same*100 < floor*c.theirs {
			t.Errorf("%s: %+v, below %d %%", k, c, floor)
		}
	}
}

// reason is a row of testdata/misses.csv.
type reason struct {
	path, why  string
	open, used bool
}

type reasonList []*reason

func missReasons(t *testing.T) reasonList {
	t.Helper()
	f, err := os.Open("testdata/misses.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment, r.FieldsPerRecord = '#', 3
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out reasonList
	for _, row := range rows {
		if row[1] != "open" && row[1] != "theirs" {
			t.Fatalf("testdata/misses.csv: class %q", row[1])
		}
		out = append(out, &reason{path: row[0], open: row[1] == "open", why: row[2]})
	}
	return out
}

// of is the first row that fits the member, nil for none.
func (l reasonList) of(path string) *reason {
	for _, r := range l {
		from, to, wild := strings.Cut(r.path, "*")
		if r.path == path || wild && strings.HasPrefix(path, from) && strings.HasSuffix(path, to) {
			r.used = true
			return r
		}
	}
	return nil
}
