package analyzers

import (
	"strings"
	"testing"
)

const good = `
vendor: Example
model: LW-100
kind: clinical chemistry
protocols: [astm]
names: ["LW-100*", "LW100"]
sources: [{title: Interface, url: "https://example.org/i.pdf", read: "2026-11-22", says: all of it}]
at: {specimen: O-3.1, serial: H-5.3}
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
	for name, change := range map[string][2]string{
		"vendor": {"vendor: Example", "vendor: ''"}, "names": {`["LW-100*", "LW100"]`, "[]"}, "sources": {"says: all of it", "says: ''"}, "protocol": {"[astm]", "[xml]"},
		"place": {"O-3.1", "O3"}, "loinc": {"2345-7", "2345-8"}, "word": {"kind:", "sort: x\nkind:"}, "control": {"is: [Q]", "is: []"}, "code": {"name: Glucose, ", ""},
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
	for _, m := range all {
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
