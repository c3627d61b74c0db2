package hl7

import "bytes"

// Header is what intake needs of MSH. Its slices point into the input and are
// raw: neither unescaped nor converted.
type Header struct {
	// FieldSep is MSH-1, the others are MSH-2 in its order. One that MSH-2 does
	// not give is 0 and does not exist in the message (HL7 v2.5.1 2.5.4).
	FieldSep                                    byte
	Component, Repetition, Escape, Subcomponent byte
	// Truncation is the fifth character of MSH-2, HL7 v2.7 2.5.5.2 and later.
	Truncation byte

	SendingApp, SendingFacility     []byte // MSH-3, MSH-4
	ReceivingApp, ReceivingFacility []byte // MSH-5, MSH-6
	DateTime                        []byte // MSH-7
	MessageType                     []byte // MSH-9 whole
	ControlID                       []byte // MSH-10
	ProcessingID                    []byte // MSH-11
	Version                         []byte // MSH-12
	AcceptAck, AppAck               []byte // MSH-15, MSH-16
	Charset                         []byte // MSH-18 whole, with its repetitions
}

// Code is MSH-9.1, "ORU".
func (h *Header) Code() []byte { return h.part(h.MessageType, 1) }

// Trigger is MSH-9.2, "R01"; empty where there is none.
func (h *Header) Trigger() []byte { return h.part(h.MessageType, 2) }

// Structure is MSH-9.3, "ORU_R01"; empty where there is none.
func (h *Header) Structure() []byte { return h.part(h.MessageType, 3) }

// VersionID is MSH-12.1, "2.5.1".
func (h *Header) VersionID() []byte { return h.part(h.Version, 1) }

// part is the n-th component of the first repetition, from 1.
func (h *Header) part(b []byte, n int) []byte {
	return nth(first(b, h.Repetition), h.Component, n)
}

// first is b up to sep; the whole of it where there is no sep.
func first(b []byte, sep byte) []byte {
	if sep == 0 {
		return b
	}
	if i := bytes.IndexByte(b, sep); i >= 0 {
		return b[:i]
	}
	return b
}

// nth is the n-th part of b between sep, from 1; nil where there is none.
func nth(b []byte, sep byte, n int) []byte {
	if sep == 0 {
		if n == 1 {
			return b
		}
		return nil
	}
	for ; n > 1; n-- {
		i := bytes.IndexByte(b, sep)
		if i < 0 {
			return nil
		}
		b = b[i+1:]
	}
	return first(b, sep)
}

// delimiter reports whether c can part fields: a printable ASCII character that
// is no letter, digit or space, so that no text is cut by mistake.
func delimiter(c byte) bool {
	return c > ' ' && c < 0x7f && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
}

// readDelimiters fills the delimiters from a line that starts with MSH, FHS or
// BHS (HL7 v2.5.1 2.5.4, 2.15.9.1) and returns where its third field starts:
// the byte after the separator that ends field 2, or the end of MSH-2.
func (h *Header) readDelimiters(b []byte) (int, error) {
	seg := segmentName(b[:3])
	fail := func(field, at int, msg string) error {
		return &Error{Segment: seg, Occurrence: 1, Field: field, Line: 1, Offset: at, Code: "102", Msg: msg}
	}
	if len(b) < 4 || !delimiter(b[3]) {
		return 0, fail(1, 3, "the field separator must be a printable character that is neither letter nor digit")
	}
	h.FieldSep = b[3]
	i := 4
	for ; i < len(b) && b[i] != h.FieldSep && b[i] != '\r' && b[i] != '\n'; i++ {
		c := b[i]
		if !delimiter(c) {
			return 0, fail(2, i, "an encoding character must be printable and neither letter nor digit")
		}
		if bytes.IndexByte(b[4:i], c) >= 0 {
			return 0, fail(2, i, "the same encoding character stands twice")
		}
		switch i {
		case 4:
			h.Component = c
		case 5:
			h.Repetition = c
		case 6:
			h.Escape = c
		case 7:
			h.Subcomponent = c
		case 8:
			h.Truncation = c
		default:
			return 0, fail(2, i, "more than five encoding characters")
		}
	}
	if i == 4 {
		return 0, fail(2, i, "no encoding characters")
	}
	if i < len(b) && b[i] == h.FieldSep {
		i++
	}
	return i, nil
}

// ReadHeader reads MSH in place, without allocating unless it fails and without
// looking at what follows MSH. It fails (*Error) when b does not begin with MSH
// or its delimiters cannot be used; an empty field is no failure here. On an
// error the Header holds what could be read, good enough for AppendAck.
func ReadHeader(b []byte) (Header, error) {
	var h Header
	if len(b) < 4 || b[0] != 'M' || b[1] != 'S' || b[2] != 'H' {
		return h, &Error{Line: 1, Code: "100", Msg: "the message does not begin with an MSH segment"}
	}
	i, err := h.readDelimiters(b)
	if err != nil {
		return Header{}, err
	}
	if b[i-1] != h.FieldSep {
		return h, nil
	}
	fs := h.FieldSep
	start := i
	for n := 3; ; i++ {
		if i < len(b) && b[i] != fs && b[i] != '\r' && b[i] != '\n' {
			continue
		}
		v := b[start:i:i]
		switch n {
		case 3:
			h.SendingApp = v
		case 4:
			h.SendingFacility = v
		case 5:
			h.ReceivingApp = v
		case 6:
			h.ReceivingFacility = v
		case 7:
			h.DateTime = v
		case 9:
			h.MessageType = v
		case 10:
			h.ControlID = v
		case 11:
			h.ProcessingID = v
		case 12:
			h.Version = v
		case 15:
			h.AcceptAck = v
		case 16:
			h.AppAck = v
		case 18:
			h.Charset = v
			return h, nil
		}
		if i >= len(b) || b[i] != fs {
			return h, nil
		}
		n++
		start = i + 1
	}
}
