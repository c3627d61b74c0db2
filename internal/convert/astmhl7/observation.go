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
	if _, ok := c.model.Code(code); !ok && c.model.Key != "" {
		c.note(UnknownCode, r, 3)
	}
	value := only(c.take(r, 4))
	typ := "ST"
	if analyzers.Numeric(value) {
		typ = "NM"
	}
	c.w.Segment("OBX").Field(1, c.set("OBX")).Field(2, typ).Field(3, c.test(test, code)...).Field(4, c.sub(r)).Field(5, value).Field(6, c.unit(r)...).Field(7, c.text(r, 6))
	c.flags(r)
	status := c.text(r, 9)
	switch {
	case status == "":
		status = "F" // E1394-97 10.1.9: nothing said means final
	case !slices.Contains(statuses, status):
		// W of a device (doubtful) would be a wrong report in HL7, D (diluted) a deletion.
		c.note(UnknownStatus, r, 9)
		status = "R" // HL7 table 0085: entered, not verified
	}
	c.w.Field(11, status).Field(14, c.text(r, 13)).Field(16, c.parts(r, 11)...).Field(18, c.instrument(r)...)
	if t := c.text(r, 12); t != "" && r.Field(13).Empty() {
		c.w.Field(19, t)
	}
}

// test is the test as CWE. A device that writes LOINC itself (^^^WBC^6690-2) is
// taken at its word if it is one: some write numbers whose check digit is wrong. What else it writes there (a dilution, a lot) is kept as it
// stands, as the original text.
func (c *converter) test(v astm.Value, code string) []string {
	out := c.coded(code)
	at, rest := component(c.model), false
	for n := range v.Components() {
		s := strings.TrimSpace(v.Component(n + 1).Text())
		switch {
		case s == "" || s == code && (n+1 == at || n == 0):
		case n+1 > at && len(out) == 3 && analyzers.LOINC(s):
			out = append(out, s, "", "LN")
		case len(out) == 6 && s == out[3]:
		default:
			rest = true
		}
	}
	if rest {
		out = append(out, "", "", "", "", "", "")[:9]
		out[8] = v.Text()
	}
	return out
}

// sub tells results of one test apart, where the model does.
func (c *converter) sub(r astm.Record) string {
	var out []string
	for _, p := range c.model.At.Sub {
		v := r.Field(p.Field)
		if p.Component > 0 {
			v = v.Component(p.Component)
		}
		if s := strings.TrimSpace(v.Text()); s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, "/")
}

// only is the value; devices that have one component for words and one for numbers
// leave the other empty.
func only(v astm.Value) string {
	found := ""
	for n := range v.Components() {
		if s := strings.TrimSpace(v.Component(n + 1).Text()); s != "" {
			if found != "" {
				return strings.TrimSpace(v.Text())
			}
			found = s
		}
	}
	first := true
	for range v.Repetitions() {
		if !first {
			return strings.TrimSpace(v.Text())
		}
		first = false
	}
	return found
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

// flags are the repetitions of R-7; some devices write them as components.
func (c *converter) flags(r astm.Record) {
	first := true
	c.take(r, 7)
	for v := range r.Field(7).Repetitions() {
		for i := range v.Components() {
			f := strings.TrimSpace(v.Component(i + 1).Text())
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
			if c.lost(r, n) {
				c.note(NotCarried, r, n)
			}
		}
	}
}

// lost reports whether the field holds something that was not carried.
func (c *converter) lost(r astm.Record, n int) bool {
	carried, v := c.used[r.Number()][n], r.Field(n)
	if carried == all || blank(v) {
		return false
	}
	first := true
	for rep := range v.Repetitions() {
		for i := range rep.Components() {
			if (!first || carried&(1<<min(i+1, 63)) == 0) && !blank(rep.Component(i+1)) {
				return true
			}
		}
		first = false
	}
	return false
}

// blank: nothing but delimiters and blanks.
func blank(v astm.Value) bool {
	return strings.Trim(v.Text(), " \\^&|") == ""
}
