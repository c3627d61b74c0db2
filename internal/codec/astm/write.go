package astm

import "strconv"

// Writer writes a message record by record, for orders and answers to devices.
// Text is escaped, so that no value can begin a field, a component or a record of
// its own; characters outside printing ASCII are written as UTF-8 if the device
// takes it, else as the caller encoded them.
type Writer struct {
	b     []byte
	d     Delimiters
	seq   map[byte]int
	field int // of the record that is written
}

// NewWriter begins a message with its header record; AppendField goes on with
// field 3 of it.
func NewWriter(d Delimiters) *Writer {
	w := &Writer{d: d, seq: map[byte]int{}, field: 2}
	w.b = append(w.b, 'H', d.Field, d.Repeat, d.Component, d.Escape)
	return w
}

// Record ends the record before and begins one with the next sequence number of
// its type. Numbers begin anew below a new parent (E1394-97 6.6.2).
func (w *Writer) Record(typ byte) *Writer {
	w.b = append(w.b, CR, typ, w.d.Field)
	if lv := level(typ); lv >= 0 {
		for t := range w.seq {
			if level(t) > lv || level(t) < 0 {
				delete(w.seq, t)
			}
		}
	}
	w.seq[typ]++
	w.b = strconv.AppendInt(w.b, int64(w.seq[typ]), 10)
	w.field = 2
	return w
}

// Field writes text into field n, which must lie behind what the record has.
// Several texts are its components.
func (w *Writer) Field(n int, components ...string) *Writer {
	for ; w.field < n; w.field++ {
		w.b = append(w.b, w.d.Field)
	}
	for i, c := range components {
		if i > 0 {
			w.b = append(w.b, w.d.Component)
		}
		w.text(c)
	}
	return w
}

// Repeat writes one more repetition of the field that was written last.
func (w *Writer) Repeat(components ...string) *Writer {
	w.b = append(w.b, w.d.Repeat)
	return w.Field(w.field, components...)
}

func (w *Writer) text(s string) {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		switch {
		case c == w.d.Field:
			w.b = append(w.b, w.d.Escape, 'F', w.d.Escape)
		case c == w.d.Component:
			w.b = append(w.b, w.d.Escape, 'S', w.d.Escape)
		case c == w.d.Repeat:
			w.b = append(w.b, w.d.Escape, 'R', w.d.Escape)
		case c == w.d.Escape:
			w.b = append(w.b, w.d.Escape, 'E', w.d.Escape)
		case c < ' ' || c == 0x7f:
			w.b = append(w.b, w.d.Escape, 'X', digits[c>>4], digits[c&15], w.d.Escape)
		default:
			w.b = append(w.b, c)
		}
	}
}

// End writes the terminator with its code (N normal, F the last of a request, Q
// an error in the request, I no information; E1394-97 13.3) and gives the message.
func (w *Writer) End(code string) []byte {
	w.Record('L').Field(3, code)
	w.b = append(w.b, CR)
	return w.b
}
