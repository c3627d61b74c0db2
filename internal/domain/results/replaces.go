package results

import (
	"fmt"
	"strings"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// replaces says why a correction is not a complete replacement of an original,
// or nil. What is checked, from the bytes alone:
//
//   - both are messages of the same type (MSH-9.1) with at least one order;
//   - each order (OBR) of the original, by its filler number (placer number
//     where it has none) and service (OBR-4.1), is in the correction;
//   - each observation (OBX) of that order, by identifier (OBX-3.1) and sub-id
//     (OBX-4), is there again under the same order, as often as in the original,
//     with a final status (OBX-11 F, C, D, W or X), and with a value unless the
//     status withdraws it or the original had none;
//   - the order's status in the correction (OBR-25) is F, C or X, or empty;
//   - where the original comments (NTE) on the order or observation, so does the
//     correction.
//
// Not checked: what the comments say, Z segments, specimens, and whether the
// receiver would show it so. The patient may differ: that a result was another's
// is a reason for a correction. The text names no value.
func replaces(correction, original []byte) error {
	c, err := reportOf(correction)
	if err != nil {
		return fmt.Errorf("the correction cannot be read")
	}
	o, err := reportOf(original)
	if err != nil {
		return fmt.Errorf("the original cannot be read")
	}
	switch {
	case len(o.orders) == 0:
		return fmt.Errorf("the original has no order to compare")
	case o.kind != c.kind:
		return fmt.Errorf("they are messages of different types")
	}
	for n, was := range o.list {
		is := c.orders[was.key]
		if is == nil {
			return fmt.Errorf("order %d of the original is not in the correction", n+1)
		}
		if was.noted && !is.noted {
			return fmt.Errorf("the comment on order %d of the original has no successor", n+1)
		}
		if !strings.Contains("|F|C|X||", "|"+is.status+"|") {
			return fmt.Errorf("order %d has no final status in the correction", n+1)
		}
		if err := was.replacedBy(is); err != nil {
			return fmt.Errorf("order %d: %w", n+1, err)
		}
	}
	return nil
}

type report struct {
	kind   string
	orders map[string]*reportOrder
	list   []*reportOrder
}

type reportOrder struct {
	key, status string
	noted       bool
	found       map[string]*reportFinding
	list        []*reportFinding
}

type reportFinding struct {
	key                 string
	times, final, empty int
	noted               bool
}

func (was *reportOrder) replacedBy(is *reportOrder) error {
	for n, f := range was.list {
		g := is.found[f.key]
		switch {
		case g == nil || g.times < f.times:
			return fmt.Errorf("observation %d of the original is not in the correction", n+1)
		case g.final < g.times:
			return fmt.Errorf("observation %d has no final status in the correction", n+1)
		case g.empty > f.empty:
			return fmt.Errorf("observation %d has no value in the correction", n+1)
		case f.noted && !g.noted:
			return fmt.Errorf("the comment on observation %d of the original has no successor", n+1)
		}
	}
	return nil
}

// reportOf reads the orders of a message and what stands under each. An order
// that comes in several OBR is one.
func reportOf(body []byte) (*report, error) {
	m, err := hl7.Parse(body)
	if err != nil {
		return nil, err
	}
	r := &report{orders: map[string]*reportOrder{}}
	var o *reportOrder
	var f *reportFinding
	for s := range m.Segments("") {
		switch s.Name() {
		case "MSH":
			r.kind = s.Field(9).Part(1).Text()
		case "OBR":
			f = nil
			key := "F" + part(s, 3)
			if key == "F" {
				key = "P" + part(s, 2)
			}
			key += "\x00" + part(s, 4)
			if o = r.orders[key]; o == nil {
				o = &reportOrder{key: key, found: map[string]*reportFinding{}}
				r.orders[key] = o
				r.list = append(r.list, o)
			}
			o.status = strings.ToUpper(part(s, 25))
		case "OBX":
			if o == nil {
				continue
			}
			key := part(s, 3) + "\x00" + strings.TrimSpace(s.Field(4).Text())
			if f = o.found[key]; f == nil {
				f = &reportFinding{key: key}
				o.found[key] = f
				o.list = append(o.list, f)
			}
			f.add(s)
		case "NTE":
			if f != nil {
				f.noted = true
			} else if o != nil {
				o.noted = true
			}
		}
	}
	return r, nil
}

func (f *reportFinding) add(s hl7.Segment) {
	f.times++
	status := strings.ToUpper(part(s, 11))
	withdrawn := status == "D" || status == "W" || status == "X"
	if withdrawn || status == "F" || status == "C" {
		f.final++
	}
	if len(strings.Trim(string(s.Field(5).Raw()), ` "^&~`)) == 0 && !withdrawn {
		f.empty++
	}
}

func part(s hl7.Segment, field int) string { return strings.TrimSpace(s.Field(field).Part(1).Text()) }
