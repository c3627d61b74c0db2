package hl7fhir

import (
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// maxParts bounds the components of a field and the sub-components of a
// component; the longest type of the standard has 25.
const maxParts = 200

// ErrParts reports a field with more parts than any HL7 type has.
var ErrParts = errors.New("hl7fhir: too many components")

// read takes the decoded text of a whole message.
func read(m *hl7.Message) ([]*segment, error) {
	var out []*segment
	for s := range m.Segments("") {
		seg := &segment{name: s.Name(), nth: s.Occurrence()}
		for f := 1; f <= s.Fields(); f++ {
			field, err := readField(s, f)
			if err != nil {
				return nil, fmt.Errorf("%w: %s", err, seg.path(f))
			}
			seg.fields = append(seg.fields, field)
		}
		out = append(out, seg)
	}
	return out, nil
}

func readField(s hl7.Segment, f int) ([][][]leaf, error) {
	var field [][][]leaf
	if s.Name() == "MSH" && f <= 2 { // the delimiters themselves
		return [][][]leaf{{{{text: s.Field(f).Text(), used: true}}}}, nil
	}
	for _, r := range s.Field(f).Repetitions() {
		if r.Presence() == hl7.Null {
			field = append(field, [][]leaf{{{null: true}}})
			continue
		}
		var rep [][]leaf
		for n := 1; ; n++ {
			p := r.Part(n)
			if p.Presence() == hl7.Absent {
				break
			}
			if n > maxParts {
				return nil, ErrParts
			}
			var comp []leaf
			for k := 1; ; k++ {
				sub := p.Subpart(k)
				if sub.Presence() == hl7.Absent {
					break
				}
				if k > maxParts {
					return nil, ErrParts
				}
				comp = append(comp, leaf{text: sub.Text(), null: sub.Presence() == hl7.Null})
			}
			rep = append(rep, comp)
		}
		field = append(field, rep)
	}
	return field, nil
}
