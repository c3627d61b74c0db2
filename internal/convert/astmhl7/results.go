package astmhl7

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/labwarden/labwarden/internal/codec/astm"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/convert/analyzers"
)

// Options say what the device's message does not.
type Options struct {
	Device    string // MSH-3: its name in the inventory
	Facility  string // MSH-4
	To, ToLab string // MSH-5, MSH-6
	ControlID string // MSH-10
	Time      string // MSH-7, YYYYMMDDHHMMSS and zone; when it came in
}

// ErrNoResults: the message holds no result record.
var ErrNoResults = errors.New("astmhl7: the message holds no results")

// converter holds what one conversion needs.
type converter struct {
	m     *astm.Message
	model *analyzers.Model
	w     *hl7.Writer
	notes []Note
	used  map[int]map[int]bool // fields carried, by record and field
	obx   int
	sets  map[string]int
}

// Results maps the results of a message to OUL^R22 (HL7 v2.5.1 7.3.13). model may
// be nil.
func Results(m *astm.Message, model *analyzers.Model, o Options) ([]byte, []Note, error) {
	c := &converter{m: m, model: model, w: hl7.NewWriter(), used: map[int]map[int]bool{}, sets: map[string]int{}}
	if c.model == nil {
		c.model = &analyzers.Model{}
		c.notes = append(c.notes, Note{Kind: UnknownModel, Record: 1, Type: 'H', Field: 5})
	}
	c.header(o)
	found := false
	var patient, order astm.Record
	var hasPatient, hasOrder, opened bool
	for r := range m.Records() {
		switch r.Type() {
		case 'P':
			patient, hasPatient, hasOrder, opened = r, true, false, false
			c.patient(patient)
		case 'O':
			order, hasOrder, opened = r, true, false
		case 'R':
			found = true
			if !hasOrder {
				c.note(OutOfPlace, r, 0)
			}
			if !opened {
				c.order(order, hasOrder, patient, hasPatient, r)
				opened = true
			}
			c.result(r)
		case 'C':
			c.comment(r)
		}
	}
	if !found {
		return nil, nil, ErrNoResults
	}
	c.leftovers()
	return c.w.Bytes(), c.notes, nil
}

func (c *converter) note(k Kind, r astm.Record, field int) {
	c.notes = append(c.notes, Note{k, r.Number(), r.Type(), field})
}

// take reads a field and remembers that it is carried.
func (c *converter) take(r astm.Record, n int) astm.Value {
	if c.used[r.Number()] == nil {
		c.used[r.Number()] = map[int]bool{}
	}
	c.used[r.Number()][n] = true
	return r.Field(n)
}

func (c *converter) text(r astm.Record, n int) string {
	return strings.TrimSpace(c.take(r, n).Text())
}

// at reads a place of the record.
func (c *converter) at(r astm.Record, p analyzers.Place) string {
	if p.Field == 0 || p.Record != r.Type() {
		return ""
	}
	v := c.take(r, p.Field)
	if p.Component > 0 {
		v = v.Component(p.Component)
	}
	return strings.TrimSpace(v.Text())
}

// parts are the components of a field.
func (c *converter) parts(r astm.Record, n int) []string {
	v := c.take(r, n)
	out := make([]string, v.Components())
	for i := range out {
		out[i] = strings.TrimSpace(v.Component(i + 1).Text())
	}
	return out
}

func (c *converter) set(segment string) string {
	c.sets[segment]++
	return strconv.Itoa(c.sets[segment])
}

func (c *converter) header(o Options) {
	h := c.m.Header()
	c.take(h, 2)
	c.take(h, 13) // the version of ASTM
	processing := "P"
	if p := c.text(h, 12); p != "" {
		processing = p[:1]
	}
	c.w.Field(3, o.Device).Field(4, o.Facility).Field(5, o.To).Field(6, o.ToLab).Field(7, o.Time).
		Field(9, "OUL", "R22", "OUL_R22").Field(10, o.ControlID).Field(11, processing).Field(12, "2.5.1").Field(18, "UNICODE UTF-8").Field(21, "LAB-29", "IHE")
	c.take(h, 5) // who sends: OBX-18
	c.take(h, 14)
}

func (c *converter) patient(r astm.Record) {
	c.take(r, 2)
	c.w.Segment("PID").Field(1, c.set("PID"))
	var ids [][]string
	if v := c.at(r, c.model.At.Patient); v != "" {
		ids = append(ids, []string{v})
	} else {
		// Laboratory's own number first (E1394-97 8.1.4), then the practice's (8.1.3).
		if v := c.text(r, 4); v != "" {
			ids = append(ids, []string{v, "", "", "", "PI"})
		}
		if v := c.text(r, 3); v != "" {
			ids = append(ids, []string{v, "", "", "", "PT"})
		}
	}
	if v := c.text(r, 5); v != "" {
		ids = append(ids, []string{v})
	}
	for i, id := range ids {
		if i == 0 {
			c.w.Field(3, id...)
		} else {
			c.w.Repeat(id...)
		}
	}
	c.w.Field(5, c.parts(r, 6)...).Field(7, c.text(r, 8)).Field(8, c.text(r, 9))
}

// order begins a specimen and its order (SPM, OBR). result is the first below it:
// its test stands in the order where that names none, as HL7 wants one there.
func (c *converter) order(r astm.Record, has bool, patient astm.Record, hasPatient bool, result astm.Record) {
	c.sets["OBX"] = 0
	if !has {
		c.w.Segment("SPM").Field(1, c.set("SPM"))
		c.w.Segment("OBR").Field(1, c.set("OBR")).Field(4, c.coded(c.code(result.Field(3)))...)
		return
	}
	c.take(r, 2)
	id := c.specimen(r)
	if id == "" {
		c.note(OutOfPlace, r, 3)
	}
	role := "P" // HL7 table 0369: patient specimen
	if c.control(r, patient, hasPatient) {
		role = "Q"
	}
	typ := c.parts(r, 16)
	c.w.Segment("SPM").Field(1, c.set("SPM")).Field(2, "", id).Field(4, typ[0]).Field(11, role).Field(17, c.text(r, 8)).Field(18, c.text(r, 15))
	c.w.Segment("OBR").Field(1, c.set("OBR")).Field(2, id)
	first := true
	c.take(r, 5)
	for v := range r.Field(5).Repetitions() {
		code := c.code(v)
		if code == "" {
			continue
		}
		if first {
			c.w.Field(4, c.coded(code)...)
			first = false
		}
	}
	if first {
		c.w.Field(4, c.coded(c.code(result.Field(3)))...)
	}
	c.w.Field(5, c.text(r, 6)).Field(7, c.text(r, 8)).Field(11, c.text(r, 12)).Field(16, c.parts(r, 17)...).Field(25, c.text(r, 26))
}

func (c *converter) specimen(r astm.Record) string {
	if p := c.model.At.Specimen; p.Field > 0 {
		return c.at(r, p)
	}
	return c.at(r, analyzers.Place{Record: 'O', Field: 3, Component: 1})
}

// control reports whether the order is of quality control (HOUSE: such specimens
// are recognised and never leave by a patient's route).
func (c *converter) control(o, p astm.Record, hasPatient bool) bool {
	if c.text(o, 12) == "Q" { // E1394-97 9.4.12
		return true
	}
	for _, m := range c.model.Controls {
		r := o
		if m.At.Record == 'P' {
			if !hasPatient {
				continue
			}
			r = p
		}
		v := c.at(r, m.At)
		if v == "" {
			continue
		}
		if slices.Contains(m.Is, v) || slices.ContainsFunc(m.Begins, func(b string) bool { return strings.HasPrefix(v, b) }) {
			return true
		}
	}
	return false
}

// code is the device's code of a test (E1394-97 6.6.1: universal^name^type^local).
func (c *converter) code(v astm.Value) string {
	n := 4
	if p := c.model.At.Test; p.Component > 0 {
		n = p.Component
	}
	if s := strings.TrimSpace(v.Component(n).Text()); s != "" {
		return s
	}
	return strings.TrimSpace(v.Component(1).Text())
}

// coded is a code as CWE: the device's own, then LOINC where the model's file has it.
func (c *converter) coded(code string) []string {
	k, ok := c.model.Codes[code]
	if !ok {
		return []string{code, "", "99" + c.vendor()}
	}
	if k.LOINC == "" {
		return []string{code, k.Name, "99" + c.vendor()}
	}
	return []string{code, k.Name, "99" + c.vendor(), k.LOINC, k.Name, "LN"}
}

// vendor names the device's own code system (HL7 table 0396: 99zzz is local).
func (c *converter) vendor() string {
	v := strings.ToUpper(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, c.model.Vendor))
	if v == "" {
		return "DEV"
	}
	return v[:min(3, len(v))]
}
