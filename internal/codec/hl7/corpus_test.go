package hl7

import (
	"bytes"
	"strings"
	"testing"
)

// invalid are the corpus files that are wrong on purpose, and what we say.
// invalid-trailing-empty-fields is not wrong by the standard as far as its
// empty fields go (a receiver ignores them, HL7 v2.5.1 2.6.1); what it lacks is PV1.
var invalid = map[string]string{
	"rethinkhealth/invalid-missing-msh.hl7":           "does not begin with an MSH segment (line 1, byte 0)",
	"rethinkhealth/invalid-segment-header-length.hl7": "the line does not begin with a segment name of three capitals or digits (line 2, byte 66)",
	"rethinkhealth/invalid-wrong-version.hl7":         "MSH(1)-12.1: the version is none of 2.1 to 2.9",
	"rethinkhealth/invalid-trailing-empty-fields.hl7": "PV1: the segment is missing behind PID (line 3,",
}

// TestCorpus: every real message is read without loss, its parts are found, it
// is cut whole by Split, and each of the files that are wrong on purpose is
// faulted for the right reason.
func TestCorpus(t *testing.T) {
	parsed, clean := 0, 0
	corpus(t, func(t *testing.T, name string, b []byte) {
		parts, splitErr := SplitAll(b)
		m, err := Parse(b)
		if want, bad := invalid[name]; bad {
			var all []string
			if err != nil {
				all = append(all, err.Error())
			} else {
				for _, e := range m.Check() {
					all = append(all, e.Error())
				}
			}
			if !strings.Contains(strings.Join(all, "\n"), want) {
				t.Errorf("%s: %q, want %q", name, all, want)
			}
			if err != nil {
				return
			}
		} else if err != nil || splitErr != nil {
			t.Errorf("%s: parse %v, split %v", name, err, splitErr)
			return
		}
		parsed++
		if !bytes.Equal(m.AppendTo(nil), b) {
			t.Errorf("%s: not lossless", name)
		}
		if len(parts) != 1 || !bytes.HasPrefix(b, parts[0].Body) || len(bytes.TrimSpace(b[len(parts[0].Body):])) > 0 {
			t.Errorf("%s: split into %d", name, len(parts))
		}
		if _, err := m.MarshalJSON(); err != nil {
			t.Errorf("%s: JSON: %v", name, err)
		}
		h, err := ReadHeader(b)
		var k Keys
		if err != nil || ReadKeys(b, &h, &k) != nil {
			t.Errorf("%s: header or keys: %v", name, err)
		}
		// The tree and the in-place reading must name the same patients.
		for _, v := range m.Each(Path{Segment: "PID", Field: 3, Component: 1}) {
			id := bytes.TrimSpace(v.Subpart(1).Raw())
			found := len(id) == 0 || blank(id)
			for _, key := range k.PatientIDs {
				found = found || bytes.HasPrefix(key, append(bytes.Clone(id), KeySep))
			}
			if !found && bytes.IndexByte(id, '\\') < 0 {
				t.Errorf("%s: a PID-3 is missing among the keys", name)
			}
		}
		m.ReportWarnings()
		m.Signs()
		if len(m.Check()) == 0 {
			clean++
		}
		editOne(t, name, b)
	})
	t.Logf("%d files parsed, %d without a finding", parsed, clean)
}

// editOne sets every field of every segment, one at a time, and wants nothing
// else changed.
func editOne(t *testing.T, name string, b []byte) {
	m, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.segs) > 60 {
		return
	}
	var at []Path
	for s := range m.Segments("") {
		for f := 1; f <= s.Fields(); f += 3 {
			at = append(at, Path{Segment: s.Name(), Occurrence: s.Occurrence(), Field: f})
		}
	}
	for _, p := range at {
		m, _ := Parse(b)
		i := m.find(p)
		if p.Segment == "" || m.segs[i].delimiters(p.Field) || p.Segment == "MSH" && p.Field == 18 {
			continue
		}
		start, end, _ := m.segs[i].field(p.Field)
		start, end = start+m.segs[i].offset, end+m.segs[i].offset
		if err := m.Set(p, "x|y"); err != nil {
			t.Fatalf("%s: %s: %v", name, p, err)
		}
		esc := string(m.head.Escape)
		want := string(b[:start]) + strings.ReplaceAll("x|y", string(m.head.FieldSep), esc+"F"+esc) + string(b[end:])
		if got := string(m.Bytes()); got != want {
			t.Fatalf("%s: setting %s changed something else", name, p)
		}
	}
}
