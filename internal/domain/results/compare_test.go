package results

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

const compared = "MSH|^~\\&|LIS|LAB|CLINIC|C|20260304080000||ORU^R01^ORU_R01|C1|P|2.5.1\r" +
	"PID|1||P1^^^LAB^MR~P2^^^STATE^SS||DOE^JANE\r" +
	"OBR|1|PL1|FI1|GLU^Glucose\r" +
	"OBX|1|NM|GLU^Glucose||90|mg/dL|70-99|N|||F\r" +
	"OBX|2|NM|NA^Sodium||140|mmol/L|135-145|N|||F\r" +
	"NTE|1||fasting\r"

func parsed(t testing.TB, b string) *hl7.Message {
	t.Helper()
	m, err := hl7.Parse([]byte(b))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCompareFindsAndClassesEachDifference(t *testing.T) {
	swap := func(old, new string) string {
		if !strings.Contains(compared, old) {
			t.Fatalf("%q is not in the message", old)
		}
		return strings.Replace(compared, old, new, 1)
	}
	for name, c := range map[string]struct {
		theirs string
		want   []string
	}{
		"the same":                {compared, nil},
		"other line ends":         {strings.ReplaceAll(compared, "\r", "\r\n"), nil},
		"empty fields behind":     {swap("NTE|1||fasting", "NTE|1||fasting||"), nil},
		"empty components":        {swap("GLU^Glucose\rOBX", "GLU^Glucose^^\rOBX"), nil},
		"escape of the same":      {swap("fasting", "fas\\X74\\ing"), nil},
		"a value":                 {swap("||140|", "||104|"), []string{"differs OBX(2)-5 OBX-5"}},
		"a field only ours":       {swap("135-145", ""), []string{"only_ours OBX(2)-7 OBX-7"}},
		"a field only theirs":     {swap("DOE^JANE", "DOE^JANE||19700101"), []string{"only_theirs PID(1)-7 PID-7"}},
		"null is not empty":       {swap("DOE^JANE", `DOE^JANE||""`), []string{"only_theirs PID(1)-7 PID-7"}},
		"repetitions turned":      {swap("P1^^^LAB^MR~P2^^^STATE^SS", "P2^^^STATE^SS~P1^^^LAB^MR"), []string{"order PID(1)-3 PID-3"}},
		"a repetition missing":    {swap("~P2^^^STATE^SS", ""), []string{"only_ours PID(1)-3(2) PID-3"}},
		"a repetition changed":    {swap("P2^^^STATE", "P9^^^STATE"), []string{"differs PID(1)-3(2) PID-3"}},
		"a segment missing":       {swap("OBX|1|NM|GLU^Glucose||90|mg/dL|70-99|N|||F\r", ""), []string{"only_ours OBX(1) OBX"}},
		"a segment more":          {compared + "ZLB|1|x\r", []string{"only_theirs ZLB(1) ZLB"}},
		"segments turned":         {swap("OBX|1|NM|GLU^Glucose||90|mg/dL|70-99|N|||F\rOBX|2|NM|NA^Sodium||140|mmol/L|135-145|N|||F\r", "OBX|2|NM|NA^Sodium||140|mmol/L|135-145|N|||F\rOBX|1|NM|GLU^Glucose||90|mg/dL|70-99|N|||F\r"), []string{"order OBX(1) OBX"}},
		"a component moved":       {swap("DOE^JANE", "DOE^^JANE"), []string{"differs PID(1)-5 PID-5"}},
		"a sub-component":         {swap("DOE^JANE", "DOE&X^JANE"), []string{"differs PID(1)-5 PID-5"}},
		"two at once":             {strings.Replace(swap("||140|", "||104|"), "|C1|", "|C2|", 1), []string{"differs MSH(1)-10 MSH-10", "differs OBX(2)-5 OBX-5"}},
		"another field delimiter": {strings.ReplaceAll(strings.ReplaceAll(compared, "|", "!"), "MSH!^~\\&", "MSH!^~\\&"), []string{"differs MSH(1)-1 MSH-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, d := range Compare(parsed(t, compared), parsed(t, c.theirs)) {
				got = append(got, fmt.Sprintf("%s %s %s", d.Class, d.Path, d.Kind))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestCompareOneEditIsOneDifference: any single field changed is found at its
// place, and nothing else is.
func TestCompareOneEditIsOneDifference(t *testing.T) {
	ours := parsed(t, compared)
	for s := range ours.Segments("") {
		for n := 3; n <= s.Fields()+1; n++ {
			if s.Name() == "OBX" && n <= 4 || s.Name() == "OBR" && n == 4 {
				continue // what names a segment makes it another one
			}
			theirs := parsed(t, compared)
			p := hl7.Path{Segment: s.Name(), Occurrence: s.Occurrence(), Field: n}
			if err := theirs.SetRaw(p, []byte("CHANGED")); err != nil {
				t.Fatal(err)
			}
			d := Compare(ours, parsed(t, string(theirs.Bytes())))
			if len(d) == 0 || d[0].Kind != fmt.Sprintf("%s-%d", s.Name(), n) {
				t.Errorf("%s changed: found %+v", p, d)
			}
			for _, x := range d {
				if x.Kind != d[0].Kind {
					t.Errorf("%s changed: also %s", p, x.Path)
				}
			}
		}
	}
}

func FuzzCompare(f *testing.F) {
	f.Add(compared, strings.Replace(compared, "140", "14", 1))
	f.Add("MSH|^~\\&|\r", "MSH|\rOBX|\r\x00")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, err := hl7.Parse([]byte(a))
		if err != nil {
			return
		}
		if d := Compare(x, x); len(d) != 0 {
			t.Fatalf("a message differs from itself: %+v", d)
		}
		y, err := hl7.Parse([]byte(b))
		if err != nil {
			return
		}
		d, e := Compare(x, y), Compare(y, x)
		if (len(d) == 0) != (len(e) == 0) {
			t.Fatalf("one way %d differences, the other %d", len(d), len(e))
		}
	})
}
