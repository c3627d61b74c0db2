package astm

import (
	"bytes"
	"iter"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Value is a field, one of its repetitions or one of its components.
type Value struct {
	raw   []byte
	m     *Message
	plain bool // holds the delimiters themselves: nothing in it is cut
}

// cut is part n of b, from 1.
func cut(b []byte, sep byte, n int) []byte {
	for ; n > 1; n-- {
		i := bytes.IndexByte(b, sep)
		if i < 0 {
			return nil
		}
		b = b[i+1:]
	}
	if i := bytes.IndexByte(b, sep); i >= 0 {
		b = b[:i:i]
	}
	return b
}

// Raw is the value as it stands, escapes and all.
func (v Value) Raw() []byte { return v.raw }

// Empty reports whether nothing stands there.
func (v Value) Empty() bool { return len(v.raw) == 0 }

// Component is component n of the first repetition, from 1.
func (v Value) Component(n int) Value {
	if v.plain {
		return v
	}
	return Value{raw: cut(cut(v.raw, v.m.del.Repeat, 1), v.m.del.Component, n), m: v.m}
}

// Components is how many components the first repetition has.
func (v Value) Components() int {
	if v.plain || v.Empty() {
		return 1
	}
	return bytes.Count(cut(v.raw, v.m.del.Repeat, 1), []byte{v.m.del.Component}) + 1
}

// Repetitions gives each repetition in order; an empty value has none.
func (v Value) Repetitions() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Empty() {
			return
		}
		if v.plain {
			yield(v)
			return
		}
		rest := v.raw
		for {
			i := bytes.IndexByte(rest, v.m.del.Repeat)
			if i < 0 {
				yield(Value{raw: rest, m: v.m})
				return
			}
			if !yield(Value{raw: rest[:i:i], m: v.m}) {
				return
			}
			rest = rest[i+1:]
		}
	}
}

// Text is the value without escapes, as UTF-8. Bytes that are no UTF-8 are read
// as ISO 8859-1: the standard allows only ASCII (E1394-97 6.3), analyzers write
// names in either.
func (v Value) Text() string {
	b := v.raw
	if !v.plain {
		b = v.unescape()
	}
	if utf8.Valid(b) {
		return string(b)
	}
	out, err := charmap.ISO8859_1.NewDecoder().Bytes(b)
	if err != nil {
		return string(bytes.ToValidUTF8(b, []byte("\uFFFD")))
	}
	return string(out)
}

// unescape takes the escape sequences away (E1394-97 6.6). One that is not known
// stays as it stands.
func (v Value) unescape() []byte {
	d := v.m.del
	if bytes.IndexByte(v.raw, d.Escape) < 0 {
		return v.raw
	}
	out := make([]byte, 0, len(v.raw))
	for b := v.raw; len(b) > 0; {
		if b[0] != d.Escape {
			out, b = append(out, b[0]), b[1:]
			continue
		}
		end := bytes.IndexByte(b[1:], d.Escape)
		if end < 0 {
			return append(out, b...)
		}
		body := b[1 : 1+end]
		text, ok := d.sequence(body)
		if !ok {
			out, b = append(out, b[0]), b[1:] // the next may begin a good one
			continue
		}
		out, b = append(out, text...), b[2+end:]
	}
	return out
}

// sequence is what stands for the body of an escape sequence.
func (d Delimiters) sequence(body []byte) ([]byte, bool) {
	if len(body) == 0 {
		return nil, false
	}
	if len(body) == 1 {
		switch body[0] {
		case 'F':
			return []byte{d.Field}, true
		case 'S':
			return []byte{d.Component}, true
		case 'R':
			return []byte{d.Repeat}, true
		case 'E':
			return []byte{d.Escape}, true
		case 'H', 'N': // highlighting begins and ends: no text
			return nil, true
		}
		return nil, false
	}
	if body[0] == 'X' && len(body)%2 == 1 {
		out := make([]byte, 0, len(body)/2)
		for i := 1; i < len(body); i += 2 {
			hi, ok1 := digit(body[i])
			lo, ok2 := digit(body[i+1])
			if !ok1 || !ok2 {
				return nil, false
			}
			out = append(out, hi<<4|lo)
		}
		return out, true
	}
	return nil, false
}
