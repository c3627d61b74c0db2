package hl7fhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/codec/fhir"
	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// testOptions are what a route would set: a recorded time, and no zone.
func testOptions() Options {
	return Options{Recorded: time.Date(2026, 3, 8, 9, 0, 0, 0, time.UTC)}
}

func sample2(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".hl7"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func convert(t testing.TB, body []byte, opt Options) (*fhir.Bundle, []Note) {
	t.Helper()
	m, err := hl7.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	b, notes, err := Convert(m, opt)
	if err != nil {
		t.Fatal(err)
	}
	return b, notes
}

// resources gives the bundle's resources of one type as plain JSON.
func resources(t testing.TB, b *fhir.Bundle, kind string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for _, e := range b.Entry {
		raw, err := fhir.Encode(e.Resource)
		if err != nil {
			t.Fatal(err)
		}
		var r map[string]any
		if err := json.Unmarshal(raw, &r); err != nil {
			t.Fatal(err)
		}
		if r["resourceType"] == kind {
			r["fullUrl"], r["request"] = e.FullURL, *e.Request
			out = append(out, r)
		}
	}
	return out
}

func observation(t testing.TB, b *fhir.Bundle, code string) *fhir.Observation {
	t.Helper()
	for _, e := range b.Entry {
		if o, ok := e.Resource.(*fhir.Observation); ok && len(o.Code.Coding) > 0 && o.Code.Coding[0].Code == code {
			return o
		}
	}
	t.Fatalf("no Observation %s", code)
	return nil
}

func noted(notes []Note, path, why string) bool {
	return slices.ContainsFunc(notes, func(n Note) bool { return n.Path == path && strings.Contains(n.Why, why) })
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := fhir.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Cites HL7 v2.5.1 2.A.70, 7.4.2, 7.4.2.5; "OBX to Observation", "Segment OBX to Observation".
func TestValueTypes(t *testing.T) {
	b, notes := convert(t, sample2(t, "chemistry"), testOptions())
	for code, want := range map[string]string{
		"2345-7":  `"valueQuantity":{"value":105.0,"unit":"milligram per deciliter","system":"http://unitsofmeasure.org","code":"mg/dL"}`,
		"2823-3":  `"valueQuantity":{"value":6.9,"unit":"mmol/L"}`,
		"1920-8":  `"valueQuantity":{"value":5,"comparator":"<","unit":"U/L","system":"http://unitsofmeasure.org","code":"U/L"}`,
		"5000-1":  `"valueRatio":{"numerator":{"value":1},"denominator":{"value":128}}`,
		"5000-2":  `"valueRange":{"low":{"value":10,"unit":"/HPF","system":"http://unitsofmeasure.org","code":"/HPF"},"high":{"value":20,`,
		"5000-3":  `"valueString":"see note"`,
		"5000-4":  `"valueString":"clear & <b>yellow</b>"`,
		"5000-5":  `"text":"Negative result"`,
		"5000-6":  `"valueDateTime":"2026-02-28"`,
		"5000-7":  `"valueTime":"08:15:00"`,
		"5000-8":  `"valueDateTime":"2026-02-28T08:15:00-05:00"`,
		"5000-9":  `"valueDateTime":"2026-02-28T08:15:00-05:00"`,
		"5000-10": `"dataAbsentReason":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/data-absent-reason","code":"not-performed"}]}`,
		"5000-12": `"valueString":"line one\nline two & more\nrepeat"`,
		"5000-13": `"valueString":"123^^^AUTH"`,
	} {
		if got := asJSON(t, observation(t, b, code)); !strings.Contains(got, want) {
			t.Errorf("%s: want %s in\n%s", code, want, got)
		}
	}
	if got := asJSON(t, observation(t, b, "5000-11")); strings.Contains(got, "value\"") && strings.Contains(got, "valueQuantity") {
		t.Errorf("a null became a value: %s", got)
	}
	for _, n := range []struct{ path, why string }{
		{"OBX(6)-5", whyNumber}, {"OBX(14)-5", whyNull}, {"OBX(4)-8", whyCode}, {"ZXX-2", whySegment}, {"OBX(6)-6", "kept as a note"},
	} {
		if !noted(notes, n.path, n.why) {
			t.Errorf("no note %s: %s in %v", n.path, n.why, notes)
		}
	}
}

func TestReferenceRangesOnlyWhenUnambiguous(t *testing.T) {
	b, _ := convert(t, sample2(t, "chemistry"), testOptions())
	for code, want := range map[string]struct {
		low, high, text string
	}{
		"2345-7": {"70", "99", "70-99"}, "2823-3": {"3.5", "5.1", "3.5-5.1"}, "1920-8": {"", "", "<40"}, "5000-1": {"", "", "<1:16"}, "5000-3": {"", "", ">=60"},
	} {
		r := observation(t, b, code).ReferenceRange[0]
		low, high := "", ""
		if r.Low != nil {
			low = string(r.Low.Value)
		}
		if r.High != nil {
			high = string(r.High.Value)
		}
		if low != want.low || high != want.high || r.Text != want.text {
			t.Errorf("%s: low %q high %q text %q, want %v", code, low, high, r.Text, want)
		}
	}
}

func TestInOrderComparesDigits(t *testing.T) {
	for _, c := range []struct {
		a, b fhir.Decimal
		want bool
	}{
		{"3.5", "5.1", true},
		{"5.1", "3.5", false},
		{"9", "10", true},
		{"10", "9", false},
		{"1.10", "1.1", true},
		{"1.09", "1.1", true},
		{"-5", "3", true},
		{"3", "-5", false},
		{"-3", "-5", false},
		{"-5", "-3", true},
		{"0", "-0.0", true},
		{"0.0001", "0.001", true},
	} {
		if got := inOrder(c.a, c.b); got != c.want {
			t.Errorf("inOrder(%s, %s) = %v", c.a, c.b, got)
		}
	}
}

// Cites tables 0078, 0074 and 0002.
func TestStatusesAndInterpretation(t *testing.T) {
	b, notes := convert(t, sample2(t, "correction"), testOptions())
	if r := resources(t, b, "DiagnosticReport")[0]; r["status"] != "corrected" {
		t.Errorf("report status %v", r["status"])
	}
	for code, want := range map[string]string{"2345-7": "corrected", "X1": "entered-in-error", "X2": "entered-in-error"} {
		if got := observation(t, b, code).Status; got != want {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
	}
	if p := resources(t, b, "Provenance")[0]; !strings.Contains(asJSON(t, p["activity"]), "UPDATE") {
		t.Errorf("a correction is not marked as an update: %v", p["activity"])
	}
	if len(notes) == 0 {
		t.Error("the null in OBX(3)-5 has no note")
	}
	b, notes = convert(t, sample2(t, "latin1"), testOptions())
	if r := resources(t, b, "DiagnosticReport")[0]; r["status"] != "unknown" || !noted(notes, "OBR-25", whyStatus) {
		t.Errorf("OBR-25 Y: %v, notes %v", r["status"], notes)
	}
	b, _ = convert(t, sample2(t, "oul_r22"), testOptions())
	got := asJSON(t, observation(t, b, "5767-9").Interpretation)
	want := `[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"A"}]},{"coding":[{"system":"urn:labwarden:local:code:NORTHLAB:99NL","code":"ABX","display":"Odd"}]}]`
	if got != want {
		t.Errorf("interpretation\n%s\nwant\n%s", got, want)
	}
}

func TestCorrectionFindsItsOriginal(t *testing.T) {
	request := func(name, kind string) fhir.Request {
		b, _ := convert(t, sample2(t, name), testOptions())
		return resources(t, b, kind)[0]["request"].(fhir.Request)
	}
	for _, kind := range []string{"DiagnosticReport", "Observation", "ServiceRequest"} {
		was, is := request("original", kind), request("correction", kind)
		if was != is || was.Method != "PUT" || !strings.Contains(was.URL, "?identifier=") {
			t.Errorf("%s: original %v, correction %v", kind, was, is)
		}
	}
	// The correction moves the result to another patient, who must not be the same.
	if a, b := request("original", "Patient"), request("correction", "Patient"); a == b || a.Method != "POST" || a.IfNoneExist == "" {
		t.Errorf("patients %v and %v", a, b)
	}
	if a, b := request("original", "Provenance"), request("correction", "Provenance"); a == b {
		t.Error("two messages share one Provenance")
	}
}

func TestReportsOfOneFillerNumberStayApart(t *testing.T) {
	b, _ := convert(t, sample2(t, "microbiology"), testOptions())
	seen := map[string]bool{}
	for _, r := range resources(t, b, "DiagnosticReport") {
		u := r["request"].(fhir.Request).URL
		if seen[u] {
			t.Errorf("two reports share %s", u)
		}
		seen[u] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d reports, want 3", len(seen))
	}
}

// Cites HL7 v2.5.1 7.4.2.4.
func TestMicrobiologyGrouping(t *testing.T) {
	b, _ := convert(t, sample2(t, "microbiology"), testOptions())
	name := map[string]string{}
	for _, e := range b.Entry {
		if o, ok := e.Resource.(*fhir.Observation); ok {
			name[e.FullURL] = o.Code.Coding[0].Code
		}
	}
	got := map[string][]string{}
	for _, e := range b.Entry {
		o, ok := e.Resource.(*fhir.Observation)
		if !ok || o.ValueConcept == nil {
			continue
		}
		for _, m := range o.HasMember {
			got[o.ValueConcept.Coding[0].Display] = append(got[o.ValueConcept.Coding[0].Display], name[m.Reference])
		}
	}
	for k, want := range map[string][]string{"Escherichia coli": {"564-5", "28-1", "185-9"}, "Pseudomonas aeruginosa": {"600-9", "12-5"}} {
		if !slices.Equal(got[k], want) {
			t.Errorf("%s holds %v, want %v", k, got[k], want)
		}
	}
}

// Cites HL7 v2.5.1 2.A.24, 2.A.65.
func TestDocuments(t *testing.T) {
	b, notes := convert(t, sample2(t, "pdf"), testOptions())
	for _, e := range b.Entry {
		if r, ok := e.Resource.(fhir.DiagnosticReport); ok {
			if len(r.PresentedForm) != 2 || !bytes.HasPrefix(r.PresentedForm[0].Data, []byte("%PDF-1.4")) ||
				r.PresentedForm[0].ContentType != "application/pdf" || r.PresentedForm[1].URL != "https://images.example.org/1" {
				t.Errorf("presentedForm %+v", r.PresentedForm)
			}
		}
	}
	o := observation(t, b, "PDF")
	if o.DataAbsentReason == nil || o.DataAbsentReason.Coding[0].Code != "error" || !noted(notes, "OBX(2)-5", "could not be decoded") {
		t.Errorf("a broken document went silently: %+v, %v", o, notes)
	}
}

func TestCharacterSetEscapesAndNull(t *testing.T) {
	b, notes := convert(t, sample2(t, "latin1"), testOptions())
	out := asJSON(t, b)
	for _, want := range []string{`"family":"Müller"`, `"given":["Zoë"]`, `"display":"Café"`, `"A|^ µg"`, `"value":7.50,"unit":"µg/l"`} {
		if !strings.Contains(out, want) {
			t.Errorf("want %s in %s", want, out)
		}
	}
	if !noted(notes, "PID-5.3", whyNull) {
		t.Errorf("null not noted: %v", notes)
	}
}

// Cites HL7 v2.5.1 2.A.22, 2.15.9.7.
func TestZoneFromConfigurationElseDateOnly(t *testing.T) {
	b, notes := convert(t, sample2(t, "latin1"), testOptions())
	if o := observation(t, b, "5000"); o.EffectiveDateTime != "2026-03-06" || !noted(notes, "OBR-7", whyZone) {
		t.Errorf("%q, notes %v", o.EffectiveDateTime, notes)
	}
	zone, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Skip("no time zone data on this machine")
	}
	b, _ = convert(t, sample2(t, "latin1"), Options{Zone: zone})
	if o := observation(t, b, "5000"); o.EffectiveDateTime != "2026-03-06T08:00:00+01:00" {
		t.Errorf("%q", o.EffectiveDateTime)
	}
}

func TestDeterministic(t *testing.T) {
	for _, f := range sampleNames(t) {
		a, _ := convert(t, sample2(t, f), testOptions())
		want := asJSON(t, a)
		for range 5 {
			if b, _ := convert(t, sample2(t, f), testOptions()); asJSON(t, b) != want {
				t.Fatalf("%s: two conversions differ", f)
			}
		}
	}
}

func sampleNames(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.hl7")
	if err != nil || len(files) < 8 {
		t.Fatalf("samples: %d, %v", len(files), err)
	}
	for i := range files {
		files[i] = strings.TrimSuffix(filepath.Base(files[i]), ".hl7")
	}
	return files
}

func TestSignatureHasItsPlace(t *testing.T) {
	var signed []byte
	opt := testOptions()
	opt.Sign = func(p []byte) (fhir.Signature, error) {
		signed = bytes.Clone(p)
		return SignatureOf(opt.Recorded, "Northlab", "application/jose", []byte("sig")), nil
	}
	b, _ := convert(t, sample2(t, "original"), opt)
	out := asJSON(t, b)
	if !strings.Contains(out, `"sigFormat":"application/jose","data":"c2ln"`) {
		t.Error("signature is not in the bundle")
	}
	plain, _ := convert(t, sample2(t, "original"), testOptions())
	if string(signed) != asJSON(t, plain) {
		t.Error("the payload is not the bundle without its signature")
	}
	opt.Sign = func([]byte) (fhir.Signature, error) { return fhir.Signature{}, errors.New("key gone") }
	m, _ := hl7.Parse(sample2(t, "original"))
	if _, _, err := Convert(m, opt); err == nil {
		t.Error("a failed signature passed")
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want error
	}{
		"ADT":       {"MSH|^~\\&|A|B|||20260101000000Z||ADT^A01|1|P|2.5\rPID|1\r", ErrMessageType},
		"QC":        {"MSH|^~\\&|A|B|||20260101||OUL^R22|1|P|2.5\rSPM|1\rOBR|1\rOBX|1\r", ErrNoPatient},
		"no report": {"MSH|^~\\&|A|B|||20260101||ORU^R01|1|P|2.5\rPID|1\r", ErrNoReport},
		"bomb":      {"MSH|^~\\&|A|B|||20260101||ORU^R01|1|P|2.5\rPID|1||" + strings.Repeat("^", 300) + "\r", ErrParts},
	} {
		m, err := hl7.Parse([]byte(c.in))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, _, err := Convert(m, testOptions()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	m, _ := hl7.Parse(sample2(t, "bare"))
	if _, _, err := Convert(m, Options{}); !errors.Is(err, ErrNoTime) {
		t.Errorf("no time: %v", err)
	}
}

func TestTwoPatientsNeverMix(t *testing.T) {
	one := string(sample2(t, "original"))
	body := one + "PID|2||999999^^^NORTHLAB^MR||Other^Person\rOBR|1|P8|F8|2345-7^Glucose^LN||||||||||||||||||||||F\rOBX|1|NM|2345-7^Glucose^LN||77|||||F||F\r"
	b, _ := convert(t, []byte(body), testOptions())
	subjects := map[string]bool{}
	for _, e := range b.Entry {
		if o, ok := e.Resource.(*fhir.Observation); ok {
			subjects[o.Subject.Reference] = true
		}
	}
	if len(resources(t, b, "Patient")) != 2 || len(subjects) != 2 {
		t.Errorf("patients %d, subjects %v", len(resources(t, b, "Patient")), subjects)
	}
}
