package analyzers

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

const good = `
vendor: Example
model: LW-100
kind: clinical chemistry
protocols: [astm]
names: ["LW-100*", "LW100"]
sources: [{title: Interface, url: "https://example.org/i.pdf", read: "2026-11-22", says: all of it}]
at: {specimen: [O-3.2, O-3.1], serial: H-5.3}
code_ends: "/"
controls: [{at: O-12, is: [Q]}]
codes: {GLU: {name: Glucose, loinc: 2345-7}}
units: {"mg/dL": "mg/dL"}
`

func TestRead(t *testing.T) {
	m, err := Read("lw-100", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if m.At.Serial != (Place{'H', 5, 3}) || m.At.Serial.String() != "H-5.3" || m.Codes["GLU"].Name != "Glucose" || m.Controls[0].At.Component != 0 {
		t.Errorf("%+v", m)
	}
	if k, ok := m.Code("GLU/2/not"); !ok || k.Name != "Glucose" || len(m.At.Specimen) != 2 {
		t.Errorf("%v %v", k, m.At.Specimen)
	}
	if _, ok := m.Code("GLUC"); ok {
		t.Error("a code is found by its beginning")
	}
	for name, change := range map[string][2]string{
		"vendor": {"vendor: Example", "vendor: ''"}, "names": {`["LW-100*", "LW100"]`, "[]"}, "sources": {"says: all of it", "says: ''"}, "protocol": {"[astm]", "[xml]"},
		"place": {"O-3.1", "O3"}, "places": {"[O-3.2, O-3.1]", "O3"}, "record": {"H-5.3", "O-5.3"}, "specimen": {"O-3.2", "P-3.2"}, "loinc": {"2345-7", "2345-8"}, "word": {"kind:", "sort: x\nkind:"}, "control": {"is: [Q]", "is: []"}, "code": {"name: Glucose, ", ""},
	} {
		if _, err := Read("x", []byte(strings.Replace(good, change[0], change[1], 1))); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestAll(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 13 {
		t.Errorf("%d models", len(all))
	}
	for _, m := range all {
		for _, s := range m.Sources {
			if _, err := time.Parse("2006-01-02", s.Read); err != nil || !strings.HasPrefix(s.URL, "https://") {
				t.Errorf("%s: %s: %s", m.Key, s.URL, s.Read)
			}
		}
		for _, n := range m.Names {
			if got := Find(all, strings.ReplaceAll(n, "*", "")); got != m {
				t.Errorf("%s is found as %v", n, got)
			}
		}
	}
	if m := Find(all, "nobody's"); m != nil {
		t.Errorf("%s", m.Key)
	}
}

func TestOwn(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	own, err := Own(fstest.MapFS{
		"roche-cobas-c111.yaml": {Data: []byte(good)},
		"zz.yaml":               {Data: []byte(strings.Replace(good, `"LW-100*"`, `"XP-300"`, 1))},
		"readme.txt":            {Data: []byte("x")},
	})
	if err != nil || len(own) != 2 {
		t.Fatal(len(own), err)
	}
	merged := Merge(own, all)
	if len(merged) != len(all)+1 || Find(merged, "c111") != nil || Find(merged, "XP-300") != own[1] || Find(merged, "XP-100") == nil {
		t.Error("the laboratory's own do not come first")
	}
	if _, err := Own(fstest.MapFS{"x.yaml": {Data: []byte("x: 1")}}); err == nil {
		t.Error("taken")
	}
}

// The page's example is a file that is taken, and its table has every model.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	example, _, _ := strings.Cut(rest, "```")
	m, err := Read("lw-100", []byte(example))
	if err != nil || m.CodeEnds != "/" || len(m.At.Specimen) != 2 {
		t.Fatalf("%+v %v", m, err)
	}
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		name, _, _ := strings.Cut(m.Name, " (")
		_, row, ok := strings.Cut(string(page), "\n| "+m.Vendor+" "+name)
		row, _, _ = strings.Cut(row, "\n")
		if cells := strings.Split(row, "|"); !ok || len(cells) < 3 || len(m.Codes) > 0 && strings.TrimSpace(cells[2]) != strconv.Itoa(len(m.Codes)) {
			t.Errorf("%s: the page says %q, its file has %d codes", m.Key, row, len(m.Codes))
		}
	}
}
