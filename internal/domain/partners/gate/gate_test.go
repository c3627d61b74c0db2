package gate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	normal   = "MSH|^~\\&|LIS|MILL^1.2.3^ISO|EHR|RIVER|20261122140000||ORU^R01^ORU_R01|1|P|2.5.1\rPID|1||77^^^M||Doe^J\rOBR|1|o1|f1|GLU^Glucose^L||||||||||||1234567893^Poe^^^^^^^NPI\rOBX|1|NM|GLU^Glucose^L||5.1|mmol/L|||||F\r"
	critical = "MSH|^~\\&|LIS|MILL|EHR|RIVER|20261122140000||ORU^R01^ORU_R01|2|P|2.5.1\rPID|1||77^^^M||Doe^J\rOBR|1|o1|f1|K^Potassium^L\rOBX|1|NM|K^Potassium^L||7.9|mmol/L|3.5-5.1|HH|||F\r"

	observation = `{"resourceType":"Observation","status":"final","code":{"text":"Glucose"}}`
	alarming    = `{"resourceType":"Observation","status":"final","code":{"text":"K"},"interpretation":[{"coding":[{"code":"HH"}]}]}`
)

func check(t testing.TB, name string, content []byte, r Rules) Verdict {
	t.Helper()
	v, err := New(Config{}).Check(context.Background(), File{Partner: "riverside", Folder: "inbox", Name: name, Size: int64(len(content)), Body: bytes.NewReader(content)}, r)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if v.Pass == (v.Cause != "") || !v.Pass && (v.Reason == "" || !strings.HasSuffix(v.Reason, ".")) {
		t.Errorf("%s: %+v is no whole verdict", name, v)
	}
	return v
}

func batch(messages ...string) []byte {
	return []byte("FHS|^~\\&\rBHS|^~\\&\r" + strings.Join(messages, "") + "BTS|" + string(rune('0'+len(messages))) + "\rFTS|1\r")
}

// open lets everything through that can be let through.
var open = Rules{Archive: &Archive{}, Encrypted: []string{KindAge, KindOpenPGP, KindCMS, KindPDF}}

type file struct {
	what, name, content string
	rules               Rules
	want                Verdict // Reason is a part of it
}

func judge(t *testing.T, files []file) {
	t.Helper()
	for _, f := range files {
		t.Run(f.what, func(t *testing.T) {
			v := check(t, f.name, []byte(f.content), f.rules)
			if v.Pass != f.want.Pass || v.Kind != f.want.Kind || v.Cause != f.want.Cause || v.Critical != f.want.Critical || !strings.Contains(v.Reason, f.want.Reason) {
				t.Errorf("got %+v\nwant %+v", v, f.want)
			}
			if strings.Contains(v.Reason, "Doe") || strings.Contains(v.Reason, "7.9") {
				t.Errorf("the reason repeats the content: %s", v.Reason)
			}
		})
	}
}

func TestHL7(t *testing.T) {
	river := Rules{Facilities: []string{"MILL"}, Receivers: []string{"RIVER"}}
	utf16 := "\xff\xfe" + strings.Join(strings.Split(normal, ""), "\x00") + "\x00"
	judge(t, []file{
		{"one message", "a.hl7", normal, Rules{}, Verdict{Pass: true, Kind: "hl7"}},
		{"LF ends, BOM", "a.txt", "\xef\xbb\xbf" + strings.ReplaceAll(normal, "\r", "\n"), Rules{}, Verdict{Pass: true, Kind: "hl7"}},
		{"MLLP marks", "a.dat", "\x0b" + normal + "\x1c\r\x0b" + normal + "\x1c\r", Rules{}, Verdict{Pass: true, Kind: "hl7"}},
		{"a batch", "a.hl7", string(batch(normal, normal)), Rules{}, Verdict{Pass: true, Kind: "hl7"}},
		{"critical passes", "a.hl7", critical, Rules{}, Verdict{Pass: true, Kind: "hl7", Critical: true}},
		{"own critical flag", "a.hl7", strings.Replace(critical, "|HH|", "|PANIC|", 1), Rules{Critical: []string{"panic"}}, Verdict{Pass: true, Kind: "hl7", Critical: true}},
		{"batch cut off", "a.hl7", string(batch(normal))[:len(normal)+18], Rules{}, Verdict{Kind: "hl7", Cause: CauseForm, Critical: true, Reason: "cut off"}},
		{"batch counts wrong", "a.hl7", strings.Replace(string(batch(normal)), "BTS|1", "BTS|3", 1), Rules{}, Verdict{Kind: "hl7", Cause: CauseForm, Critical: true, Reason: "BTS-1"}},
		{"critical behind a bad one", "a.hl7", strings.Replace(normal, "|2.5.1", "|9", 1) + critical, Rules{}, Verdict{Kind: "hl7", Cause: CauseForm, Critical: true, Reason: "message 1"}},
		{"no control id", "a.hl7", strings.Replace(normal, "|1|P|", "||P|", 1), Rules{}, Verdict{Kind: "hl7", Cause: CauseForm, Critical: true, Reason: "control id"}},
		{"zero byte", "a.hl7", normal + "OBX|2|ST|X||a\x00b\r", Rules{}, Verdict{Kind: "hl7", Cause: CauseForm, Critical: true, Reason: "zero byte"}},
		{"UTF-16", "a.hl7", utf16, Rules{}, Verdict{Kind: "hl7", Cause: CauseForm, Critical: true, Reason: "UTF-16"}},
		{"UTF-16 without a mark", "a.hl7", utf16[2:], Rules{}, Verdict{Kind: "hl7", Cause: CauseForm, Critical: true, Reason: "UTF-16"}},
		{"text before it", "a.hl7", "hello\r" + normal, Rules{}, Verdict{Cause: CauseKind, Critical: true, Reason: "MSH"}},
		{"its facility", "a.hl7", normal, river, Verdict{Pass: true, Kind: "hl7"}},
		{"its universal id", "a.hl7", normal, Rules{Facilities: []string{"1.2.3"}}, Verdict{Pass: true, Kind: "hl7"}},
		{"another's facility", "a.hl7", normal, Rules{Facilities: []string{"NORTH"}}, Verdict{Kind: "hl7", Cause: CauseOther, Reason: "MSH-4"}},
		{"another's facility, critical", "a.hl7", normal + critical, Rules{Facilities: []string{"NORTH"}}, Verdict{Kind: "hl7", Cause: CauseOther, Critical: true, Reason: "message 1"}},
		{"another receiver", "a.hl7", normal, Rules{Receivers: []string{"NORTH"}}, Verdict{Kind: "hl7", Cause: CauseOther, Reason: "MSH-6"}},
		{"its provider", "a.hl7", normal, Rules{Providers: []Provider{{"1234567893", "NPI"}}}, Verdict{Pass: true, Kind: "hl7"}},
		{"same number, another authority", "a.hl7", normal, Rules{Providers: []Provider{{"1234567893", "LOCAL"}}}, Verdict{Kind: "hl7", Cause: CauseOther, Reason: "ordering provider"}},
		{"no provider", "a.hl7", critical, Rules{Providers: []Provider{{"1234567893", "NPI"}}}, Verdict{Kind: "hl7", Cause: CauseOther, Critical: true, Reason: "no ordering provider"}},
		{"not taken, and critical", "a.hl7", critical, Rules{Kinds: []string{KindPDF}}, Verdict{Kind: "hl7", Cause: CauseKind, Critical: true, Reason: "HL7 v2 files are not taken"}},
		{"named .pdf", "a.pdf", normal, Rules{}, Verdict{Kind: "hl7", Cause: CauseName, Reason: "Name it .hl7"}},
		{"no extension", "a", critical, Rules{}, Verdict{Kind: "hl7", Cause: CauseName, Critical: true}},
		{"empty", "a.hl7", "", Rules{}, Verdict{Cause: CauseSize, Critical: true, Reason: "empty"}},
		{"headers only", "a.hl7", "FHS|^~\\&\rBHS|^~\\&\rBTS|0\rFTS|1\r", Rules{}, Verdict{Kind: "hl7", Cause: CauseForm, Critical: true, Reason: "no HL7 message"}},
	})
}

func TestFHIR(t *testing.T) {
	bundle := func(of ...string) string {
		return `{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + strings.Join(of, `},{"resource":`) + `}]}`
	}
	bad := Verdict{Kind: "fhir", Cause: CauseForm, Critical: true}
	ours := Rules{Facilities: []string{"MILL"}, Receivers: []string{"RIVER"}}
	header := func(from, to string) string {
		return `{"resourceType":"MessageHeader","eventUri":"urn:results","source":{"endpoint":"https://lis.example"},"sender":{"identifier":{"value":"` + from + `"}},` +
			`"destination":[{"endpoint":"https://ehr.example","receiver":{"identifier":{"value":"` + to + `"}}}]}`
	}
	judge(t, []file{
		{"a resource", "a.json", observation, Rules{}, Verdict{Pass: true, Kind: "fhir"}},
		{"BOM", "a.json", "\xef\xbb\xbf" + observation + "\r\n", Rules{}, Verdict{Pass: true, Kind: "fhir"}},
		{"a bundle", "a.fhir", bundle(observation, `{"resourceType":"Patient","id":"1"}`), Rules{}, Verdict{Pass: true, Kind: "fhir"}},
		{"type behind the entries", "a.fhir", `{"entry":[{"resource":` + alarming + `}],"type":"batch","resourceType":"Bundle"}`, Rules{}, Verdict{Pass: true, Kind: "fhir", Critical: true}},
		{"NDJSON", "a.ndjson", observation + "\n" + alarming + "\n", Rules{}, Verdict{Pass: true, Kind: "fhir", Critical: true}},
		{"critical, contained", "a.json", `{"resourceType":"DiagnosticReport","status":"final","code":{"text":"x"},"contained":[` + alarming + `]}`, Rules{}, Verdict{Pass: true, Kind: "fhir", Critical: true}},
		{"critical behind a bad one", "a.json", bundle(`{"resourceType":"Observation"}`, alarming), Rules{}, bad},
		{"no type", "a.json", `{"a":1}`, Rules{}, bad},
		{"unknown type", "a.json", `{"resourceType":"Report"}`, Rules{}, bad},
		{"status is a number", "a.json", `{"resourceType":"Observation","status":1,"code":{"text":"x"}}`, Rules{}, bad},
		{"unknown status", "a.json", `{"resourceType":"Observation","status":"done","code":{"text":"x"}}`, Rules{}, bad},
		{"entries of a patient", "a.json", `{"resourceType":"Patient","entry":[]}`, Rules{}, bad},
		{"type twice", "a.json", `{"resourceType":"Patient","ResourceType":"Bundle"}`, Rules{}, bad},
		{"type written with escapes", "a.json", `{"resourceType":"Patient","\u0072esourceType":"Bundle"}`, Rules{}, bad},
		{"twice, deep within", "a.json", `{"resourceType":"Basic","x":[{"a":{"b":1,"c":[{}],"B":2}}]}`, Rules{}, bad},
		{"the same in two objects", "a.json", `{"resourceType":"Basic","x":[{"a":1},{"a":"\"}"}]}`, Rules{}, Verdict{Pass: true, Kind: "fhir"}},
		{"entries twice", "a.json", `{"resourceType":"Bundle","type":"batch","entry":[],"entry":[]}`, Rules{}, bad},
		{"cut off", "a.json", bundle(observation)[:60], Rules{}, bad},
		{"two resources", "a.json", observation + observation, Rules{}, bad},
		{"something behind it", "a.json", observation + "<script>", Rules{}, bad},
		{"too deep", "a.json", `{"resourceType":"Basic","x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, Rules{}, bad},
		{"too many values", "a.json", `{"resourceType":"Basic","x":[` + strings.Repeat("{},", maxValues) + `{}]}`, Rules{}, bad},
		{"not UTF-8", "a.json", `{"resourceType":"Basic","x":"` + "\xff" + `"}`, Rules{}, bad},
		{"ours, for us", "a.json", bundle(header("MILL", "RIVER"), observation), ours, Verdict{Pass: true, Kind: "fhir"}},
		{"ours by the name of its application", "a.json", bundle(`{"resourceType":"MessageHeader","sender":{"display":"Mill Lab"},"source":{"name":"MILL","endpoint":"urn:x"}}`), ours, Verdict{Pass: true, Kind: "fhir"}},
		{"another's message", "a.json", bundle(header("NORTH", "RIVER"), observation), ours, Verdict{Kind: "fhir", Cause: CauseOther, Reason: "MessageHeader.sender"}},
		{"another's, critical behind it", "a.json", bundle(header("NORTH", "RIVER"), alarming), ours, Verdict{Kind: "fhir", Cause: CauseOther, Critical: true}},
		{"for another", "a.json", bundle(header("MILL", "NORTH"), observation), ours, Verdict{Kind: "fhir", Cause: CauseOther, Reason: "destination.receiver"}},
		{"another's, nothing agreed", "a.json", bundle(header("NORTH", "NORTH"), observation), Rules{}, Verdict{Pass: true, Kind: "fhir"}},
		{"names nobody", "a.json", bundle(`{"resourceType":"MessageHeader","sender":{"reference":"Organization/1"},"source":{"endpoint":"urn:x"}}`, observation), ours, Verdict{Pass: true, Kind: "fhir"}},
		{"no message", "a.json", bundle(observation), ours, Verdict{Pass: true, Kind: "fhir"}},
		{"a header of another structure", "a.json", bundle(`{"resourceType":"MessageHeader","sender":["MILL"]}`), ours, bad},
		{"a list", "a.json", `[` + observation + `]`, Rules{}, Verdict{Cause: CauseKind, Critical: true}},
		{"XML", "a.fhir", `<Patient xmlns="http://hl7.org/fhir"/>`, Rules{}, Verdict{Cause: CauseKind, Critical: true, Reason: "JSON"}},
	})
}

func TestCSV(t *testing.T) {
	bad := func(reason string) Verdict { return Verdict{Kind: "csv", Cause: CauseForm, Reason: reason} }
	judge(t, []file{
		{"commas", "a.csv", "id,name\n1,\"a, b\"\n", Rules{}, Verdict{Pass: true, Kind: "csv"}},
		{"semicolons", "a.csv", "id;name\r\n1;b\r\n", Rules{}, Verdict{Pass: true, Kind: "csv"}},
		{"tabs, .txt", "a.txt", "id\tname\n1\tb\n", Rules{}, Verdict{Pass: true, Kind: "csv"}},
		{"windows-1252", "a.csv", "id,name\n1,M\xfcller \x80\n", Rules{}, Verdict{Pass: true, Kind: "csv"}},
		{"UTF-8 with 0x81", "a.csv", "id,name\n1,\xc3\x81\n", Rules{}, Verdict{Pass: true, Kind: "csv"}},
		{"neither", "a.csv", "id,name\n1,\x81x\n", Rules{}, bad("neither")},
		{"results that begin with signs", "a.csv", "id,v\n1,-3.5\n2,+++\n3,+/-\n4,-\n5,=\n", Rules{}, Verdict{Pass: true, Kind: "csv"}},
		{"formulas", "a.csv", "id,v\n1,=1+1\n2,@SUM(A1)\n3,-1+cmd|'/c calc'!A0\n", Rules{}, Verdict{Pass: true, Kind: "csv", Reason: "3 cells"}},
		{"columns differ", "a.csv", "id,name\n1,2,3\n", Rules{}, bad("Line 2")},
		{"quote open", "a.csv", "id,name\n1,\"a\n", Rules{}, bad("quotation mark")},
		{"one column, .txt", "a.txt", "hello\nworld\n", Rules{}, Verdict{Kind: "csv", Cause: CauseKind, Critical: true}},
		{"long line", "a.csv", "id,name\n1," + strings.Repeat("x", 2*maxRow) + "\n", Rules{}, bad("Row 2")},
		{"control characters later", "a.csv", "id,name\n" + strings.Repeat("1,abc\n", 1000) + "1,\x02\n", Rules{}, bad("control")},
		{"UTF-16", "a.csv", "\xff\xfei\x00,\x00n\x00\n\x00", Rules{}, Verdict{Cause: CauseForm, Reason: "UTF-16"}},
		{"a script in it", "a.csv", "id,name\n1,<script>alert(1)</script>\n", Rules{}, Verdict{Cause: CauseKind}},
	})
}

func TestKindsNeverTaken(t *testing.T) {
	for name, content := range map[string]string{
		"MZ\x90\x00\x03\x00\x00\x00":       "program",
		"\x7fELF\x02\x01\x01\x00":          "program",
		"#!/bin/sh\nrm -rf /\n":            "program",
		"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "Office",
		"{\\rtf1\\ansi}":                   "Office",
		"\x1f\x8b\x08\x00":                 "archive of a kind",
		"Rar!\x1a\x07\x01\x00":             "archive of a kind",
		"\x89PNG\r\n\x1a\n\x00\x00":        "picture",
		"\xff\xd8\xff\xe0\x00\x10JFIF":     "picture",
		"<!DOCTYPE html><html></html>":     "web page",
		"  <svg onload=alert(1)>":          "web page",
		"\x01\x02\x03\x04":                 "no kind",
		"%!PS-Adobe-3.0\n":                 "PostScript",
	} {
		for _, as := range []string{"a.csv", "a.pdf", "a.hl7", "a.exe"} {
			v := check(t, as, []byte(name), open)
			if v.Pass || v.Held || !strings.Contains(v.Reason, content) {
				t.Errorf("%q as %s: %+v", name, as, v)
			}
			if v.Critical && as != "a.hl7" {
				t.Errorf("%q as %s opens a phone task", name, as)
			}
		}
	}
	if v := check(t, "a.csv", []byte("MZ,BM\n1,2\n"), open); !v.Pass {
		t.Errorf("a table that begins with MZ: %+v", v)
	}
}

func TestEncrypted(t *testing.T) {
	age := "age-encryption.org/v1\n-> X25519 abc\n"
	pgp := "-----BEGIN PGP MESSAGE-----\n\nhQ==\n"
	cms := "\x30\x82\x01\x00\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x82"
	judge(t, []file{
		{"age, not allowed", "a.hl7.age", age, Rules{}, Verdict{Kind: "age", Cause: CauseEncrypted, Critical: true, Reason: "unencrypted"}},
		{"age", "a.hl7.age", age, open, Verdict{Pass: true, Kind: "age, cannot be looked into"}},
		{"OpenPGP", "a.hl7.pgp", pgp, open, Verdict{Pass: true, Kind: "openpgp, cannot be looked into"}},
		{"OpenPGP, binary", "a.gpg", "\x85\x01\x0c\x03" + strings.Repeat("\x01", 20), open, Verdict{Pass: true, Kind: "openpgp, cannot be looked into"}},
		{"CMS", "a.p7m", cms, open, Verdict{Pass: true, Kind: "cms, cannot be looked into"}},
		{"age under another name", "a.hl7", age, open, Verdict{Kind: "age", Cause: CauseName, Critical: true, Reason: ".age"}},
	})
}

func TestNamesAndSizes(t *testing.T) {
	for _, name := range []string{"", "..", "a/b.hl7", "a\\b.hl7", "a\x00.hl7", " a.hl7", strings.Repeat("x", 201), "ä.hl7"} {
		if v := check(t, name, []byte(normal), Rules{}); v.Pass || v.Cause != CauseName {
			t.Errorf("%q: %+v", name, v)
		}
	}
	v, err := New(Config{}).Check(t.Context(), File{Name: "a.pdf", Size: 2 << 30, Body: untouched{}}, Rules{MaxFile: 4 << 30})
	if err != nil || v.Pass || v.Cause != CauseSize || !strings.Contains(v.Reason, "1 GiB") {
		t.Errorf("a file of 2 GiB, said: %+v, %v", v, err)
	}
	// A file shorter than it was said to be is a failure of ours, not a verdict.
	if v, err := New(Config{}).Check(t.Context(), File{Name: "a.hl7", Size: 1 << 20, Body: strings.NewReader(normal)}, Rules{}); err == nil {
		t.Errorf("a file that is cut on disk: %+v", v)
	}
	if _, err := New(Config{}).Check(t.Context(), File{Name: "a.hl7", Size: 1 << 20, Body: broken{}}, Rules{}); !errors.Is(err, errBroken) {
		t.Errorf("a disk that fails: %v", err)
	}
}

// untouched must not be read.
type untouched struct{}

func (untouched) ReadAt([]byte, int64) (int, error) { panic("read") }

var errBroken = errors.New("the disk is broken")

type broken struct{}

func (broken) ReadAt([]byte, int64) (int, error) { return 0, errBroken }

func TestPanicIsAVerdict(t *testing.T) {
	var told []string
	g := New(Config{Told: func(kind, partner, detail string) { told = append(told, kind, partner, detail) }})
	v, err := g.Check(t.Context(), File{Partner: "riverside", Name: "a.hl7", Size: 10, Body: untouched{}}, Rules{})
	if err != nil || v.Pass || !v.Critical || v.Cause != CauseForm || g.Counts().Panics != 1 {
		t.Errorf("%+v, %v, %+v", v, err, g.Counts())
	}
	if len(told) != 3 || told[0] != ToldBroken || !strings.Contains(told[2], "internal/domain/partners/gate/") {
		t.Errorf("told %q", told)
	}
}

// slow gives a byte a minute.
type slow struct{ of string }

func (s slow) ReadAt(p []byte, off int64) (int, error) {
	<-time.After(time.Minute)
	if len(p) > 1 {
		p = p[:1]
	}
	return copy(p, s.of[off:]), io.ErrShortBuffer
}

func TestTimeAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{Limit: 30 * time.Second})
		v, err := g.Check(t.Context(), File{Name: "a.hl7", Size: int64(len(normal)), Body: slow{normal}}, Rules{})
		if err != nil || v.Cause != CauseTime || !v.Critical {
			t.Errorf("%+v, %v", v, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if v, err := g.Check(ctx, File{Name: "a.hl7", Size: int64(len(normal)), Body: slow{normal}}, Rules{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended by its caller: %+v, %v", v, err)
		}
	})
}

// TestLargeFilesInLittleMemory: what is read one message or resource at a time
// takes no more memory for a large file.
func TestLargeFilesInLittleMemory(t *testing.T) {
	const size = 32 << 20
	for name, part := range map[string]string{"a.hl7": normal, "a.csv": "1,2,3,4,5,6,7,8\n", "a.ndjson": observation + "\n"} {
		n := size / len(part) * len(part)
		if name == "a.ndjson" { // the slowest by far
			n /= 8
			n -= n % len(part)
		}
		began := time.Now()
		most := peak(t, func() {
			v, err := New(Config{}).Check(t.Context(), File{Name: name, Size: int64(n), Body: repeated(part)}, Rules{})
			if err != nil || !v.Pass {
				t.Errorf("%s: %+v, %v", name, v, err)
			}
		})
		t.Logf("%s: %d MiB in %v, %d MiB of memory", name, n>>20, time.Since(began).Round(time.Millisecond), most>>20)
		if most > 16<<20 {
			t.Errorf("%s: %d MiB of memory for %d MiB of file", name, most>>20, n>>20)
		}
	}
}

// peak is how much more of the heap was in use at most while f ran.
func peak(t *testing.T, f func()) uint64 {
	t.Helper()
	// Garbage that waits is no memory that is needed: on a busy machine it piles up.
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	before, most := sample[0].Value.Uint64(), uint64(0)
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		select {
		case <-done:
			tick.Stop()
			return most
		case <-tick.C:
			metrics.Read(sample)
			if now := sample[0].Value.Uint64(); now > before {
				most = max(most, now-before)
			}
		}
	}
}

type repeated string

func (r repeated) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; n < len(p); {
		at := int((off + int64(n)) % int64(len(r)))
		n += copy(p[n:], r[at:])
	}
	return len(p), nil
}

// TestCorpus: the real messages and resources pass, but for those that are wrong on purpose.
func TestCorpus(t *testing.T) {
	root := corpusDir()
	if root == "" {
		t.Skip("SKIPPED: shared/corpus is not beside the project and LABWARDEN_SHARED is not set: real files were not tried")
	}
	passed := 0
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		ext := filepath.Ext(path)
		if ext != ".hl7" && ext != ".fhir" && ext != ".csv" {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		v, wrong := check(t, filepath.Base(path), b, Rules{}), false
		switch filepath.Base(path) {
		case "invalid-missing-msh.hl7", "invalid-segment-header-length.hl7", "invalid-wrong-version.hl7":
			wrong = true
		}
		if v.Pass == wrong {
			t.Errorf("%s: %+v", path, v)
		}
		if v.Pass {
			passed++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if passed < 100 {
		t.Errorf("only %d files were tried", passed)
	}
	t.Logf("%d files pass", passed)
}

func corpusDir() string {
	try := []string{os.Getenv("LABWARDEN_SHARED")}
	if wd, err := os.Getwd(); err == nil {
		for d := wd; d != filepath.Dir(d); d = filepath.Dir(d) {
			try = append(try, filepath.Join(d, "shared"))
		}
	}
	for _, d := range try {
		if d = filepath.Join(d, "corpus"); d != "corpus" {
			if st, err := os.Stat(d); err == nil && st.IsDir() {
				return d
			}
		}
	}
	return ""
}

// TestLargestParts: the largest message, resource and row take a bounded amount.
func TestLargestParts(t *testing.T) {
	for name, content := range map[string]string{
		"a.hl7":  normal + "OBX|2|ED|X||" + strings.Repeat("A", maxPart-1<<20) + "||||||F\r",
		"b.hl7":  normal + strings.Repeat("|", maxPart-1<<20),
		"b.json": `{"resourceType":"Basic","x":[` + strings.Repeat("{},", maxResource/3-100) + `{}]}`,
		"c.json": `{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Binary","contentType":"x","data":"` + strings.Repeat("A", maxResource-1<<20) + `"}}]}`,
	} {
		most := peak(t, func() {
			v := check(t, name, []byte(content), Rules{})
			if v.Pass != (name[0] != 'b') {
				t.Errorf("%s: %+v", name, v)
			}
		})
		t.Logf("%s: %d MiB of memory for %d MiB", name, most>>20, len(content)>>20)
		if most > 6*maxPart {
			t.Errorf("%s: %d MiB of memory", name, most>>20)
		}
	}
}
