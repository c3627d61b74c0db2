package gate

import (
	"bytes"
	"unicode/utf8"
)

// Limits of one FHIR resource.
const (
	maxResource = 32 << 20
	maxDepth    = 64
	maxValues   = 200_000
	maxKey      = 256
	maxKeys     = 512 // names in one object
)

// level is an object or list that is open.
type level struct {
	keys   [][]byte
	object bool
	key    bool // a name comes next
}

// shape bounds a JSON value, which must be valid, before anything is built of it,
// and refuses what two readers could read differently: a name that stands twice
// in an object (whatever the case of its letters) or is written with escapes, and
// text that is not UTF-8 (RFC 8259 4, 8.1).
func shape(b []byte) error {
	if !utf8.Valid(b) {
		return fhirError("it is not written in UTF-8")
	}
	stack := make([]level, 1, maxDepth+1)
	values := 0
	for i := 0; i < len(b); i++ {
		top := &stack[len(stack)-1]
		switch c := b[i]; c {
		case '"':
			end, escaped := stringEnd(b, i+1)
			if !top.key {
				values++
			} else if err := top.add(b[i+1:end], escaped); err != nil {
				return err
			}
			i = end
		case '{', '[':
			if len(stack) > maxDepth {
				return fhirError("it is nested too deeply")
			}
			stack = append(stack, level{object: c == '{', key: c == '{'})
			values++
		case '}', ']':
			if len(stack) == 1 {
				return fhirError("it is not JSON")
			}
			stack = stack[:len(stack)-1]
		case ',':
			top.key = top.object
			values++
		}
		if values > maxValues {
			return fhirError("a resource holds more values than can be looked at")
		}
	}
	return nil
}

// add takes the next name of an object.
func (l *level) add(key []byte, escaped bool) error {
	if escaped || len(key) > maxKey || len(l.keys) == maxKeys {
		return fhirError("a name in it is too long or written with escapes, or an object has too many")
	}
	for _, k := range l.keys {
		if bytes.EqualFold(k, key) {
			return fhirError("a member stands there twice")
		}
	}
	l.keys, l.key = append(l.keys, key), false
	return nil
}

// stringEnd is where the quotation mark stands that ends a string begun before
// from, and whether something in it is escaped.
func stringEnd(b []byte, from int) (end int, escaped bool) {
	for i := from; i < len(b); {
		n := bytes.IndexAny(b[i:min(len(b), i+64)], `"\\`)
		if n < 0 {
			i += 64
			continue
		}
		if b[i+n] == '"' {
			return i + n, escaped
		}
		escaped = true
		i += n + 2
	}
	return len(b), escaped
}
