package results

import (
	"bytes"
	"fmt"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// maxPathChanges bounds how many places of one message are named.
const maxPathChanges = 100

// changedPaths names the fields in which two messages differ. Segments are
// paired by the longest common beginning and end; what is between is paired in
// order where the names agree, and is otherwise added or removed as a whole.
func changedPaths(a, b []byte, reveal bool) []PathChange {
	x, err := hl7.Parse(a)
	if err != nil {
		return []PathChange{{Path: "the whole message"}}
	}
	y, err := hl7.Parse(b)
	if err != nil {
		return []PathChange{{Path: "the whole message"}}
	}
	before, after := segmentsOf(x), segmentsOf(y)
	for len(before) > 0 && len(after) > 0 && bytes.Equal(before[0].Raw(), after[0].Raw()) {
		before, after = before[1:], after[1:]
	}
	for len(before) > 0 && len(after) > 0 && bytes.Equal(before[len(before)-1].Raw(), after[len(after)-1].Raw()) {
		before, after = before[:len(before)-1], after[:len(after)-1]
	}
	d := &pathDiff{reveal: reveal}
	for (len(before) > 0 || len(after) > 0) && len(d.out) < maxPathChanges {
		switch {
		case len(before) > 0 && len(after) > 0 && before[0].Name() == after[0].Name() && !d.gone(before, after):
			d.fields(before[0], after[0])
			before, after = before[1:], after[1:]
		case len(before) > 0 && (len(after) == 0 || d.gone(before, after) || before[0].Name() != after[0].Name() && !holds(after, before[0].Name())):
			d.put(segmentPath(before[0])+" is removed", before[0].Raw(), nil)
			before = before[1:]
		default:
			d.put(segmentPath(after[0])+" is added", nil, after[0].Raw())
			after = after[1:]
		}
	}
	return d.out
}

type pathDiff struct {
	reveal bool
	out    []PathChange
}

// gone says that the first of before was removed and the next one is what
// stands first in after.
func (d *pathDiff) gone(before, after []hl7.Segment) bool {
	return len(before) > len(after) && len(after) > 0 && len(before) > 1 && bytes.Equal(before[1].Raw(), after[0].Raw())
}

func (d *pathDiff) put(path string, from, to []byte) {
	if len(d.out) == maxPathChanges {
		return
	}
	c := PathChange{Path: path}
	if d.reveal {
		c.From, c.To = string(from), string(to)
	}
	d.out = append(d.out, c)
}

func (d *pathDiff) fields(a, b hl7.Segment) {
	for f := 1; f <= max(a.Fields(), b.Fields()); f++ {
		was, is := a.Field(f).Raw(), b.Field(f).Raw()
		if !bytes.Equal(was, is) {
			d.put(fmt.Sprintf("%s-%d", segmentPath(a), f), was, is)
		}
	}
}

func segmentPath(s hl7.Segment) string { return fmt.Sprintf("%s(%d)", s.Name(), s.Occurrence()) }

func segmentsOf(m *hl7.Message) (out []hl7.Segment) {
	for s := range m.Segments("") {
		out = append(out, s)
	}
	return out
}

func holds(list []hl7.Segment, name string) bool {
	for _, s := range list {
		if s.Name() == name {
			return true
		}
	}
	return false
}
