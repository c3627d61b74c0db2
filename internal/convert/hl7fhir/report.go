package hl7fhir

import (
	"strconv"

	"github.com/labwarden/labwarden/internal/codec/fhir"
)

// noteExtension holds notes of resources that have no note of their own in R4
// (FHIR Extensions Pack 5.2.0, "Note": any element, an Annotation).
const noteExtension = "http://hl7.org/fhir/StructureDefinition/note"

// reportKey is what a correction shares with its original: the filler order
// number (else the placer's), the ordered test, and the parent result. One
// filler number often covers several tests, so the number alone would let one
// test's report overwrite another's.
func (c *conv) reportKey(o *order, filler, placer *fhir.Identifier) []string {
	parts := []string{"", "", o.obr.rep(4).peek(1), o.obr.rep(4).peek(3), "", ""}
	switch {
	case filler != nil:
		parts[0], parts[1] = filler.System, filler.Value
	case placer != nil:
		parts[0], parts[1] = "placer "+placer.System, placer.Value
	default:
		c.note(o.obr.path(3), whyNoOrder)
		parts[0], parts[1] = "message "+c.control, strconv.Itoa(o.obr.nth)
	}
	if parts[2] == "" {
		parts[2] = o.obr.rep(4).peek(2)
	}
	parent := o.obr.rep(26)
	parts[4], parts[5] = parent.peek(1), parent.peek(2)
	id := derive(parts...)
	c.tied[id]++
	if n := c.tied[id]; n > 1 {
		c.note(o.obr.path(3), whyAmbiguous)
		parts = append(parts, strconv.Itoa(n))
	}
	return parts
}

// number reads an order number from OBR, else ORC (v2.5.1 4.5.1.2, 4.5.1.3).
func (c *conv) number(o *order, obrField, orcField int, kind string) *fhir.Identifier {
	id := c.entity(o.obr.rep(obrField), kind)
	other := c.entity(o.orc.rep(orcField), kind)
	if id == nil {
		return other
	}
	if other != nil && (other.System != id.System || other.Value != id.Value) {
		c.note(o.orc.path(orcField), whyDiffers)
	}
	return id
}

// report maps one order group: v2-to-FHIR segment maps "OBR to DiagnosticReport",
// "OBR to ServiceRequest", "ORC to ServiceRequest".
func (c *conv) report(o *order, patient fhir.Reference) {
	obr := o.obr
	obr.rep(1).take()
	filler := c.number(o, 3, 3, "FILL")
	placer := c.number(o, 2, 2, "PLAC")
	key := c.reportKey(o, filler, placer)
	code := c.required(obr.rep(4))
	request := c.request(o, key, patient, placer, filler, code)
	specimens := c.specimens(o, key, patient)

	r := fhir.DiagnosticReport{Type: "DiagnosticReport", Code: code, Subject: &patient, BasedOn: []fhir.Reference{request}, Specimen: specimens}
	id := c.keyed("report", key...)
	for _, i := range []*fhir.Identifier{filler, placer, c.entity(o.orc.rep(4), "PGN")} {
		if i != nil {
			r.Identifier = append(r.Identifier, *i)
		}
	}
	r.Identifier = append(r.Identifier, id)
	r.Status = c.status(obr.rep(25), "report-status")
	switch r.Status {
	case "corrected", "amended", "appended", "cancelled", "entered-in-error":
		c.revision = true
	}
	r.Category = c.section(obr.rep(24))
	r.EffectiveDateTime, r.EffectivePeriod = c.effective(obr, 7, 8)
	r.Issued = c.instant(obr.rep(22), 1)
	for _, f := range []int{32, 33} { // principal and assistant interpreters
		for _, v := range obr.reps(f) {
			if ref := c.signatory(v); ref != nil {
				r.ResultsInterpreter = append(r.ResultsInterpreter, *ref)
			}
		}
	}
	for _, f := range []int{34, 35} { // technician, transcriptionist
		for _, v := range obr.reps(f) {
			if ref := c.signatory(v); ref != nil && !hasReference(r.Performer, *ref) {
				r.Performer = append(r.Performer, *ref)
			}
		}
	}
	for _, n := range c.noteTexts(o.notes) {
		a := n
		r.Extension = append(r.Extension, fhir.Extension{URL: noteExtension, ValueAnnotation: &a})
	}
	base := observationBase{patient: patient, key: key, issued: r.Issued, effective: r.EffectiveDateTime, period: r.EffectivePeriod, category: r.Category}
	if len(specimens) == 1 {
		base.specimen = &specimens[0]
	}
	c.results(o, &r, base)
	c.targets = append(c.targets, c.add("report|"+id.Value, r, put("DiagnosticReport", id)))
}

// required is a concept that R4 demands; without one in the message it is
// marked unknown, never invented.
func (c *conv) required(v view) fhir.CodeableConcept {
	if cc := c.concept(v); cc != nil {
		return *cc
	}
	c.note(v.path, "code is missing: marked unknown")
	return *absent("unknown")
}

func absent(code string) *fhir.CodeableConcept {
	return &fhir.CodeableConcept{Coding: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/data-absent-reason", Code: code}}}
}

func (c *conv) status(v view, name string) string {
	if s, ok := lookup(name, v.peek(1)); ok {
		v.c(1)
		return s
	}
	c.note(v.path, whyStatus)
	return "unknown"
}

// section maps table 0074 to a category.
func (c *conv) section(v view) []fhir.CodeableConcept {
	if code := fhir.Code(v.c(1)); code != "" {
		return []fhir.CodeableConcept{{Coding: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/v2-0074", Code: code}}}}
	}
	return nil
}

// effective is a time, or a period where an end is given too.
func (c *conv) effective(s *segment, from, to int) (string, *fhir.Period) {
	start, end := c.dateTime(s.rep(from), 1), c.dateTime(s.rep(to), 1)
	if end == "" {
		return start, nil
	}
	return "", &fhir.Period{Start: start, End: end}
}

// request maps ORC and OBR to a ServiceRequest under our own key: the orderer's
// own request at the receiver is never overwritten.
func (c *conv) request(o *order, key []string, patient fhir.Reference, placer, filler *fhir.Identifier, code fhir.CodeableConcept) fhir.Reference {
	q := fhir.ServiceRequest{Type: "ServiceRequest", Intent: "order", Status: "unknown", Code: &code, Subject: patient}
	id := c.keyed("order", key...)
	for _, i := range []*fhir.Identifier{placer, filler} {
		if i != nil {
			q.Identifier = append(q.Identifier, *i)
		}
	}
	q.Identifier = append(q.Identifier, id)
	o.orc.rep(1).take() // RE, NW: what the message is, not what the order is
	if s, ok := lookup("order-status", o.orc.rep(5).peek(1)); ok {
		q.Status = s
		o.orc.get(5)
	}
	q.Requisition = c.entity(o.orc.rep(4), "PGN")
	for _, v := range append(o.obr.reps(53), o.orc.reps(33)...) { // other numbers of the placer
		if i := c.extendedID(v, "PLAC"); i != nil && !hasIdentifier(q.Identifier, *i) {
			q.Identifier = append(q.Identifier, *i)
		}
	}
	if i := c.entity(o.orc.rep(38), "FGN"); i != nil {
		q.Identifier = append(q.Identifier, *i)
	}
	for _, v := range []view{o.tq1.rep(9), o.obr.rep(27).component(6), o.obr.rep(5)} {
		if p, ok := lookup("priority", v.peek(1)); ok && q.Priority == "" {
			q.Priority = p
			v.c(1)
		}
	}
	q.AuthoredOn = c.dateTime(o.orc.rep(9), 1)
	q.Occurrence = c.dateTime(o.obr.rep(6), 1)
	c.requester(o, &q)
	c.orderDetails(o, &q)
	for _, v := range o.obr.reps(31) {
		if cc := c.concept(v); cc != nil {
			q.ReasonCode = append(q.ReasonCode, *cc)
		}
	}
	q.Note = c.noteTexts(o.notes)
	return c.add("order|"+id.Value, q, put("ServiceRequest", id))
}
