package hl7

import (
	"fmt"
	"strings"
	"testing"
)

// Cites HL7 v2.5.1 2.10.3, 2.10.3.1, 2.15.3.
func TestSplit(t *testing.T) {
	const (
		m1 = "MSH|^~\\&|A\rPID|1|\r"
		m2 = "MSH|^~\\&|B\rPID|2|\r"
	)
	for _, c := range []struct{ name, in, parts, errs string }{
		{"one", m1, "0:18:0/0", ""},
		{"two", m1 + m2, "0:18:0/0 18:18:0/0", ""},
		{"no end", strings.TrimSuffix(m1, "\r"), "0:17:0/0", ""},
		{"blank lines between", m1 + "\r\n\r\n" + m2 + "\n", "0:18:0/0 22:19:0/0", ""},
		{"MLLP blocks", "\x0b" + m1 + "\x1c\r\x0b" + m2 + "\x1c\r", "1:18:0/0 22:18:0/0", ""},
		{"byte order mark", "\xEF\xBB\xBF" + m1, "3:18:0/0", ""},
		{"batch", "FHS|^~\\&|X\rBHS|^~\\&|X\r" + m1 + m2 + "BTS|2\rFTS|1\r", "22:18:1/1 40:18:1/1", ""},
		{"batch in LF", strings.ReplaceAll("BHS|^~\\&|X\r"+m1+m2+"BTS|2\r", "\r", "\n"), "11:18:0/1 29:18:0/1", ""},
		{
			"wrong count", "BHS|^~\\&|X\r" + m1 + "BTS|2\r", "11:18:0/1",
			"hl7: BTS: the batch holds another number of messages than BTS-1 says (line 4, byte 29)",
		},
		{
			"wrong batch count", "FHS|^~\\&|X\rBHS|^~\\&|X\r" + m1 + "BTS|1\rFTS|3\r", "22:18:1/1",
			"hl7: FTS: the file holds another number of batches than FTS-1 says (line 6, byte 46)",
		},
		{"no number", "BHS|^~\\&|X\r" + m1 + "BTS|x\r", "11:18:0/1", "hl7: BTS: the count in the trailer is no number (line 4, byte 29)"},
		{"empty count", "BHS|^~\\&|X\r" + m1 + "BTS\r", "11:18:0/1", ""},
		{
			"cut off", "FHS|^~\\&|X\rBHS|^~\\&|X\r" + m1, "22:18:1/1",
			"hl7: BTS: the batch has no trailer: it may have been cut off\nhl7: FTS: the file has no trailer: it may have been cut off",
		},
		{"stray line", "PID|1\rPV1|1\r" + m1, "12:18:0/0", "hl7: PID: a line outside any message (line 1, byte 0)"},
		{"trailers alone", "BTS|0\rFTS|0\r", "", "hl7: BTS: a batch trailer without a batch header (line 1, byte 0)\n" +
			"hl7: FTS: a file trailer without a file header (line 2, byte 6)"},
		{"messages by line feeds", strings.TrimSuffix(m1, "\r") + "\n" + strings.TrimSuffix(m2, "\r") + "\n", "0:18:0/0 18:18:0/0", ""},
		{"FHS without BHS, batch counted", "FHS|^~\\&|X\r" + m1 + m2 + "FTS|1\r", "11:18:1/0 29:18:1/0", ""},
		{"FHS without BHS, not counted", "FHS|^~\\&|X\r" + m1 + "FTS|0\r", "11:18:1/0", ""},
		{
			"FHS without BHS, messages counted", "FHS|^~\\&|X\r" + m1 + m2 + "FTS|2\r", "11:18:1/0 29:18:1/0",
			"hl7: FTS: the file holds another number of batches than FTS-1 says (line 6, byte 47)",
		},
		{
			"two batches, the second short", "BHS|^~\\&|X\r" + m1 + "BTS|1\rBHS|^~\\&|X\rBTS|1\r", "11:18:0/1",
			"hl7: BTS: the batch holds another number of messages than BTS-1 says (line 6, byte 46)",
		},
		{"batch in other delimiters", "BHS#!@%*#X\r" + m1 + "MSH#!@%*#B\rPID#2#\rBTS#2\r", "11:18:0/1 29:18:0/1", ""},
		{"mixed delimiters", m1 + "MSH#!@%*#B\rPID#2#\r" + m2, "0:18:0/0 18:18:0/0 36:18:0/0", ""},
		{"mixed line ends", strings.ReplaceAll(m1, "\r", "\n") + m2, "0:18:0/0 18:18:0/0", ""},
		{"MLLP blocks without a last end", "\x0b" + strings.TrimSuffix(m1, "\r") + "\x1c\r\x0b" + m2 + "\x1c\r", "1:17:0/0 21:18:0/0", ""},
		{"empty", "", "", ""},
	} {
		parts, err := SplitAll([]byte(c.in))
		var got []string
		for i, p := range parts {
			got = append(got, fmt.Sprintf("%d:%d:%d/%d", p.Offset, len(p.Body), p.File, p.Batch))
			if p.Index != i+1 || c.in[p.Offset:p.Offset+len(p.Body)] != string(p.Body) {
				t.Errorf("%s: part %+v", c.name, p)
			}
			if _, err := Parse(p.Body); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		msg := ""
		if err != nil {
			msg = err.Error()
		}
		if strings.Join(got, " ") != c.parts || msg != c.errs {
			t.Errorf("%s:\n got %q, %q\nwant %q, %q", c.name, got, msg, c.parts, c.errs)
		}
	}
	for range Split([]byte(m1 + m2 + m1)) {
		break // an early end must not go on calling
	}
}
