package results

import (
	"bytes"
	"slices"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// MaskedLine is a segment of a message as it may be shown without a record: what
// names a person, every text that could, and every value is hidden.
type MaskedLine struct {
	Name  string
	Parts []MaskedPart
	// More: fields or segments follow that are not shown.
	More bool
}

// MaskedPart is a field.
type MaskedPart struct {
	Text   string
	Hidden bool // something stands there
}

// maskShown are the fields shown of a segment. A field that is not listed and
// holds something is hidden.
var maskShown = map[string][]int{
	"MSH": {3, 4, 5, 6, 7, 9, 10, 11, 12},
	"PID": {1},
	"ORC": {1, 2, 3, 5},
	"OBR": {1, 2, 3, 4, 7, 22, 24, 25},
	"OBX": {1, 2, 3, 6, 7, 11, 14},
	"SPM": {1, 2, 4},
}

const maxMasked = 60 // lines

// valuesShown are the fields that tell what a result came to: the value (OBX-5,
// where it is a number) and whether it is abnormal (OBX-8). They are shown together
// with the name, after the look is recorded.
var valuesShown = map[string][]int{"OBX": {5, 8}}

// masked draws a message without what names a person; with values, what the
// results came to is shown.
func masked(m *hl7.Message, values bool) []MaskedLine {
	var out []MaskedLine
	h := m.Header()
	for s := range m.Segments("") {
		if len(out) == maxMasked {
			out[len(out)-1].More = true
			break
		}
		line := MaskedLine{Name: Printable(s.Name(), 8)}
		if line.Name == "" {
			line.Name, line.More = "…", true
			out = append(out, line)
			continue
		}
		shown, known := maskShown[line.Name]
		if !known { // notes, contacts, insurance, anything of the site's own
			line.More = true
			out = append(out, line)
			continue
		}
		if values {
			shown = slices.Concat(shown, valuesShown[line.Name])
		}
		last := 0
		for _, f := range shown {
			if s.Field(f).Presence() == hl7.Present {
				last = max(last, f)
			}
		}
		for f := 1; f <= last || f <= s.Fields() && f <= 8; f++ {
			v := s.Field(f)
			switch {
			case line.Name == "MSH" && f == 1:
				continue // it is the separator
			case line.Name == "MSH" && f == 2, slices.Contains(shown, f) && (line.Name != "OBX" || f != 5 || onlyNumber(s, v, &h)):
				line.Parts = append(line.Parts, MaskedPart{Text: Printable(string(v.Raw()), 60)})
			case v.Presence() == hl7.Present:
				line.Parts = append(line.Parts, MaskedPart{Hidden: true})
			default:
				line.Parts = append(line.Parts, MaskedPart{})
			}
		}
		line.More = last < s.Fields()
		out = append(out, line)
	}
	return out
}

// onlyNumber: a result that is a number and nothing else. A text, whatever its
// declared type, may name somebody.
func onlyNumber(s hl7.Segment, v hl7.Value, h *hl7.Header) bool {
	switch string(s.Field(2).Raw()) {
	case "NM", "SN":
	default:
		return false
	}
	raw := v.Raw()
	allowed := []byte("0123456789.,+-<>=:/ ")
	if h.Component != 0 {
		allowed = append(allowed, h.Component)
	}
	return len(raw) <= 40 && len(bytes.Trim(raw, string(allowed))) == 0
}
