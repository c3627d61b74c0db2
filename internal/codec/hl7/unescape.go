package hl7

import (
	"bytes"
	"strconv"
	"strings"
)

// decodeLoose is v as readable UTF-8 text.
func decodeLoose(v []byte, h *Header, cs Charset) string {
	return string(appendText(nil, v, h, cs))
}

// appendText appends the text of one sub-component as UTF-8: delimiters and
// hexadecimal data resolved, highlighting dropped, formatting commands turned
// into line breaks and spaces, local and unknown sequences kept as written
// (HL7 v2.5.1 2.7).
func appendText(dst, v []byte, h *Header, cs Charset) []byte {
	if h.Escape == 0 || bytes.IndexByte(v, h.Escape) < 0 {
		return cs.appendDecoded(dst, v)
	}
	base := cs
	var raw []byte // bytes of one character set, gathered so that UTF-8 may stand in \X..\ pieces
	flush := func() {
		dst = cs.appendDecoded(dst, raw)
		raw = raw[:0]
	}
	for len(v) > 0 {
		i := bytes.IndexByte(v, h.Escape)
		if i < 0 {
			raw = append(raw, v...)
			break
		}
		raw = append(raw, v[:i]...)
		v = v[i:]
		body, n, ok := sequence(v, h.Escape)
		if !ok {
			raw = append(raw, v[0])
			v = v[1:]
			continue
		}
		switch c := body[0]; {
		case delimiterOf(c, h) != 0 && n == 3:
			raw = append(raw, delimiterOf(c, h))
		case c == 'H' || c == 'N':
		case c == 'X':
			if out, good := appendHex(raw, body); good {
				raw = out
			} else {
				raw = append(raw, v[:n]...)
			}
		case c == '.':
			if s, known := formatting(string(body[1:])); known {
				raw = append(raw, s...)
			} else {
				raw = append(raw, v[:n]...)
			}
		case c == 'C':
			next, known := switched(string(body), base)
			if !known {
				raw = append(raw, v[:n]...)
				break
			}
			flush()
			cs = next
		default:
			raw = append(raw, v[:n]...)
		}
		v = v[n:]
	}
	flush()
	return dst
}

// maxFormat bounds what one formatting command can add.
const maxFormat = 99

// formatting is what a command of HL7 v2.5.1 2.7.6 means in plain text.
func formatting(cmd string) (text string, known bool) {
	if len(cmd) < 2 {
		return "", false
	}
	arg := strings.TrimSpace(cmd[2:])
	n, err := strconv.Atoi(strings.TrimPrefix(arg, "+"))
	if arg != "" && err != nil {
		return "", false
	}
	switch strings.ToLower(cmd[:2]) {
	case "br", "ce":
		return "\n", arg == ""
	case "sp":
		return strings.Repeat("\n", min(max(n, 1), maxFormat)), true
	case "sk":
		return strings.Repeat(" ", min(max(n, 0), maxFormat)), true
	case "in", "ti":
		return "", true
	case "fi", "nf":
		return "", arg == ""
	}
	return "", false
}
