package hl7fhir

import "github.com/labwarden/labwarden/internal/codec/fhir"

// requester: the ordering provider, ORC-12 before OBR-16 as the guide has it
// (segment maps "ORC to ServiceRequest", "OBR to ServiceRequest"), acting for the
// ordering facility (ORC-21 to 23) where the message names one.
func (c *conv) requester(o *order, q *fhir.ServiceRequest) {
	var orderer *fhir.Reference
	addr := o.orc.rep(24)
	for _, v := range append(o.orc.reps(12), o.obr.reps(16)...) {
		ref := c.personAt(v, addr)
		switch {
		case ref == nil:
		case orderer == nil:
			orderer, addr = ref, view{}
		case *ref != *orderer:
			c.note(v.path, "a further orderer: FHIR has one requester, kept as a Practitioner only")
		}
	}
	org := c.organization(o.orc.rep(21), o.orc.reps(22), o.orc.reps(23))
	switch {
	case org == nil:
		q.Requester = orderer
	case orderer == nil:
		q.Requester = org
	default:
		q.Requester = c.role(orderer, org, nil, "")
	}
}

// orderDetails: supplemental service information (OBR-46, 47), where the service
// is given (ORC-29), and the order this one came from (OBR-29, else ORC-8).
func (c *conv) orderDetails(o *order, q *fhir.ServiceRequest) {
	for _, v := range append(o.obr.reps(46), o.obr.reps(47)...) {
		if cc := c.concept(v); cc != nil {
			q.OrderDetail = append(q.OrderDetail, *cc)
		}
	}
	if cc := c.concept(o.orc.rep(29)); cc != nil {
		q.Location = []fhir.CodeableConcept{*cc}
	}
	for _, at := range []struct {
		n    int
		kind string
	}{{1, "PGN"}, {2, "FGN"}} { // map "Datatype EIP to Identifier"
		id := c.entity(o.obr.rep(29).inner(at.n), at.kind)
		other := c.entity(o.orc.rep(8).inner(at.n), at.kind)
		if id == nil {
			id = other
		} else if other != nil && (other.System != id.System || other.Value != id.Value) {
			c.note(o.orc.path(8), whyDiffers)
		}
		if id != nil {
			q.BasedOn = append(q.BasedOn, fhir.Reference{Type: "ServiceRequest", Identifier: id})
		}
	}
}

// signatory maps NDL (v2.5.1 2.A.46): the person, as a role where a term is given.
func (c *conv) signatory(v view) *fhir.Reference {
	ref := c.shortPerson(v)
	if ref == nil {
		return nil
	}
	if p := c.period(v, 2, 3); p != nil {
		return c.role(ref, nil, p, "")
	}
	return ref
}

// noteTexts maps NTE (v2.5.1 2.15.10): repetitions of NTE-3 are lines, NTE-5 wrote
// them at NTE-6.
func (c *conv) noteTexts(segs []*segment) []fhir.Annotation {
	var out []fhir.Annotation
	for _, s := range segs {
		s.rep(1).take()
		text := ""
		for i, v := range s.reps(3) {
			if i > 0 {
				text += "\n"
			}
			text += v.all()
		}
		if text = fhir.Text(text); text != "" {
			out = append(out, fhir.Annotation{Text: text, Author: c.person(s.rep(5)), Time: c.dateTime(s.rep(6), 1)})
		}
	}
	return out
}
