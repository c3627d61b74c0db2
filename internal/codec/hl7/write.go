package hl7

// Writer writes a message from its beginning, segment by segment, in UTF-8 with
// the usual delimiters. Text is escaped, so that no value can begin a field or a
// segment of its own.
type Writer struct {
	b     []byte
	h     Header
	cs    Charset
	field int // of the segment that is written
}

// NewWriter begins a message with MSH-1 and MSH-2; Field goes on with MSH-3. The
// caller declares MSH-18 as "UNICODE UTF-8".
func NewWriter() *Writer {
	return &Writer{
		b: []byte(`MSH|^~\&`), field: 2, cs: charsets["UNICODE UTF-8"],
		h: Header{FieldSep: '|', Component: '^', Repetition: '~', Escape: '\\', Subcomponent: '&'},
	}
}

// Segment ends the segment before and begins one.
func (w *Writer) Segment(name string) *Writer {
	w.b = append(append(w.b, '\r'), name...)
	w.field = 0
	return w
}

// Field writes text into field n, which must lie behind what the segment has.
// Several texts are its components; empty ones at the end are left out.
func (w *Writer) Field(n int, components ...string) *Writer {
	for len(components) > 0 && components[len(components)-1] == "" {
		components = components[:len(components)-1]
	}
	if len(components) == 0 {
		return w
	}
	for ; w.field < n; w.field++ {
		w.b = append(w.b, w.h.FieldSep)
	}
	return w.components(components)
}

// Repeat writes one more repetition of the field that was written last.
func (w *Writer) Repeat(components ...string) *Writer {
	w.b = append(w.b, w.h.Repetition)
	return w.components(components)
}

func (w *Writer) components(all []string) *Writer {
	for i, c := range all {
		if i > 0 {
			w.b = append(w.b, w.h.Component)
		}
		w.b = appendEscaped(w.b, c, &w.h, w.cs)
	}
	return w
}

// Bytes ends the last segment and gives the message.
func (w *Writer) Bytes() []byte { return append(w.b, '\r') }
