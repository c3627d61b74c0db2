package hl7

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Charset is the character set of a message's text. The zero value is ASCII, in
// which bytes above 127 are read as UTF-8 where they are valid UTF-8, else as
// windows-1252.
type Charset struct {
	name string
	utf8 bool
	// page is what the standard's name means, for writing and reading.
	page *charmap.Charmap
	// c1 reads bytes 0x80 to 0x9F where it is set: declared ISO 8859-1 and -9
	// is windows-1252 and -1254 in practice, the C1 controls occur in no text.
	c1 *charmap.Charmap
	// guessed: MSH-18 did not say so, the bytes suggested it.
	guessed bool
}

// Name is the name of HL7 table 0211, "8859/1", "UNICODE UTF-8", or
// "WINDOWS-1252" and the like; "ASCII" when nothing was said.
func (c Charset) Name() string {
	if c.name == "" {
		return "ASCII"
	}
	return c.name
}

// Guessed reports that the message holds bytes its MSH-18 does not explain, and
// that the name is what they looked like. Such text should not be relied on
// before the sender's set-up is mended.
func (c Charset) Guessed() bool { return c.guessed }

var charsets = map[string]Charset{
	"":              {},
	"ASCII":         {},
	"US-ASCII":      {},
	"ISO IR6":       {},
	"8859/1":        {name: "8859/1", page: charmap.ISO8859_1, c1: charmap.Windows1252},
	"8859/2":        {name: "8859/2", page: charmap.ISO8859_2},
	"8859/3":        {name: "8859/3", page: charmap.ISO8859_3},
	"8859/4":        {name: "8859/4", page: charmap.ISO8859_4},
	"8859/5":        {name: "8859/5", page: charmap.ISO8859_5},
	"8859/6":        {name: "8859/6", page: charmap.ISO8859_6},
	"8859/7":        {name: "8859/7", page: charmap.ISO8859_7},
	"8859/8":        {name: "8859/8", page: charmap.ISO8859_8},
	"8859/9":        {name: "8859/9", page: charmap.ISO8859_9, c1: charmap.Windows1254},
	"8859/10":       {name: "8859/10", page: charmap.ISO8859_10},
	"8859/13":       {name: "8859/13", page: charmap.ISO8859_13},
	"8859/14":       {name: "8859/14", page: charmap.ISO8859_14},
	"8859/15":       {name: "8859/15", page: charmap.ISO8859_15},
	"8859/16":       {name: "8859/16", page: charmap.ISO8859_16},
	"UNICODE UTF-8": {name: "UNICODE UTF-8", utf8: true},
	// "UNICODE" alone names ISO 10646 without an encoding; in a message whose
	// delimiters are single bytes only UTF-8 is left.
	"UNICODE":      {name: "UNICODE UTF-8", utf8: true},
	"UTF-8":        {name: "UNICODE UTF-8", utf8: true},
	"UTF8":         {name: "UNICODE UTF-8", utf8: true},
	"WINDOWS-874":  {name: "WINDOWS-874", page: charmap.Windows874},
	"8859/11":      {name: "8859/11", page: charmap.Windows874}, // a superset
	"WINDOWS-1250": {name: "WINDOWS-1250", page: charmap.Windows1250},
	"WINDOWS-1251": {name: "WINDOWS-1251", page: charmap.Windows1251},
	"WINDOWS-1252": {name: "WINDOWS-1252", page: charmap.Windows1252},
	"WINDOWS-1253": {name: "WINDOWS-1253", page: charmap.Windows1253},
	"WINDOWS-1254": {name: "WINDOWS-1254", page: charmap.Windows1254},
	"WINDOWS-1255": {name: "WINDOWS-1255", page: charmap.Windows1255},
	"WINDOWS-1256": {name: "WINDOWS-1256", page: charmap.Windows1256},
	"WINDOWS-1257": {name: "WINDOWS-1257", page: charmap.Windows1257},
	"WINDOWS-1258": {name: "WINDOWS-1258", page: charmap.Windows1258},
}

// LookupCharset finds one name of MSH-18. Names are compared without regard to
// case; "ISO8859-1", "ISO-8859-1" and "CP1252" are taken for what they mean.
// ok is false for sets that cannot be read: the multi-byte ones of ISO 2022,
// GB 18030, Big 5 and KS X 1001, whose second bytes look like delimiters, and
// UTF-16 and UTF-32.
func LookupCharset(name string) (c Charset, ok bool) {
	n := strings.ToUpper(strings.TrimSpace(name))
	for _, p := range [...]string{"ISO-8859-", "ISO8859-", "ISO 8859-", "ISO-8859/", "ISO 8859/", "8859-"} {
		if rest, found := strings.CutPrefix(n, p); found {
			n = "8859/" + rest
			break
		}
	}
	if rest, found := strings.CutPrefix(n, "CP12"); found {
		n = "WINDOWS-12" + rest
	}
	c, ok = charsets[n]
	return c, ok
}

// charset reads MSH-18: its first repetition is the set of the whole message,
// the others may be switched to by escape sequences (HL7 v2.5.1 2.15.9.18).
func (h *Header) charset() (Charset, error) {
	var c Charset
	v := h.Charset
	for n := 1; ; n++ {
		rep := first(v, h.Repetition)
		name := nth(rep, h.Component, 1)
		if blank(name) {
			name = nil
		}
		got, ok := charsets[string(name)] // as the table writes it: the common case
		if !ok {
			got, ok = LookupCharset(string(name))
		}
		if !ok {
			return Charset{}, &Error{
				Segment: "MSH", Occurrence: 1, Field: 18, Repetition: n, Line: 1, Code: "103",
				Msg: "the character set is not one that can be read here (ASCII, 8859/1 to 8859/16, UNICODE UTF-8 and windows-125x can)",
			}
		}
		if n == 1 {
			c = got
		}
		if len(rep) == len(v) || n > 16 {
			return c, nil
		}
		v = v[len(rep)+1:]
	}
}

// resolve decides what high bytes of b mean when nothing was declared.
func (c Charset) resolve(b []byte) Charset {
	if c.utf8 || c.page != nil || ascii(b) {
		return c
	}
	if utf8.Valid(b) {
		return Charset{name: "UNICODE UTF-8", utf8: true, guessed: true}
	}
	return Charset{name: "WINDOWS-1252", page: charmap.Windows1252, guessed: true}
}

func ascii(b []byte) bool {
	for len(b) >= 8 {
		if (b[0]|b[1]|b[2]|b[3]|b[4]|b[5]|b[6]|b[7])&0x80 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// appendDecoded appends b as UTF-8. A byte that is none becomes U+FFFD.
func (c Charset) appendDecoded(dst, b []byte) []byte {
	if ascii(b) {
		return append(dst, b...)
	}
	c = c.resolve(b)
	if c.utf8 {
		return append(dst, bytes.ToValidUTF8(b, []byte("\uFFFD"))...)
	}
	for _, x := range b {
		switch {
		case x < utf8.RuneSelf:
			dst = append(dst, x)
		case x < 0xA0 && c.c1 != nil:
			dst = utf8.AppendRune(dst, c.c1.DecodeByte(x))
		default:
			dst = utf8.AppendRune(dst, c.page.DecodeByte(x))
		}
	}
	return dst
}

// appendRune appends r in the set; ok is false where the set has no such sign.
func (c Charset) appendRune(dst []byte, r rune) (out []byte, ok bool) {
	switch {
	case r < utf8.RuneSelf:
		return append(dst, byte(r)), true
	case c.utf8:
		return utf8.AppendRune(dst, r), true
	case c.page == nil:
		return dst, false
	}
	b, ok := c.page.EncodeRune(r)
	if !ok || b < utf8.RuneSelf {
		return dst, false
	}
	return append(dst, b), true
}

// g1 is the set a \Cxxyy\ sequence switches to (HL7 v2.5.1 2.7.2, character sets
// and ISO 2022): 2D designates the upper half, the second byte is the set's
// final byte in the ISO international register (IR 100, 101, 109, 110, 144, 127,
// 126, 138, 148, 157, 179, 199, 203, 226).
var g1 = map[string]string{
	"C2D41": "8859/1", "C2D42": "8859/2", "C2D43": "8859/3", "C2D44": "8859/4",
	"C2D4C": "8859/5", "C2D47": "8859/6", "C2D46": "8859/7", "C2D48": "8859/8", "C2D4D": "8859/9",
	"C2D56": "8859/10", "C2D59": "8859/13", "C2D5F": "8859/14", "C2D62": "8859/15", "C2D66": "8859/16",
}

// switched is the set that holds behind the sequence body in a message whose own
// set is base. \C2842\ (ASCII, ISO IR6) ends a passage in another set: base holds
// again. UTF-8 cannot be switched out of: there, and for sets that are not known
// here, the sequence is text.
func switched(body string, base Charset) (Charset, bool) {
	body = strings.ToUpper(body)
	if base.utf8 {
		return base, false
	}
	if body == "C2842" {
		return base, true
	}
	name, ok := g1[body]
	return charsets[name], ok
}

// ackCharset is what our own reply text may use: the declared set, else ASCII.
func ackCharset(h *Header) Charset {
	c, err := h.charset()
	if err != nil {
		return Charset{}
	}
	return c
}
