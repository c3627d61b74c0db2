package astmhl7

import (
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/codec/astm"
	"github.com/labwarden/labwarden/internal/convert/analyzers"
)

// flags are those of HL7 table 0078 that E1394-97 10.1.8 knows too.
var flags = []string{"L", "H", "LL", "HH", "<", ">", "N", "A", "AA", "U", "D", "B", "W"}

// statuses of E1394-97 10.1.9, which HL7 table 0085 writes the same way.
var statuses = []string{"C", "P", "F", "X", "I", "S", "R", "N"}

// result maps one result record to OBX (HL7 v2.5.1 7.4.2).
func (c *converter) result(r astm.Record) {
	c.take(r, 2)
	test := c.take(r, 3)
	code := c.code(test)
	if _, ok := c.model.Codes[code]; !ok && c.model.Key != "" {
		c.note(UnknownCode, r, 3)
	}
	value := strings.TrimSpace(c.take(r, 4).Text())
	typ := "ST"
	if analyzers.Numeric(value) {
		typ = "NM"
	}
	c.w.Segment("OBX").Field(1, c.set("OBX")).Field(2, typ).Field(3, c.loincOf(test, code)...).Field(5, value).Field(6, c.unit(r)...).Field(7, c.text(r, 6))
	c.flags(r)
	status := c.text(r, 9)
	switch {
	case status == "":
		status = "F" // E1394-97 10.1.9: nothing said means final
	case !slices.Contains(statuses, status):
		c.note(UnknownStatus, r, 9)
	}
	c.w.Field(11, status).Field(14, c.text(r, 13)).Field(16, c.parts(r, 11)...).Field(18, c.instrument(r)...)
	if t := c.text(r, 12); t != "" && r.Field(13).Empty() {
		c.w.Field(19, t)
	}
}

// loincOf is the test; a device that writes LOINC itself (^^^WBC^6690-2) is taken
// at its word.
func (c *converter) loincOf(v astm.Value, code string) []string {
	out := c.coded(code)
	if len(out) > 3 || v.Components() < 5 {
		return out
	}
	for n := 5; n <= v.Components(); n++ {
		if s := strings.TrimSpace(v.Component(n).Text()); loinc(s) {
			return append(out, s, "", "LN")
		}
	}
	return out
}

// loinc: digits, a hyphen, one digit; who wrote it answers for it.
func loinc(s string) bool {
	number, check, ok := strings.Cut(s, "-")
	return ok && len(number) >= 3 && len(number) <= 7 && len(check) == 1 && strings.Trim(number+check, "0123456789") == ""
}

func (c *converter) unit(r astm.Record) []string {
	u := c.text(r, 5)
	if u == "" {
		return nil
	}
	ucum, ok := c.model.Units[u]
	if !ok {
		if c.model.Key != "" {
			c.note(UnknownUnit, r, 5)
		}
		return []string{u}
	}
	return []string{u, "", "", ucum, "", "UCUM"}
}

func (c *converter) flags(r astm.Record) {
	first := true
	c.take(r, 7)
	for v := range r.Field(7).Repetitions() {
		f := strings.TrimSpace(v.Text())
		if f == "" {
			continue
		}
		if !slices.Contains(flags, f) {
			c.note(UnknownFlag, r, 7)
		}
		if first {
			c.w.Field(8, f)
			first = false
		} else {
			c.w.Repeat(f)
		}
	}
}

// instrument is OBX-18: what measured, else who sends (H-5).
func (c *converter) instrument(r astm.Record) []string {
	if s := c.text(r, 14); s != "" {
		return []string{s}
	}
	h := c.m.Header()
	name := strings.TrimSpace(h.Field(5).Component(1).Text())
	serial := ""
	if p := c.model.At.Serial; p.Record == 'H' {
		serial = c.at(h, p)
	}
	return []string{serial, name}
}

// comment maps C to NTE, below what it is said of.
func (c *converter) comment(r astm.Record) {
	up, ok := r.Parent()
	if !ok || up.Type() != 'R' && up.Type() != 'P' {
		return // of an order before its first result, or of the header: in the notes
	}
	source := "A" // HL7 table 0105: ancillary, the device
	c.take(r, 2)
	if c.text(r, 3) == "L" {
		source = "L"
	}
	var parts []string
	for v := range c.take(r, 4).Repetitions() {
		for i := range v.Components() {
			if s := strings.TrimSpace(v.Component(i + 1).Text()); s != "" {
				parts = append(parts, s)
			}
		}
	}
	c.take(r, 5)
	if len(parts) > 0 {
		c.w.Segment("NTE").Field(1, c.set("NTE")).Field(2, source).Field(3, strings.Join(parts, " "))
	}
}

// leftovers notes each field with content that was not carried.
func (c *converter) leftovers() {
	for r := range c.m.Records() {
		if r.Type() == 'L' {
			continue
		}
		if c.used[r.Number()] == nil {
			c.note(NotCarried, r, 0)
			continue
		}
		for n := 3; n <= r.Fields(); n++ {
			if !c.used[r.Number()][n] && !blank(r.Field(n)) {
				c.note(NotCarried, r, n)
			}
		}
	}
}

// blank: nothing but delimiters and blanks.
func blank(v astm.Value) bool {
	return strings.Trim(v.Text(), " \\^&|") == ""
}
