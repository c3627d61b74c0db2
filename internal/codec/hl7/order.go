package hl7

// structure checks the order of segments against the grammar of the message.
// Z segments may stand anywhere (HL7 v2.5.1 2.11).
func (c *checker) structure() {
	h := &c.m.head
	st, ok := structures[string(h.Structure())]
	if !ok {
		event := string(h.Code()) + "^" + string(h.Trigger())
		if string(h.Code()) == "ACK" {
			st, ok = structures["ACK"], true
		} else {
			st, ok = structures[structureOf[event]], structureOf[event] != ""
		}
	}
	if !ok {
		return
	}
	o := order{c: c}
	for s := range c.m.Segments("") {
		name := s.Name()
		switch {
		case name == "" || name[0] == 'Z':
		case !st.known[name]:
			c.add(s, 0, 0, 0, "100", "the segment does not belong in a message of this type")
		default:
			o.segs = append(o.segs, s)
		}
	}
	if o.match(st.rules) && o.pos < len(o.segs) {
		c.add(o.segs[o.pos], 0, 0, 0, "100", "the segment is not expected at this place")
	}
}

// order walks the segments along the rules. The grammars need one segment of
// look-ahead only, and each turn of a repetition takes a segment, so that the
// walk is linear.
type order struct {
	c    *checker
	segs []Segment
	pos  int
}

func (o *order) next() string {
	if o.pos < len(o.segs) {
		return o.segs[o.pos].Name()
	}
	return ""
}

// match returns false when it gave up: after one fault what follows would only
// be its echo.
func (o *order) match(rules []rule) bool {
	for i := range rules {
		r := &rules[i]
		if !r.first[o.next()] {
			if r.nullable {
				continue
			}
			return o.missing(r)
		}
		for {
			before := o.pos
			if r.names != nil {
				o.pos++
			} else if !o.match(r.group) {
				return false
			}
			if !r.rep || !r.first[o.next()] || o.pos == before {
				break
			}
		}
	}
	return true
}

func (o *order) missing(r *rule) bool {
	for r.names == nil {
		i := 0
		for i < len(r.group)-1 && r.group[i].nullable {
			i++
		}
		r = &r.group[i]
	}
	name := r.names[0]
	if o.pos < len(o.segs) {
		o.c.add(o.segs[o.pos], 0, 0, 0, "100", "the segment "+name+" is missing before this one")
		return false
	}
	if n := len(o.segs); n > 0 && len(o.c.found) < maxFindings {
		s := o.segs[n-1]
		o.c.found = append(o.c.found, &Error{
			Segment: name, Line: s.Line(), Offset: s.Offset(), Code: "100",
			Msg: "the segment is missing behind " + s.Name(),
		})
	}
	return false
}
