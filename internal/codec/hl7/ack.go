package hl7

import (
	"bytes"
	"strings"
	"time"
)

// AckOptions is what an acknowledgement says.
type AckOptions struct {
	// Code is MSA-1: AA, AE, AR, or CA, CE, CR in enhanced mode.
	Code string
	// Text is for a person at the sender: MSA-3 up to version 2.6 and, in an
	// error from 2.5 on, ERR-8. It must not hold patient data.
	Text string
	// ErrorCode is the condition of HL7 table 0357, "207" when empty. An ERR
	// segment is written for AE, AR, CE and CR only.
	ErrorCode string
	// ErrorLocation is a path such as "PID(1)-3(2).1", empty if unknown.
	ErrorLocation string
	// ControlID is our own MSH-10.
	ControlID string
	Time      time.Time
}

// errorText is HL7 table 0357, message error condition codes.
var errorText = map[string]string{
	"0": "Message accepted", "100": "Segment sequence error", "101": "Required field missing",
	"102": "Data type error", "103": "Table value not found", "104": "Value too long",
	"200": "Unsupported message type", "201": "Unsupported event code",
	"202": "Unsupported processing id", "203": "Unsupported version id",
	"204": "Unknown key identifier", "205": "Duplicate key identifier",
	"206": "Application record locked", "207": "Application error",
}

// WantsAcceptAck reports whether the sender of h waits for an accept (commit)
// acknowledgement, CA, CE or CR, when the message was taken (ok) or refused.
// In original mode, MSH-15 and MSH-16 both empty, it never does
// (HL7 v2.5.1 2.9.2, 2.9.3).
func WantsAcceptAck(h *Header, ok bool) bool {
	return !original(h) && wants(h.AcceptAck, ok)
}

// WantsAppAck reports whether the sender waits for an application
// acknowledgement, AA, AE or AR. In original mode it always does.
func WantsAppAck(h *Header, ok bool) bool {
	return original(h) || wants(h.AppAck, ok)
}

// original: an HL7 null says as much as an empty field here.
func original(h *Header) bool { return blank(h.AcceptAck) && blank(h.AppAck) }

func blank(b []byte) bool { return len(b) == 0 || string(b) == `""` }

// wants reads HL7 table 0155. An unknown word is answered: a reply too many is
// ignored, a missing one makes the sender repeat for ever.
func wants(cond []byte, ok bool) bool {
	switch string(cond) {
	case "", `""`, "NE":
		return false
	case "ER":
		return !ok
	case "SU":
		return ok
	}
	return true
}

// AppendAck appends the acknowledgement of the message with header h to dst
// (HL7 v2.5.1 2.9.2.2, 2.9.3.2). Sender and receiver change places; delimiters,
// processing id, version and character set stay. The ERR segment has the form
// of the version: ERR-1 up to 2.4, ERR-2 to ERR-8 from 2.5 on. h may be one that
// ReadHeader returned with an error: standard delimiters then stand in.
func AppendAck(dst []byte, h *Header, o AckOptions) []byte {
	d := *h
	if d.FieldSep == 0 || d.Component == 0 {
		d = Header{FieldSep: '|', Component: '^', Repetition: '~', Escape: '\\', Subcomponent: '&'}
	}
	w := ackWriter{b: dst, h: &d, cs: ackCharset(&d)}
	v := versionNumber(d.VersionID())
	w.b = append(w.b, 'M', 'S', 'H', d.FieldSep, d.Component)
	for _, c := range [4]byte{d.Repetition, d.Escape, d.Subcomponent, d.Truncation} {
		if c == 0 {
			break
		}
		w.b = append(w.b, c)
	}
	w.raw(d.ReceivingApp).raw(d.ReceivingFacility).raw(d.SendingApp).raw(d.SendingFacility)
	layout := "20060102150405-0700"
	if v < 202 { // a TS of version 2.1 has no zone in practice
		layout = "20060102150405"
	}
	w.field().b = o.Time.AppendFormat(w.b, layout)
	w.field().field().b = append(w.b, "ACK"...)
	if t := d.Trigger(); len(t) > 0 && v >= 202 {
		w.comp().b = append(w.b, t...)
		if v >= 204 { // HL7 v2.4 2.16.9.9: message structure
			w.comp().b = append(w.b, "ACK"...)
		}
	}
	w.text(o.ControlID).raw(d.ProcessingID).raw(d.Version)
	if len(d.Charset) > 0 {
		w.field().field().field().field().field().raw(d.Charset)
	}
	w.b = append(w.b, '\r', 'M', 'S', 'A')
	w.text(o.Code).raw(d.ControlID)
	if o.Text != "" && v < 207 { // withdrawn in HL7 v2.7
		w.text(o.Text)
	}
	w.b = append(w.b, '\r')
	switch o.Code {
	case "AE", "AR", "CE", "CR":
		w.err(v, o)
	}
	return w.b
}

// ackWriter appends fields in the delimiters and character set of h.
type ackWriter struct {
	b  []byte
	h  *Header
	cs Charset
}

func (w *ackWriter) field() *ackWriter { w.b = append(w.b, w.h.FieldSep); return w }
func (w *ackWriter) comp() *ackWriter  { w.b = append(w.b, w.h.Component); return w }

func (w *ackWriter) raw(v []byte) *ackWriter { w.field().b = append(w.b, v...); return w }

func (w *ackWriter) text(s string) *ackWriter { w.field().put(s); return w }

// put appends s escaped; what the character set or the delimiters cannot carry
// becomes "?": an acknowledgement must not fail over its own comment.
func (w *ackWriter) put(s string) *ackWriter {
	w.b = appendEscaped(w.b, s, w.h, w.cs)
	return w
}

func (w *ackWriter) number(n int) *ackWriter {
	if n > 0 {
		w.b = appendInt(w.b, n)
	}
	return w
}

func (w *ackWriter) err(v int, o AckOptions) {
	code := o.ErrorCode
	if code == "" {
		code = "207"
	}
	// A location that is no path is left out: it is help, not content.
	at, _ := ParsePath(o.ErrorLocation)
	w.b = append(w.b, 'E', 'R', 'R')
	if v < 205 { // ERR-1 of type ELD, HL7 v2.4 2.16.5.1: its last part is a CE in sub-components
		w.field().put(at.Segment).comp().number(at.Occurrence).comp().number(at.Field).comp()
		w.put(code)
		if w.h.Subcomponent != 0 {
			w.b = append(w.b, w.h.Subcomponent)
			w.put(errorText[code])
			w.b = append(w.b, w.h.Subcomponent)
			w.put("HL70357")
		}
		w.b = append(w.b, '\r')
		return
	}
	// HL7 v2.5.1 2.15.5: ERR-2 location, ERR-3 code, ERR-4 severity, ERR-8 user message.
	w.field().field()
	if at.Segment != "" {
		w.put(at.Segment).comp().number(max(at.Occurrence, 1))
		if at.Field > 0 {
			w.comp().number(at.Field)
			if at.Repetition > 0 || at.Component > 0 {
				w.comp().number(max(at.Repetition, 1))
			}
			if at.Component > 0 {
				w.comp().number(at.Component)
			}
			if at.Subcomponent > 0 {
				w.comp().number(at.Subcomponent)
			}
		}
	}
	w.text(code).comp().put(errorText[code]).comp().put("HL70357")
	w.text("E").field().field().field().text(o.Text)
	w.b = append(w.b, '\r')
}

// versionNumber is 100*major+minor of MSH-12.1: 205 for "2.5.1". What cannot be
// read counts as 2.3, the most common version whose forms every later one reads.
func versionNumber(v []byte) int {
	v = bytes.TrimSpace(v)
	if len(v) < 3 || v[1] != '.' || v[0] < '2' || v[0] > '9' || v[2] < '0' || v[2] > '9' {
		return 203
	}
	return int(v[0]-'0')*100 + int(v[2]-'0')
}

// Ack is what a reply says.
type Ack struct {
	// Code is MSA-1: AA, AE, AR, CA, CE or CR.
	Code string
	// ControlID is MSA-2, the MSH-10 of the message it answers, as written.
	ControlID string
	// Text is MSA-3. It and ErrorText come from the other side: they may hold
	// patient data and must not be logged.
	Text string
	// ErrorText is what ERR says, readable, several joined by "; ".
	ErrorText string
}

// Accept reports whether the code accepts: AA or CA.
func (a Ack) Accept() bool { return a.Code == "AA" || a.Code == "CA" }

// Commit reports whether it is an accept (commit) acknowledgement, CA, CE or CR.
func (a Ack) Commit() bool { return strings.HasPrefix(a.Code, "C") }

// maxErrorText bounds Ack.Text and Ack.ErrorText, in bytes each.
const maxErrorText = 4096

// ReadAck reads a reply: MSH, exactly one MSA, any ERR. It fails (*Error) when
// it is no acknowledgement or MSA-1 is none of the six codes.
func ReadAck(b []byte) (Ack, error) {
	h, err := ReadHeader(b)
	if err != nil {
		return Ack{}, err
	}
	cs, err := h.charset()
	if err != nil { // its texts then stay unread, its code is still ASCII
		cs = Charset{}
	}
	var a Ack
	var errs []string
	size, line, seen := 0, 0, false
	for l := newLines(b, h.FieldSep); ; {
		start, end, _, ok := l.next()
		if !ok {
			break
		}
		line++
		s := b[start:end]
		if len(s) < 4 || s[3] != h.FieldSep {
			continue
		}
		fields := s[4:]
		get := func(n int) []byte { return nth(fields, h.FieldSep, n) }
		switch string(s[:3]) {
		case "MSA":
			fail := func(field int, code, msg string) (Ack, error) {
				return Ack{}, &Error{Segment: "MSA", Occurrence: 1, Field: field, Line: line, Offset: start, Code: code, Msg: msg}
			}
			if seen {
				return fail(0, "100", "the reply has two MSA segments")
			}
			seen = true
			switch c := string(get(1)); c {
			case "AA", "AE", "AR", "CA", "CE", "CR":
				a.Code = c
			default:
				return fail(1, "103", "the acknowledgement code is none of AA, AE, AR, CA, CE, CR")
			}
			a.ControlID = string(get(2))
			a.Text = clip(decodeLoose(get(3), &h, cs))
		case "ERR":
			if size < maxErrorText {
				if t := errText(&h, cs, get); t != "" {
					errs = append(errs, t)
					size += len(t) + 2
				}
			}
		}
	}
	if !seen {
		return Ack{}, &Error{Segment: "MSA", Line: line, Offset: len(b), Code: "100", Msg: "the reply has no MSA segment"}
	}
	a.ErrorText = clip(strings.Join(errs, "; "))
	return a, nil
}

// errText is the most telling part of an ERR segment, whatever its version.
func errText(h *Header, cs Charset, get func(int) []byte) string {
	var parts []string
	add := func(b []byte) {
		if t := decodeLoose(b, h, cs); t != "" && t != `""` && len(parts) < 4 {
			parts = append(parts, t)
		}
	}
	add(get(8)) // user message
	add(get(7)) // diagnostic information
	add(nth(get(3), h.Component, 1))
	add(nth(get(3), h.Component, 2))
	if len(parts) == 0 {
		ce := nth(get(1), h.Component, 4)
		add(nth(ce, h.Subcomponent, 1))
		add(nth(ce, h.Subcomponent, 2))
	}
	return strings.Join(parts, " ")
}

func clip(s string) string {
	if len(s) <= maxErrorText {
		return s
	}
	return strings.ToValidUTF8(s[:maxErrorText], "")
}
