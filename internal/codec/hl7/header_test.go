package hl7

import (
	"strings"
	"testing"
	"time"
)

func TestReadHeader(t *testing.T) {
	h, err := ReadHeader([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{string(h.SendingApp), "LABSYS"},
		{string(h.SendingFacility), "NORTHLAB^34D0000001^CLIA"},
		{string(h.ReceivingApp), "CLINIC"},
		{string(h.ReceivingFacility), "RIVERSIDE"},
		{string(h.DateTime), "20260302081512-0500"},
		{string(h.MessageType), "ORU^R01^ORU_R01"},
		{string(h.Code()), "ORU"},
		{string(h.Trigger()), "R01"},
		{string(h.Structure()), "ORU_R01"},
		{string(h.ControlID), "NL0000012345"},
		{string(h.ProcessingID), "P"},
		{string(h.VersionID()), "2.5.1"},
		{string(h.AcceptAck), "AL"},
		{string(h.AppAck), "NE"},
		{string(h.Charset), "UNICODE UTF-8"},
		{string([]byte{h.FieldSep, h.Component, h.Repetition, h.Escape, h.Subcomponent}), `|^~\&`},
	} {
		if c[0] != c[1] {
			t.Errorf("got %q, want %q", c[0], c[1])
		}
	}
	b := []byte(sample)
	if n := testing.AllocsPerRun(100, func() { _, _ = ReadHeader(b) }); n != 0 {
		t.Errorf("ReadHeader allocates %v times", n)
	}
}

// Cites HL7 v2.5.1 2.5.4, 2.15.9.1; HL7 v2.7 2.5.5.2.
func TestReadHeaderForms(t *testing.T) {
	for _, c := range []struct {
		name, in, id, err string
	}{
		{"own delimiters", "MSH#!@%*#A#B#C#D#1##ADT!A01#ID7#P#2.5\n", "ID7", ""},
		{"truncation character", "MSH|^~\\&#|A|B|C|D|1||ADT^A01|ID8|P|2.7\r", "ID8", ""},
		{"few delimiters", "MSH|^|A|B|C|D|1||ADT^A01|ID9|P|2.1\r", "ID9", ""},
		{"ends within", "MSH|^~\\&|A|B", "", ""},
		{"next segment not read", "MSH|^~\\&|A\rPID|||||||||X", "", ""},
		{"not MSH", "PID|1", "", "does not begin with an MSH"},
		{"empty", "", "", "does not begin with an MSH"},
		{"letter as separator", "MSHA^~\\&A", "", "MSH(1)-1: the field separator"},
		{"doubled delimiter", "MSH|^^\\&|A", "", "MSH(1)-2: the same encoding character stands twice (line 1, byte 5)"},
		{"letter among them", "MSH|^X\\&|A", "", "printable and neither letter nor digit"},
		{"too many", "MSH|^~\\&#%|A", "", "more than five"},
		{"none", "MSH||A", "", "no encoding characters"},
		{"ends at once", "MSH|", "", "no encoding characters"},
	} {
		h, err := ReadHeader([]byte(c.in))
		if got := string(h.ControlID); got != c.id {
			t.Errorf("%s: control id %q, want %q", c.name, got, c.id)
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.err)
		}
	}
}

// Cites HL7 v2.4 2.16.5.1, 2.16.9.9; HL7 v2.5.1 2.9.2.2, 2.9.3.2, 2.15.5; table 0357.
func TestAck(t *testing.T) {
	at := time.Date(2026, 3, 2, 8, 15, 13, 0, time.FixedZone("", -5*3600))
	base := AckOptions{ControlID: "OUR1", Time: at}
	with := func(f func(*AckOptions)) AckOptions { o := base; f(&o); return o }
	refused := with(func(o *AckOptions) {
		o.Code, o.Text, o.ErrorCode, o.ErrorLocation = "AE", "no route | for this", "101", "PID-3(2).1"
	})
	for _, c := range []struct {
		name, in, want string
		o              AckOptions
	}{
		{
			"accepted", `MSH|^~\&|S|SF|R|RF|1||ORU^R01^ORU_R01|C1|P|2.5.1|||||USA|8859/1`,
			"MSH|^~\\&|R|RF|S|SF|20260302081513-0500||ACK^R01^ACK|OUR1|P|2.5.1||||||8859/1\rMSA|AA|C1\r",
			with(func(o *AckOptions) { o.Code = "AA" }),
		},
		{
			"error of 2.5.1", `MSH|^~\&|S|SF|R|RF|1||ORU^R01|C1|P|2.5.1`,
			"MSH|^~\\&|R|RF|S|SF|20260302081513-0500||ACK^R01^ACK|OUR1|P|2.5.1\rMSA|AE|C1|no route \\F\\ for this\r" +
				"ERR||PID^1^3^2^1|101^Required field missing^HL70357|E||||no route \\F\\ for this\r", refused,
		},
		{
			"error of 2.3", `MSH|^~\&|S|SF|R|RF|1||ORU^R01|C1|P|2.3`,
			"MSH|^~\\&|R|RF|S|SF|20260302081513-0500||ACK^R01|OUR1|P|2.3\rMSA|AE|C1|no route \\F\\ for this\r" +
				"ERR|PID^^3^101&Required field missing&HL70357\r", refused,
		},
		{
			"error of 2.8", `MSH|^~\&#|S|SF|R|RF|1||ORU^R01|C1|P|2.8`,
			"MSH|^~\\&#|R|RF|S|SF|20260302081513-0500||ACK^R01^ACK|OUR1|P|2.8\rMSA|AE|C1\r" +
				"ERR||PID^1^3^2^1|101^Required field missing^HL70357|E||||no route \\F\\ for this\r", refused,
		},
		{
			"version 2.1", `MSH|^~\&|S|SF|R|RF|1||ORU|C1|P|2.1`,
			"MSH|^~\\&|R|RF|S|SF|20260302081513||ACK|OUR1|P|2.1\rMSA|AA|C1\r", with(func(o *AckOptions) { o.Code = "AA" }),
		},
		{
			"own delimiters", `MSH#!@%*#S#SF#R#RF#1##ADT!A01#C1#P#2.4`,
			"MSH#!@%*#R#RF#S#SF#20260302081513-0500##ACK!A01!ACK#OUR1#P#2.4\rMSA#CA#C1\r",
			with(func(o *AckOptions) { o.Code = "CA" }),
		},
		{
			"no header", `hello`,
			"MSH|^~\\&|||||20260302081513-0500||ACK|OUR1||\rMSA|AR||unreadable\rERR|^^^200&Unsupported message type&HL70357\r",
			with(func(o *AckOptions) { o.Code, o.Text, o.ErrorCode = "AR", "unreadable", "200" }),
		},
	} {
		h, _ := ReadHeader([]byte(c.in))
		got := AppendAck(nil, &h, c.o)
		if string(got) != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
		a, err := ReadAck(got)
		if err != nil || a.Code != c.o.Code || a.ControlID != string(h.ControlID) {
			t.Errorf("%s: read back %+v, %v", c.name, a, err)
		}
		if c.o.Code == "AE" && !strings.Contains(a.Text+a.ErrorText, "no route | for this") {
			t.Errorf("%s: the text is lost: %+v", c.name, a)
		}
		if m, err := Parse(got); err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if c.name != "no header" {
			if f := m.Check(); len(f) > 0 {
				t.Errorf("%s: our own acknowledgement is faulty: %v", c.name, f)
			}
		}
	}
}

func TestReadAckRefuses(t *testing.T) {
	const msh = "MSH|^~\\&|R|RF|S|SF|1||ACK|X|P|2.4\r"
	for in, want := range map[string]string{
		"garbage":                         "does not begin with an MSH",
		msh:                               "no MSA segment",
		msh + "MSA|OK|1\r":                "MSA(1)-1: the acknowledgement code is none",
		msh + "MSA|AA|1\rMSA|AE|1\r":      "two MSA segments",
		msh + "MSA":                       "no MSA segment",
		strings.Repeat("\r", 5) + "MSA|A": "does not begin with an MSH",
	} {
		if a, err := ReadAck([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v", in, a, err)
		}
	}
}

// Cites HL7 v2.5.1 2.9.2, 2.9.3; table 0155.
func TestWants(t *testing.T) {
	for _, c := range []struct {
		accept, app                        string
		acceptOK, acceptBad, appOK, appBad bool
	}{
		{"", "", false, false, true, true}, // original mode
		{`""`, "", false, false, true, true},
		{"AL", "NE", true, true, false, false},
		{"NE", "AL", false, false, true, true},
		{"ER", "SU", false, true, true, false},
		{"SU", "ER", true, false, false, true},
		{"AL", "", true, true, false, false},
		{"", "AL", false, false, true, true},
		{"??", "", true, true, false, false},
	} {
		h := Header{AcceptAck: []byte(c.accept), AppAck: []byte(c.app)}
		got := [4]bool{WantsAcceptAck(&h, true), WantsAcceptAck(&h, false), WantsAppAck(&h, true), WantsAppAck(&h, false)}
		if want := [4]bool{c.acceptOK, c.acceptBad, c.appOK, c.appBad}; got != want {
			t.Errorf("MSH-15 %q MSH-16 %q: %v, want %v", c.accept, c.app, got, want)
		}
	}
}
