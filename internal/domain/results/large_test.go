package results

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// large is a report of n observations, each with a note.
func large(n int) []byte {
	var b bytes.Buffer
	b.WriteString("MSH|^~\\&|LIS|LAB|EHR|CLINIC|20260504065200||ORU^R01^ORU_R01|A1|P|2.5.1\rPID|1||9\rOBR|1\r")
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "OBX|%d|NM|2345-7^Glucose^LN||%d|mg/dL|70-99|H|||F\rNTE|%d||note\r", i, i%300, i)
	}
	return b.Bytes()
}

// A message of 160,000 segments, near the limit, is changed, held against what was
// before and compared in a time that grows with its length: each of these took
// from six seconds to a minute.
func TestALargeMessageTakesNoLongerThanItIs(t *testing.T) {
	const n = 80_000
	body := large(n)
	path := func(s string) hl7.Path {
		p, err := hl7.ParsePath(s)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for name, x := range map[string]struct {
		step    Change
		places  int
		gaps    int
		becomes func([]byte) []byte
	}{
		"set":    {SetTo(path("OBX-8"), "L"), maxPathChanges, maxGaps, func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("|H|"), []byte("|L|")) }},
		"empty":  {RemoveAt(path("OBX-8")), maxPathChanges, maxGaps, func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("|H|"), []byte("||")) }},
		"map":    {MapBy(path("OBX-8"), map[string]string{"H": "L"}, false), maxPathChanges, maxGaps, func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("|H|"), []byte("|L|")) }},
		"keep":   {MapBy(path("OBX-8"), map[string]string{"A": "L"}, true), 0, 0, bytes.Clone},
		"last":   {SetTo(path("OBX-1"), "1"), maxPathChanges, maxGaps, nil},
		"remove": {RemoveAt(path("NTE")), maxPathChanges, maxGaps, nil},
	} {
		began := time.Now()
		out, err := Transformer([]Change{x.step}, hl7.Charset{})(body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if x.becomes != nil && !bytes.Equal(out, x.becomes(body)) {
			t.Errorf("%s: other bytes than expected", name)
		}
		if name == "remove" && (bytes.Contains(out, []byte("\rNTE")) || bytes.Count(out, []byte("\rOBX")) != n) {
			t.Errorf("%s: notes are left, or observations gone", name)
		}
		if got := changedPaths(body, out, false); len(got) != x.places {
			t.Errorf("%s: %d places, want %d", name, len(got), x.places)
		}
		a, err := hl7.Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		b, err := hl7.Parse(out)
		if err != nil {
			t.Fatal(err)
		}
		if got := Compare(a, b); len(got) != x.gaps {
			t.Errorf("%s: %d gaps, want %d", name, len(got), x.gaps)
		}
		// Some tenths of a second where nothing else runs.
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

// Removing what both begin and end with, and what is named in no order.
func TestRemovingSegments(t *testing.T) {
	body := "MSH|^~\\&|LIS|LAB|||2026||ORU^R01|A1|P|2.5.1\rNTE|1\rOBX|1\rNTE|2\rOBX|2\rNTE|3\r"
	for path, want := range map[string]string{
		"NTE":    "MSH|^~\\&|LIS|LAB|||2026||ORU^R01|A1|P|2.5.1\rOBX|1\rOBX|2\r",
		"NTE(2)": "MSH|^~\\&|LIS|LAB|||2026||ORU^R01|A1|P|2.5.1\rNTE|1\rOBX|1\rOBX|2\rNTE|3\r",
		"NTE(4)": body, "ZZZ": body, "MSH": "", "MSH(1)": "",
	} {
		p, err := hl7.ParsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Transformer([]Change{RemoveAt(p)}, hl7.Charset{})([]byte(body))
		if string(got) != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q %v", path, got, err)
		}
	}
}
