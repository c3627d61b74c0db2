package hl7

import (
	"bytes"
	"strings"
)

// SignKind is what the laboratory's system marked.
type SignKind int

const (
	// Critical: a result the LIS flagged beyond panic limits.
	Critical SignKind = iota + 1
	// Corrected: it replaces a result sent before.
	Corrected
	// Withdrawn: a result sent before is deleted or was wrong.
	Withdrawn
	// Cancelled: no result can be obtained, or the order was cancelled.
	Cancelled
	// QualityControl: a control, calibrator or blind specimen, no patient's.
	QualityControl
	// Proficiency: a proficiency-testing specimen.
	Proficiency
	// NotProduction: a message for training or debugging.
	NotProduction
)

func (k SignKind) String() string {
	names := [...]string{"none", "critical", "corrected", "withdrawn", "cancelled", "quality control", "proficiency", "not production"}
	if k < 0 || int(k) >= len(names) {
		return "unknown"
	}
	return names[k]
}

// Sign is one mark and where it stands.
type Sign struct {
	Kind SignKind
	// At is the field, Line its segment's line.
	At   Path
	Line int
	// Code is the mark, as it stands in the table.
	Code string
	// Clause is the source of its meaning.
	Clause string
}

type mark struct {
	kind   SignKind
	code   string
	clause string
}

type marker struct {
	segment string
	field   int
	parts   []int // components that hold a code
	marks   []mark
}

// markers are the codes that are read: nothing is computed from a value.
// "P" in SPM-11 is an ordinary patient specimen (table 0369), and QCF in OBX-8 a
// patient's result that could not be given because its quality control failed.
var markers = []marker{
	{"MSH", 11, []int{1}, []mark{{NotProduction, "T", "HL7 table 0103"}, {NotProduction, "D", "HL7 table 0103"}}},
	{"OBR", 15, []int{7}, specimenRole}, // SPS.7, HL7 v2.5.1 2.A.72
	{"OBR", 25, []int{1}, []mark{{Corrected, "C", "HL7 table 0123"}, {Cancelled, "X", "HL7 table 0123"}}},
	{"OBX", 8, []int{1, 4}, []mark{
		{Critical, "HH", "HL7 table 0078"},
		{Critical, "LL", "HL7 table 0078"},
		{Critical, "AA", "HL7 table 0078"},
	}},
	{"OBX", 11, []int{1}, []mark{
		{Corrected, "C", "HL7 table 0085"},
		{Withdrawn, "D", "HL7 table 0085"},
		{Withdrawn, "W", "HL7 table 0085"},
		{Cancelled, "X", "HL7 table 0085"},
	}},
	{"SPM", 11, []int{1, 4}, specimenRole}, // HL7 v2.5.1 7.4.3.11
}

// specimenRole: R is a patient's sample run again as a control.
var specimenRole = []mark{
	{QualityControl, "Q", "HL7 table 0369"},
	{QualityControl, "C", "HL7 table 0369"},
	{QualityControl, "B", "HL7 table 0369"},
	{QualityControl, "E", "HL7 table 0369"},
	{QualityControl, "V", "HL7 table 0369"},
	{QualityControl, "R", "HL7 table 0369"},
	{Proficiency, "F", "HL7 table 0369"},
	{Proficiency, "O", "HL7 table 0369"},
}

// maxSigns bounds what Signs returns for each field: a message of a million
// flagged results is critical after the first thousand as well.
const maxSigns = 1000

// Signs reads what the LIS marked: critical flags, corrections, cancellations,
// and specimens that are no patient's. Further codes the laboratory uses as
// critical flags in OBX-8 come as critical. Codes are compared without regard to
// case, in each repetition, as identifier and as alternate identifier; a mark
// read too many holds a message, one missed may harm a patient.
func (m *Message) Signs(critical ...string) []Sign {
	var out []Sign
	for i := range markers {
		w := &markers[i]
		have := len(out)
		for seg := range m.Segments(w.segment) {
			f := seg.Field(w.field)
			if len(f.raw) == 0 || w.parts[0] == 1 && m.bare(f.raw) && !w.marked(f.raw, critical) {
				continue // nearly every field of nearly every message
			}
			for n, v := range f.Repetitions() {
				if s, ok := w.read(seg, n, v, critical); ok {
					out = append(out, s)
				}
				if len(out)-have == maxSigns {
					break
				}
			}
			if len(out)-have == maxSigns {
				break
			}
		}
	}
	return out
}

// Controls says whether any specimen of the message is marked as a control or
// proficiency specimen, and whether all are. Specimens are the SPM segments;
// where there are none each OBR stands for one.
func (m *Message) Controls() (some, all bool) {
	var counts [2]struct{ marked, of int }
	for i, segment := range [2]string{"OBR", "SPM"} {
		for j := range markers {
			if w := &markers[j]; w.segment == segment && &w.marks[0] == &specimenRole[0] {
				for s := range m.Segments(segment) {
					counts[i].of++
					for n, v := range s.Field(w.field).Repetitions() {
						if _, ok := w.read(s, n, v, nil); ok {
							counts[i].marked++
							break
						}
					}
				}
			}
		}
	}
	c := counts[1]
	if c.of == 0 {
		c = counts[0]
	}
	some = counts[0].marked+counts[1].marked > 0
	return some, some && c.marked == c.of
}

// bare says that a field's bytes are one code and nothing else.
func (m *Message) bare(raw []byte) bool {
	for _, c := range raw {
		if c == m.head.Repetition || c == m.head.Component || c == m.head.Subcomponent {
			return false
		}
	}
	return true
}

func (w *marker) marked(raw []byte, critical []string) bool {
	_, ok := w.find(bytes.TrimSpace(raw), critical)
	return ok
}

func (w *marker) find(code []byte, critical []string) (mark, bool) {
	k, ok := lookup(w.marks, code)
	if !ok && w.segment == "OBX" && w.field == 8 {
		return local(critical, code)
	}
	return k, ok
}

// read is the first mark in a repetition.
func (w *marker) read(seg Segment, n int, v Value, critical []string) (Sign, bool) {
	for _, part := range w.parts {
		code := bytes.TrimSpace(v.Part(part).Subpart(1).Raw())
		if len(code) == 0 {
			continue
		}
		if k, ok := w.find(code, critical); ok {
			return Sign{
				Kind: k.kind, Line: seg.Line(), Code: strings.ToUpper(string(code)), Clause: k.clause,
				At: Path{Segment: w.segment, Occurrence: seg.occurrence, Field: w.field, Repetition: n, Component: part},
			}, true
		}
	}
	return Sign{}, false
}

func lookup(marks []mark, code []byte) (mark, bool) {
	for i := range marks {
		if sameCode(marks[i].code, code) {
			return marks[i], true
		}
	}
	return mark{}, false
}

// sameCode compares with a code of ours, which is in upper case.
func sameCode(upper string, code []byte) bool {
	if len(upper) != len(code) {
		return false
	}
	for i, c := range code {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != upper[i] {
			return false
		}
	}
	return true
}

func local(critical []string, code []byte) (mark, bool) {
	for _, c := range critical {
		if strings.EqualFold(c, string(code)) {
			return mark{Critical, strings.ToUpper(c), "the laboratory's own flag"}, true
		}
	}
	return mark{}, false
}
