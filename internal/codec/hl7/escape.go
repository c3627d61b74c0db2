package hl7

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }

// sequence finds the escape sequence that begins at v[0], which must be the
// escape character: its body and the whole length. ok is false when no second
// escape character ends it: it is then no sequence but a stray
// character (HL7 v2.5.1 2.7). The search stops at the next escape character, so
// that reading a whole value stays linear.
func sequence(v []byte, esc byte) (body []byte, n int, ok bool) {
	w := v[1:]
	i := bytes.IndexByte(w, esc)
	if i <= 0 {
		return nil, 0, false
	}
	switch w[0] {
	case 'F', 'S', 'T', 'R', 'E', 'P', 'H', 'N':
		if i != 1 {
			return nil, 0, false
		}
	case 'X', 'C', 'M', 'Z', '.':
		if i == 1 || !plainBody(w[1:i]) {
			return nil, 0, false
		}
	default:
		return nil, 0, false
	}
	return w[:i], i + 2, true
}

// plainBody: the body of a longer sequence is letters, digits, signs.
func plainBody(b []byte) bool {
	for _, c := range b {
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '+' || c == '-' || c == ' ' || c == '_') {
			return false
		}
	}
	return true
}

// delimiterOf is the delimiter a one-letter sequence stands for, 0 for none.
func delimiterOf(c byte, h *Header) byte {
	switch c {
	case 'F':
		return h.FieldSep
	case 'S':
		return h.Component
	case 'T':
		return h.Subcomponent
	case 'R':
		return h.Repetition
	case 'E':
		return h.Escape
	case 'P':
		return h.Truncation
	}
	return 0
}

// appendUnescapedBytes resolves escaped delimiters and \X..\ and leaves all
// else as it is, without regard to the character set.
func appendUnescapedBytes(dst, v []byte, h *Header) []byte {
	for len(v) > 0 {
		i := bytes.IndexByte(v, h.Escape)
		if i < 0 {
			return append(dst, v...)
		}
		dst = append(dst, v[:i]...)
		v = v[i:]
		body, n, ok := sequence(v, h.Escape)
		if !ok {
			dst = append(dst, v[0])
			v = v[1:]
			continue
		}
		if c := delimiterOf(body[0], h); c != 0 {
			dst = append(dst, c)
		} else if hex, good := appendHex(dst, body); good {
			dst = hex
		} else {
			dst = append(dst, v[:n]...)
		}
		v = v[n:]
	}
	return dst
}

// appendHex appends the bytes of an "Xdddd" body; good is false if it is none.
func appendHex(dst, body []byte) (out []byte, good bool) {
	if body[0] != 'X' || len(body)%2 == 0 {
		return dst, false
	}
	out = dst
	for i := 1; i < len(body); i += 2 {
		hi, lo := unhex(body[i]), unhex(body[i+1])
		if hi > 15 || lo > 15 {
			return dst, false
		}
		out = append(out, hi<<4|lo)
	}
	return out, true
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// escapeLetter is the letter of the sequence for c, 0 where c needs none.
func escapeLetter(c byte, h *Header) byte {
	switch c {
	case 0:
		return 0
	case h.FieldSep:
		return 'F'
	case h.Component:
		return 'S'
	case h.Subcomponent:
		return 'T'
	case h.Repetition:
		return 'R'
	case h.Escape:
		return 'E'
	case h.Truncation:
		return 'P'
	}
	return 0
}

// appendEscaped appends s, which is UTF-8, in the character set cs with
// delimiters escaped, LF as \.br\ and other control characters as \X..\. What
// cannot be written becomes "?"; canWrite asks before.
func appendEscaped(dst []byte, s string, h *Header, cs Charset) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			dst = appendEscapedByte(dst, c, h)
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		if b, ok := cs.appendRune(dst, r); ok && !(r == utf8.RuneError && n == 1) {
			dst = b
		} else {
			dst = append(dst, '?')
		}
	}
	return dst
}

func appendEscapedByte(dst []byte, c byte, h *Header) []byte {
	letter := escapeLetter(c, h)
	control := c < ' ' || c == 0x7f
	switch {
	case letter == 0 && !control:
		return append(dst, c)
	case h.Escape == 0:
		return append(dst, '?')
	case letter != 0:
		return append(dst, h.Escape, letter, h.Escape)
	case c == '\n':
		return append(dst, h.Escape, '.', 'b', 'r', h.Escape)
	}
	const digits = "0123456789ABCDEF"
	return append(dst, h.Escape, 'X', digits[c>>4], digits[c&15], h.Escape)
}
