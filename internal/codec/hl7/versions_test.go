package hl7

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestAckMatrix runs MSH-15 and MSH-16 through every condition of HL7 table 0155
// and through ok, error and reject. The oracle is the table written out: a word
// names the outcomes it answers.
func TestAckMatrix(t *testing.T) {
	words := []string{"", "AL", "NE", "ER", "SU"}
	answers := map[string]string{"": "", "AL": "ok error reject", "NE": "", "ER": "error reject", "SU": "ok"}
	codes := map[string]string{"ok": "A", "error": "E", "reject": "R"}
	n := 0
	for _, accept := range words {
		for _, app := range words {
			for outcome, letter := range codes {
				n++
				in := fmt.Sprintf(`MSH|^~\&|S|SF|R|RF|1||ORU^R01|C1|P|2.5.1|||%s|%s`, accept, app) + "\r"
				h, err := ReadHeader([]byte(in))
				if err != nil {
					t.Fatal(err)
				}
				wantAccept, wantApp := strings.Contains(answers[accept], outcome), strings.Contains(answers[app], outcome)
				if accept == "" && app == "" { // original mode: always answered, never by C codes
					wantAccept, wantApp = false, true
				}
				ok := outcome == "ok"
				if a, b := WantsAcceptAck(&h, ok), WantsAppAck(&h, ok); a != wantAccept || b != wantApp {
					t.Errorf("MSH-15 %q, MSH-16 %q, %s: accept %v, application %v; want %v, %v", accept, app, outcome, a, b, wantAccept, wantApp)
				}
				for _, commit := range []bool{true, false} {
					code := map[bool]string{true: "C", false: "A"}[commit] + letter
					b := AppendAck(nil, &h, AckOptions{Code: code, Text: "why", ErrorCode: "101", ControlID: "X", Time: time.Unix(0, 0).UTC()})
					got, err := ReadAck(b)
					if err != nil || got.Code != code || got.ControlID != "C1" || got.Accept() != ok || got.Commit() != commit {
						t.Errorf("%s: read back %+v, %v", code, got, err)
					}
					if has := bytes.Contains(b, []byte("\rERR|")); has == ok {
						t.Errorf("%s: error segment %v", code, has)
					}
					if ah, _ := ReadHeader(b); len(ah.AcceptAck)+len(ah.AppAck) > 0 { // or two systems would answer each other for ever
						t.Errorf("%s: the acknowledgement asks for one itself", code)
					}
				}
			}
		}
	}
	if n != 75 {
		t.Errorf("%d combinations were tried, not 75", n)
	}
}

// TestEveryVersion: the same content is read alike in each version, with the
// acknowledgement in the form of that version.
func TestEveryVersion(t *testing.T) {
	for v := range versions {
		in := strings.Replace(sample, "|P|2.5.1|", "|P|"+v+"|", 1)
		m := mustParse(t, in)
		for _, e := range m.Check() {
			if e.Code == "203" {
				t.Errorf("%s is not known: %v", v, e)
			}
		}
		if got, _ := m.Get("PID-5.2"); got != "Éva" {
			t.Errorf("%s: PID-5.2 is %q", v, got)
		}
		h := m.Header()
		ack := string(AppendAck(nil, &h, AckOptions{Code: "AE", Text: "why", ErrorCode: "101", ErrorLocation: "PID-3", Time: time.Unix(0, 0).UTC()}))
		n := versionNumber(h.VersionID())
		for what, c := range map[string][2]bool{
			"trigger":           {strings.Contains(ack, "|ACK^R01"), n >= 202},
			"structure":         {strings.Contains(ack, "^ACK|"), n >= 204},
			"text in MSA-3":     {strings.Contains(ack, "|why\rERR"), n < 207},
			"location in ERR-2": {strings.Contains(ack, "ERR||PID^1^3"), n >= 205},
		} {
			if c[0] != c[1] {
				t.Errorf("%s, %s: %v, want %v in %q", v, what, c[0], c[1], ack)
			}
		}
	}
}

// The truncation character (HL7 v2.7 2.5.5.2) is data to a reader, and is escaped
// where it is not one.
func TestTruncationCharacter(t *testing.T) {
	m := mustParse(t, "MSH|^~\\&#|S|F|R|F|1||ORU^R01|C|P|2.7\rPID|1||7||Longname#^A\\P\\B\r")
	for path, want := range map[string]string{"MSH-2": `^~\&#`, "PID-5.1": "Longname#", "PID-5.2": "A#B"} {
		if got, _ := m.Get(path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if err := m.Set(mustPath(t, "PID-5.1"), "no. #7"); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(m.Bytes(), []byte(`no. \P\7^`)) {
		t.Errorf("written as %q", m.Bytes())
	}
	if got, _ := m.Get("PID-5.1"); got != "no. #7" {
		t.Errorf("reads back as %q", got)
	}
	old := mustParse(t, "MSH|^~\\&|S|F|R|F|1||ORU^R01|C|P|2.5\rPID|1||7||no. #7^\\P\\\r")
	for path, want := range map[string]string{"PID-5.1": "no. #7", "PID-5.2": `\P\`} {
		if got, _ := old.Get(path); got != want {
			t.Errorf("before 2.7: %s is %q, want %q", path, got, want)
		}
	}
}

// TestSwitchedSets: HL7 v2.5.1 2.7.2. A passage in another set ends with
// \C2842\, behind which the message's own set holds again.
func TestSwitchedSets(t *testing.T) {
	const fill = `MSH|^~\&|S|F|R|F|1||ADT^A01|C|P|2.5||||||`
	for _, c := range []struct{ msh18, raw, want string }{
		{"8859/2~8859/5", "\xB1\\C2D4C\\\xB0\xD1\\C2842\\\xB1", "ąАбą"},
		{"8859/1~8859/7", "A\\C2D46\\\xC1\\C2842\\B\xE9", "AΑBé"},
		{"8859/1", "\\C2D59\\\xF0\\c2d59\\", "š\\c2d59\\"}, // lower case is no sequence
		{"UNICODE UTF-8", "Zo\\C2D41\\ë", `Zo\C2D41\ë`},    // UTF-8 cannot be left
		{"8859/1", "\\C2949\\x", `\C2949\x`},               // half-width katakana: not read, kept
		{"8859/1", "\\M2442\\0!\\C2842\\x", `\M2442\0!x`},  // multi-byte: kept as text
		{"8859/1", "\\C28\\x\\C\\", `\C28\x\C\`},
	} {
		m := mustParse(t, fill+c.msh18+"\rPID|1||||"+c.raw+"\r")
		if got := m.Value(mustPath(t, "PID-5")).Text(); got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.msh18, c.raw, got, c.want)
		}
	}
	m := mustParse(t, oru+"PID|1||7||\x1b$B;3ED\x1b(B\r"+obr)
	if f := m.Check(); len(f) != 1 || !strings.Contains(f[0].Msg, "ISO 2022") || f[0].Segment != "PID" {
		t.Errorf("bare ISO 2022 escapes: %v", f)
	}
}

// A header behind a line feed begins a message, whatever its delimiters; words
// that only look like one do not.
func TestHeaderBehindLineFeed(t *testing.T) {
	const first = "MSH|^~\\&|A\rPID|1||7\rNTE|1||seen"
	parts, err := SplitAll([]byte(first + "\nMSH#!@%*#B\rPID#2##8\rNTE#1##a\nOBX#1#ST\r"))
	if err != nil || len(parts) != 2 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	m, err := Parse(parts[1].Body)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"PID-3": "8", "NTE-3": "a", "OBX-2": "ST"} {
		if got, _ := m.Get(path); got != want {
			t.Errorf("%s of the second message is %q, want %q", path, got, want)
		}
	}
	if _, err := Parse([]byte(first + "\nMSH#!@%*#B\r")); err == nil || !strings.Contains(err.Error(), "second header") {
		t.Errorf("a header with other delimiters was taken for text: %v", err)
	}
	for _, text := range []string{"\nMSH-2 is wrong", "\nMSH: see above", "\nBHS", "\nMSHA^B", "\nMSH||x"} {
		if text == "\nMSH||x" {
			continue // the message's own separator: that is a segment name
		}
		if m := mustParse(t, first+text+"\r"); len(m.segs) != 3 {
			t.Errorf("%q was taken for a segment", text)
		}
	}
}

// ORU^R30 to R32 and OUL^R21 to R24 are checked by their own structures.
func TestResultStructures(t *testing.T) {
	obx := "OBX|1|ST|X||y||||||F\r"
	for _, c := range []struct{ event, body, want string }{
		{"ORU^R30", pid + "ORC|NW\r" + obr + obx, ""},
		{"ORU^R31^ORU_R30", pid + "PV1|1|I\rORC|NW\r" + obr + "NTE|1\r" + obx + obx, ""},
		{"ORU^R32", pid + "ORC|NW\r" + obr + obx, ""},
		{"ORU^R30", "ORC|NW\r" + obr + obx, "PID is missing"},
		{"ORU^R30", pid + obr + obx, "ORC is missing"},
		{"ORU^R30", pid + "ORC|NW\r" + obr, "OBX: the segment is missing"},
		{"OUL^R21", pid + "SAC|1\r" + obr + obx, ""},
		{"OUL^R22", pid + "SPM|1|||BLD\rSAC|1\r" + obr + obx, ""},
		{"OUL^R23", pid + "SPM|1|||BLD\rSAC|1\r" + obr + obx + "SAC|2\r" + obr + obx, ""},
		{"OUL^R23", pid + "SPM|1|||BLD\r" + obr + obx, "SAC is missing"},
		{"OUL^R24", pid + obr + "SPM|1|||BLD\r" + obx + obr + obx, ""},
	} {
		var got []string
		for _, e := range mustParse(t, head(c.event, "2.5.1")+c.body).Check() {
			got = append(got, e.Error())
		}
		if all := strings.Join(got, "\n"); (c.want == "") != (all == "") || !strings.Contains(all, c.want) {
			t.Errorf("%s %q: %q, want %q", c.event, c.body, all, c.want)
		}
	}
}
