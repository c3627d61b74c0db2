package astmhl7

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	if s := fmt.Sprint(notes); s != "[unknown unit: record 6 R-5 unknown flag: record 6 R-7 unknown code: record 10 R-3 unknown unit: record 10 R-5 not carried: record 1 H-3 not carried: record 1 H-10 not carried: record 2 P-36 not carried: record 3 O-3 not carried: record 6 R-10 not carried: record 7 M]" {
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

// corpus says of each capture which model its device is, how many of its results
// have a code that the model's file does not hold, and whether it names a specimen.
var corpus = map[string]struct {
	model    string
	unknown  int
	specimen bool
}{
	"abbott_afinion2.txt": {"abbott-afinion-2", 0, false},
	"cobas_c111.txt":      {"roche-cobas-c111", 1, true},
	"cobas_c311.txt":      {"roche-cobas-c311", 4, true},
	"dca_vantage.txt":     {"siemens-dca-vantage", 0, false},
	"pentra_xlr.txt":      {"horiba-pentra", 0, true},
	"sysmex_xn550.txt":    {"sysmex-xn-l", 0, true},
	"sysmex_xp100.txt":    {"sysmex-xp", 0, true},
}

// Every result of real analyzers is there with value, unit, flag and time exactly
// as the device wrote them, what is not carried is named, and each finds its model.
func TestCorpus(t *testing.T) {
	files, _ := filepath.Glob("../../../../shared/corpus/astm/*.txt")
	if len(files) == 0 {
		t.Skip("SKIPPED: the corpus of real messages is not beside the project")
	}
	all, err := analyzers.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := filepath.Base(f)
		want, ok := corpus[name]
		if !ok {
			t.Errorf("%s: which model is it?", name)
		}
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
			md := Model(m, all)
			if md == nil || md.Key != want.model {
				t.Fatalf("%s: its model is not found", name)
			}
			out, notes, err := Results(m, md, options)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			h, err := hl7.Parse(out)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			n := 0
			for r := range m.Records('R') {
				n++
				for _, pair := range [][2]int{{4, 5}, {6, 7}, {9, 11}, {13, 14}} {
					from := strings.TrimSpace(r.Field(pair[0]).Text())
					to := h.Value(hl7.Path{Segment: "OBX", Occurrence: n, Field: pair[1]}).Text()
					if pair[0] == 9 && from != "" && !slices.Contains(statuses, from) {
						from = "R"
					}
					if from != to && (pair[0] != 9 || from != "") {
						t.Errorf("%s: result %d: R-%d is not OBX-%d", name, n, pair[0], pair[1])
					}
				}
			}
			unknown := map[Kind]int{}
			for _, note := range notes {
				unknown[note.Kind]++
			}
			if unknown[UnknownCode] != want.unknown {
				t.Errorf("%s: %d unknown codes", name, unknown[UnknownCode])
			}
			if id, _ := h.Get("SPM-2.2"); (id != "") != want.specimen {
				t.Errorf("%s: specimen found: %t", name, id != "")
			}
			if serial, _ := h.Get("OBX-18.1"); serial == "" && md.At.Serial.Field > 0 {
				t.Errorf("%s: no serial", name)
			}
			t.Logf("%s: %s, %d results, %d unknown codes, %d unknown units, %d notes", name, md.Key, n, unknown[UnknownCode], unknown[UnknownUnit], len(notes))
			for _, e := range h.Check() {
				t.Logf("  %s: %s", e.Location(), e.Msg)
			}
		}
	}
}

// Messages in the shapes of real devices, found by their headers.
func TestShapes(t *testing.T) {
	all, err := analyzers.All()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		key  string
		want map[string]string
		not  string // a note that must be there
	}{
		"name and specimen elsewhere": {
			"H|\\^&|||    XN-550^00-24^22723^^^^PS||||||||E1394-97\rP|1|||37|^Ada^Fluss||19800229|F\rO|1||2^5^  S-77^B|^^^^WBC\\^^^^NEUT#|||||||N\rR|1|^^^^WBC^5|8.13|10*3/uL||N||F\rL|1|N\r",
			"sysmex-xn-l",
			map[string]string{
				"SPM-2.2": "S-77", "PID-3": "37", "PID-5.1": "Fluss", "PID-5.2": "Ada", "OBX-3.1": "WBC", "OBX-3.4": "6690-2", "OBX-3.9": "^^^^WBC^5",
				"OBX-6.4": "10*3/uL", "OBX-18.1": "22723", "OBR-4.4": "6690-2", "SPM-11": "P",
			},
			"not carried: record 3 O-4",
		},
		"more behind the code": {
			"H|\\^&|||cobas-e411^1|||||host|RSUPL^BATCH|P|1\rP|1\rO|1|S-77|3^50^2^^CONTROL^NORMAL|^^^117^1|R||||||X\\Q||||1\rR|1|^^^117/1/not|-1^0.31|COI||LL||F\rL|1|N\r",
			"roche-cobas-e411",
			map[string]string{"SPM-2.2": "S-77", "SPM-11": "Q", "OBX-3.1": "117/1/not", "OBX-5": "-1^0.31", "OBX-2": "ST"},
			"unknown code: record 4 R-3",
		},
		"a known code with more behind it": {
			"H|\\^&|||H7600^1|||||host|RSUPL^REAL|P|1\rP|1\rO|1|    S-77|0^50005^005^^QC^SC|^^^685^|R\rR|1|^^^685/|29|U/l||N||F\rL|1|N\r",
			"roche-cobas-c311",
			map[string]string{"SPM-2.2": "S-77", "SPM-11": "Q", "OBX-3.1": "685/", "OBX-3.2": "ALTL: alanine aminotransferase", "OBX-6.4": "U/L"},
			"not carried: record 3 O-4",
		},
		"the specimen among counters": {
			"H|\\^&|||c311^1|||||host|RSUPL^REAL|P|1\rO|1|11625^S-77 ^1^^004|R1|^^^685/|R\rR|1|^^^685/|29|U/l||N||F\rL|1|N\r",
			"roche-cobas-c311",
			map[string]string{"SPM-2.2": "S-77", "SPM-11": "P"},
			"not carried: record 2 O-3",
		},
		"a patient field that is none": {
			"H|\\^&|||LAB^Roche^c111^4.2^1^13147|||||host|RSUPL^REAL|P|1\rP|1||S-7\rO|1||S-77^^6\rR|1|^^^413|40|g/L||N||F\rL|1|N\r",
			"roche-cobas-c111",
			map[string]string{"SPM-2.2": "S-77", "PID-3": "", "OBX-18.1": "13147"},
			"not carried: record 2 P-4",
		},
		"delimiters, words and numbers": {
			"H|@^\\|7||110 Lab^GeneXpert^6.4|||||LIS||P|1394-97\rP|1\rO|1|S-77||^^^MTB\rR|1|^MTB^^rif^Xpert MTB^4^MTB^|NOT DETECTED^|||||F\rR|2|^MTB^^rif^^^rpoB1^Ct|^24.7|||\rL|1|N\r",
			"cepheid-genexpert",
			map[string]string{"OBX-3.1": "rif", "OBX-4": "MTB", "OBX-5": "NOT DETECTED", "OBX(2)-4": "rpoB1/Ct", "OBX(2)-5": "24.7", "OBX(2)-2": "NM"},
			"unknown code: record 4 R-3",
		},
		"flags and results of one test": {
			"H|\\^&|||ARCHITECT^9.45^F1^H1P1|||||||Q|1\rP|1\rO|1|S-77||^^^0241^TSH^UNDILUTED^P\rR|1|^^^0241^TSH^UNDILUTED^P^L1^7^^F|4.6|mIU/mL||EXP^<||F\rL|1\r",
			"abbott-architect",
			map[string]string{"OBX-4": "F", "OBX-8(1)": "EXP", "OBX-8(2)": "<", "SPM-11": "Q", "MSH-11": "P"},
			"unknown flag: record 4 R-7",
		},
		"LOINC that is none": {
			"H|\\^&|||ABX|||||||P|E1394-97\rP|1\rO|1|S-77^01^02||^^^DIF\rR|1|^^^RBC^789-9^1|4.65|1||||W\rR|2|^^^PLT^777-3^1|234|1||||F\rL|1|N\r",
			"horiba-pentra",
			map[string]string{"SPM-2.2": "S-77", "OBX-3.4": "", "OBX-3.9": "^^^RBC^789-9^1", "OBX(2)-3.4": "777-3", "OBX(1)-11": "R", "OBX(2)-11": "F"},
			"unknown unit: record 4 R-5",
		},
		"where the specimen is from": {
			"H|\\^&|||Afinion 2 Analyzer^^AF1|||||||P|1\rP|1||43\rO|1||5|^^^HbA1c|||||||N||||^C\rR|1|^^^HbA1c|5.9|%||||F\rL|1|N\r",
			"abbott-afinion-2",
			map[string]string{"PID-3": "43", "SPM-4": "", "SPM-8": "C", "OBX-18.1": "AF1"},
			"not carried: record 3 O-4",
		},
		"a control known by its result": {
			"H|\\^&|||Sofia^2|||||||P|1.10.0\rP|1|15110\rO|1|||Cal\rR|1|^^^CB CASS|passed|||||F\rL|1|N\r",
			"quidel-sofia",
			map[string]string{"SPM-11": "Q", "OBX-3.2": "Calibration cassette"},
			"out of place: record 3 O-3",
		},
		"codes in the first component": {
			"H|\\^&|||OCD^VISION^5.13^J1|||||||P|LIS2-A\rP|1|PID1\rO|1|SID1||XM^1^D1^RBC\rR|1|XM^D1|CMP|||||F\rL||\r",
			"ortho-vision",
			map[string]string{"PID-3": "PID1", "OBX-3.1": "XM", "OBX-3.9": "XM^D1", "OBX-4": "D1", "OBX-18.1": "J1"},
			"",
		},
	} {
		m, err := astm.Parse([]byte(c.text))
		if err != nil {
			t.Fatal(name, err)
		}
		md := Model(m, all)
		if md == nil || md.Key != c.key {
			t.Errorf("%s: its model is not found", name)
			continue
		}
		b, notes, err := Results(m, md, options)
		if err != nil {
			t.Fatal(name, err)
		}
		h, err := hl7.Parse(b)
		if err != nil {
			t.Fatal(name, err)
		}
		for path, want := range c.want {
			if got, err := h.Get(path); got != want || err != nil {
				t.Errorf("%s: %s is %q, not %q (%v)", name, path, got, want, err)
			}
		}
		if s := fmt.Sprint(notes); c.not != "" && !strings.Contains(s, c.not) {
			t.Errorf("%s: %s", name, s)
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
