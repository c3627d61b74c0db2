package hl7

import (
	"fmt"
	"strings"
	"testing"
)

const (
	oru = `MSH|^~\&|S|F|R|F|20260101||ORU^R01^ORU_R01|C|P|2.5.1` + "\r"
	pid = "PID|1||7^^^A||X^Y\r"
	obr = "OBR|1|P1|F1|GLU^Glucose\r"
	obx = "OBX|1|NM|GLU^Glucose||5.1|mmol/L|||||F\r"
)

func head(event, version string) string {
	return `MSH|^~\&|S|F|R|F|20260101||` + event + `|C|P|` + version + "\r"
}

// Cites HL7 v2.5.1 2.11, 2.12, 2.A.47, 7.4.2.2; tables 0103, 0354.
func TestCheck(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"sample", sample, ""},
		{"smallest", oru + obr, ""},
		{"Z anywhere", oru + "ZAA|1\r" + pid + "ZBB|1\r" + obr + "ZCC\r" + obx, ""},
		{"no OBR", oru + pid + "ORC|RE\r", "hl7: OBR: the segment is missing behind ORC (line 3)"},
		{"result without order", oru + pid + "PV1|1|O\r" + obx, "hl7: OBX(1): the segment OBR is missing before this one (line 4)"},
		{"foreign segment", oru + pid + "FOO|1\r" + obr, "hl7: FOO(1): the segment does not belong in a message of this type (line 3)"},
		{"PID at the end", oru + pid + obr + pid, "hl7: OBR: the segment is missing behind PID (line 4)"},
		{"PV1 too late", oru + pid + obr + obx + "PV1|1|O\r", "hl7: PV1(1): the segment is not expected at this place (line 5)"},
		{"bad name", oru + pid + "pid|1\r" + obr, "hl7: the line does not begin with a segment name of three capitals or digits (line 3)"},
		{"two microbiology orders", oru + pid + "ORC|RE\r" + obr + obx + "NTE|1\r" + "SPM|1|||BLD\r" + obx + "ORC|RE\r" + obr + obx, ""},
		{"no patient id", oru + "PID|1||||X\r" + obr, "hl7: PID(1)-3: a required field is missing (line 2)"},
		{"no type", oru + obr + "OBX|1||GLU||5|||||F\r", "hl7: OBX(1)-11: a required field is missing (line 3)\n" +
			"hl7: OBX(1)-2: the value type is missing although there is a value (line 3)"},
		{"no number", oru + obr + "OBX|1|NM|GLU||5,1||||||F\r", "hl7: OBX(1)-5(1): the value is not a number although its type is NM (line 3)"},
		{"no date", oru + "PID|1||7||X||19801301\r" + obr, "hl7: PID(1)-7: the date or time is not of the form YYYY[MM[DD[HH[MM[SS[.S]]]]]][+ZZZZ] (line 2)"},
		{"wrong version", head("ORU^R01", "1.0") + obr, "hl7: MSH(1)-12(0).1: the version is none of 2.1 to 2.9 (line 1)"},
		{"empty header", "MSH|^~\\&|S\r", "hl7: MSH(1)-9.1: the message type is missing (line 1)\nhl7: MSH(1)-10: the message control id is missing (line 1)\n" +
			"hl7: MSH(1)-11: the processing id is missing (line 1)\nhl7: MSH(1)-12: the version is missing (line 1)"},
		{"OUL^R22", head("OUL^R22^OUL_R22", "2.5.1") + pid + "SPM|1|||BLD\rSAC|1\r" + obr + "ORC|RE\r" + obx + "TCD|1\r" + "SPM|2|||BLD\r" + obr, ""},
		{"OUL^R22 without SPM", head("OUL^R22", "2.5.1") + pid + obr, "hl7: OBR(1): the segment SPM is missing before this one (line 3)"},
		{"OUL^R24", head("OUL^R24", "2.5.1") + pid + obr + "SPM|1|||BLD\rSAC|1\r" + obx, ""},
		{"ORM^O01", head("ORM^O01", "2.3") + pid + "PV1|1|O\rORC|NW\r" + obr + "DG1|1\rORC|NW\r" + obr, ""},
		{"ORM^O01 without ORC", head("ORM^O01", "2.3") + pid + obr, "hl7: OBR(1): the segment ORC is missing before this one (line 3)"},
		{"OML^O21", head("OML^O21^OML_O21", "2.5.1") + pid + "ORC|NW\rTQ1|1\r" + obr + "SPM|1|||BLD\rORC|NW\r" + obr, ""},
		{"ADT^A01", head("ADT^A01", "2.5") + "EVN||2026\r" + pid + "PV1|1|I\rAL1|1\rIN1|1\r", ""},
		{"ADT^A08 without PV1", head("ADT^A08", "2.5") + "EVN||2026\r" + pid, "hl7: PV1: the segment is missing behind PID (line 3)"},
		{"ADT^A40", head("ADT^A40^ADT_A39", "2.5") + "EVN||2026\r" + pid + "MRG|8^^^A\r" + pid + "MRG|9^^^A\r", ""},
		{"MDM^T02", head("MDM^T02", "2.5") + "EVN||2026\r" + pid + "PV1|1|I\rTXA|1|HP||||||||||D1|||||AU\r" + obx, ""},
		{
			"MDM^T02 without OBX", head("MDM^T02", "2.5") + "EVN||2026\r" + pid + "PV1|1|I\rTXA|1|HP||||||||||D1|||||AU\r",
			"hl7: OBX: the segment is missing behind TXA (line 5)",
		},
		{"unknown structure", head("SIU^S12", "2.5") + "SCH|1\r" + pid, ""},
		{"undeclared signs", oru + "PID|1||7||Zo\xEB\r" + obr, "hl7: MSH(1)-18: the message holds characters that MSH-18 does not declare; they were read as WINDOWS-1252 (line 1)"},
	} {
		var got []string
		for _, e := range mustParse(t, c.in).Check() {
			msg, _, _ := strings.Cut(e.Error(), ", byte")
			got = append(got, msg+")")
			// The byte must lie on the line, at the field where one is named.
			if strings.Count(c.in[:e.Offset], "\r")+1 != e.Line {
				t.Errorf("%s: byte %d is not on line %d", c.name, e.Offset, e.Line)
			}
			if line := strings.Split(c.in, "\r")[e.Line-1]; e.Field > 1 && strings.Count(line, "|") >= e.Field {
				from := strings.LastIndex(c.in[:e.Offset], "\r") + 1
				n := strings.Count(c.in[from:e.Offset], "|")
				if e.Segment == "MSH" {
					n++
				}
				if n != e.Field || c.in[e.Offset-1] != '|' {
					t.Errorf("%s: byte %d is not the start of field %d", c.name, e.Offset, e.Field)
				}
			}
		}
		g, w := strings.Join(got, "\n"), strings.ReplaceAll(c.want, "(0)", "")
		if c.want != "" && g != w || c.want == "" && g != "" {
			t.Errorf("%s:\n got %s\nwant %s", c.name, g, w)
		}
	}
}

// Every structure must be read whole: brackets balanced and each segment three
// capitals or digits.
func TestGrammarsAreWhole(t *testing.T) {
	for event, name := range structureOf {
		if _, ok := structures[name]; !ok {
			t.Errorf("%s names the unknown structure %s", event, name)
		}
	}
	for name, st := range structures {
		if len(st.rules) < 3 || !st.rules[0].first["MSH"] || len(st.rules[0].first) != 1 {
			t.Errorf("%s does not begin with MSH", name)
		}
		for id := range st.known {
			if !validSegmentID([]byte(id)) {
				t.Errorf("%s: %q is no segment", name, id)
			}
		}
		last := st.rules[len(st.rules)-1].first
		if strings.HasPrefix(name, "O") && name != "ORM_O01" && !last["DSC"] {
			t.Errorf("%s does not end with DSC: a bracket is missing", name)
		}
	}
}

func TestMoment(t *testing.T) {
	for _, s := range []string{"2026", "202603", "20260302", "2026030208", "202603020815", "20260302081512", "20260302081512.1234-0500", "2026+0000"} {
		if !moment([]byte(s)) {
			t.Errorf("%s was refused", s)
		}
	}
	for _, s := range []string{"", "26", "20261", "20261301", "20260332", "2026030224", "20260302081561", "20260302.1", "2026-03-02", "20260302081512.", "2026+9900", "yesterday"} {
		if moment([]byte(s)) {
			t.Errorf("%s was taken", s)
		}
	}
}

// Cites tables 0085, 0123 and 42 CFR 493.1291(c).
func TestReportWarnings(t *testing.T) {
	names := func(s string) string {
		var out []string
		for _, w := range mustParse(t, s).ReportWarnings() {
			out = append(out, fmt.Sprintf("%s*%d@%s", w.Element, w.Count, w.First.Location()))
			if !strings.HasPrefix(w.Clause, "42 CFR 493.1291(c)(") {
				t.Errorf("%s has the clause %q", w.Element, w.Clause)
			}
		}
		return strings.Join(out, " ")
	}
	const whole = "OBX|1|NM|GLU^Glucose||5.1|mmol/L|||||F||||||||||||Lab|1 Way\r"
	const order = "OBR|1|P1|F1|GLU^Glucose|||||||||||BLD|||||||20260101\r"
	for _, c := range []struct{ name, in, want string }{
		{"sample", sample, ""},
		{"whole", oru + pid + order + whole, ""},
		{"no result message", head("ADT^A01", "2.5") + "EVN||2026\rPID|1\rPV1|1|I\r", ""},
		{
			"bare", oru + "PID|1\r" + "OBR|1\rOBX|1|NM|||||||||F\rOBX|2|NM|||||||||F\r",
			"patient-identifier*1@PID(1)-3 patient-name*1@PID(1)-5 laboratory-name*2@OBX(1)-23 laboratory-address*2@OBX(1)-24 " +
				"report-date*1@OBR(1)-22 test-performed*3@OBR(1)-4 specimen-source*1@OBR(1)-15 result*2@OBX(1)-5 units-or-interpretation*2@OBX(1)-6",
		},
		{"two identifiers, no name", oru + "PID|1||7^^^A~8^^^B\r" + order + whole, ""},
		{"no PID", oru + order + whole, "patient-identifier*1@OBR(1) patient-name*1@OBR(1)"},
		{"delimiters only", oru + "PID|1||7||^^\r" + order + whole, "patient-name*1@PID(1)-5"},
		{"flag instead of units", oru + pid + order + strings.Replace(whole, "mmol/L||", "||N", 1), ""},
		{"cancelled, not told", oru + pid + order + strings.Replace(strings.Replace(whole, "|F|", "|X|", 1), "5.1", "", 1), "specimen-condition*1@OBR(1)"},
		{"cancelled, told", oru + pid + order + strings.Replace(whole, "|F|", "|X|", 1) + "NTE|1||clotted\r", ""},
		{"specimen refused", oru + pid + order + whole + "SPM|1|||BLD" + strings.Repeat("|", 16) + "N\r", "specimen-condition*1@OBR(1)"},
		{"rejected, disposition not told", oru + pid + order + whole + "SPM|1|||BLD" + strings.Repeat("|", 17) + "RB^Broken container\r", "specimen-disposition*1@OBR(1)"},
		{"rejected, disposition told", oru + pid + order + whole + "SPM|1|||BLD" + strings.Repeat("|", 16) + "N|RB^Broken container\r", ""},
		{"source in SPM", oru + pid + strings.Replace(order, "BLD", "", 1) + whole + "SPM|1|||BLD\r", ""},
		{"source before order", head("OUL^R22", "2.5.1") + pid + "SPM|1|||BLD\r" + strings.Replace(order, "BLD", "", 1) + whole, ""},
	} {
		if got := names(c.in); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestReportElementsAreWhole: paragraphs (c)(1) to (c)(7) each have a warning, a
// message that lacks all of them raises every one, and none is dead.
// Cites 42 CFR 493.1291(c)(1), 42 CFR 493.1291(c)(2), 42 CFR 493.1291(c)(3), 42 CFR 493.1291(c)(4), 42 CFR 493.1291(c)(5), 42 CFR 493.1291(c)(6), 42 CFR 493.1291(c)(7).
func TestReportElementsAreWhole(t *testing.T) {
	paragraphs, raised := map[string]bool{}, map[string]bool{}
	for _, e := range reportElements {
		paragraphs[e.Clause] = true
	}
	for n := 1; n <= 7; n++ {
		if c := fmt.Sprintf("42 CFR 493.1291(c)(%d)", n); !paragraphs[c] {
			t.Errorf("%s has no warning", c)
		}
	}
	if len(paragraphs) != 7 {
		t.Errorf("%d paragraphs, the rule has 7", len(paragraphs))
	}
	spm := "SPM|1|||" + strings.Repeat("|", 16)
	for _, in := range []string{
		oru + "PID|1\rOBR|1\rOBX|1|NM|||||||||F\r" + spm + "|\r",
		oru + "PID|1\rOBR|1\rOBX|1|NM|||||||||F\r" + spm + "|RB\r",
		oru + "PID|1\rOBR|1" + strings.Repeat("|", 24) + "X\r",
	} {
		for _, w := range mustParse(t, in).ReportWarnings() {
			raised[w.Element] = true
		}
	}
	for _, e := range reportElements {
		if !raised[e.Element] {
			t.Errorf("%s was not raised by a message without it", e.Element)
		}
	}
}

// Cites tables 0078, 0085, 0103, 0123, 0369; HL7 v2.5.1 2.A.72, 7.4.3.11.
func TestControls(t *testing.T) {
	spm := func(role string) string { return "SPM|1|||BLD|||||||" + role + "\r" }
	by := func(role string) string { return "OBR|1||||||||||||||BLD^^^^^^" + role + "\r" }
	for name, c := range map[string]struct {
		in        string
		some, all bool
	}{
		"none":                        {oru + obr + obx, false, false},
		"patient's":                   {oru + obr + spm("P") + obr + spm(""), false, false},
		"controls":                    {oru + obr + spm("Q^Control^HL70369") + obr + spm("L~c"), true, true},
		"a control beside":            {oru + obr + spm("Q") + obr + spm("P"), true, false},
		"a control beside unmarked":   {oru + obr + spm("") + obr + spm("F"), true, false},
		"in OBR-15":                   {oru + by("Q") + by("V"), true, true},
		"in one OBR-15":               {oru + by("Q") + obr, true, false},
		"OBR-15 against the specimen": {oru + by("Q") + spm("P"), true, false},
	} {
		if some, all := mustParse(t, c.in).Controls(); some != c.some || all != c.all {
			t.Errorf("%s: %v %v", name, some, all)
		}
	}
}

func TestSigns(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"sample", sample, "critical HH OBX(1)-8(1).1"},
		{"none", oru + pid + obr + obx, ""},
		{"in the wrong field", oru + obr + "OBX|1|NM|G||5||H~ ll |0\r", ""},
		{"repeated, lower case", oru + obr + "OBX|1|NM|G||5|||H~ ll \r", "critical LL OBX(1)-8(2).1"},
		{"alternate code", oru + obr + "OBX|1|NM|G||5|||H1^x^99LAB^AA^y^HL70078\r", "critical AA OBX(1)-8(1).4"},
		{"local flag", oru + obr + "OBX|1|NM|G||5|||PANIC\r", "critical PANIC OBX(1)-8(1).1"},
		{"high is not critical", oru + obr + "OBX|1|NM|G||5|||H\rOBX|2|NM|G||5|||>\r", ""},
		{"corrected", oru + "OBR|1" + strings.Repeat("|", 24) + "C\rOBX|1|NM|G||5||||||C\r", "corrected C OBR(1)-25(1).1 corrected C OBX(1)-11(1).1"},
		{"withdrawn", oru + obr + "OBX|1|NM|G||5||||||D\rOBX|2|NM|G||5||||||W\r", "withdrawn D OBX(1)-11(1).1 withdrawn W OBX(2)-11(1).1"},
		{"cancelled", oru + obr + "OBX|1|NM|G||||||||X\r", "cancelled X OBX(1)-11(1).1"},
		{"control", oru + obr + "SPM|1|||BLD|||||||Q^Control^HL70369\r", "quality control Q SPM(1)-11(1).1"},
		{"control in OBR-15", oru + "OBR|1||||||||||||||BLD^^^^^^Q&Control\r", "quality control Q OBR(1)-15(1).7"},
		{"proficiency", oru + obr + "SPM|1|||BLD|||||||F\r", "proficiency F SPM(1)-11(1).1"},
		{"patient", oru + obr + "SPM|1|||BLD|||||||P\r", ""},
		{"a patient's result without a valid control", oru + obr + "OBX|1|NM|G||5|||QCF\r", ""},
		{"training", strings.Replace(oru, "|P|", "|T|", 1) + obr, "not production T MSH(1)-11(1).1"},
		{"hidden behind many", oru + obr + strings.Repeat("OBX|1|NM|G||5|||HH\r", 3000) + "SPM|1|||BLD|||||||Q\r", "…quality control Q SPM(1)-11(1).1"},
	} {
		var got []string
		for _, s := range mustParse(t, c.in).Signs("Panic") {
			got = append(got, s.Kind.String()+" "+s.Code+" "+s.At.String())
		}
		g := strings.Join(got, " ")
		if tail, long := strings.CutPrefix(c.want, "…"); long {
			if len(got) != maxSigns+1 || !strings.HasSuffix(g, tail) {
				t.Errorf("%s: %d signs, the last %q", c.name, len(got), got[len(got)-1])
			}
		} else if g != c.want {
			t.Errorf("%s: got %q, want %q", c.name, g, c.want)
		}
	}
}
