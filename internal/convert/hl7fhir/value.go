package hl7fhir

import (
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/labwarden/labwarden/internal/codec/fhir"
)

// unit maps OBX-6 (CE/CWE). Only a unit its sender names as UCUM, or of another
// named system, gets a code; a bare text stays a text.
func (c *conv) unit(v view) fhir.Quantity {
	code, text := fhir.Code(v.c(1)), fhir.Text(v.c(2))
	q := fhir.Quantity{Unit: text}
	if q.Unit == "" {
		q.Unit = code
	}
	name, oid := fhir.Code(v.c(3)), fhir.Code(v.c(14))
	if system := c.codeSystem(name, oid); code != "" && system != "" {
		q.System, q.Code = system, code
	}
	return q
}

// value maps OBX-5 by OBX-2; v2-to-FHIR segment map "OBX to Observation". What
// R4 has no type for becomes text, never nothing.
func (c *conv) value(x *segment, o *fhir.Observation) {
	kind := x.get(2)
	switch kind {
	case "", "NM", "SN", "ST", "TX", "FT", "CE", "CWE", "CNE", "CF", "IS", "ID", "DT", "TS", "DTM", "TM", "DR", "ED", "RP":
	default:
		c.note(x.path(2), "value type without R4 counterpart: kept as text")
	}
	reps := x.reps(5)
	filled := 0
	for _, v := range reps {
		if v.content() {
			filled++
		}
	}
	if filled == 0 {
		return
	}
	if filled > 1 {
		c.manyValues(kind, x, reps, o)
		return
	}
	v := reps[0]
	for _, r := range reps {
		if r.content() {
			v = r
		}
	}
	c.oneValue(kind, v, x, o)
	if o.ValueQuantity == nil && o.ValueRange == nil && o.ValueRatio == nil && x.rep(6).content() {
		if u := c.unit(x.rep(6)); u.Unit != "" {
			o.Note = append(o.Note, fhir.Annotation{Text: "Unit as sent: " + u.Unit})
			c.note(x.path(6), "unit of a value that is no quantity: kept as a note")
		}
	}
}

// manyValues: R4 holds one value. Text repeats are lines (v2.5.1 7.4.2.5); of other
// types each is a component (v2-to-FHIR "Segment OBX[Component] to Observation").
func (c *conv) manyValues(kind string, x *segment, reps []view, o *fhir.Observation) {
	switch kind {
	case "ED", "RP": // form shows the first; others have no place
		return
	case "ST", "TX", "FT", "":
		text := ""
		for i, v := range reps {
			if i > 0 {
				text += "\n"
			}
			text += v.all()
		}
		o.ValueString = fhir.Text(text)
		return
	}
	for _, v := range reps {
		if !v.content() {
			continue
		}
		var one fhir.Observation
		c.oneValue(kind, v, x, &one)
		o.Note = append(o.Note, one.Note...)
		o.Component = append(o.Component, fhir.Component{
			Code: o.Code, ValueQuantity: one.ValueQuantity, ValueConcept: one.ValueConcept, ValueString: one.ValueString,
			ValueRange: one.ValueRange, ValueRatio: one.ValueRatio, ValueTime: one.ValueTime, ValueDateTime: one.ValueDateTime, ValuePeriod: one.ValuePeriod,
		})
	}
}

func (c *conv) oneValue(kind string, v view, x *segment, o *fhir.Observation) {
	switch kind {
	case "ED", "RP": // a document that could not be presented: its bytes are no value
		return
	case "NM":
		d, err := fhir.ParseDecimal(strings.TrimSpace(v.peek(1)))
		if err != nil {
			c.note(v.path, whyNumber)
			break
		}
		v.c(1)
		q := c.unit(x.rep(6))
		q.Value = d
		o.ValueQuantity = &q
		return
	case "SN":
		if c.structured(v, x, o) {
			return
		}
		o.ValueString = fhir.Text(v.c(1) + v.c(2) + v.c(3) + v.c(4))
		c.note(v.path, "structured number R4 cannot hold: kept as text")
		return
	case "CE", "CWE", "CNE", "CF":
		o.ValueConcept = c.concept(v)
		return
	case "IS", "ID":
		if code := fhir.Code(v.c(1)); code != "" {
			o.ValueConcept = &fhir.CodeableConcept{Coding: []fhir.Coding{{Code: code}}}
			c.note(v.path, whyNoSystem)
			return
		}
	case "DT", "TS", "DTM":
		if t, ok := parseStamp(v.peek(1)); ok {
			z, whole := c.zoned(t)
			if t.hour == "" || whole {
				v.c(1)
				if o.ValueDateTime = z; t.hour == "" {
					o.ValueDateTime = t.date()
				}
				return
			}
		}
		c.note(v.path, "not a whole time: kept as text")
	case "TM":
		if t, ok := clockTime(v.peek(1)); ok {
			v.c(1)
			o.ValueTime = t
			return
		}
		c.note(v.path, "not a plain time of day: kept as text")
	case "DR":
		if a, ok := parseStamp(v.peek(1)); ok && (a.offset != "" || a.hour == "") {
			o.ValuePeriod = c.period(v, 1, 2)
			return
		}
	}
	o.ValueString = fhir.Text(v.all())
}

// clockTime maps TM without a zone; R4's time can hold none.
func clockTime(s string) (string, bool) {
	if t, ok := parseStamp("20000101" + s); ok && t.min != "" && t.offset == "" {
		return t.clock(), true
	}
	return "", false
}

// structured maps SN (v2.5.1 2.A.70): comparator^number^separator^number.
func (c *conv) structured(v view, x *segment, o *fhir.Observation) bool {
	comp, sep := strings.TrimSpace(v.peek(1)), strings.TrimSpace(v.peek(3))
	first, err1 := fhir.ParseDecimal(strings.TrimSpace(v.peek(2)))
	second, err2 := fhir.ParseDecimal(strings.TrimSpace(v.peek(4)))
	switch comp {
	case "", "=":
		comp = ""
	case "<", "<=", ">", ">=":
	default:
		return false
	}
	if err1 != nil || (v.peek(4) != "" && err2 != nil) {
		return false
	}
	one, two := c.unit(x.rep(6)), c.unit(x.rep(6))
	one.Value, one.Comparator, two.Value = first, comp, second
	switch {
	case sep == "" && v.peek(4) == "":
		o.ValueQuantity = &one
	case sep == "-" && err2 == nil && comp == "" && inOrder(first, second):
		o.ValueRange = &fhir.Range{Low: &one, High: &two}
	case (sep == ":" || sep == "/") && err2 == nil:
		// The unit would be that of the ratio, which R4 cannot say: it stays with neither.
		o.ValueRatio = &fhir.Ratio{Numerator: &fhir.Quantity{Value: first, Comparator: comp}, Denominator: &fhir.Quantity{Value: second}}
		if one.Unit != "" {
			o.Note = append(o.Note, fhir.Annotation{Text: "Unit as sent: " + one.Unit})
			c.note(x.path(6), "unit of a ratio: kept as a note")
		}
	default:
		return false
	}
	v.take()
	return true
}

var (
	rangeForm = regexp.MustCompile(`^([+-]?[0-9]*\.?[0-9]+)\s*-\s*([0-9]*\.?[0-9]+)$`)
	limitForm = regexp.MustCompile(`^(<=|>=)\s*([0-9]*\.?[0-9]+)$`)
)

// referenceRange keeps OBX-7 as text and adds ends only where the text can mean
// nothing else: "3.5-5.1" in order, "<=5", ">=60". "<5" excludes its end, which
// R4 cannot say, so it stays a text.
func (c *conv) referenceRange(x *segment, o *fhir.Observation) {
	text := ""
	for i, v := range x.reps(7) {
		if i > 0 {
			text += "; "
		}
		text += v.all()
	}
	if text = fhir.Text(text); text == "" {
		return
	}
	r := fhir.ReferenceRange{Text: text}
	if o.ValueQuantity != nil {
		unit := *o.ValueQuantity
		end := func(s string) *fhir.Quantity {
			d, err := fhir.ParseDecimal(s)
			if err != nil {
				return nil
			}
			return &fhir.Quantity{Value: d, Unit: unit.Unit, System: unit.System, Code: unit.Code}
		}
		if m := rangeForm.FindStringSubmatch(text); m != nil {
			low, high := end(m[1]), end(m[2])
			if low != nil && high != nil && inOrder(low.Value, high.Value) {
				r.Low, r.High = low, high
			}
		} else if m := limitForm.FindStringSubmatch(text); m != nil {
			if m[1] == "<=" {
				r.High = end(m[2])
			} else {
				r.Low = end(m[2])
			}
		}
	}
	o.ReferenceRange = []fhir.ReferenceRange{r}
}

// inOrder says a <= b by their digits, without rounding.
func inOrder(a, b fhir.Decimal) bool {
	neg := func(d fhir.Decimal) (bool, string) { s, n := strings.CutPrefix(string(d), "-"); return n, s }
	an, as := neg(a)
	bn, bs := neg(b)
	switch {
	case an && !bn:
		return true
	case bn && !an:
		return strings.Trim(as+bs, "0.") == ""
	case an:
		return magnitude(bs, as)
	}
	return magnitude(as, bs)
}

func magnitude(a, b string) bool {
	aw, af, _ := strings.Cut(a, ".")
	bw, bf, _ := strings.Cut(b, ".")
	aw, bw = strings.TrimLeft(aw, "0"), strings.TrimLeft(bw, "0")
	if len(aw) != len(bw) {
		return len(aw) < len(bw)
	}
	if aw != bw {
		return aw < bw
	}
	return strings.TrimRight(af, "0") <= strings.TrimRight(bf, "0")
}

// attachment maps ED (v2.5.1 2.A.24) and RP (v2.5.1 2.A.65). ok is false when the data
// cannot be decoded: the caller then says so in an Observation.
func (c *conv) attachment(x *segment, v view) (fhir.Attachment, bool) {
	a := fhir.Attachment{Title: fhir.Text(x.rep(3).peek(2)), Creation: c.dateTime(x.rep(14), 1)}
	if a.Title == "" {
		a.Title = fhir.Text(x.rep(3).peek(1))
	}
	if x.get(2) == "RP" {
		if u := v.peek(1); webURL(u) {
			a.URL, a.ContentType = v.c(1), mediaType(v.c(3), v.c(4))
			return a, true
		}
		return a, false
	}
	a.ContentType = mediaType(v.c(2), v.c(3))
	var err error
	switch raw := v.peek(5); v.c(4) {
	case "Base64", "base64", "BASE64":
		a.Data, err = base64.StdEncoding.DecodeString(strings.Map(noSpace, raw))
	case "Hex", "hex", "HEX":
		a.Data, err = hex.DecodeString(strings.Map(noSpace, raw))
	default: // A: no encoding
		a.Data = []byte(raw)
	}
	if err != nil || len(a.Data) == 0 {
		return a, false
	}
	v.c(5)
	return a, true
}

func noSpace(r rune) rune {
	if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
		return -1
	}
	return r
}

// mediaType builds a MIME type from table 0191 and 0291 values.
func mediaType(kind, sub string) string {
	kind, sub = strings.ToLower(fhir.Code(kind)), strings.ToLower(fhir.Code(sub))
	switch {
	case sub == "pdf":
		return "application/pdf"
	case strings.Contains(sub, "/"):
		return sub
	case kind == "im" || kind == "image":
		kind = "image"
	case kind == "text" || kind == "tx" || kind == "ft":
		kind = "text"
	case kind == "au" || kind == "audio":
		kind = "audio"
	default:
		kind = "application"
	}
	if sub == "" || strings.ContainsAny(sub, " \t") {
		if kind == "text" {
			return "text/plain"
		}
		return "application/octet-stream"
	}
	return kind + "/" + sub
}
