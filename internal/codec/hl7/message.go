package hl7

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
)

// Limits bound what Parse and Split take. A zero field means its default.
type Limits struct {
	Bytes    int // of the message; default 64 MiB
	Segments int // lines of the message; default 200,000
	Fields   int // of one segment; default 4,096
}

func (l Limits) orDefault() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 64 << 20
	}
	l.Bytes = min(l.Bytes, math.MaxInt32)
	if l.Segments <= 0 {
		l.Segments = 200_000
	}
	if l.Fields <= 0 {
		l.Fields = 4096
	}
	return l
}

// Message is a parsed message: an index of segments and fields over the bytes
// it was made from. Repetitions, components and sub-components are found when
// asked for.
type Message struct {
	src    []byte
	head   Header
	cs     Charset
	segs   []segment
	edited bool
	last   place // of the edit before: edits in order need not look from the front
}

// place is where a segment of a name stands: segs[i] is the n-th of it. The zero
// value says nothing.
type place struct {
	name string
	n, i int
}

// segment is one line. Its text does not include eol.
type segment struct {
	text, eol []byte
	// fields holds where each part of text starts: [0] the name, [1] the part
	// behind the first separator and so on, then one past the last part's end,
	// as if a separator stood there.
	fields []uint32
	offset int // in the message as it came
}

func (s *segment) name() []byte { return s.text[:s.fields[1]-1] }

// header: the segment defines delimiters, and its field 1 is the separator
// itself, so that its other fields count one higher (HL7 v2.5.1 2.15.9.1).
func (s *segment) header() bool {
	switch string(s.name()) {
	case "MSH", "FHS", "BHS":
		return true
	}
	return false
}

// parts is the number of fields, by HL7 numbering.
func (s *segment) parts() int {
	n := len(s.fields) - 2
	if s.header() {
		n++
	}
	return n
}

// field gives the bounds of field n, by HL7 numbering, within text.
func (s *segment) field(n int) (start, end int, ok bool) {
	if s.header() {
		if n == 1 && len(s.text) > 3 {
			return 3, 4, true
		}
		n--
	}
	if n < 1 || n > len(s.fields)-2 {
		return 0, 0, false
	}
	return int(s.fields[n]), int(s.fields[n+1]) - 1, true
}

// index appends the field index of text to idx. It looks at eight bytes at once:
// this loop is most of the time a parse takes.
func index(idx []uint32, text []byte, fs byte) []uint32 {
	const ones, low = 0x0101010101010101, 0x7f7f7f7f7f7f7f7f
	idx = append(idx, 0)
	pattern := uint64(fs) * ones
	i := 0
	for ; i+8 <= len(text); i += 8 {
		x := binary.LittleEndian.Uint64(text[i:]) ^ pattern
		// The high bit of each byte that is zero in x, and of no other.
		for hit := ^((x&low + low) | x | low); hit != 0; hit &= hit - 1 {
			idx = append(idx, uint32(i+bits.TrailingZeros64(hit)/8+1))
		}
	}
	for ; i < len(text); i++ {
		if text[i] == fs {
			idx = append(idx, uint32(i+1))
		}
	}
	return append(idx, uint32(len(text)+1))
}

// Parse indexes a message with default limits. See ParseLimits.
func Parse(b []byte) (*Message, error) { return ParseLimits(b, Limits{}) }

// ParseLimits indexes the message b, which must begin with MSH and hold one
// message only (Split cuts several). The Message keeps b: it must not be changed
// afterwards. It fails (*Error) when MSH cannot be read, the character set is
// not supported, a limit is passed or a second header follows. Segments that
// fit no grammar are kept; Check finds them.
func ParseLimits(b []byte, l Limits) (*Message, error) {
	return ParseAssuming(b, l, Charset{})
}

// ParseAssuming is ParseLimits for a source that is known to write the character
// set undeclared without saying so in MSH-18. What MSH-18 says comes first.
func ParseAssuming(b []byte, l Limits, undeclared Charset) (*Message, error) {
	l = l.orDefault()
	if len(b) > l.Bytes {
		return nil, &Error{Line: 1, Offset: l.Bytes, Code: "207", Msg: "the message is longer than the limit"}
	}
	h, err := ReadHeader(b)
	if err != nil {
		return nil, err
	}
	cs, err := h.charset()
	if err != nil {
		return nil, err
	}
	if blank(first(h.Charset, h.Repetition)) {
		cs = undeclared
	}
	m := &Message{src: b, head: h, cs: cs.resolve(b)}
	if err := m.index(l); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Message) index(l Limits) error {
	b, fs := m.src, m.head.FieldSep
	guess := bytes.Count(b, []byte{'\r'})
	if guess == 0 || bytes.IndexByte(b[:min(len(b), 4096)], '\n') >= 0 {
		guess = max(guess, bytes.Count(b, []byte{'\n'}))
	}
	guess = min(guess+1, l.Segments)
	m.segs = make([]segment, 0, guess)
	idx := make([]uint32, 0, bytes.Count(b, []byte{fs})+3*guess)
	lines := newLines(b, fs)
	for {
		start, end, after, ok := lines.next()
		if !ok {
			return nil
		}
		fail := func(code, msg string) error {
			return &Error{Segment: segmentName(first(b[start:end], fs)), Line: len(m.segs) + 1, Offset: start, Code: code, Msg: msg}
		}
		if len(m.segs) == l.Segments {
			return fail("207", "the message has more segments than the limit")
		}
		s := segment{text: b[start:end:end], eol: b[end:after:after], offset: start}
		from := len(idx)
		idx = index(idx, s.text, fs)
		s.fields = idx[from:len(idx):len(idx)]
		if len(s.fields)-2 > l.Fields {
			return fail("207", "the segment has more fields than the limit")
		}
		if len(m.segs) > 0 && (end-start > 3 && s.header() || headerAt(s.text)) {
			return fail("100", "a second header: the input holds more than one message")
		}
		m.segs = append(m.segs, s)
	}
}

// Header is MSH as it now stands.
func (m *Message) Header() Header { return m.head }

// Charset is the character set of the message's text.
func (m *Message) Charset() Charset { return m.cs }

// Edited reports whether an edit has changed the message.
func (m *Message) Edited() bool { return m.edited }

// Bytes is the message. Unedited, it is the very slice Parse was given.
func (m *Message) Bytes() []byte {
	if !m.edited {
		return m.src
	}
	return m.AppendTo(make([]byte, 0, len(m.src)+256))
}

// AppendTo appends the message to dst.
func (m *Message) AppendTo(dst []byte) []byte {
	for i := range m.segs {
		dst = append(dst, m.segs[i].text...)
		dst = append(dst, m.segs[i].eol...)
	}
	return dst
}
