package hl7

import (
	"bytes"
	"fmt"
	"slices"
)

// Set writes plain text at p: delimiters and control characters are escaped and
// the text is converted to the message's character set. Missing fields,
// repetitions, components and sub-components before it come into being empty;
// nothing else changes. It fails when the segment does not exist, the character
// set lacks a sign, or p names delimiters or MSH-18, on which the reading of
// everything else depends.
func (m *Message) Set(p Path, text string) error {
	raw, err := m.encode(text)
	if err != nil {
		return fmt.Errorf("hl7: set %s: %w", p, err)
	}
	return m.SetRaw(p, raw)
}

// SetNull writes the HL7 null, "", at p: the receiver shall delete what it has.
func (m *Message) SetNull(p Path) error { return m.SetRaw(p, []byte(`""`)) }

// Clear empties p.
func (m *Message) Clear(p Path) error { return m.SetRaw(p, nil) }

// SetRaw writes raw at p as it is: escaped and in the message's character set
// already. It fails as Set does and when raw holds a delimiter that would reach
// beyond p.
func (m *Message) SetRaw(p Path, raw []byte) error {
	fail := func(msg string) error { return fmt.Errorf("hl7: set %s: %s", p, msg) }
	if p.Field < 1 || p.Subcomponent > 0 && p.Component < 1 {
		return fail("the path names no field")
	}
	// An occurrence makes nothing come into being, so that any may be asked for.
	for _, n := range [...]int{p.Field, p.Repetition, p.Component, p.Subcomponent} {
		if n < 0 || n > maxPathNumber {
			return fail("a number of the path is out of range")
		}
	}
	i := m.seek(p)
	if i < 0 {
		return fail("the message has no such segment")
	}
	s := &m.segs[i]
	if s.delimiters(p.Field) || i == 0 && p.Field == 18 {
		return fail("delimiters and character set cannot be edited")
	}
	h := &m.head
	forbidden := []byte{'\r', '\n', h.FieldSep}
	if p.Repetition > 0 || p.Component > 0 {
		forbidden = append(forbidden, h.Repetition)
	}
	if p.Component > 0 {
		forbidden = append(forbidden, h.Component)
	}
	if p.Subcomponent > 0 {
		forbidden = append(forbidden, h.Subcomponent)
	}
	for _, c := range forbidden {
		if c != 0 && bytes.IndexByte(raw, c) >= 0 {
			return fail("the value holds a delimiter that reaches beyond its place")
		}
	}
	text, ok := m.splice(s, p, raw)
	if !ok {
		return fail("the message defines no delimiter for such a part")
	}
	for l := (lines{b: text, fs: h.FieldSep}); l.pos < len(text); {
		// A line feed that was data must not begin a segment now.
		if l.pos = indexFrom(text, l.pos, '\n') + 1; l.pos < len(text) && l.segmentAt(l.pos) {
			return fail("behind a line feed within the segment, the edit would read as a new segment")
		}
	}
	s.text, s.fields = text, index(nil, text, h.FieldSep)
	m.edited = true
	if i == 0 {
		head, err := ReadHeader(text)
		if err != nil {
			return fmt.Errorf("hl7: set %s: %w", p, err)
		}
		m.head = head
	}
	return nil
}

// seek is find for an edit: it goes on from the segment that was edited last.
// Only edits use it, for a Message may be read by many at once.
func (m *Message) seek(p Path) int {
	n := max(p.Occurrence, 1)
	from := place{name: p.Segment, i: -1}
	if m.last.name == p.Segment && m.last.n <= n && m.last.n > 0 {
		from = m.last
	}
	for i, k := from.i, from.n; ; {
		if k == n {
			m.last = place{p.Segment, n, i}
			return i
		}
		if i++; i == len(m.segs) {
			return -1
		}
		if string(m.segs[i].name()) == p.Segment {
			k++
		}
	}
}

// splice is the text of s with raw at p.
func (m *Message) splice(s *segment, p Path, raw []byte) (text []byte, ok bool) {
	h := &m.head
	start, end, have := s.field(p.Field)
	var pad []byte // what must be added before raw
	if !have {
		pad = bytes.Repeat([]byte{h.FieldSep}, p.Field-s.parts())
		start, end = len(s.text), len(s.text)
	}
	step := func(sep byte, n int) bool {
		if sep == 0 && n > 1 {
			return false
		}
		a, z, found := bounds(s.text[start:end], sep, n)
		if found {
			start, end = start+a, start+z
			return true
		}
		count := 0
		if sep != 0 {
			count = bytes.Count(s.text[start:end], []byte{sep})
		}
		pad = append(pad, bytes.Repeat([]byte{sep}, n-1-count)...)
		start = end
		return true
	}
	if p.Repetition > 0 || p.Component > 0 {
		if !step(h.Repetition, max(p.Repetition, 1)) {
			return nil, false
		}
	}
	if p.Component > 0 && !step(h.Component, p.Component) {
		return nil, false
	}
	if p.Subcomponent > 0 && !step(h.Subcomponent, p.Subcomponent) {
		return nil, false
	}
	return slices.Concat(s.text[:start], pad, raw, s.text[end:]), true
}

// Remove takes the whole segment p names, with its end, out of the message. MSH
// cannot be removed.
func (m *Message) Remove(p Path) error {
	i := m.find(p)
	if i <= 0 || p.Field > 0 {
		return fmt.Errorf("hl7: remove %s: no such segment, or MSH, or a field", p)
	}
	m.segs = slices.Delete(m.segs, i, i+1)
	m.edited, m.last = true, place{}
	return nil
}

// RemoveAll takes every segment of a name out of the message; there may be none.
// MSH cannot be removed.
func (m *Message) RemoveAll(name string) error {
	if string(m.segs[0].name()) == name {
		return fmt.Errorf("hl7: remove %s: the header cannot be removed", name)
	}
	before := len(m.segs)
	m.segs = slices.DeleteFunc(m.segs, func(s segment) bool { return string(s.name()) == name })
	m.edited, m.last = m.edited || len(m.segs) < before, place{}
	return nil
}

// Insert puts a segment, raw and without its end, behind the segment p names.
func (m *Message) Insert(p Path, raw []byte) error {
	fail := func(msg string) error { return fmt.Errorf("hl7: insert after %s: %s", p, msg) }
	i := m.find(p)
	name := first(raw, m.head.FieldSep)
	switch {
	case i < 0 || p.Field > 0:
		return fail("the message has no such segment")
	case !validSegmentID(name):
		return fail("the new segment does not begin with a segment name")
	case bytes.ContainsAny(raw, "\r\n"):
		return fail("the new segment holds a line end")
	}
	s := segment{text: bytes.Clone(raw), offset: m.segs[i].offset}
	s.fields = index(nil, s.text, m.head.FieldSep)
	if s.header() {
		return fail("a second header")
	}
	s.eol = m.segs[0].eol
	if len(s.eol) == 0 {
		s.eol = []byte{'\r'}
	}
	if len(m.segs[i].eol) == 0 { // the last segment had no end: it needs one now
		m.segs[i].eol = s.eol
	}
	m.segs = slices.Insert(m.segs, i+1, s)
	m.edited, m.last = true, place{}
	return nil
}

// encode is text in the message's character set, escaped.
func (m *Message) encode(text string) ([]byte, error) {
	h := &m.head
	for _, r := range text {
		if r < 0x80 {
			if h.Escape == 0 && (escapeLetter(byte(r), h) != 0 || r < ' ' || r == 0x7f) {
				return nil, fmt.Errorf("the message defines no escape character, which the text needs")
			}
			continue
		}
		if _, ok := m.cs.appendRune(nil, r); !ok {
			return nil, fmt.Errorf("the character set %s lacks a sign of the text", m.cs.Name())
		}
	}
	return appendEscaped(nil, text, h, m.cs), nil
}
