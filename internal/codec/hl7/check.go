package hl7

import (
	"bytes"
	"strings"
)

// maxFindings bounds what Check and ReportWarnings return.
const maxFindings = 200

// Check looks for what breaks the standard: header fields, names and order of
// segments for the structures it knows (ORU^R01, R30 to R32,
// OUL^R21 to R24, ORM^O01, OML^O21, ADT, MDM, ACK), required fields, dates and numbers. Each finding
// names segment, field, line and byte, in the order of the message, the
// structure's after the others. A message of a structure it does not know is
// checked but for the order of its segments. Lines and bytes are those of the
// message as it was parsed. At most 200 findings are returned.
func (m *Message) Check() []*Error {
	c := checker{m: m}
	c.header()
	for s := range m.Segments("") {
		c.segment(s)
	}
	c.structure()
	return c.found[:min(len(c.found), maxFindings)]
}

type checker struct {
	m     *Message
	found []*Error
}

func (c *checker) add(s Segment, field, rep, comp int, code, msg string) {
	if len(c.found) >= maxFindings {
		return
	}
	seg := &c.m.segs[s.i]
	at := seg.offset
	if start, _, ok := seg.field(field); ok && !c.m.edited {
		at += start
	}
	c.found = append(c.found, &Error{
		Segment: s.Name(), Occurrence: s.occurrence, Field: field, Repetition: rep,
		Component: comp, Line: s.Line(), Offset: at, Code: code, Msg: msg,
	})
}

var versions = map[string]bool{
	"2.1": true, "2.2": true, "2.3": true, "2.3.1": true, "2.4": true, "2.5": true,
	"2.5.1": true, "2.6": true, "2.7": true, "2.7.1": true, "2.8": true, "2.8.1": true, "2.8.2": true, "2.9": true, "2.9.1": true,
}

func (c *checker) header() {
	h := &c.m.head
	msh := Segment{m: c.m, occurrence: 1}
	if blank(h.Code()) {
		c.add(msh, 9, 0, 1, "101", "the message type is missing")
	}
	if blank(h.ControlID) {
		c.add(msh, 10, 0, 0, "101", "the message control id is missing")
	}
	switch p := h.part(h.ProcessingID, 1); {
	case blank(p):
		c.add(msh, 11, 0, 0, "101", "the processing id is missing")
	case len(p) != 1 || !strings.Contains("PTDN", string(p)): // table 0103
		c.add(msh, 11, 0, 1, "202", "the processing id is none of P, T, D, N")
	}
	switch v := h.VersionID(); {
	case blank(v):
		c.add(msh, 12, 0, 0, "101", "the version is missing")
	case !versions[string(v)]:
		c.add(msh, 12, 0, 1, "203", "the version is none of 2.1 to 2.9")
	}
	if c.m.cs.guessed {
		c.add(msh, 18, 0, 0, "103", "the message holds characters that MSH-18 does not declare; they were read as "+c.m.cs.Name())
	}
}

// required fields of segments, from the first version that requires them
// (segment attribute tables, OPT = R, in chapters 2, 3, 4, 7 and 9).
var required = map[string][]struct {
	field, since int
}{
	"PID": {{3, 203}, {5, 201}},
	"PV1": {{2, 202}},
	"OBR": {{4, 202}},
	"OBX": {{3, 201}, {11, 203}},
	"ORC": {{1, 201}},
	"NK1": {{1, 201}},
	"SPM": {{4, 205}},
	"TXA": {{1, 203}, {2, 203}, {12, 203}, {17, 203}},
	"MRG": {{1, 201}},
	"MSA": {{1, 201}, {2, 201}},
	"FT1": {{4, 201}, {6, 201}, {7, 201}},
	"DG1": {{1, 201}},
}

// moments are fields of type TS or DTM that people act on.
var moments = map[string][]int{
	"MSH": {7}, "PID": {7, 29}, "OBR": {7, 8, 14, 22}, "OBX": {14, 19}, "SPM": {18}, "EVN": {2}, "TXA": {4, 6},
}

func (c *checker) segment(s Segment) {
	seg := &c.m.segs[s.i]
	if len(seg.text) == 0 {
		return
	}
	name := s.Name()
	if name == "" {
		c.add(s, 0, 0, 0, "100", "the line does not begin with a segment name of three capitals or digits")
		return
	}
	if bytes.ContainsAny(seg.text, "\n\x00") {
		c.add(s, 0, 0, 0, "102", "the segment holds a line feed or a zero byte")
	}
	if bytes.IndexByte(seg.text, 0x1b) >= 0 { // MSH-20 "ISO 2022-1994" (HL7 table 0356)
		c.add(s, 0, 0, 0, "102", "the segment switches character sets by bare ISO 2022 escapes, which are not followed here")
	}
	v := versionNumber(c.m.head.VersionID())
	for _, r := range required[name] {
		if p := s.Field(r.field).Presence(); v >= r.since && p != Present {
			c.add(s, r.field, 0, 0, "101", "a required field is missing")
		}
	}
	for _, f := range moments[name] {
		if p := s.Field(f); p.Presence() == Present && !moment(p.Part(1).Raw()) {
			c.add(s, f, 0, 0, "102", "the date or time is not of the form YYYY[MM[DD[HH[MM[SS[.S]]]]]][+ZZZZ]")
		}
	}
	if name == "OBX" {
		c.result(s)
	}
}

func (c *checker) result(s Segment) {
	value, kind := s.Field(5), string(s.Field(2).Raw())
	if value.Presence() != Present {
		return
	}
	switch kind {
	case "":
		c.add(s, 2, 0, 0, "101", "the value type is missing although there is a value") // HL7 v2.5.1 7.4.2.2
	case "NM":
		for r, v := range value.Repetitions() {
			if v.Presence() == Present && !number(bytes.TrimSpace(v.Raw())) {
				c.add(s, 5, r, 0, "102", "the value is not a number although its type is NM")
			}
		}
	}
}

// number is type NM: an optional sign, digits, an optional point (HL7 v2.5.1 2.A.47).
func number(b []byte) bool {
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		b = b[1:]
	}
	digits, points := 0, 0
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '.':
			points++
		default:
			return false
		}
	}
	return digits > 0 && points <= 1
}

// moment is type DTM (HL7 v2.5.1 2.A.22); its parts must be possible.
func moment(b []byte) bool {
	if i := bytes.LastIndexAny(b, "+-"); i >= 0 {
		if z := b[i+1:]; len(z) != 4 || !allDigits(z) || pair(z, 0) > 14 || pair(z, 2) > 59 {
			return false
		}
		b = b[:i]
	}
	if i := bytes.IndexByte(b, '.'); i >= 0 {
		if f := b[i+1:]; i != 14 || len(f) == 0 || len(f) > 4 || !allDigits(f) {
			return false
		}
		b = b[:i]
	}
	if n := len(b); n < 4 || n > 14 || n%2 != 0 || !allDigits(b) {
		return false
	}
	for i, limit := range [...][2]int{{1, 12}, {1, 31}, {0, 23}, {0, 59}, {0, 59}} {
		if at := 4 + 2*i; at < len(b) {
			if p := pair(b, at); p < limit[0] || p > limit[1] {
				return false
			}
		}
	}
	return true
}

func pair(b []byte, at int) int { return int(b[at]-'0')*10 + int(b[at+1]-'0') }

func allDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
