package astm

import (
	"bytes"
	"iter"
)

// Limits bound what Parse takes. A zero field means its default.
type Limits struct {
	Bytes   int // of the message; default 16 MiB (curves and images travel in M records)
	Records int // default 100,000
	Fields  int // of one record; default 4,096
}

func (l Limits) orDefault() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 16 << 20
	}
	if l.Records <= 0 {
		l.Records = 100_000
	}
	if l.Fields <= 0 {
		l.Fields = 4096
	}
	return l
}

// Delimiters are what the header record defines (E1394-97 6.2, 7.1.2).
type Delimiters struct{ Field, Repeat, Component, Escape byte }

// DefaultDelimiters are those that the standard suggests.
var DefaultDelimiters = Delimiters{'|', '\\', '^', '&'}

// Message is a message from its header record (H) to its terminator (L).
type Message struct {
	src  []byte
	del  Delimiters
	recs []Record
}

// Record is one line of a message.
type Record struct {
	m    *Message
	text []byte // without its end
	n    int    // from 1
	at   int    // offset in the message
	up   int    // the record it belongs to, by index; -1 for none
}

// Parse reads a message with default limits. See ParseLimits.
func Parse(b []byte) (*Message, error) { return ParseLimits(b, Limits{}) }

// ParseLimits reads one message. It must begin with H; what follows is kept
// whatever it is. Records end with CR (E1394-97 6.1); LF and CR LF are taken too,
// since analyzers write them. The Message keeps b: it must not be changed
// afterwards.
func ParseLimits(b []byte, l Limits) (*Message, error) {
	l = l.orDefault()
	if len(b) > l.Bytes {
		return nil, &Error{Offset: l.Bytes, Msg: "the message is longer than the limit"}
	}
	d, err := ReadDelimiters(b)
	if err != nil {
		return nil, err
	}
	m := &Message{src: b, del: d}
	m.recs = make([]Record, 0, min(l.Records, bytes.Count(b, []byte{CR})+bytes.Count(b, []byte{LF})+1))
	for at := 0; at < len(b); {
		end, after := line(b, at)
		text := b[at:end:end]
		if len(text) > 0 {
			r := Record{m: m, text: text, n: len(m.recs) + 1, at: at, up: -1}
			fail := func(msg string) error { return &Error{Record: r.n, Type: r.Type(), Offset: at, Msg: msg} }
			switch {
			case len(m.recs) == l.Records:
				return nil, fail("the message has more records than the limit")
			case len(m.recs) > 0 && r.Type() == 'H':
				return nil, fail("a second header: the input holds more than one message")
			case bytes.Count(text, []byte{d.Field}) >= l.Fields:
				return nil, fail("the record has more fields than the limit")
			}
			m.recs = append(m.recs, r)
		}
		at = after
	}
	m.hang()
	return m, nil
}

// line is where the record that begins at ends, and where the next begins.
func line(b []byte, at int) (end, after int) {
	i := bytes.IndexAny(b[at:], "\r\n")
	if i < 0 {
		return len(b), len(b)
	}
	end, after = at+i, at+i+1
	if b[end] == CR && after < len(b) && b[after] == LF {
		after++
	}
	return end, after
}

// ReadDelimiters reads the delimiters that the header defines.
func ReadDelimiters(b []byte) (Delimiters, error) {
	fail := func(at int, msg string) (Delimiters, error) {
		return Delimiters{}, &Error{Record: 1, Type: 'H', Field: 2, Offset: at, Msg: msg}
	}
	if len(b) == 0 || b[0] != 'H' {
		return Delimiters{}, &Error{Record: 1, Offset: 0, Msg: "a message begins with a header record (H)"}
	}
	if len(b) < 5 {
		return fail(len(b), "the header ends before it defined the delimiters")
	}
	d := Delimiters{Field: b[1], Repeat: b[2], Component: b[3], Escape: b[4]}
	all := b[1:5]
	for i, c := range all {
		if c <= ' ' || c >= 0x7f || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			return fail(1+i, "a delimiter is a printing character that is no letter and no digit")
		}
		if bytes.IndexByte(all[:i], c) >= 0 {
			return fail(1+i, "two delimiters are the same character")
		}
	}
	if len(b) > 5 && b[5] != d.Field && b[5] != CR && b[5] != LF {
		return fail(5, "the delimiters end with the field delimiter")
	}
	return d, nil
}

// level is how deep a type stands in the message (E1394-97 4.1, 6.1): a patient
// below the header, its orders below it, their results below these.
func level(typ byte) int {
	switch typ {
	case 'H':
		return 0
	case 'P', 'Q', 'L', 'S':
		return 1
	case 'O':
		return 2
	case 'R':
		return 3
	}
	return -1 // C and M, and what nobody knows, belong to what stands before them
}

// hang finds the record that each belongs to.
func (m *Message) hang() {
	var last [4]int // by level: the latest record there
	for i := range last {
		last[i] = -1
	}
	before := -1 // the latest record with a level
	for i := range m.recs {
		r := &m.recs[i]
		lv := level(r.Type())
		if lv < 0 {
			r.up = before
			continue
		}
		for k := lv - 1; k >= 0; k-- {
			if last[k] >= 0 {
				r.up = last[k]
				break
			}
		}
		last[lv] = i
		for k := lv + 1; k < len(last); k++ {
			last[k] = -1
		}
		before = i
	}
}

// Bytes is the very slice the message was made from.
func (m *Message) Bytes() []byte { return m.src }

// Delimiters are those of the header.
func (m *Message) Delimiters() Delimiters { return m.del }

// Header is the first record.
func (m *Message) Header() Record { return m.recs[0] }

// Records gives each record in order. Types, if given, says which.
func (m *Message) Records(types ...byte) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for _, r := range m.recs {
			if (len(types) == 0 || bytes.IndexByte(types, r.Type()) >= 0) && !yield(r) {
				return
			}
		}
	}
}

// Complete reports whether a terminator record ends the message.
func (m *Message) Complete() bool { return m.recs[len(m.recs)-1].Type() == 'L' }

// Type is the letter of the record in upper case: H, P, O, R, C, M, Q, S, L or
// what a manufacturer invented.
func (r Record) Type() byte {
	if c := r.text[0]; c >= 'a' && c <= 'z' { // E1394-97 6.6.1: either case
		return c - 'a' + 'A'
	}
	return r.text[0]
}

// Number counts the records of the message from 1.
func (r Record) Number() int { return r.n }

// Raw is the record's text without its end.
func (r Record) Raw() []byte { return r.text }

// Parent is the record it belongs to: the order of a result, the patient of an
// order, what a comment is said of. false: none.
func (r Record) Parent() (Record, bool) {
	if r.up < 0 {
		return Record{}, false
	}
	return r.m.recs[r.up], true
}

// Within is the nearest record of the type above this one.
func (r Record) Within(typ byte) (Record, bool) {
	for up, ok := r.Parent(); ok; up, ok = up.Parent() {
		if up.Type() == typ {
			return up, true
		}
	}
	return Record{}, false
}

// Fields is how many fields the record has.
func (r Record) Fields() int { return bytes.Count(r.text, []byte{r.m.del.Field}) + 1 }

// Field is field n, from 1 as the standard counts: 1 is the type, 2 the sequence
// number or, in H, the delimiters. A field that is not there is empty.
func (r Record) Field(n int) Value {
	v := Value{raw: cut(r.text, r.m.del.Field, n), m: r.m}
	v.plain = n == 2 && r.Type() == 'H'
	return v
}
