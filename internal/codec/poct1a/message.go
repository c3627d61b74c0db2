package poct1a

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Message is one document.
type Message struct {
	src  []byte
	root *Element
}

// Element is one element: an object such as SVC or a field such as
// SVC.role_cd, whose value stands in its attribute V.
type Element struct {
	Name     string
	attrs    []xml.Attr
	children []*Element
	text     string
}

// Parse reads one document with default limits. See ParseLimits.
func Parse(b []byte) (*Message, error) { return ParseLimits(b, Limits{}) }

// ParseLimits reads one document. The Message keeps b: it must not be changed
// afterwards.
func ParseLimits(b []byte, l Limits) (*Message, error) {
	l = l.orDefault()
	if len(b) > l.Bytes {
		return nil, &Error{Offset: l.Bytes, Msg: "the document is longer than the limit"}
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	d.CharsetReader = charset
	m := &Message{src: b}
	var open []*Element
	n := 0
	for {
		at := int(d.InputOffset())
		fail := func(msg string) (*Message, error) {
			e := &Error{Offset: at, Msg: msg}
			if len(open) > 0 {
				e.Element = open[len(open)-1].known()
			}
			return nil, e
		}
		tok, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fail("this is no XML") // the library's words may hold content
		}
		switch tok := tok.(type) {
		case xml.Directive:
			return fail("a document type is not taken: it could make the document grow")
		case xml.ProcInst:
			if tok.Target != "xml" || at > 3 { // 3: a byte order mark
				return fail("processing instructions are not taken")
			}
		case xml.StartElement:
			if n++; n > l.Elements {
				return fail("the document has more elements than the limit")
			}
			if len(open) >= l.Depth {
				return fail("elements are nested deeper than the limit")
			}
			e := &Element{Name: name(tok.Name), attrs: tok.Copy().Attr}
			if len(open) > 0 {
				up := open[len(open)-1]
				up.children = append(up.children, e)
			} else if m.root != nil {
				return fail("a second root element: the input holds more than one document")
			} else {
				m.root = e
			}
			open = append(open, e)
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1].Name != name(tok.Name) {
				return fail("an end without its beginning")
			}
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(bytes.TrimSpace(tok))
			} else if len(bytes.Trim(tok, " \t\r\n\x00\ufeff")) > 0 {
				return fail("text outside the root element")
			}
		}
	}
	switch {
	case len(open) > 0:
		return nil, &Error{Offset: len(b), Element: open[len(open)-1].known(), Msg: "the document is cut off"}
	case m.root == nil:
		return nil, &Error{Offset: len(b), Msg: "there is no element"}
	}
	return m, nil
}

// charset reads what devices declare beside UTF-8.
func charset(label string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "utf-8", "us-ascii", "ascii":
		return in, nil
	case "iso-8859-1", "latin1", "windows-1252":
		return charmap.ISO8859_1.NewDecoder().Reader(in), nil
	}
	return nil, errors.New("the character set is not taken")
}

func name(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

// known is the element's name if the standard could have it, for errors.
func (e *Element) known() string {
	if len(e.Name) > 40 || !utf8.ValidString(e.Name) {
		return ""
	}
	for _, c := range e.Name {
		if c != '.' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return ""
		}
	}
	return e.Name
}

// Bytes is the very slice the message was made from.
func (m *Message) Bytes() []byte { return m.src }

// Type is the name of the root element: "HEL.R01", "OBS.R01".
func (m *Message) Type() string { return m.root.Name }

// Topic is the type without its release: "HEL", "OBS".
func (m *Message) Topic() string {
	t, _, _ := strings.Cut(m.root.Name, ".")
	return t
}

// Root is the whole of it.
func (m *Message) Root() *Element { return m.root }

// ControlID is HDR.control_id, which an acknowledgement names.
func (m *Message) ControlID() string { return m.root.V("HDR", "HDR.control_id") }

// Attr is an attribute's value, "" for none.
func (e *Element) Attr(key string) string {
	if e == nil {
		return ""
	}
	for _, a := range e.attrs {
		if name(a.Name) == key {
			return a.Value
		}
	}
	return ""
}

// Value is the attribute V, or the text where a device writes that.
func (e *Element) Value() string {
	if v := e.Attr("V"); v != "" || e == nil {
		return v
	}
	return e.text
}

// Children gives the elements right below, those with the name if one is given.
func (e *Element) Children(names ...string) iter.Seq[*Element] {
	return func(yield func(*Element) bool) {
		if e == nil {
			return
		}
		for _, c := range e.children {
			if (len(names) == 0 || c.Name == names[0]) && !yield(c) {
				return
			}
		}
	}
}

// Find is the first element down the path, nil for none.
func (e *Element) Find(path ...string) *Element {
	if len(path) == 0 || e == nil {
		return e
	}
	for c := range e.Children(path[0]) {
		if found := c.Find(path[1:]...); found != nil {
			return found
		}
	}
	return nil
}

// V is the value of the first element down the path, "" for none.
func (e *Element) V(path ...string) string { return e.Find(path...).Value() }
