package hl7fhir

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/codec/fhir"
	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// check is our own reading of R4: references resolve to the right type, unique
// full URLs, one value, required members, no empty members, and requests that
// cannot collide within the transaction.
func check(b *fhir.Bundle) []string {
	raw, err := fhir.Encode(b)
	if err != nil {
		return []string{err.Error()}
	}
	var bundle map[string]any
	if err := json.Unmarshal(raw, &bundle); err != nil {
		return []string{"not JSON: " + err.Error()}
	}
	var bad []string
	fail := func(format string, a ...any) { bad = append(bad, fmt.Sprintf(format, a...)) }
	kinds, targets := map[string]string{}, map[string]bool{}
	for _, e := range bundle["entry"].([]any) {
		m := e.(map[string]any)
		url := m["fullUrl"].(string)
		r := m["resource"].(map[string]any)
		if kinds[url] != "" {
			fail("full URL twice: %s", url)
		}
		kinds[url] = r["resourceType"].(string)
		q := m["request"].(map[string]any)
		key := fmt.Sprint(q["url"], " ", q["ifNoneExist"])
		if targets[key] {
			fail("two entries act on %s", key)
		}
		targets[key] = true
	}
	allowed := map[string]string{
		"subject": "Patient", "basedOn": "ServiceRequest", "specimen": "Specimen", "result": "Observation",
		"hasMember": "Observation", "requester": "Practitioner PractitionerRole Organization", "collector": "Practitioner", "onBehalfOf": "Organization",
		"resultsInterpreter": "Practitioner PractitionerRole", "performer": "Organization Practitioner PractitionerRole",
		"practitioner": "Practitioner", "organization": "Organization", "authorReference": "Practitioner", "generalPractitioner": "Organization Practitioner", "target": "Observation DiagnosticReport", "who": "Organization",
	}
	var walk func(path, member string, v any)
	walk = func(path, member string, v any) {
		switch x := v.(type) {
		case map[string]any:
			if len(x) == 0 {
				fail("%s: empty object", path)
			}
			if ref, ok := x["reference"].(string); ok {
				if kind := kinds[ref]; kind == "" || !slices.Contains(strings.Fields(allowed[member]), kind) {
					fail("%s: %q is %q, want %q", path, ref, kind, allowed[member])
				}
			}
			for k, y := range x {
				walk(path+"."+k, k, y)
			}
		case []any:
			if len(x) == 0 {
				fail("%s: empty array", path)
			}
			for _, y := range x {
				walk(path, member, y)
			}
		case string:
			if strings.TrimSpace(x) == "" {
				fail("%s: empty string", path)
			}
		case nil:
			fail("%s: null", path)
		}
	}
	walk("Bundle", "", bundle)
	need := map[string][]string{
		"Observation": {"status", "code", "subject"}, "DiagnosticReport": {"status", "code", "subject"},
		"ServiceRequest": {"status", "intent", "subject"}, "Provenance": {"target", "recorded", "agent"},
		"Patient": {"identifier"}, "Specimen": {"identifier"}, "Organization": {"identifier"}, "Practitioner": {"identifier"}, "PractitionerRole": {"identifier"},
	}
	for _, e := range bundle["entry"].([]any) {
		r := e.(map[string]any)["resource"].(map[string]any)
		kind := r["resourceType"].(string)
		for _, n := range need[kind] {
			if _, ok := r[n]; !ok {
				fail("%s without %s", kind, n)
			}
		}
		values := 0
		for k := range r {
			if strings.HasPrefix(k, "value") || k == "component" {
				values++
			}
		}
		if _, absent := r["dataAbsentReason"]; kind == "Observation" && (values > 1 || (values == 1) == absent) {
			fail("Observation with %d values, absence %v", values, absent)
		}
	}
	return bad
}

func TestReferencesAndCardinalities(t *testing.T) {
	for _, n := range sampleNames(t) {
		b, _ := convert(t, sample2(t, n), testOptions())
		for _, e := range check(b) {
			t.Errorf("%s: %s", n, e)
		}
	}
	c := corpus(t, "hl7")
	if c == "" {
		t.Skip("SKIPPED the shared corpus: it is absent, only our own samples were checked")
	}
	bundles, _ := corpusBundles(t, c)
	for n, b := range bundles {
		for _, e := range check(b) {
			t.Errorf("%s: %s", n, e)
		}
	}
}

func TestCheckSeesPlantedFaults(t *testing.T) {
	b, _ := convert(t, sample2(t, "original"), testOptions())
	for _, e := range b.Entry {
		if o, ok := e.Resource.(*fhir.Observation); ok {
			o.ValueString, o.Subject = "second", &fhir.Reference{Reference: "urn:uuid:nowhere"}
		}
	}
	if bad := check(b); len(bad) < 2 {
		t.Errorf("planted faults, found %v", bad)
	}
}

// TestEveryLossIsNoted plants a marker in each field of each segment in turn and
// demands that it comes out in the bundle or in a note for that field.
func TestEveryLossIsNoted(t *testing.T) {
	const mark = "QZMARKERZQ"
	for _, seg := range []string{"PID", "ORC", "OBR", "OBX", "SPM", "NTE", "PV1", "ZXX", "TQ1", "NK1", "PD1"} {
		for f := 1; f <= 50; f++ {
			for _, value := range []string{mark, mark + "^" + mark + "2^" + mark + "3^" + mark + "&" + mark + "5"} {
				line := seg + strings.Repeat("|", f) + value
				if seg == "OBX" && f != 2 {
					parts := append(strings.Split(line, "|"), make([]string, 3)...)
					parts[2] = "ST"
					line = strings.TrimRight(strings.Join(parts, "|"), "|")
				}
				body := "MSH|^~\\&|A|B|||20260101000000+0000||ORU^R01|1|P|2.5.1\r"
				order := []string{"PID", "PD1", "NK1", "PV1", "ORC", "TQ1", "OBR", "OBX", "NTE", "SPM", "ZXX"}
				for _, s := range order {
					switch s {
					case seg:
						body += line + "\r"
					case "PID", "OBR":
						body += s + "|1\r"
					}
				}
				m, err := hl7.Parse([]byte(body))
				if err != nil {
					t.Fatal(err)
				}
				b, notes, err := Convert(m, testOptions())
				if err != nil {
					t.Fatal(err)
				}
				out := asJSON(t, b)
				at := fmt.Sprintf("%s-%d", seg, f)
				if f == 1 && seg != "ZXX" && seg != "TQ1" && seg != "PV1" && seg != "PD1" {
					continue // set numbers, and ORC-1: what the message is
				}
				for _, want := range []string{mark, mark + "2", mark + "3", mark + "5"} {
					if !strings.Contains(value, want) || strings.Contains(out, want) {
						continue
					}
					found := false
					for _, n := range notes {
						found = found || n.Path == at || strings.HasPrefix(n.Path, at+".") || strings.HasPrefix(n.Path, at+"(")
					}
					if !found {
						t.Errorf("%s: %q is neither in the bundle nor noted", at, want)
					}
				}
			}
		}
	}
}

func FuzzConvert(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.hl7")
	for _, p := range files {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := hl7.Parse(body)
		if err != nil {
			return
		}
		b, notes, err := Convert(m, Options{Recorded: time.Unix(1770000000, 0)})
		if err != nil {
			return
		}
		for _, e := range check(b) {
			t.Error(e)
		}
		again, more, err := Convert(m, Options{Recorded: time.Unix(1770000000, 0)})
		if err != nil || asJSON(t, again) != asJSON(t, b) || fmt.Sprint(more) != fmt.Sprint(notes) {
			t.Errorf("second conversion differs: %v", err)
		}
	})
}
