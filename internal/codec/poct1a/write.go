package poct1a

import (
	"encoding/xml"
	"strings"
)

// Part is a piece of a message to write: an object with its fields.
type Part struct {
	Name  string
	Value string // of a field; not written for an object
	Attrs []xml.Attr
	Parts []Part
}

// Object is a part that holds others.
func Object(name string, parts ...Part) Part { return Part{Name: name, Parts: parts} }

// Field is a part with a value.
func Field(name, value string) Part {
	return Part{Name: name, Value: value, Attrs: []xml.Attr{{Name: xml.Name{Local: "V"}, Value: value}}}
}

// Header is the HDR object that every message begins with. created is a time with
// its zone, as XML writes it: 2026-03-01T10:15:00+01:00.
func Header(typ, controlID, created string) Part {
	return Object("HDR", Field("HDR.message_type", typ), Field("HDR.control_id", controlID), Field("HDR.version_id", "POCT1"), Field("HDR.creation_dttm", created))
}

// Ack is an acknowledgement of the message with the control id: AA, or AE with a
// reason that says what to do.
func Ack(controlID, of, code, reason, created string) []byte {
	parts := []Part{Field("ACK.type_cd", code), Field("ACK.ack_control_id", of)}
	if reason != "" {
		parts = append(parts, Field("ACK.note_txt", reason))
	}
	return Append(nil, Object("ACK.R01", Header("ACK.R01", controlID, created), Object("ACK", parts...)))
}

// Append writes a document. Values are escaped: none can begin an element of its
// own. Characters that XML cannot hold are left out.
func Append(dst []byte, p Part) []byte {
	var s strings.Builder
	s.WriteString(`<?xml version="1.0" encoding="utf-8"?>`)
	p.write(&s)
	return append(dst, s.String()...)
}

func (p Part) write(s *strings.Builder) {
	s.WriteString("<" + p.Name)
	for _, a := range p.Attrs {
		s.WriteString(" " + a.Name.Local + `="`)
		_ = xml.EscapeText(s, []byte(clean(a.Value))) // a Builder does not fail
		s.WriteString(`"`)
	}
	if len(p.Parts) == 0 {
		s.WriteString("/>")
		return
	}
	s.WriteString(">")
	for _, c := range p.Parts {
		c.write(s)
	}
	s.WriteString("</" + p.Name + ">")
}

func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return -1
		}
		return r
	}, s)
}
