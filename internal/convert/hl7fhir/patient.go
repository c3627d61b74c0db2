package hl7fhir

import (
	"strconv"
	"strings"

	"github.com/labwarden/labwarden/internal/codec/fhir"
)

// patient maps PID (v2.5.1 3.4.2); v2-to-FHIR "Segment PID to Patient". It is
// created only where the receiver has none with the identifier: a result feed
// must not overwrite a receiver's own registration.
func (c *conv) patient(g *patientGroup) fhir.Reference {
	s := g.pid
	p := fhir.Patient{Type: "Patient"}
	s.rep(1).take() // a set number
	for _, f := range []struct {
		field int
		kind  string
	}{{3, ""}, {2, ""}, {4, ""}, {18, "AN"}, {19, "SS"}, {20, "DL"}} {
		for _, v := range s.reps(f.field) {
			id := c.patientID(v, f.field, f.kind)
			if id != nil && !hasIdentifier(p.Identifier, *id) {
				p.Identifier = append(p.Identifier, *id)
			}
		}
	}
	for _, f := range []int{5, 9} {
		for _, v := range s.reps(f) {
			if n := c.name(v); n != nil {
				p.Name = append(p.Name, *n)
			}
		}
	}
	if n := c.name(s.rep(6)); n != nil && n.Family != "" {
		p.Extension = append(p.Extension, fhir.Extension{URL: "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName", ValueString: n.Family})
	}
	c.birth(s, &p)
	if v := s.rep(8); v.peek(1) != "" {
		var ok bool
		if p.Gender, ok = lookup("gender", v.peek(1)); ok {
			v.c(1)
		}
	}
	for _, v := range s.reps(11) {
		if a := c.address(v); a != nil {
			p.Address = append(p.Address, *a)
		}
	}
	for _, f := range []struct {
		field int
		use   string
	}{{13, "home"}, {14, "work"}} {
		for _, v := range s.reps(f.field) {
			if t := c.telecom(v, f.use); t != nil {
				p.Telecom = append(p.Telecom, *t)
			}
		}
	}
	c.county(s.rep(12), &p)
	c.care(g.pd1, &p)
	for _, v := range s.reps(40) {
		if t := c.telecom(v, ""); t != nil && !hasTelecom(p.Telecom, *t) {
			p.Telecom = append(p.Telecom, *t)
		}
	}
	for _, k := range g.kin {
		if k := c.contact(k); k != nil {
			p.Contact = append(p.Contact, *k)
		}
	}
	if t := fhir.Text(s.rep(23).c(1)); t != "" {
		p.Extension = append(p.Extension, fhir.Extension{URL: birthPlaceExtension, ValueAddress: &fhir.Address{Text: t}})
	}
	if cc := c.concept(s.rep(15)); cc != nil {
		p.Communication = []fhir.Communication{{Language: *cc}}
	}
	p.MaritalStatus = c.marital(s.rep(16))
	for _, n := range c.noteTexts(g.notes) {
		a := n
		p.Extension = append(p.Extension, fhir.Extension{URL: noteExtension, ValueAnnotation: &a})
	}
	id, ok := matchable(p.Identifier)
	if !ok {
		c.note(s.path(3), whyNoPatient)
		id = c.keyed("patient", c.control, strconv.Itoa(s.nth))
		p.Identifier = append(p.Identifier, id)
	}
	before := len(c.b.Entry)
	ref := c.add("patient|"+id.System+"|"+id.Value, p, create("Patient", id))
	if len(c.b.Entry) == before {
		c.note(s.path(0), "same patient again: the first PID stands")
	}
	return ref
}

// patientID reads one identifier field: PID-19 is ST, PID-20 DLN, the rest CX.
func (c *conv) patientID(v view, field int, kind string) *fhir.Identifier {
	switch field {
	case 19:
		if n := fhir.Text(v.c(1)); n != "" {
			return &fhir.Identifier{Type: typed("SS"), System: "http://hl7.org/fhir/sid/us-ssn", Value: n}
		}
		return nil
	case 20: // DLN: number, issuing state, expiry
		if n := fhir.Text(v.c(1)); n != "" {
			return &fhir.Identifier{Type: typed("DL"), System: c.local("licence", v.c(2)), Value: n}
		}
		return nil
	}
	return c.extendedID(v, kind)
}

func hasIdentifier(ids []fhir.Identifier, id fhir.Identifier) bool {
	for _, x := range ids {
		if x.System == id.System && x.Value == id.Value {
			return true
		}
	}
	return false
}

// matchable picks the identifier a receiver may match a patient by: the medical
// record number before the internal ones before any other. Account, licence and
// social security numbers are never used: they are shared, reused or mistyped.
func matchable(ids []fhir.Identifier) (fhir.Identifier, bool) {
	for _, kind := range []string{"MR", "PI", "PT", "EPI", ""} {
		for _, id := range ids {
			if kindOf(id) == kind {
				return id, true
			}
		}
	}
	for _, id := range ids {
		switch kindOf(id) {
		case "AN", "SS", "DL", "VN":
		default:
			return id, true
		}
	}
	return fhir.Identifier{}, false
}

func kindOf(id fhir.Identifier) string {
	if id.Type == nil {
		return ""
	}
	return id.Type.Coding[0].Code
}

// birth maps PID-7, 24, 25, 29, 30.
func (c *conv) birth(s *segment, p *fhir.Patient) {
	if v := s.rep(7); v.peek(1) != "" {
		if t, ok := parseStamp(v.c(1)); !ok {
			c.note(v.path, whyTime)
		} else {
			p.BirthDate = t.date()
			if z, whole := c.zoned(t); whole {
				p.BirthDateMore = &fhir.Element{Extension: []fhir.Extension{{URL: birthTimeExtension, ValueDateTime: z}}}
			} else if t.hour != "" {
				c.note(v.path, "birth time without minutes or zone: FHIR birthDate holds the date only")
			}
		}
	}
	if v := s.rep(25); v.peek(1) != "" {
		if n, err := strconv.Atoi(v.peek(1)); err == nil && n > 0 && n < 100 {
			p.MultipleBirthInteger = n
			v.c(1)
		}
	}
	if b, ok := yesNo(s.rep(24)); ok && p.MultipleBirthInteger == 0 {
		p.MultipleBirthBoolean = &b
	}
	p.DeceasedDateTime = c.dateTime(s.rep(29), 1)
	if b, ok := yesNo(s.rep(30)); ok && p.DeceasedDateTime == "" {
		p.DeceasedBoolean = &b
	} else if ok && !b {
		c.note(s.path(30), "says not deceased beside a time of death: the time is sent")
	}
}

// yesNo reads table 0136; anything else stays untaken and becomes a note.
func yesNo(v view) (value, ok bool) {
	switch v.peek(1) {
	case "Y", "N":
		return v.c(1) == "Y", true
	}
	return false, false
}

// marital maps table 0002 where v3 has the same meaning, else keeps its code.
func (c *conv) marital(v view) *fhir.CodeableConcept {
	code := v.peek(1)
	cc := c.concept(v)
	if cc == nil {
		return nil
	}
	if m, ok := lookup("marital-status", code); ok && len(cc.Coding) > 0 {
		system := cc.Coding[0].System
		if system == "" || system == "http://terminology.hl7.org/CodeSystem/v2-0002" {
			to := "MaritalStatus"
			if null, code, is := strings.Cut(m, " "); is {
				to, m = null, code
			}
			cc.Coding[0] = fhir.Coding{System: "http://terminology.hl7.org/CodeSystem/v3-" + to, Code: m, Display: cc.Coding[0].Display}
		}
	}
	return cc
}
