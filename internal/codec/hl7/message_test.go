package hl7

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// Cites HL7 v2.5.1 2.5.2, 2.5.3, 2.15.9.1.
func TestGet(t *testing.T) {
	m := mustParse(t, sample)
	for path, want := range map[string]string{
		"MSH-1": "|", "MSH-2": `^~\&`, "MSH-9.1": "ORU", "MSH-10": "NL0000012345",
		"PID-3.1": "44556677", "PID-3(2).1": "990011", "PID-3.4.2": "1.2.3.4", "PID-3(1).4.3": "ISO",
		"PID-5.2": "Éva", "PID-5": "Testmann^Éva^M^^^^L", "OBX(1)-5": "512", "OBX(4)-3.2": "Creatinine",
		"OBX(5)-5": "Repeated & confirmed\ncalled 08:14 \\ read back", "ZLB-3": "", "ZLB-2.2": "data",
		"OBX(99)-5": "", "PID-99": "", "PID-3(9)": "", "PID-5.99": "", "PV2-1": "",
	} {
		got, err := m.Get(path)
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", path, got, err, want)
		}
	}
	for path, want := range map[string]Presence{
		"ZLB-3": Null, "ZLB-4": Absent, "PID-2": Empty, "PID-3": Present, "PV2-1": Absent, "PID-5.4": Empty, "PID-5.9": Absent,
	} {
		if got := m.Value(mustPath(t, path)).Presence(); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	var ids []string
	for p, v := range m.Each(mustPath(t, "PID-3.1")) {
		ids = append(ids, p.String()+"="+v.Text())
	}
	if got := strings.Join(ids, " "); got != "PID(1)-3(1).1=44556677 PID(1)-3(2).1=990011" {
		t.Errorf("Each: %s", got)
	}
}

func TestParsePath(t *testing.T) {
	for _, s := range []string{"PID", "OBX(2)", "OBX(2)-5", "OBX(2)-5(1).1.1", "PID-3.4.2", "ZX9-1(3)"} {
		if got := mustPath(t, s).String(); got != s {
			t.Errorf("%s came back as %s", s, got)
		}
	}
	for _, s := range []string{
		"", "PI", "pid-3", "PID-", "PID-0", "PID-3.", "PID-3(", "PID-3(0)", "PID(1", "PID-3.1.1.1",
		"PID-99999999999999999999", "PID.3", "PID-3 ", "1ID-3", "PID-3..1",
	} {
		if p, err := ParsePath(s); err == nil {
			t.Errorf("%q was read as %+v", s, p)
		}
	}
}

// Cites HL7 v2.5.1 2.5.4.
func TestLineEnds(t *testing.T) {
	const a = `MSH|^~\&|S|F|R|F|1||ADT^A01|C|P|2.5`
	for _, c := range []struct {
		name, in string
		names    string
	}{
		{"CR", a + "\rPID|1\rPV1|1\r", "MSH PID PV1"},
		{"CRLF", a + "\r\nPID|1\r\nPV1|1\r\n", "MSH PID PV1"},
		{"LF", a + "\nPID|1\nPV1|1\n", "MSH PID PV1"},
		{"no last end", a + "\rPID|1", "MSH PID"},
		{"blank lines", a + "\r\r\nPID|1\r\r", "MSH  PID "},
		{"line feed as data", a + "\rNTE|1||one\ntwo\rPV1|1\r", "MSH NTE PV1"},
		{"segment behind a line feed", a + "\rNTE|1\nPID|1||7\r", "MSH NTE PID"},
		{"CR among LF", a + "\nPID|1\rPV1|1\n", "MSH PID PV1"},
		{"LF at the very end", a + "\rPID|1\n", "MSH PID"},
	} {
		m := mustParse(t, c.in)
		var names []string
		for s := range m.Segments("") {
			names = append(names, s.Name())
		}
		if got := strings.Join(names, " "); got != c.names {
			t.Errorf("%s: segments %q, want %q", c.name, got, c.names)
		}
		if got := m.AppendTo(nil); string(got) != c.in {
			t.Errorf("%s: came back as %q", c.name, got)
		}
	}
}

func TestEdit(t *testing.T) {
	const msh = `MSH|^~\&|S|F|R|F|1||ADT^A01|C|P|2.5|||AL|||UNICODE UTF-8` + "\n"
	for _, c := range []struct{ path, text, in, want string }{
		{"PID-5.2", "A^B|C&D\\E~F", "PID|1||7||X^Y^Z\n", `PID|1||7||X^A\S\B\F\C\T\D\E\E\R\F^Z` + "\n"},
		{"PID-5.4", "J", "PID|1||7||X^Y\n", "PID|1||7||X^Y^^J\n"},
		{"PID-8", "F", "PID|1||7\n", "PID|1||7|||||F\n"},
		{"PID-3(3).4.2", "u", "PID|1||7~8\n", "PID|1||7~8~^^^&u\n"},
		{"PID-3.4.2", "u", "PID|1||7^^^N~8|\n", "PID|1||7^^^N&u~8|\n"},
		{"PID-3", "n", "PID|1||7~8|x\n", "PID|1||n|x\n"},
		{"PID(2)-1", "9", "PID|1\nPID|2\n", "PID|1\nPID|9\n"},
		{"PID-5", "é\n\r", "PID|1||7||X\n", "PID|1||7||é\\.br\\\\X0D\\\n"},
		{"PID-1", "é", "PID\n", "PID|é\n"},
	} {
		m := mustParse(t, msh+c.in)
		if err := m.Set(mustPath(t, c.path), c.text); err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		if got := string(m.Bytes()); got != msh+c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.path, got, msh+c.want)
		}
		if got := m.Value(mustPath(t, c.path)).Text(); got != c.text {
			t.Errorf("%s: reads %q, want %q", c.path, got, c.text)
		}
	}
	m := mustParse(t, msh+"PID|1\n")
	for _, p := range []string{"MSH-1", "MSH-2", "MSH-18", "PV1-3", "PID"} {
		if err := m.Set(mustPath(t, p), "x"); err == nil {
			t.Errorf("%s could be set", p)
		}
	}
	for p, raw := range map[string]string{"PID-3.1": "a^b", "PID-3(1)": "a~b", "PID-3": "a|b", "PID-4": "a\rb", "PID-3.1.1": "a&b"} {
		if err := m.SetRaw(mustPath(t, p), []byte(raw)); err == nil {
			t.Errorf("%s: %q could be set", p, raw)
		}
	}
	if m.Edited() || !bytes.Equal(m.Bytes(), []byte(msh+"PID|1\n")) {
		t.Error("a refused edit left a trace")
	}
	if err := m.SetNull(mustPath(t, "PID-3")); err != nil || m.Value(mustPath(t, "PID-3")).Presence() != Null {
		t.Errorf("null: %v", err)
	}
	if err := m.Set(mustPath(t, "MSH-10"), "NEW"); err != nil || string(m.head.ControlID) != "NEW" {
		t.Errorf("control id: %v", err)
	}
	if err := m.Insert(mustPath(t, "PID"), []byte("ZAA|1")); err != nil {
		t.Error(err)
	}
	if err := m.Remove(mustPath(t, "PID")); err != nil {
		t.Error(err)
	}
	if got := string(m.Bytes()); !strings.HasSuffix(got, "UTF-8\nZAA|1\n") {
		t.Errorf("after insert and remove: %q", got)
	}
}

func TestEditKeepsLineFeedsData(t *testing.T) {
	m := mustParse(t, "MSH|^~\\&|S\rNTE|1||a\nABC\rPID|1\r")
	if err := m.Set(mustPath(t, "NTE-4"), "x"); err == nil {
		t.Error("the edit made a segment ABC out of data")
	}
}

// Cites HL7 v2.5.1 2.15.9.18; table 0211.
func TestCharsets(t *testing.T) {
	const fill = `MSH|^~\&|S|F|R|F|1||ADT^A01|C|P|2.5||||||`
	for _, c := range []struct{ msh18, raw, want, name string }{
		{"8859/1", "M\xFCller", "Müller", "8859/1"},
		{"8859/1", "\x80 5", "€ 5", "8859/1"}, // windows-1252 in disguise
		{"8859/2", "\xB1\xE6", "ąć", "8859/2"},
		{"8859/5", "\xB0\xD1", "Аб", "8859/5"},
		{"8859/7", "\xC1\xE2", "Αβ", "8859/7"},
		{"8859/9", "\xDD\xFE", "İş", "8859/9"},
		{"8859/15", "\xA4", "€", "8859/15"},
		{"UNICODE UTF-8", "Zoë", "Zoë", "UNICODE UTF-8"},
		{"unicode", "Zoë", "Zoë", "UNICODE UTF-8"},
		{"WINDOWS-1251", "\xC0", "А", "WINDOWS-1251"},
		{"", "Zoë", "Zoë", "UNICODE UTF-8"},
		{"", "Zo\xEB", "Zoë", "WINDOWS-1252"},
		{"ASCII", "plain", "plain", "ASCII"},
		{"UNICODE UTF-8", "bad\xFF", "bad\uFFFD", "UNICODE UTF-8"},
		{"8859/1~8859/2", "a\xB1\\C2D42\\\xB1\\C2D41\\\xB1", "a±ą±", "8859/1"},
		{"8859/1", `\X4D\ \X4DFC\`, "M Mü", "8859/1"},
		{"UNICODE UTF-8", `\XC3\\XA9\`, "é", "UNICODE UTF-8"},
	} {
		m := mustParse(t, fill+c.msh18+"\rPID|1||||"+c.raw+"\r")
		if got := m.Value(mustPath(t, "PID-5")).Text(); got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.msh18, c.raw, got, c.want)
		}
		if got := m.Charset().Name(); got != c.name {
			t.Errorf("%s %q: charset %s, want %s", c.msh18, c.raw, got, c.name)
		}
		if got, want := m.Charset().Guessed(), c.msh18 == "" && c.name != "ASCII"; got != want {
			t.Errorf("%s: guessed %v", c.msh18, got)
		}
	}
	for _, name := range []string{"ISO IR87", "GB 18030-2000", "BIG-5", "KS X 1001", "UNICODE UTF-16", "8859/1~ISO IR159", "8859/12"} {
		_, err := Parse([]byte(fill + name + "\r"))
		if err == nil || !strings.Contains(err.Error(), "MSH(1)-18") {
			t.Errorf("%s: %v", name, err)
		}
	}
	m := mustParse(t, fill+"8859/1\rPID|1\r")
	if err := m.Set(mustPath(t, "PID-5"), "Łukasz"); err == nil {
		t.Error("a sign outside of the character set was written")
	}
	if err := m.Set(mustPath(t, "PID-5"), "Zoë"); err != nil || !bytes.Contains(m.Bytes(), []byte("Zo\xEB")) {
		t.Errorf("%q, %v", m.Bytes(), err)
	}
}

func TestParseAssuming(t *testing.T) {
	latin2, ok := LookupCharset("iso-8859-2")
	if !ok {
		t.Fatal("8859/2 is not known")
	}
	for in, want := range map[string]string{
		"MSH|^~\\&|\xB1\r":                      "ą", // undeclared: as assumed
		"MSH|^~\\&|\xB1|||||||||||||||8859/1\r": "±", // declared
	} {
		m, err := ParseAssuming([]byte(in), Limits{}, latin2)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := m.Get("MSH-3"); got != want || m.Charset().Guessed() {
			t.Errorf("%q: got %q in %s", in, got, m.Charset().Name())
		}
	}
}

// Cites HL7 v2.5.1 2.7, 2.7.6.
func TestEscapes(t *testing.T) {
	m := mustParse(t, sample)
	for raw, want := range map[string]string{
		`\F\\S\\T\\R\\E\`: `|^&~\`, `\H\loud\N\`: "loud", `a\.br\b`: "a\nb", `a\.sp3\b`: "a\n\n\nb", `a\.sk4\b`: "a    b",
		`\.in+3\x`: "x", `\.ti-2\x`: "x", `\.ce\x`: "\nx", `\.fi\\.nf\x`: "x", `\X41\B`: "AB", `\X4142\`: "AB",
		`\X4\`: `\X4\`, `\Zloc1\`: `\Zloc1\`, `\M2442\`: `\M2442\`, `\`: `\`, `a\b`: `a\b`, `\Q\`: `\Q\`, `\\`: `\\`,
		`5\6\7`: `5\6\7`, `\.zz\`: `\.zz\`, `\.sp99999\`: strings.Repeat("\n", 99), `\P\`: `\P\`, `\FF\`: `\FF\`,
	} {
		if got := string(appendText(nil, []byte(raw), &m.head, m.cs)); got != want {
			t.Errorf("%s: got %q, want %q", raw, got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	m := mustParse(t, "MSH|^~\\&|S|F|R|F|1||ADT^A01|C|P|2.5\rPID|1||7^^^A&1.2~8||\"\"|||\r\rbad line\rZ99|a\\T\\b\r")
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":"2.5","charset":"ASCII","segments":[{"id":"MSH","fields":{"1":[["|"]],"2":[["^~\\\u0026"]],"3":[["S"]],"4":[["F"]],` +
		`"5":[["R"]],"6":[["F"]],"7":[["1"]],"9":[["ADT","A01"]],"10":[["C"]],"11":[["P"]],"12":[["2.5"]]}},` +
		`{"id":"PID","fields":{"1":[["1"]],"3":[["7","","",["A","1.2"]],["8"]],"5":[[null]]}},{"text":"bad line"},` +
		`{"id":"Z99","fields":{"1":[["a\u0026b"]]}}]}`
	if string(b) != want {
		t.Errorf("\n got %s\nwant %s", b, want)
	}
}

func TestLimits(t *testing.T) {
	const msh = "MSH|^~\\&|S\r"
	for _, c := range []struct {
		in   string
		l    Limits
		want string
	}{
		{msh + "PID|1\r", Limits{Bytes: 12}, "longer than the limit"},
		{msh + "PID|1\rPV1|1\r", Limits{Segments: 2}, "PV1: the segment has more segments"},
		{msh + "PID|1|2|3\r", Limits{Fields: 2}, "PID: the segment has more fields"},
		{msh + "PID|1\rMSH|^~\\&|\r", Limits{}, "MSH: a second header"},
	} {
		_, err := ParseLimits([]byte(c.in), c.l)
		want := strings.Replace(c.want, "the segment has more segments", "the message has more segments", 1)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c.l, err, want)
		}
	}
}
