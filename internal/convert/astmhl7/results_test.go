package astmhl7

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/codec/astm"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/convert/analyzers"
)

var options = Options{Device: "chem1", Facility: "MILLBROOK", To: "LIS", ControlID: "LW7", Time: "20260301101600+0000"}

const model = `
vendor: Example
model: LW-100
kind: clinical chemistry
protocols: [astm]
names: ["LW-100"]
sources: [{title: made for tests, url: "https://example.org", read: "2026-11-22", says: all of it}]
at: {serial: H-5.3}
controls: [{at: O-3.1, begins: [QC-]}]
codes: {GLU: {name: Glucose, loinc: 2345-7}, K: {name: Potassium}}
units: {"mg/dL": "mg/dL"}
`

const sample = "H|\\^&|7||LW-100^2.1^SN0042|||||host||P|LIS2-A2|20260301101500\r" +
	"P|1|PRAC-1|LAB-1||Fluss^Ada^M||19800229|F|||||||||||||||||||||||||||Z9\r" +
	"O|1|S-77^3^5||^^^GLU\\^^^K|R||20260301093000||||N||||Serum\r" +
	"R|1|^^^GLU|098.0|mg/dL|70 to 105|N||F||tech1||20260301101400\r" +
	"C|1|I|hemolysed^2|I\r" +
	"R|2|^^^K|<4.1|mmol/L||H\\Q|||Y\r" +
	"M|1|curve|-3\\-4\r" +
	"P|2\r" +
	"O|1|QC-2||^^^NEW\r" +
	"R|1|^^^NEW^6690-2|7|x|||| \r" +
	"L|1|N\r"

const want = `MSH|^~\&|chem1|MILLBROOK|LIS||20260301101600+0000||OUL^R22^OUL_R22|LW7|P|2.5.1||||||UNICODE UTF-8|||LAB-29^IHE
PID|1||LAB-1^^^^PI~PRAC-1^^^^PT||Fluss^Ada^M||19800229|F
SPM|1|^S-77||Serum|||||||P||||||20260301093000
OBR|1|S-77||GLU^Glucose^99EXA^2345-7^Glucose^LN|R||20260301093000||||N
OBX|1|NM|GLU^Glucose^99EXA^2345-7^Glucose^LN||098.0|mg/dL^^^mg/dL^^UCUM|70 to 105|N|||F|||20260301101400||tech1||SN0042^LW-100
NTE|1|A|hemolysed 2
OBX|2|ST|K^Potassium^99EXA||<4.1|mmol/L||H~Q|||F|||||||SN0042^LW-100
PID|2
SPM|2|^QC-2|||||||||Q
OBR|2|QC-2||NEW^^99EXA
OBX|1|NM|NEW^^99EXA^6690-2^^LN||7|x|||||F|||||||SN0042^LW-100
`

func convert(t *testing.T, text, model string) (string, []Note) {
	t.Helper()
	var md *analyzers.Model
	if model != "" {
		var err error
		if md, err = analyzers.Read("lw-100", []byte(model)); err != nil {
			t.Fatal(err)
		}
	}
	m, err := astm.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	b, notes, err := Results(m, md, options)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r", "\n"), notes
}

func TestResults(t *testing.T) {
	got, notes := convert(t, sample, model)
	if got != want {
		t.Errorf("%s", got)
	}
	if s := fmt.Sprint(notes); s != "[unknown unit: record 6 R-5 unknown flag: record 6 R-7 unknown code: record 10 R-3 unknown unit: record 10 R-5 not carried: record 1 H-3 not carried: record 1 H-10 not carried: record 2 P-36 not carried: record 6 R-10 not carried: record 7 M]" {
		t.Error(s)
	}
	if _, notes := convert(t, sample, ""); notes[0].Kind != UnknownModel {
		t.Error(notes)
	}
	m, _ := astm.Parse([]byte("H|\\^&\rQ|1|ALL\rL|1\r"))
	if _, _, err := Results(m, nil, options); err == nil {
		t.Error("a query has results")
	}
}

// Every result of real analyzers is there with value, unit, flag and time exactly
// as the device wrote them, and what is not carried is named.
func TestCorpus(t *testing.T) {
	files, _ := filepath.Glob("../../../../shared/corpus/astm/*.txt")
	if len(files) == 0 {
		t.Skip("SKIPPED: the corpus of real messages is not there")
	}
	all, err := analyzers.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		messages, _ := astm.ReadCapture(b)
		for _, text := range messages {
			m, err := astm.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			md := analyzers.Find(all, m.Header().Field(5).Component(1).Text())
			out, notes, err := Results(m, md, options)
			if err != nil {
				t.Errorf("%s: %v", filepath.Base(f), err)
				continue
			}
			h, err := hl7.Parse(out)
			if err != nil {
				t.Errorf("%s: %v", filepath.Base(f), err)
				continue
			}
			n := 0
			for r := range m.Records('R') {
				n++
				for _, pair := range [][2]int{{4, 5}, {6, 7}, {9, 11}, {13, 14}} {
					from := strings.TrimSpace(r.Field(pair[0]).Text())
					to := h.Value(hl7.Path{Segment: "OBX", Occurrence: n, Field: pair[1]}).Text()
					if from != to && (pair[0] != 9 || from != "") {
						t.Errorf("%s: result %d: R-%d is not OBX-%d", filepath.Base(f), n, pair[0], pair[1])
					}
				}
			}
			known := "no model"
			if md != nil {
				known = md.Key
			}
			t.Logf("%s: %s, %d results, %d notes", filepath.Base(f), known, n, len(notes))
			for _, e := range h.Check() {
				t.Logf("  %s: %s", e.Location(), e.Msg)
			}
		}
	}
}

func FuzzResults(f *testing.F) {
	f.Add([]byte(sample))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := astm.ParseLimits(b, astm.Limits{Bytes: 1 << 14})
		if err != nil {
			return
		}
		md, err := analyzers.Read("x", []byte(model))
		if err != nil {
			t.Fatal(err)
		}
		out, _, err := Results(m, md, options)
		if err != nil {
			return
		}
		h, err := hl7.Parse(out)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for range m.Records('R') {
			n++
		}
		got := 0
		for range h.Segments("OBX") {
			got++
		}
		if n != got {
			t.Fatalf("%d results, %d OBX", n, got)
		}
	})
}
