package results

import (
	"slices"
	"unicode/utf8"
)

// Hidden is what a message says of itself for whoever may see no patient: an order,
// specimen or placer number tells whose result it is to anybody who has a list of
// them, and so does who ordered it in a small practice. Of numbers the end is left,
// enough to see that a page is about the tube in one's hand.
func (s *Said) Hidden() *Said {
	if s == nil {
		return nil
	}
	out := *s
	out.Initials, out.BirthYear = "", ""
	out.Orders = slices.Clone(s.Orders)
	for i := range out.Orders {
		o := &out.Orders[i]
		o.Placer, o.Filler, o.Provider, o.Interpreter = numberEnd(o.Placer), numberEnd(o.Filler), "", ""
	}
	out.Specimens = slices.Clone(s.Specimens)
	for i := range out.Specimens {
		out.Specimens[i] = numberEnd(out.Specimens[i])
	}
	return &out
}

// numberEnd is the last three characters of a number, never more than half of it.
func numberEnd(s string) string {
	if s == "" {
		return ""
	}
	n := utf8.RuneCountInString(s)
	r := []rune(s)
	return "…" + string(r[n-min(3, n/2):])
}

// numberFields are the fields of maskShown that hold such numbers.
var numberFields = map[string][]int{"ORC": {2, 3}, "OBR": {2, 3}, "SPM": {2}}

// withoutNumbers hides them in the lines of a message.
func withoutNumbers(lines []MaskedLine) []MaskedLine {
	for i := range lines {
		for _, f := range numberFields[lines[i].Name] {
			if f <= len(lines[i].Parts) && lines[i].Parts[f-1].Text != "" {
				lines[i].Parts[f-1] = MaskedPart{Hidden: true}
			}
		}
	}
	return lines
}
