package hl7fhir

import (
	"strconv"

	"github.com/labwarden/labwarden/internal/codec/fhir"
)

// specimens maps SPM (v2.5.1 7.4.3; v2-to-FHIR "Segment SPM to Specimen"), or
// OBR-15 where there is none.
func (c *conv) specimens(o *order, key []string, patient fhir.Reference) []fhir.Reference {
	var out []fhir.Reference
	for i, s := range o.specimens {
		out = append(out, c.specimen(o, s, key, i, patient))
	}
	if len(out) == 0 {
		if ref := c.oldSpecimen(o, key, patient); ref != nil {
			out = append(out, *ref)
		}
	}
	return out
}

func (c *conv) specimen(o *order, s *sample, key []string, i int, patient fhir.Reference) fhir.Reference {
	p := s.spm
	p.rep(1).take()
	sp := fhir.Specimen{Type: "Specimen", Subject: &patient}
	var own *fhir.Identifier
	for _, at := range []struct {
		n    int
		kind string
	}{{2, "FILL"}, {1, "PLAC"}} { // EIP: placer, filler
		if id := c.entity(p.rep(2).inner(at.n), at.kind); id != nil {
			sp.Identifier = append(sp.Identifier, *id)
			if own == nil {
				own = id
			}
		}
	}
	parts := append([]string{"in report"}, key...)
	parts = append(parts, strconv.Itoa(i))
	if own != nil {
		parts = []string{"by id", own.System, own.Value}
	}
	id := c.keyed("specimen", parts...)
	sp.Identifier = append(sp.Identifier, id)
	sp.AccessionIdentifier = c.extendedID(p.rep(30), "ACSN")
	sp.Kind = c.concept(p.rep(4))
	col := fhir.SpecimenCollection{Method: c.concept(p.rep(7)), BodySite: c.concept(p.rep(8))}
	if v := p.rep(17); v.content() {
		col.CollectedDateTime = c.dateTime(v, 1)
		if end := c.dateTime(v, 2); end != "" {
			col.CollectedPeriod = &fhir.Period{Start: col.CollectedDateTime, End: end}
			col.CollectedDateTime = ""
		}
	}
	if v := p.rep(12); v.peek(1) != "" {
		if d, err := fhir.ParseDecimal(v.peek(1)); err == nil {
			v.c(1)
			q := c.unit(v.inner(2))
			q.Value = d
			col.Quantity = &q
		}
	}
	if col.Collector == nil {
		col.Collector = c.person(o.obr.rep(10))
	}
	if col != (fhir.SpecimenCollection{}) {
		sp.Collection = &col
	}
	if sp.ReceivedTime = c.dateTime(p.rep(18), 1); sp.ReceivedTime == "" {
		sp.ReceivedTime = c.dateTime(o.obr.rep(14), 1)
	} else if old := o.obr.rep(14); old.peek(1) == p.rep(18).peek(1) {
		old.c(1)
	}
	for _, v := range p.reps(24) {
		if cc := c.concept(v); cc != nil {
			sp.Condition = append(sp.Condition, *cc)
		}
	}
	for _, v := range p.reps(21) { // why it was rejected
		if cc := c.concept(v); cc != nil {
			sp.Condition = append(sp.Condition, *cc)
		}
	}
	if cc := c.concept(p.rep(27)); cc != nil {
		sp.Container = []fhir.SpecimenContainer{{Kind: cc}}
	}
	for _, v := range p.reps(14) {
		if t := fhir.Text(v.all()); t != "" {
			sp.Note = append(sp.Note, fhir.Annotation{Text: t})
		}
	}
	sp.Note = append(sp.Note, c.noteTexts(s.notes)...)
	return c.add("specimen|"+id.Value, sp, put("Specimen", id))
}

// oldSpecimen maps OBR-14 and OBR-15 (SPS, v2.5.1 2.A.68), withdrawn but common.
func (c *conv) oldSpecimen(o *order, key []string, patient fhir.Reference) *fhir.Reference {
	v := o.obr.rep(15)
	sp := fhir.Specimen{Type: "Specimen", Subject: &patient, Kind: c.concept(v.inner(1)), ReceivedTime: c.dateTime(o.obr.rep(14), 1)}
	col := fhir.SpecimenCollection{BodySite: c.concept(v.inner(4)), Collector: c.person(o.obr.rep(10))}
	if t := fhir.Text(v.c(3)); t != "" {
		sp.Note = []fhir.Annotation{{Text: t}}
	}
	if t := fhir.Text(v.inner(6).all()); t != "" {
		col.Method = &fhir.CodeableConcept{Text: t}
	}
	if sp.Kind == nil && sp.ReceivedTime == "" && sp.Note == nil && col == (fhir.SpecimenCollection{}) {
		return nil
	}
	if col != (fhir.SpecimenCollection{}) {
		col.CollectedDateTime = c.dateTime(o.obr.rep(7), 1)
		sp.Collection = &col
	}
	id := c.keyed("specimen", append([]string{"in report"}, key...)...)
	sp.Identifier = []fhir.Identifier{id}
	ref := c.add("specimen|"+id.Value, sp, put("Specimen", id))
	return &ref
}
