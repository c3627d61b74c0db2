package hl7

import (
	"encoding/json"
	"strconv"
)

// MarshalJSON is a view for people and rules, one shape throughout:
//
//	{"version":"2.5.1","charset":"8859/1","segments":[
//	  {"id":"PID","fields":{"3":[["123","","",["LAB","1.2.3","ISO"]]]}}]}
//
// A field is an array of repetitions, a repetition one of components, a
// component a string or, if it has several, an array of sub-components. HL7 null
// is null, empty is "", an empty or absent field is left out. A line that is no
// segment has "text" instead of "id" and "fields". The view is not lossless.
func (m *Message) MarshalJSON() ([]byte, error) {
	w := jsonWriter{m: m, b: make([]byte, 0, 2*len(m.src))}
	w.b = append(w.b, `{"version":`...)
	w.text(string(m.head.VersionID()))
	w.b = append(w.b, `,"charset":`...)
	w.text(m.cs.Name())
	w.b = append(w.b, `,"segments":[`...)
	sep := false
	for i := range m.segs {
		s := &m.segs[i]
		if len(s.text) == 0 {
			continue
		}
		if sep {
			w.b = append(w.b, ',')
		}
		sep = true
		w.segment(s)
	}
	w.b = append(w.b, ']', '}')
	return w.b, w.err
}

type jsonWriter struct {
	m   *Message
	b   []byte
	buf []byte
	err error
}

func (w *jsonWriter) text(s string) {
	b, err := json.Marshal(s)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.b = append(w.b, b...)
}

func (w *jsonWriter) segment(s *segment) {
	id := s.name()
	if !validSegmentID(id) {
		w.b = append(w.b, `{"text":`...)
		w.text(string(w.m.cs.appendDecoded(nil, s.text)))
		w.b = append(w.b, '}')
		return
	}
	w.b = append(w.b, `{"id":"`...)
	w.b = append(w.b, id...)
	w.b = append(w.b, `","fields":{`...)
	sep := false
	for n := 1; n <= s.parts(); n++ {
		start, end, _ := s.field(n)
		v := s.text[start:end]
		if len(v) == 0 {
			continue
		}
		if sep {
			w.b = append(w.b, ',')
		}
		sep = true
		w.b = append(w.b, '"')
		w.b = strconv.AppendInt(w.b, int64(n), 10)
		w.b = append(w.b, '"', ':')
		if s.delimiters(n) {
			w.b = append(w.b, '[', '[')
			w.text(string(v))
			w.b = append(w.b, ']', ']')
			continue
		}
		h := &w.m.head
		w.split(v, h.Repetition, true, func(rep []byte) {
			w.split(rep, h.Component, true, func(comp []byte) {
				w.split(comp, h.Subcomponent, false, w.leaf)
			})
		})
	}
	w.b = append(w.b, '}', '}')
}

// split writes the parts of v; a single one without array unless always.
func (w *jsonWriter) split(v []byte, sep byte, always bool, part func([]byte)) {
	p := first(v, sep)
	array := always || len(p) < len(v)
	if array {
		w.b = append(w.b, '[')
	}
	part(p)
	for len(p) < len(v) {
		v = v[len(p)+1:]
		p = first(v, sep)
		w.b = append(w.b, ',')
		part(p)
	}
	if array {
		w.b = append(w.b, ']')
	}
}

func (w *jsonWriter) leaf(v []byte) {
	if string(v) == `""` {
		w.b = append(w.b, "null"...)
		return
	}
	w.buf = appendText(w.buf[:0], v, &w.m.head, w.m.cs)
	w.text(string(w.buf))
}
