package hl7

import "bytes"

// Warning says that a result message lacks, in its coded fields, an element that
// 42 CFR 493.1291(c) wants on a test report. It is a hint for the set-up of an
// interface: the report may show the element from elsewhere.
type Warning struct {
	// Element is a stable name, "patient-identifier".
	Element string
	// Clause is the paragraph, "42 CFR 493.1291(c)(1)".
	Clause string
	// Fields are where the element is looked for, for people.
	Fields string
	// First is the first place, Count how many there are.
	First *Error
	Count int
}

// The elements of 42 CFR 493.1291(c), in its order. The rule's list was checked
// against its text as surveyors quote it (CMS form 2567, tag D5805): (1) name and
// identification number, or a unique patient identifier and identification
// number; (2) name and address of the location that tested; (3) report date;
// (4) test; (5) specimen source "when appropriate"; (6) result and "if
// applicable" units or interpretation or both; (7) condition and disposition of
// specimens that do not meet the laboratory's criteria.
var reportElements = []Warning{
	{Element: "patient-identifier", Clause: "42 CFR 493.1291(c)(1)", Fields: "PID-3.1"},
	{Element: "patient-name", Clause: "42 CFR 493.1291(c)(1)", Fields: "PID-5, or a second identifier in PID-3"},
	{Element: "laboratory-name", Clause: "42 CFR 493.1291(c)(2)", Fields: "OBX-23.1 or OBX-15"},
	{Element: "laboratory-address", Clause: "42 CFR 493.1291(c)(2)", Fields: "OBX-24"},
	{Element: "report-date", Clause: "42 CFR 493.1291(c)(3)", Fields: "OBR-22"},
	{Element: "test-performed", Clause: "42 CFR 493.1291(c)(4)", Fields: "OBX-3, OBR-4"},
	{Element: "specimen-source", Clause: "42 CFR 493.1291(c)(5)", Fields: "SPM-4 or OBR-15"},
	{Element: "result", Clause: "42 CFR 493.1291(c)(6)", Fields: "OBX-5"},
	{Element: "units-or-interpretation", Clause: "42 CFR 493.1291(c)(6)", Fields: "OBX-6 or OBX-8"},
	{Element: "specimen-condition", Clause: "42 CFR 493.1291(c)(7)", Fields: "SPM-21, SPM-24, SPM-14, OBR-13 or NTE"},
	{Element: "specimen-disposition", Clause: "42 CFR 493.1291(c)(7)", Fields: "OBX-11 or OBR-25 X, SPM-20, SPM-14 or NTE"},
}

// ReportWarnings reads a result message (one with OBR or OBX) for the elements
// of 42 CFR 493.1291(c). Elements the regulation wants "when appropriate" or "if
// applicable" are asked for only where the message itself gives the occasion:
// units for numbers, a specimen's condition and what became of it where it was
// refused.
func (m *Message) ReportWarnings() []Warning {
	r := reportReader{m: m, found: map[string]*Warning{}}
	for s := range m.Segments("") {
		r.segment(s)
	}
	r.endOrder()
	var out []Warning
	for _, e := range reportElements {
		if w := r.found[e.Element]; w != nil {
			e.First, e.Count = w.First, w.Count
			out = append(out, e)
		}
	}
	if !r.results {
		return nil
	}
	return out
}

type reportReader struct {
	m       *Message
	found   map[string]*Warning
	results bool

	pid   bool    // a PID was seen
	order Segment // the OBR we stand in
	open  bool
	// of the order: specimen source given, result cancelled, condition told
	source, refused, told bool
	disposed              bool // said what became of a refused specimen
	specimen              bool // the SPM before the order, in OUL^R22
}

func (r *reportReader) miss(element string, s Segment, field int) {
	if w := r.found[element]; w != nil {
		w.Count++
		return
	}
	r.found[element] = &Warning{Count: 1, First: &Error{
		Segment: s.Name(), Occurrence: s.occurrence, Field: field,
		Line: s.Line(), Offset: s.Offset(), Msg: "the element " + element + " of 42 CFR 493.1291(c) is missing",
	}}
}

// filled reports whether any of the fields holds something.
func filled(s Segment, fields ...int) bool {
	for _, f := range fields {
		if v := s.Field(f); v.Presence() == Present && !onlyDelimiters(v) {
			return true
		}
	}
	return false
}

func onlyDelimiters(v Value) bool {
	h := &v.m.head
	return len(bytes.Trim(v.raw, string([]byte{h.Component, h.Repetition, h.Subcomponent, '"', ' '}))) == 0
}

func (r *reportReader) segment(s Segment) {
	switch s.Name() {
	case "PID":
		r.endOrder()
		r.specimen = false
		r.patient(s)
	case "OBR":
		r.endOrder()
		r.results, r.open, r.order = true, true, s
		r.source = r.specimen || filled(s, 15)
		r.refused = string(s.Field(25).Raw()) == "X" // HL7 table 0123: cancelled
		r.told, r.disposed = filled(s, 13), r.refused
		if !filled(s, 22) {
			r.miss("report-date", s, 22)
		}
		if !filled(s, 4) {
			r.miss("test-performed", s, 4)
		}
		if !r.pid {
			r.pid = true
			r.miss("patient-identifier", s, 0)
			r.miss("patient-name", s, 0)
		}
	case "OBX":
		r.observation(s)
	case "SPM":
		if filled(s, 4) {
			r.source = true
		}
		r.specimen = r.specimen || !r.open && filled(s, 4)
		if filled(s, 21) || string(s.Field(20).Raw()) == "N" {
			r.refused = true
		}
		r.told = r.told || filled(s, 14, 21, 24)
		r.disposed = r.disposed || filled(s, 14, 20)
	case "NTE":
		r.told = r.told || r.open && filled(s, 3)
		r.disposed = r.disposed || r.open && filled(s, 3)
	}
}

func (r *reportReader) patient(s Segment) {
	r.pid = true
	ids := 0
	for _, v := range s.Field(3).Repetitions() {
		if id := v.Part(1); id.Presence() == Present {
			ids++
		}
	}
	if ids == 0 && !filled(s, 2, 4) {
		r.miss("patient-identifier", s, 3)
	}
	if !filled(s, 5) && ids < 2 {
		r.miss("patient-name", s, 5)
	}
}

func (r *reportReader) observation(s Segment) {
	r.results = true
	if !filled(s, 23, 15) {
		r.miss("laboratory-name", s, 23)
	}
	if !filled(s, 24) {
		r.miss("laboratory-address", s, 24)
	}
	if !filled(s, 3) {
		r.miss("test-performed", s, 3)
	}
	switch string(s.Field(11).Raw()) { // table 0085
	case "X": // no result can be obtained
		r.refused, r.disposed = true, true
		return
	case "D", "I", "N", "O", "P", "S", "R": // none yet, or none any more
		return
	}
	if s.Field(5).Presence() != Present && !filled(s, 8) {
		r.miss("result", s, 5)
	}
	switch string(s.Field(2).Raw()) {
	case "NM", "SN", "CQ":
		if !filled(s, 6, 8) && string(s.Field(2).Raw()) != "CQ" {
			r.miss("units-or-interpretation", s, 6)
		}
	}
}

// endOrder is told when all segments of an order have been seen.
func (r *reportReader) endOrder() {
	if !r.open {
		return
	}
	r.open = false
	if !r.source {
		r.miss("specimen-source", r.order, 15)
	}
	if r.refused && !r.told {
		r.miss("specimen-condition", r.order, 0)
	}
	if r.refused && !r.disposed {
		r.miss("specimen-disposition", r.order, 0)
	}
}
