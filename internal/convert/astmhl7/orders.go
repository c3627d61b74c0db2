package astmhl7

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/codec/astm"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/convert/analyzers"
)

// OrderError says why an order cannot be given to the device. It holds no content.
type OrderError struct {
	Segment string // "OBR"
	Number  int    // of that name, from 1
	Msg     string
}

func (e *OrderError) Error() string {
	return fmt.Sprintf("astmhl7: %s(%d): %s", e.Segment, e.Number, e.Msg)
}

// ErrNoOrders: the message orders nothing.
var ErrNoOrders = errors.New("astmhl7: the message orders nothing")

// OrderOptions say what the LIS's message does not.
type OrderOptions struct {
	Sender    string // H-5
	Time      string // H-14, YYYYMMDDHHMMSS
	ControlID string // H-3
	// Answer: it answers a query of the device (O-26 Q).
	Answer bool
	// Asked is what the device wrote as the range of that query, by specimen
	// (Query.Asked), for those that want it back.
	Asked map[string][]string
}

// Orders maps OML^O33 (HL7 v2.5.1 4.4.8) to the message for the device. An order
// that names a test the device does not know under a code of its own fails whole:
// a test that is left out silently is a result that never comes.
func Orders(m *hl7.Message, model *analyzers.Model, o OrderOptions) ([]byte, error) {
	if model == nil {
		model = &analyzers.Model{}
	}
	h := m.Header()
	if string(h.Code()) != "OML" {
		return nil, ErrNoOrders
	}
	w := astm.NewWriter(astm.DefaultDelimiters).Field(3, o.ControlID).Field(5, o.Sender).Field(12, "P").Field(13, "1").Field(14, o.Time)
	b := orders{w: w, model: model, answer: o.Answer, asked: o.Asked}
	n := map[string]int{}
	for s := range m.Segments("") {
		name := s.Name()
		n[name]++
		if err := b.segment(name, n[name], s); err != nil {
			return nil, err
		}
	}
	if err := b.flush(); err != nil {
		return nil, err
	}
	if !b.any {
		return nil, ErrNoOrders
	}
	return w.End("N"), nil
}

// orders gathers what one specimen is ordered for.
type orders struct {
	w        *astm.Writer
	model    *analyzers.Model
	answer   bool
	asked    map[string][]string
	any      bool
	patient  bool
	pid      *hl7.Segment
	specimen string
	typ      string
	action   string // of the latest ORC
	priority string
	list     []order
}

type order struct{ code, action, priority, collected string }

func (b *orders) segment(name string, n int, s hl7.Segment) error {
	switch name {
	case "PID":
		if err := b.flush(); err != nil {
			return err
		}
		b.pid, b.patient = &s, false
	case "SPM":
		if err := b.flush(); err != nil {
			return err
		}
		b.specimen, b.typ = specimenOf(s), s.Field(4).Part(1).Text()
		if b.specimen == "" {
			return &OrderError{name, n, "the specimen has no number (SPM-2)"}
		}
	case "ORC":
		var ok bool
		if b.action, ok = actions[s.Field(1).Text()]; !ok {
			return &OrderError{name, n, "this order control (ORC-1) cannot be said to the device: NW, CA and DC can"}
		}
		b.priority = ""
	case "TQ1":
		b.priority = s.Field(9).Part(1).Text()
	case "OBR":
		code := b.codeOf(s)
		if code == "" {
			return &OrderError{name, n, "the device has no code for this test (OBR-4); write it in the analyzer's table"}
		}
		b.list = append(b.list, order{code, b.action, b.priority, s.Field(7).Text()})
	}
	return nil
}

// actions maps ORC-1 (HL7 table 0119) to O-12 (E1394-97 9.4.12).
var actions = map[string]string{"NW": "N", "": "N", "CA": "C", "DC": "C"}

// specimenOf is the placer's number of the specimen, which is on the tube.
func specimenOf(s hl7.Segment) string {
	if v := s.Field(2).Part(1).Subpart(1).Text(); v != "" {
		return v
	}
	return s.Field(2).Part(2).Subpart(1).Text()
}

// codeOf is the device's code of the test: the one the LIS names in the device's
// own code system, or the only one that the model's file knows for the LOINC code.
func (b *orders) codeOf(s hl7.Segment) string {
	f := s.Field(4)
	for _, at := range [2]int{1, 4} {
		code, system := f.Part(at).Text(), f.Part(at+2).Text()
		switch {
		case code == "":
		case strings.HasPrefix(system, "99"):
			return code
		case system == "LN":
			var found []string
			for own, c := range b.model.Codes {
				if c.LOINC == code {
					found = append(found, own)
				}
			}
			if len(found) == 1 {
				return found[0]
			}
		default:
			if _, ok := b.model.Code(code); ok {
				return code
			}
		}
	}
	return ""
}

// flush writes the specimen: one O record for each action and priority, its tests
// as repetitions (E1394-97 9.4.5).
func (b *orders) flush() error {
	if len(b.list) == 0 {
		return nil
	}
	if b.specimen == "" {
		return &OrderError{"SPM", 1, "tests are ordered before their specimen is named"}
	}
	specimen := []string{b.specimen}
	if b.model.Echo {
		specimen = b.asked[b.specimen]
	}
	if len(specimen) == 0 {
		return &OrderError{"SPM", 1, "this device takes orders only as answers to its query for the specimen"}
	}
	if !b.patient {
		b.writePatient()
	}
	typ := "O"
	if b.answer {
		typ = "Q"
	}
	for len(b.list) > 0 {
		first := b.list[0]
		same := func(o order) bool { return o.action == first.action && o.priority == first.priority }
		b.w.Record('O').Field(3, specimen...)
		n := 0
		for _, o := range b.list {
			switch {
			case !same(o):
			case n == 0:
				b.w.Field(5, b.test(o.code)...)
				n++
			default:
				b.w.Repeat(b.test(o.code)...)
			}
		}
		if first.priority != "" {
			b.w.Field(6, first.priority)
		}
		if first.collected != "" {
			b.w.Field(8, first.collected)
		}
		b.w.Field(12, first.action)
		if b.typ != "" {
			b.w.Field(16, b.typ)
		}
		b.w.Field(26, typ)
		b.list = slices.DeleteFunc(b.list, same)
		b.any = true
	}
	b.specimen, b.typ = "", ""
	return nil
}

// test is a code in the component where the device looks for it.
func (b *orders) test(code string) []string {
	out := make([]string, component(b.model))
	out[len(out)-1] = code
	return out
}

func (b *orders) writePatient() {
	b.patient = true
	b.w.Record('P')
	if b.pid == nil {
		return
	}
	name := b.pid.Field(5)
	if id := b.pid.Field(3).Part(1).Text(); id != "" {
		place := 4
		if f := b.model.At.Patient.Field; f >= 3 && f <= 5 {
			place = f
		}
		b.w.Field(place, id)
	}
	if !empty(name) {
		family, given := name.Part(1).Subpart(1).Text(), name.Part(2).Text()
		if f, g := b.model.At.Family.Component, b.model.At.Given.Component; f > 0 && g > 0 {
			parts := make([]string, max(f, g))
			parts[f-1], parts[g-1] = family, given
			b.w.Field(6, parts...)
		} else {
			b.w.Field(6, family, given, name.Part(3).Text())
		}
	}
	for _, f := range [][2]int{{7, 8}, {8, 9}} {
		if v := b.pid.Field(f[0]).Text(); v != "" {
			b.w.Field(f[1], v)
		}
	}
}

func empty(v hl7.Value) bool { return v.Presence() == hl7.Absent || len(v.Raw()) == 0 }
