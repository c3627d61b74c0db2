package hl7fhir

import "github.com/labwarden/labwarden/internal/codec/fhir"

// Extensions of R4 that the guide names for PID-7 and PID-23.
const (
	birthTimeExtension  = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"
	birthPlaceExtension = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
)

// contact maps NK1 (v2.5.1 3.4.5; v2-to-FHIR "Segment NK1 to Patient"); nil when
// it names nobody and no way to reach them.
func (c *conv) contact(s *segment) *fhir.PatientContact {
	s.rep(1).take()
	var k fhir.PatientContact
	k.Name = c.name(s.rep(2))
	for _, v := range append(s.reps(3), s.reps(7)...) {
		if cc := c.concept(v); cc != nil {
			k.Relationship = append(k.Relationship, *cc)
		}
	}
	k.Address = c.address(s.rep(4))
	for _, f := range []struct {
		field int
		use   string
	}{{5, ""}, {6, "work"}, {40, ""}} {
		for _, v := range s.reps(f.field) {
			if t := c.telecom(v, f.use); t != nil && !hasTelecom(k.Telecom, *t) {
				k.Telecom = append(k.Telecom, *t)
			}
		}
	}
	if p := (fhir.Period{Start: c.dateTime(s.rep(8), 1), End: c.dateTime(s.rep(9), 1)}); p != (fhir.Period{}) {
		k.Period = &p
	}
	if v := s.rep(15); v.peek(1) != "" {
		var ok bool
		if k.Gender, ok = lookup("gender", v.peek(1)); ok {
			v.c(1)
		}
	}
	k.Organization = c.kinOrganization(s)
	if k.Name == nil && k.Telecom == nil && k.Address == nil && k.Organization == nil { // R4 pat-1
		for _, f := range []int{3, 7, 8, 9, 15} {
			for _, v := range s.reps(f) {
				v.untake()
			}
		}
		return nil
	}
	return &k
}

func hasTelecom(list []fhir.ContactPoint, t fhir.ContactPoint) bool {
	for _, x := range list {
		if x.System == t.System && x.Value == t.Value {
			return true
		}
	}
	return false
}

// county is PID-12: the district of the one address, else an address of its own.
func (c *conv) county(v view, p *fhir.Patient) {
	name := fhir.Text(v.c(1))
	switch {
	case name == "":
	case len(p.Address) == 1 && (p.Address[0].District == "" || p.Address[0].District == name):
		p.Address[0].District = name
	default:
		p.Address = append(p.Address, fhir.Address{District: name})
	}
}

// kinOrganization maps NK1-13 with the person to ask for there (NK1-30 to 32).
// Without a name or number R4 knows no organization (org-1), so those alone stay
// in the notes.
func (c *conv) kinOrganization(s *segment) *fhir.Reference {
	v := s.rep(13)
	if v.peek(1) == "" && v.peek(3) == "" && v.peek(10) == "" {
		return nil
	}
	var k fhir.OrganizationContact
	k.Name, k.Address = c.name(s.rep(30)), c.address(s.rep(32))
	for _, v := range s.reps(31) {
		if t := c.telecom(v, "work"); t != nil {
			k.Telecom = append(k.Telecom, *t)
		}
	}
	var contact []fhir.OrganizationContact
	if k.Name != nil || k.Address != nil || k.Telecom != nil {
		contact = []fhir.OrganizationContact{k}
	}
	return c.organization(v, nil, nil, contact...)
}

// care maps PD1-3 and PD1-4 (v2-to-FHIR "Segment PD1 to Patient"): who looks after
// the patient.
func (c *conv) care(s *segment, p *fhir.Patient) {
	for _, v := range s.reps(3) {
		if ref := c.organization(v, nil, nil); ref != nil {
			p.GeneralPractitioner = append(p.GeneralPractitioner, *ref)
		}
	}
	for _, v := range s.reps(4) {
		if ref := c.person(v); ref != nil {
			p.GeneralPractitioner = append(p.GeneralPractitioner, *ref)
		}
	}
}
