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
	used  map[int]map[int]uint64 // components carried (a bit each; all), by record and field
	sets  map[string]int
}

// Model is the analyzer model that the message's header names; nil: unknown.
func Model(m *astm.Message, all []*analyzers.Model) *analyzers.Model {
	h := m.Header()
	return analyzers.InHeader(all, func(p analyzers.Place) string {
		v := h.Field(p.Field)
		if p.Component > 0 {
			v = v.Component(p.Component)
		}
		return v.Text()
	})
}

// Results maps the results of a message to OUL^R22 (HL7 v2.5.1 7.3.13). model may
// be nil.
func Results(m *astm.Message, model *analyzers.Model, o Options) ([]byte, []Note, error) {
	c := &converter{m: m, model: model, w: hl7.NewWriter(), used: map[int]map[int]uint64{}, sets: map[string]int{}}
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
	c.carried(r, n, all)
	return r.Field(n)
}

// all the components of a field.
const all = ^uint64(0)

func (c *converter) carried(r astm.Record, n int, components uint64) {
	if c.used[r.Number()] == nil {
		c.used[r.Number()] = map[int]uint64{}
	}
	c.used[r.Number()][n] |= components
}

// part reads one component of a field and remembers that it is carried.
func (c *converter) part(r astm.Record, n, component int) string {
	c.carried(r, n, 1<<min(component, 63))
	return strings.TrimSpace(r.Field(n).Component(component).Text())
}

func (c *converter) text(r astm.Record, n int) string {
	return strings.TrimSpace(c.take(r, n).Text())
}

// at reads a place of the record.
func (c *converter) at(r astm.Record, p analyzers.Place) string {
	if p.Field == 0 || p.Record != r.Type() {
		return ""
	}
	if p.Component > 0 {
		return c.part(r, p.Field, p.Component)
	}
	return c.text(r, p.Field)
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
	// E1394-97 7.1.12 has Q for quality control too, which SPM-11 says in HL7.
	if p := c.text(h, 12); p == "T" || p == "D" {
		processing = p
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
	if p := c.model.At.Patient; p.Field > 0 {
		if v := c.at(r, p); v != "" {
			ids = append(ids, []string{v})
		}
	} else {
		// Laboratory's own number first (E1394-97 8.1.4), then the practice's (8.1.3).
		if v := c.text(r, 4); v != "" {
			ids = append(ids, []string{v, "", "", "", "PI"})
		}
		if v := c.text(r, 3); v != "" {
			ids = append(ids, []string{v, "", "", "", "PT"})
		}
	}
	if v := c.text(r, 5); v != "" && c.model.At.Patient.Field != 5 {
		ids = append(ids, []string{v})
	}
	for i, id := range ids {
		if i == 0 {
			c.w.Field(3, id...)
		} else {
			c.w.Repeat(id...)
		}
	}
	name := c.parts(r, 6)
	if f := c.model.At.Family; f.Component > 0 {
		name = []string{c.at(r, f), c.at(r, c.model.At.Given)}
	}
	c.w.Field(5, name...).Field(7, c.text(r, 8)).Field(8, c.text(r, 9))
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
	if c.control(r, patient, hasPatient, result) {
		role = "Q"
	}
	// Type and source of the specimen (E1394-97 9.4.16).
	c.w.Segment("SPM").Field(1, c.set("SPM")).Field(2, "", id).Field(4, c.part(r, 16, 1)).Field(8, c.part(r, 16, 2)).Field(11, role).Field(17, c.text(r, 8)).Field(18, c.text(r, 15))
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
	places := c.model.At.Specimen
	if len(places) == 0 {
		places = analyzers.PlaceList{{Record: 'O', Field: 3, Component: 1}}
	}
	for _, p := range places {
		if id := c.at(r, p); id != "" {
			return id
		}
	}
	return ""
}

// control reports whether the order is of quality control (HOUSE: such specimens
// are recognised and never leave by a patient's route).
func (c *converter) control(o, p astm.Record, hasPatient bool, first astm.Record) bool {
	h := c.m.Header()
	if c.text(h, 12) == "Q" { // E1394-97 7.1.12
		return true
	}
	for v := range c.take(o, 12).Repetitions() {
		if strings.TrimSpace(v.Text()) == "Q" { // E1394-97 9.4.12
			return true
		}
	}
	for _, m := range c.model.Controls {
		r := o
		switch m.At.Record {
		case 'H':
			r = h
		case 'P':
			if !hasPatient {
				continue
			}
			r = p
		case 'R':
			r = first
		}
		v := r.Field(m.At.Field)
		if m.At.Component > 0 {
			v = v.Component(m.At.Component)
		}
		is := strings.TrimSpace(v.Text())
		if is != "" && (slices.Contains(m.Is, is) || slices.ContainsFunc(m.Begins, func(b string) bool { return strings.HasPrefix(is, b) })) {
			return true
		}
	}
	return false
}

// code is the device's code of a test (E1394-97 6.6.1: universal^name^type^local).
func (c *converter) code(v astm.Value) string {
	if s := strings.TrimSpace(v.Component(component(c.model)).Text()); s != "" {
		return s
	}
	return strings.TrimSpace(v.Component(1).Text())
}

// component is where the model writes its codes.
func component(m *analyzers.Model) int {
	if n := m.At.Test.Component; n > 0 {
		return n
	}
	return 4
}

// coded is a code as CWE: the device's own, then LOINC where the model's file has it.
func (c *converter) coded(code string) []string {
	k, ok := c.model.Code(code)
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
