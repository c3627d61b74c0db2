package results

import (
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// Change is one step of a transformation.
type Change func(m *hl7.Message) error

// ErrNotInTable holds a message whose value a mapping does not know.
var ErrNotInTable = errors.New("a value is not in the table")

// Transformer makes the function of a route from its steps; undeclared is the
// character set of messages that name none. The result is a function of the
// bytes alone: the same message gives the same bytes.
func Transformer(steps []Change, undeclared hl7.Charset) func([]byte) ([]byte, error) {
	return func(body []byte) ([]byte, error) {
		m, err := hl7.ParseAssuming(body, hl7.Limits{}, undeclared)
		if err != nil {
			return nil, err
		}
		for i, step := range steps {
			if err := step(m); err != nil {
				return nil, fmt.Errorf("step %d: %w", i+1, err)
			}
		}
		return m.Bytes(), nil
	}
}

// SetTo writes a value at the path in every segment it names. Segments that do
// not exist are not made.
func SetTo(path hl7.Path, value string) Change {
	return func(m *hl7.Message) error {
		var at []hl7.Path
		for s := range m.Segments(path.Segment) {
			if path.Occurrence == 0 || path.Occurrence == s.Occurrence() {
				p := path
				p.Occurrence = s.Occurrence()
				at = append(at, p)
			}
		}
		for _, p := range at {
			if err := m.Set(p, value); err != nil {
				return err
			}
		}
		return nil
	}
}

// CopyFrom copies the value at one place to another, byte for byte.
func CopyFrom(from, to hl7.Path) Change {
	return func(m *hl7.Message) error { return m.SetRaw(to, append([]byte(nil), m.Value(from).Raw()...)) }
}

// RemoveAt empties a field, or removes the segments a path without a field names.
func RemoveAt(path hl7.Path) Change {
	return func(m *hl7.Message) error {
		if path.Field > 0 {
			return everywhere(m, path, func(p hl7.Path, _ hl7.Value) error { return m.Clear(p) })
		}
		switch {
		case path.Occurrence == 0:
			return m.RemoveAll(path.Segment)
		case m.Value(path).Presence() == hl7.Absent:
			return nil
		}
		return m.Remove(path)
	}
}

// MapBy replaces values by a table. A value the table does not know stays when
// keep is set, and holds the message otherwise: it is never guessed.
func MapBy(path hl7.Path, table map[string]string, keep bool) Change {
	return func(m *hl7.Message) error {
		return everywhere(m, path, func(p hl7.Path, v hl7.Value) error {
			if v.Presence() != hl7.Present {
				return nil
			}
			to, ok := table[v.Text()]
			switch {
			case ok:
				return m.Set(p, to)
			case keep:
				return nil
			}
			return ErrNotInTable
		})
	}
}

// everywhere calls f for each place the path matches, with what stood there;
// segments that do not exist are not made. f edits no other place.
func everywhere(m *hl7.Message, path hl7.Path, f func(hl7.Path, hl7.Value) error) error {
	type place struct {
		path  hl7.Path
		value hl7.Value
	}
	var at []place
	for p, v := range m.Each(path) {
		at = append(at, place{p, v})
	}
	for _, x := range at {
		if err := f(x.path, x.value); err != nil {
			return err
		}
	}
	return nil
}
