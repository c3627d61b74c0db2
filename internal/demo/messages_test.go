package demo

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestManifestNamesEveryFileOnce(t *testing.T) {
	entries, err := fs.ReadDir(files, "messages")
	if err != nil {
		t.Fatal(err)
	}
	var there, named []string
	for _, e := range entries {
		there = append(there, e.Name())
	}
	for _, f := range Manifest() {
		named = append(named, f.File)
	}
	if !slices.Equal(there, named) {
		t.Errorf("files and manifest differ:\n%v\n%v", there, named)
	}
	if len(there) < 60 {
		t.Errorf("%d files, at least 60 are promised", len(there))
	}
}

func TestManifestAgreesWithTheBytes(t *testing.T) {
	controls := map[string]string{}
	malformed := 0
	for _, f := range Manifest() {
		body, err := Read(f.File)
		if err != nil {
			t.Fatal(err)
		}
		us := unitsOf(f, body, false)
		if len(us) != len(f.Partners) {
			t.Errorf("%s: %d messages, manifest says %d", f.File, len(us), len(f.Partners))
			continue
		}
		if f.Malformed {
			malformed++
			if f.Partners[0] != nil || f.Kind != "malformed" {
				t.Errorf("%s: malformed but due to somebody", f.File)
			}
			if segs, enc := segments(body); segs != nil && len(enc) == 4 && readFacts(body).OK {
				t.Errorf("%s: not malformed at all", f.File)
			}
			continue
		}
		for i, u := range us {
			name := fmt.Sprintf("%s#%d", f.File, i+1)
			x := readFacts(u.Body)
			if !x.OK || len(x.Patients) == 0 || len(x.Fillers) == 0 {
				t.Errorf("%s: no control id, patient or filler number", name)
			}
			if got := PartnersOf(u.Body); !slices.Equal(got, f.Partners[i]) {
				t.Errorf("%s: due by its bytes to %v, by the manifest to %v", name, got, f.Partners[i])
			}
			if was := controls[x.Control]; was != "" {
				t.Errorf("%s: control id of %s again", name, was)
			}
			controls[x.Control] = name
		}
	}
	if malformed != 3 {
		t.Errorf("%d malformed files, three are promised", malformed)
	}
}

// values returns field n of every segment of the kind.
func values(body []byte, kind string, n int) []string {
	segs, _ := segments(body)
	var out []string
	for _, s := range segs {
		if s[0] == kind {
			out = append(out, field(s, n))
		}
	}
	return out
}

func kindOf(t *testing.T, kind string) (names []string, bodies [][]byte) {
	t.Helper()
	for _, f := range Manifest() {
		if f.Kind == kind {
			b, err := Read(f.File)
			if err != nil {
				t.Fatal(err)
			}
			names, bodies = append(names, f.File), append(bodies, b)
		}
	}
	if len(bodies) == 0 {
		t.Fatalf("no sample of kind %s", kind)
	}
	return names, bodies
}

func TestCorrectionsFollowTheirOriginals(t *testing.T) {
	seen := map[string][]byte{}
	moved := 0
	for _, f := range Manifest() {
		b, _ := Read(f.File)
		x := readFacts(b)
		if f.Kind == "correction" || f.Kind == "moved" {
			if !slices.Contains(values(b, "OBR", 25), "C") || !slices.Contains(values(b, "OBX", 11), "C") {
				t.Errorf("%s: no C in OBR-25 and OBX-11", f.File)
			}
			was := seen[x.Fillers[0]]
			if was == nil {
				t.Errorf("%s: no original with its filler number before it", f.File)
				continue
			}
			if same := slices.Equal(readFacts(was).Patients, x.Patients); same == (f.Kind == "moved") {
				t.Errorf("%s: same patient is %v", f.File, same)
			}
			if f.Kind == "moved" {
				moved++
			}
		}
		for _, o := range x.Fillers {
			seen[o] = b
		}
	}
	if moved == 0 {
		t.Error("no correction moves a result to another patient")
	}
}

func TestSamplesShowWhatTheirKindSays(t *testing.T) {
	_, criticals := kindOf(t, "critical")
	for i, b := range criticals {
		flags := strings.Join(values(b, "OBX", 8), " ")
		if !(strings.Contains(flags, "HH") || strings.Contains(flags, "LL") || strings.Contains(flags, "AA")) || !bytes.Contains(b, []byte("read back")) {
			t.Errorf("critical %d: no critical flag or no call note", i)
		}
	}
	_, cancelled := kindOf(t, "cancellation")
	for i, b := range cancelled {
		if !slices.Contains(values(b, "OBR", 25), "X") || !slices.Contains(values(b, "OBX", 11), "X") {
			t.Errorf("cancellation %d: no X in OBR-25 and OBX-11", i)
		}
	}
	_, micro := kindOf(t, "microbiology")
	for i, b := range micro {
		if values(b, "OBX", 4)[0] == "" {
			t.Errorf("microbiology %d: no sub-id", i)
		}
	}
	_, docs := kindOf(t, "document")
	for i, b := range docs {
		checkPDF(t, i, b)
	}
	vs, seen := []string{"2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8"}, map[string]bool{}
	for u, err := range Units(false) {
		if err != nil {
			t.Fatal(err)
		}
		if !u.Malformed {
			seen[values(u.Body, "MSH", 12)[0]] = true
		}
	}
	for _, v := range vs {
		if !seen[v] {
			t.Errorf("no sample of version %s", v)
		}
	}
}

// checkPDF follows the cross-reference table of the embedded PDF
// (ISO 32000-1 7.5.4): each offset must be where its object starts.
func checkPDF(t *testing.T, n int, msg []byte) {
	types, vals := values(msg, "OBX", 2), values(msg, "OBX", 5)
	i := slices.Index(types, "ED")
	if i < 0 {
		t.Errorf("document %d: no ED", n)
		return
	}
	c := strings.Split(vals[i], "^")
	pdf, err := base64.StdEncoding.DecodeString(c[4])
	if err != nil || c[2] != "PDF" || c[3] != "Base64" {
		t.Errorf("document %d: %v, %v", n, c[:4], err)
		return
	}
	_, tail, ok := bytes.Cut(pdf, []byte("startxref\n"))
	at, err := strconv.Atoi(strings.Fields(string(tail) + " x")[0])
	if !ok || err != nil || !bytes.HasPrefix(pdf, []byte("%PDF-1.")) || at >= len(pdf) || !bytes.HasPrefix(pdf[at:], []byte("xref\n0 ")) {
		t.Errorf("document %d: no PDF with a cross-reference table", n)
		return
	}
	rows := strings.Split(string(pdf[at:]), "\n")[3:]
	for o := 1; o <= 5; o++ {
		off, _ := strconv.Atoi(rows[o-1][:10])
		if !bytes.HasPrefix(pdf[off:], fmt.Appendf(nil, "%d 0 obj\n", o)) {
			t.Errorf("document %d: object %d is not at its offset", n, o)
		}
	}
}

func TestLineEndsAndCharacterSets(t *testing.T) {
	count := map[string]int{}
	for u := range Units(false) {
		crlf, cr, lf := bytes.Count(u.Body, []byte("\r\n")), bytes.Count(u.Body, []byte("\r")), bytes.Count(u.Body, []byte("\n"))
		switch {
		case crlf > 0 && crlf == cr && crlf == lf:
			count["crlf"]++
		case lf > 0 && cr == 0:
			count["lf"]++
		case cr > 0 && lf == 0, u.Malformed:
			count["cr"]++
		default:
			t.Errorf("%s mixes line ends: %d CRLF, %d CR, %d LF", u.File, crlf, cr, lf)
		}
		if u.Malformed {
			continue
		}
		high := slices.ContainsFunc(u.Body, func(c byte) bool { return c >= 0x80 })
		set := values(u.Body, "MSH", 18)[0]
		if high != (set != "") || set == "UNICODE UTF-8" != (high && utf8.Valid(u.Body)) {
			t.Errorf("%s: 8-bit %v, MSH-18 %q, valid UTF-8 %v", u.File, high, set, utf8.Valid(u.Body))
		}
		count[set]++
	}
	for _, k := range []string{"cr", "crlf", "lf", "8859/1", "8859/15", "UNICODE UTF-8"} {
		if count[k] == 0 {
			t.Errorf("no sample with %s", k)
		}
	}
}

func TestBatchesKeepTheirBytes(t *testing.T) {
	names, bodies := kindOf(t, "batch")
	for i, b := range bodies {
		parts := splitBatch(b)
		if want := values(append([]byte("MSH|^~\\&\r"), b...), "BTS", 1)[0]; want != strconv.Itoa(len(parts)) {
			t.Errorf("%s: BTS-1 is %s, %d messages", names[i], want, len(parts))
		}
		rest := b
		for _, p := range parts {
			before, after, ok := bytes.Cut(rest, p)
			if !ok || bytes.Contains(before, []byte("MSH")) || !bytes.HasSuffix(p, []byte("\r")) && !bytes.HasSuffix(p, []byte("\n")) {
				t.Errorf("%s: a part is not a stretch of the file", names[i])
			}
			rest = after
		}
		if len(batchControl(b)) == 0 {
			t.Errorf("%s: no batch control id", names[i])
		}
	}
}

func TestSynthetic(t *testing.T) {
	const n = 2000
	controls, fillers, patients, partners := map[string]bool{}, map[string]bool{}, map[string]int{}, map[string]int{}
	total := 0
	var first []byte
	for b := range Synthetic(n, 7) {
		if first == nil {
			first = b
		}
		x := readFacts(b)
		to := PartnersOf(b)
		if !x.OK || len(to) != 1 || len(x.Patients) != 1 || len(x.Fillers) != 1 {
			t.Fatalf("unusable: %+v %v", x, to)
		}
		controls[x.Control], fillers[x.Fillers[0]] = true, true
		patients[x.Patients[0]]++
		partners[to[0]]++
		total += len(b)
		if len(b) < 1800 || len(b) > 2000 {
			t.Fatalf("%d bytes, 1.9 kB is promised", len(b))
		}
	}
	if mean := total / n; mean < 1850 || mean > 1950 {
		t.Errorf("mean size %d", mean)
	}
	if len(controls) != n || len(fillers) != n || len(patients) < n/10 || len(partners) != 3 {
		t.Errorf("%d control ids, %d orders, %d patients, %v", len(controls), len(fillers), len(patients), partners)
	}
	for b := range Synthetic(n, 7) {
		if !bytes.Equal(b, first) {
			t.Error("same seed, other bytes")
		}
		break
	}
	for b := range Synthetic(1, 8) {
		if controls[readFacts(b).Control] {
			t.Error("another seed repeats a control id")
		}
	}
}

// TestLOINCCheckDigits: every code the samples call LOINC has a right check digit
// (modulus 10, LOINC Users' Guide, "LOINC check digit"). That a code is of the test
// it is shown with was looked up by hand; see doc.go.
func TestLOINCCheckDigits(t *testing.T) {
	codes := map[string]bool{}
	for _, f := range Manifest() {
		body, err := Read(f.File)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range loincCode.FindAllSubmatch(body, -1) {
			codes[string(m[1])] = true
		}
	}
	if len(codes) < 100 {
		t.Errorf("only %d codes were found", len(codes))
	}
	codes["2345-8"] = false // planted
	for c, right := range codes {
		if loincValid(c) != right {
			t.Errorf("%s: right %v, want %v", c, loincValid(c), right)
		}
	}
}

var loincCode = regexp.MustCompile(`[|^~]([0-9]{1,5}-[0-9])\^[^^|~]*\^LN`)

func loincValid(code string) bool {
	digits, check, _ := strings.Cut(code, "-")
	sum := 0
	for i := range len(digits) {
		n := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return strconv.Itoa((10-sum%10)%10) == check
}
