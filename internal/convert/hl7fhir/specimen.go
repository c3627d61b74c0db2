package hl7fhir

import (
	"strconv"
	"strings"

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
	}{{2, "FGN"}, {1, "PGN"}} { // map "Datatype EIP to Identifier"
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
	for _, v := range p.reps(31) {
		if i := c.extendedID(v, ""); i != nil && !hasIdentifier(sp.Identifier, *i) {
			sp.Identifier = append(sp.Identifier, *i)
		}
	}
	if i := c.entity(p.rep(32), "SHIP"); i != nil {
		sp.Identifier = append(sp.Identifier, *i)
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
	} else if len(o.specimens) == 1 { // several may have been taken at several times
		col.CollectedDateTime, col.CollectedPeriod = c.effective(o.obr, 7, 8)
	}
	if col.Quantity = c.amount(p.rep(12)); col.Quantity == nil && len(o.specimens) == 1 {
		col.Quantity = c.amount(o.obr.rep(9))
	}
	col.Collector = c.collector(o)
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
	vessel := fhir.SpecimenContainer{Kind: c.concept(p.rep(27)), Additive: c.concept(p.rep(6))}
	if vessel != (fhir.SpecimenContainer{}) {
		sp.Container = []fhir.SpecimenContainer{vessel}
	}
	for i, v := range p.reps(6) { // R4 has one additive a container
		if i == 0 {
			continue
		}
		if cc := c.concept(v); cc != nil {
			sp.Container = append(sp.Container, fhir.SpecimenContainer{Additive: cc})
		}
	}
	if s, ok := lookup("specimen-status", p.rep(20).peek(1)); ok {
		sp.Status = s
		p.get(20)
	}
	for _, v := range p.reps(3) { // the specimen this one was taken from, by its number
		for _, at := range []struct {
			n    int
			kind string
		}{{1, "PGN"}, {2, "FGN"}} {
			if id := c.entity(v.inner(at.n), at.kind); id != nil {
				sp.Parent = append(sp.Parent, fhir.Reference{Type: "Specimen", Identifier: id})
			}
		}
	}
	for _, v := range p.reps(14) {
		if t := fhir.Text(v.all()); t != "" {
			sp.Note = append(sp.Note, fhir.Annotation{Text: t})
		}
	}
	sp.Note = append(sp.Note, c.noteTexts(s.notes)...)
	sp.Note = append(sp.Note, c.collectorNotes(o)...)
	return c.add("specimen|"+id.Value, sp, put("Specimen", id))
}

// oldSpecimen maps OBR-14 and OBR-15 (SPS, v2.5.1 2.A.72; v2-to-FHIR "OBR to
// Specimen", "SPS to Specimen"), withdrawn but common.
func (c *conv) oldSpecimen(o *order, key []string, patient fhir.Reference) *fhir.Reference {
	v := o.obr.rep(15)
	sp := fhir.Specimen{Type: "Specimen", Subject: &patient, Kind: c.concept(v.inner(1)), ReceivedTime: c.dateTime(o.obr.rep(14), 1)}
	col := fhir.SpecimenCollection{BodySite: c.concept(v.inner(4)), Collector: c.collector(o), Quantity: c.amount(o.obr.rep(9))}
	if t := fhir.Text(v.c(3)); t != "" {
		sp.Note = []fhir.Annotation{{Text: t}}
	}
	sp.Note = append(sp.Note, c.collectorNotes(o)...)
	if cc := c.concept(v.inner(2)); cc != nil {
		sp.Container = []fhir.SpecimenContainer{{Additive: cc}}
	}
	if cc := c.concept(v.inner(6)); cc != nil {
		sp.Condition = []fhir.CodeableConcept{*cc}
	}
	if sp.Kind == nil && sp.ReceivedTime == "" && sp.Note == nil && sp.Container == nil && sp.Condition == nil && col == (fhir.SpecimenCollection{}) {
		return nil
	}
	col.CollectedDateTime, col.CollectedPeriod = c.effective(o.obr, 7, 8)
	if col != (fhir.SpecimenCollection{}) {
		sp.Collection = &col
	}
	id := c.keyed("specimen", append([]string{"in report"}, key...)...)
	sp.Identifier = []fhir.Identifier{id}
	ref := c.add("specimen|"+id.Value, sp, put("Specimen", id))
	return &ref
}

// amount maps CQ (v2.5.1 2.A.11); nil without a plain number.
func (c *conv) amount(v view) *fhir.Quantity {
	d, err := fhir.ParseDecimal(v.peek(1))
	if err != nil {
		return nil
	}
	v.c(1)
	q := c.unit(v.inner(2))
	q.Value = d
	return &q
}

// collector is the first of OBR-10: R4 has one; others are kept as Practitioners.
func (c *conv) collector(o *order) *fhir.Reference {
	var first *fhir.Reference
	for _, v := range o.obr.reps(10) {
		switch ref := c.person(v); {
		case ref == nil:
		case first == nil:
			first = ref
		case *ref != *first:
			c.note(v.path, "a further collector: FHIR has one, kept as a Practitioner only")
		}
	}
	return first
}

// collectorNotes maps OBR-39, the collector's comments: the guide takes the whole
// field as text, code and all.
func (c *conv) collectorNotes(o *order) []fhir.Annotation {
	var out []fhir.Annotation
	for _, v := range o.obr.reps(39) {
		var parts []string
		for n := range v.leaves {
			if t := fhir.Text(v.c(n + 1)); t != "" {
				parts = append(parts, t)
			}
		}
		if parts != nil {
			out = append(out, fhir.Annotation{Text: strings.Join(parts, ", ")})
		}
	}
	return out
}
