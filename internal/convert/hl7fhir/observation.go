package hl7fhir

import (
	"strconv"
	"strings"

	"github.com/labwarden/labwarden/internal/codec/fhir"
)

// Extensions that v2-to-FHIR "Segment OBX to Observation" names for OBX-4 and 19.
const (
	subIDExtension    = "http://hl7.org/fhir/StructureDefinition/observation-v2-subid"
	analysisExtension = "http://hl7.org/fhir/StructureDefinition/observation-analysis-date-time"
)

// observationBase is what all results of one report share.
type observationBase struct {
	patient           fhir.Reference
	key               []string
	specimen          *fhir.Reference
	issued, effective string
	period            *fhir.Period
	category          []fhir.CodeableConcept
}

// made is an Observation with what its grouping needs.
type made struct {
	o     *fhir.Observation
	ref   fhir.Reference
	sub   string
	code  string
	coded bool
}

// results maps the OBX of one order.
func (c *conv) results(o *order, r *fhir.DiagnosticReport, base observationBase) {
	var all []*made
	count := map[string]int{}
	one := func(x *result, specimen *fhir.Reference) *made {
		if c.form(x, r) {
			return nil
		}
		m := c.observation(x, base, specimen, count)
		all = append(all, m)
		for _, p := range m.o.Performer {
			if !hasReference(r.Performer, p) { // v2-to-FHIR leaves the report's own performer to OBR-34 and 35
				r.Performer = append(r.Performer, p)
			}
		}
		return m
	}
	for _, x := range o.obs {
		if m := one(x, base.specimen); m != nil {
			r.Result = append(r.Result, m.ref)
		}
	}
	for i, s := range o.specimens {
		for _, x := range s.obs {
			if i >= len(r.Specimen) {
				break
			}
			// Observations on the specimen are the report's only where it has no others.
			if m := one(x, &r.Specimen[i]); m != nil && len(o.obs) == 0 {
				r.Result = append(r.Result, m.ref)
			}
		}
	}
	groupBySubID(all)
	c.joinParent(o, all)
	for _, m := range all {
		k := m.code + "|" + m.sub
		c.byParent[k] = append(c.byParent[k], m.o)
	}
}

// form puts documents (ED, RP) into DiagnosticReport.presentedForm: an R4
// Observation has no attachment value. A document that is withdrawn or cannot
// be decoded stays an Observation without value, so that it is seen to be missing.
func (c *conv) form(x *result, r *fhir.DiagnosticReport) bool {
	kind, status := x.obx.rep(2).peek(1), x.obx.rep(11).peek(1)
	if kind != "ED" && kind != "RP" || status == "D" || status == "W" || status == "X" {
		return false
	}
	v := x.obx.rep(5)
	a, ok := c.attachment(x.obx, v)
	if !ok {
		c.note(v.path, "document could not be decoded: not sent")
		return false
	}
	x.obx.rep(1).take()
	x.obx.rep(2).take()
	x.obx.rep(3).c(1)
	x.obx.rep(3).c(2)
	x.obx.rep(3).c(3)
	x.obx.rep(4).take()
	if _, known := lookup("observation-status", status); known {
		x.obx.rep(11).take() // the report's status speaks for its document
	}
	r.PresentedForm = append(r.PresentedForm, a)
	for _, n := range c.noteTexts(x.notes) {
		r.Extension = append(r.Extension, fhir.Extension{URL: noteExtension, ValueAnnotation: &n})
	}
	return true
}

func hasReference(list []fhir.Reference, r fhir.Reference) bool {
	for _, x := range list {
		if x.Reference == r.Reference {
			return true
		}
	}
	return false
}

// observation maps one OBX (v2.5.1 7.4.2; v2-to-FHIR "Segment OBX to Observation").
func (c *conv) observation(x *result, base observationBase, specimen *fhir.Reference, count map[string]int) *made {
	s := x.obx
	s.rep(1).take()
	o := &fhir.Observation{Type: "Observation", Subject: &base.patient, Specimen: specimen, Issued: base.issued, Category: base.category}
	code3 := s.rep(3)
	m := &made{o: o, code: code3.peek(1) + "|" + code3.peek(3), sub: strings.TrimSpace(s.rep(4).peek(1))}
	if code3.peek(1) == "" {
		m.code = code3.peek(2)
	}
	o.Code = c.required(code3)
	o.Extension = c.subID(s.rep(4))
	c.value(s, o)
	m.coded = o.ValueConcept != nil
	o.Status = c.status(s.rep(11), "observation-status")
	if o.Status == "unknown" && s.rep(11).peek(1) == "N" {
		s.get(11) // not asked: said by the absence below
	}
	switch o.Status {
	case "corrected", "amended", "cancelled", "entered-in-error":
		c.revision = true
	}
	c.absence(s, o)
	c.interpretation(s, o)
	c.referenceRange(s, o)
	if o.EffectiveDateTime = c.dateTime(s.rep(14), 1); o.EffectiveDateTime == "" {
		o.EffectiveDateTime, o.EffectivePeriod = base.effective, base.period
	}
	if at := c.dateTime(s.rep(19), 1); at != "" {
		o.Extension = append(o.Extension, fhir.Extension{URL: analysisExtension, ValueDateTime: at})
	}
	c.performers(s, o)
	if reps := s.reps(17); len(reps) > 0 {
		o.Method = c.concept(reps[0])
	}
	if id := c.entity(s.rep(18), ""); id != nil {
		o.Device = &fhir.Reference{Type: "Device", Identifier: id}
	}
	o.BodySite = c.concept(s.rep(20))
	if id := c.entity(s.rep(21), ""); id != nil {
		o.Identifier = append(o.Identifier, *id)
	}
	o.Note = append(o.Note, c.noteTexts(x.notes)...)

	k := m.code + "|" + m.sub
	count[k]++
	parts := append(append([]string{}, base.key...), m.code, m.sub, strconv.Itoa(count[k]))
	id := c.keyed("result", parts...)
	o.Identifier = append(o.Identifier, id)
	m.ref = c.add("result|"+id.Value, o, put("Observation", id))
	c.targets = append(c.targets, m.ref)
	return m
}

// absence says why there is no value (R4 obs-6: only then).
func (c *conv) absence(s *segment, o *fhir.Observation) {
	if o.ValueQuantity != nil || o.ValueConcept != nil || o.ValueString != "" || o.ValueRange != nil ||
		o.ValueRatio != nil || o.ValueTime != "" || o.ValueDateTime != "" || o.ValuePeriod != nil || o.Component != nil {
		return
	}
	switch s.rep(11).peek(1) {
	case "N":
		o.DataAbsentReason = absent("not-asked")
	case "X":
		o.DataAbsentReason = absent("not-performed")
	case "I", "O", "P", "S", "R":
		o.DataAbsentReason = absent("temp-unknown")
	default:
		o.DataAbsentReason = absent("unknown")
	}
	if v := s.rep(2).peek(1); v == "ED" || v == "RP" {
		o.DataAbsentReason = absent("error")
	}
}

// subID keeps OBX-4 (OG since v2.8.2) in the standard extension.
func (c *conv) subID(v view) []fhir.Extension {
	var parts []fhir.Extension
	if t := fhir.Text(v.c(1)); t != "" {
		parts = append(parts, fhir.Extension{URL: "original-sub-identifier", ValueString: t})
	}
	if t := fhir.Text(v.c(2)); t != "" {
		parts = append(parts, fhir.Extension{URL: "group", ValueString: t})
	}
	if d, err := fhir.ParseDecimal(v.peek(3)); err == nil {
		v.c(3)
		parts = append(parts, fhir.Extension{URL: "sequence", ValueDecimal: d})
	}
	if t := fhir.Text(v.c(4)); t != "" {
		parts = append(parts, fhir.Extension{URL: "identifier", ValueString: t})
	}
	if parts == nil {
		return nil
	}
	return []fhir.Extension{{URL: subIDExtension, Extension: parts}}
}

// interpretation maps OBX-8 by table 0078. A code of another system, or one the
// table does not know, keeps its own system and is flagged.
func (c *conv) interpretation(s *segment, o *fhir.Observation) {
	for _, v := range s.reps(8) {
		code, system := v.peek(1), v.peek(3)
		mapped, ok := lookup("interpretation", code)
		if ok && (system == "" || system == "HL70078" || system == "0078") {
			cc := fhir.CodeableConcept{Coding: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", Code: mapped}}}
			v.c(1)
			v.c(3)
			cc.Coding[0].Display = fhir.Text(v.c(2))
			o.Interpretation = append(o.Interpretation, cc)
			continue
		}
		cc := c.concept(v)
		if cc == nil {
			continue
		}
		if len(cc.Coding) > 0 && cc.Coding[0].System == "" {
			cc.Coding[0].System = c.local("code", "OBX-8")
		}
		c.note(v.path, whyCode)
		o.Interpretation = append(o.Interpretation, *cc)
	}
}

// performers: OBX-23 with its address (24), else OBX-15; its director (25); and
// the responsible observer OBX-16.
func (c *conv) performers(s *segment, o *fhir.Observation) {
	org := c.organization(s.rep(23), s.reps(24), nil)
	if org == nil {
		if v := s.rep(15); v.content() {
			cc := c.concept(v)
			if cc != nil {
				name := cc.Text
				if len(cc.Coding) > 0 && cc.Coding[0].Display != "" {
					name = cc.Coding[0].Display
				}
				l := fhir.Organization{Type: "Organization", Name: name}
				if len(cc.Coding) > 0 {
					system := cc.Coding[0].System
					if u, ok := lookup("authorities", v.peek(3)); ok {
						system = u
					}
					if system == "" {
						system = c.local("producer", "")
					}
					l.Identifier = []fhir.Identifier{{System: system, Value: cc.Coding[0].Code}}
				}
				org = c.addOrganization(l)
			}
		}
	}
	if org != nil {
		o.Performer = append(o.Performer, *org)
	}
	// The medical director (OBX-25) answers for the organization: table 0912 MDIR.
	if director := c.person(s.rep(25)); director != nil {
		o.Performer = append(o.Performer, *c.role(director, org, nil, "MDIR"))
	}
	for _, v := range s.reps(16) {
		if p := c.person(v); p != nil && !hasReference(o.Performer, *p) {
			o.Performer = append(o.Performer, *p)
		}
	}
}
