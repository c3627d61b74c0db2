package hl7

import "iter"

// Presence tells apart what an empty-looking value means.
type Presence int

const (
	// Absent: the segment ends before it, or does not exist.
	Absent Presence = iota
	// Empty: its place is there and holds nothing: the receiver keeps what it has.
	Empty
	// Null: "" stands there: the receiver shall delete what it has (HL7 v2.5.1 2.5.3).
	Null
	// Present: it holds something.
	Present
)

func (p Presence) String() string {
	return [...]string{"absent", "empty", "null", "present"}[p]
}

// Value is a field, repetition, component or sub-component.
type Value struct {
	m    *Message
	raw  []byte
	have bool
}

// Raw is the value as written. It must not be changed.
func (v Value) Raw() []byte { return v.raw }

// Presence tells absent, empty, null and present apart.
func (v Value) Presence() Presence {
	switch {
	case !v.have:
		return Absent
	case len(v.raw) == 0:
		return Empty
	case string(v.raw) == `""`:
		return Null
	}
	return Present
}

// Text is the value as UTF-8 with escape sequences resolved; empty for a null.
// Of a value with parts it holds the delimiters between them as well: name the
// part to get the part.
func (v Value) Text() string {
	if v.Presence() != Present {
		return ""
	}
	return decodeLoose(v.raw, &v.m.head, v.m.cs)
}

// Part is the n-th component of a field or repetition, from 1.
func (v Value) Part(n int) Value { return v.cut(v.sep(0), n) }

// Subpart is the n-th sub-component of a component, from 1.
func (v Value) Subpart(n int) Value { return v.cut(v.sep(1), n) }

func (v Value) sep(level int) byte {
	if v.m == nil {
		return 0
	}
	return [2]byte{v.m.head.Component, v.m.head.Subcomponent}[level]
}

func (v Value) cut(sep byte, n int) Value {
	start, end, ok := bounds(v.raw, sep, n)
	if !v.have || !ok {
		return Value{m: v.m}
	}
	return Value{m: v.m, raw: v.raw[start:end:end], have: true}
}

// Repetitions are the repetitions of a field; one at least if it is there.
func (v Value) Repetitions() iter.Seq2[int, Value] {
	return func(yield func(int, Value) bool) {
		if !v.have {
			return
		}
		rest, sep := v.raw, v.m.head.Repetition
		for n := 1; ; n++ {
			rep := first(rest, sep)
			if !yield(n, Value{m: v.m, raw: rep, have: true}) || len(rep) == len(rest) {
				return
			}
			rest = rest[len(rep)+1:]
		}
	}
}

// bounds finds part n of b between sep, from 1.
func bounds(b []byte, sep byte, n int) (start, end int, ok bool) {
	if sep == 0 {
		return 0, len(b), n == 1
	}
	for i, c := range b {
		if c != sep {
			continue
		}
		if n == 1 {
			return start, i, true
		}
		n--
		start = i + 1
	}
	return start, len(b), n == 1
}

// Segment is one segment of a message.
type Segment struct {
	m          *Message
	i          int
	occurrence int
}

// Name is the segment's name, "OBX"; empty for a line that is no segment.
func (s Segment) Name() string { return segmentName(s.m.segs[s.i].name()) }

// Occurrence counts segments of this name, from 1.
func (s Segment) Occurrence() int { return s.occurrence }

// Line is the number of the line in the message, from 1, Offset its first byte
// in the message as it came.
func (s Segment) Line() int   { return s.i + 1 }
func (s Segment) Offset() int { return s.m.segs[s.i].offset }

// Raw is the whole segment without its end. It must not be changed.
func (s Segment) Raw() []byte { return s.m.segs[s.i].text }

// Fields is the number of fields.
func (s Segment) Fields() int { return s.m.segs[s.i].parts() }

// Field is field n by HL7 numbering, with all its repetitions.
func (s Segment) Field(n int) Value {
	seg := &s.m.segs[s.i]
	start, end, ok := seg.field(n)
	if !ok {
		return Value{m: s.m}
	}
	return Value{m: s.m, raw: seg.text[start:end:end], have: true}
}

// delimiters: fields 1 and 2 of MSH, FHS and BHS hold the delimiters themselves
// and have no parts.
func (s *segment) delimiters(field int) bool { return field <= 2 && s.header() }

// Segments gives the segments of a name, of every name for "". Lines that are
// no segment come only with "".
func (m *Message) Segments(name string) iter.Seq[Segment] {
	return func(yield func(Segment) bool) {
		var seen map[string]int
		n := 0
		if name == "" {
			seen = make(map[string]int, 16)
		}
		for i := range m.segs {
			id := m.segs[i].name()
			if name == "" {
				known := segmentName(id) // a line that is no segment may be megabytes long
				n = seen[known] + 1
				seen[known] = n
			} else if string(id) == name {
				n++
			} else {
				continue
			}
			if !yield(Segment{m: m, i: i, occurrence: n}) {
				return
			}
		}
	}
}

// find is the index of the segment p names, -1 if there is none.
func (m *Message) find(p Path) int {
	n := max(p.Occurrence, 1)
	for i := range m.segs {
		if string(m.segs[i].name()) == p.Segment {
			if n--; n == 0 {
				return i
			}
		}
	}
	return -1
}

// Value is what stands at p, Absent where there is nothing. A path without a
// field gives the whole segment.
func (m *Message) Value(p Path) Value {
	i := m.find(p)
	if i < 0 {
		return Value{m: m}
	}
	if p.Field == 0 {
		return Value{m: m, raw: m.segs[i].text, have: true}
	}
	v := Segment{m: m, i: i}.Field(p.Field)
	if !v.have || m.segs[i].delimiters(p.Field) {
		return v
	}
	if p.Repetition > 0 || p.Component > 0 {
		v = v.cut(m.head.Repetition, max(p.Repetition, 1))
	}
	if p.Component > 0 {
		v = v.Part(p.Component)
	}
	if p.Subcomponent > 0 {
		v = v.Subpart(p.Subcomponent)
	}
	return v
}

// Get is the text at a path such as "OBX(2)-5(1).1.1", empty where there is
// nothing; an error is one of the path only.
func (m *Message) Get(path string) (string, error) {
	p, err := ParsePath(path)
	if err != nil {
		return "", err
	}
	return m.Value(p).Text(), nil
}

// Each gives every value a path matches, with its full path: numbers of segment
// and repetition that p leaves at 0 run over all there are.
func (m *Message) Each(p Path) iter.Seq2[Path, Value] {
	return func(yield func(Path, Value) bool) {
		for s := range m.Segments(p.Segment) {
			if p.Occurrence > 0 && s.occurrence != p.Occurrence {
				continue
			}
			at := p
			at.Occurrence = s.occurrence
			if p.Field == 0 {
				if !yield(at, Value{m: m, raw: s.Raw(), have: true}) {
					return
				}
				continue
			}
			f := s.Field(p.Field)
			if m.segs[s.i].delimiters(p.Field) {
				if !yield(at, f) {
					return
				}
				continue
			}
			for r, v := range f.Repetitions() {
				if p.Repetition > 0 && r != p.Repetition {
					continue
				}
				at.Repetition = r
				if p.Component > 0 {
					v = v.Part(p.Component)
				}
				if p.Subcomponent > 0 {
					v = v.Subpart(p.Subcomponent)
				}
				if v.have && !yield(at, v) {
					return
				}
			}
		}
	}
}
