package hl7fhir

import (
	"strings"

	"github.com/labwarden/labwarden/internal/codec/fhir"
)

// name maps XPN (v2.5.1 2.A.88); v2-to-FHIR "Datatype XPN to HumanName".
func (c *conv) name(v view) *fhir.HumanName {
	n := fhir.HumanName{Family: fhir.Text(v.c(1))}
	for _, g := range []int{2, 3} {
		if s := fhir.Text(v.c(g)); s != "" {
			n.Given = append(n.Given, s)
		}
	}
	for _, at := range []struct {
		n  int
		to *[]string
	}{{5, &n.Prefix}, {4, &n.Suffix}, {6, &n.Suffix}, {14, &n.Suffix}} {
		if s := fhir.Text(v.c(at.n)); s != "" {
			*at.to = append(*at.to, s)
		}
	}
	if n.Family == "" && n.Given == nil && n.Prefix == nil && n.Suffix == nil {
		return nil
	}
	if code := v.peek(7); code != "" {
		if use, ok := lookup("name-use", code); ok {
			n.Use = use
			v.c(7)
		}
	}
	n.Period = c.periodOr(v, 12, 13, 10)
	return &n
}

// address maps XAD (v2.5.1 2.A.85); v2-to-FHIR "Datatype XAD to Address".
func (c *conv) address(v view) *fhir.Address {
	a := fhir.Address{
		City: fhir.Text(v.c(3)), State: fhir.Text(v.c(4)), PostalCode: fhir.Text(v.c(5)),
		Country: fhir.Text(v.c(6)), District: fhir.Text(v.c(9)),
	}
	// SAD (v2.5.1 2.A.67): the whole street, its name, its number. The guide makes
	// a line of each; what the first holds already is not said twice.
	whole, name, number := fhir.Text(v.sub(1, 1)), fhir.Text(v.sub(1, 2)), fhir.Text(v.sub(1, 3))
	if whole == "" {
		whole, name, number = fhir.Text(strings.TrimSpace(number+" "+name)), "", ""
	}
	for _, s := range []string{whole, name, number, fhir.Text(v.c(2)), fhir.Text(v.c(8)), fhir.Text(v.c(19))} {
		if s != "" && (len(a.Line) == 0 || !strings.Contains(" "+a.Line[0]+" ", " "+s+" ")) {
			a.Line = append(a.Line, s)
		}
	}
	if a.Line == nil && a.City+a.State+a.PostalCode+a.Country+a.District == "" {
		return nil
	}
	a.Period = c.periodOr(v, 13, 14, 12)
	switch kind := v.peek(7); kind {
	case "M", "SH": // map "Table HL70190 to Address Type"
		a.Type = "postal"
		v.c(7)
	default:
		if use, ok := lookup("address-use", kind); ok {
			a.Use = use
			v.c(7)
		}
	}
	return &a
}

// telecom maps XTN (v2.5.1 2.A.89): the unformatted, else the formatted, else
// the number in its parts. Parts that repeat the one used are taken with it.
func (c *conv) telecom(v view, use string) *fhir.ContactPoint {
	p := fhir.ContactPoint{Use: use}
	if u, ok := lookup("telecom-use", v.c(2)); ok {
		p.Use = u
	}
	p.System, _ = lookup("telecom-system", v.c(3))
	mail, parts := fhir.Text(v.c(4)), ""
	for _, n := range []int{5, 6, 7} {
		if s := fhir.Text(v.c(n)); s != "" {
			parts += " " + s
		}
	}
	if parts != "" && v.peek(5) != "" {
		parts = "+" + strings.TrimLeft(parts[1:], "+")
	}
	if ext := fhir.Text(v.c(8)); ext != "" && parts != "" {
		parts += " ext. " + ext
	}
	formatted := fhir.Text(v.peek(12))
	if formatted == "" {
		formatted = fhir.Text(v.c(1))
	}
	switch {
	case mail != "" && (p.System == "email" || parts == "" && formatted == ""):
		p.System, p.Value = "email", mail
	case v.peek(12) != "":
		p.Value = fhir.Text(v.c(12))
	case parts != "":
		p.Value = strings.TrimSpace(parts)
	default:
		p.Value = formatted
	}
	if p.Value == "" {
		return nil
	}
	if p.System == "" {
		p.System = "other"
		if p.Use == "home" || p.Use == "work" || p.Use == "mobile" {
			p.System = "phone"
		}
	}
	return &p
}

// person maps XCN (v2.5.1 2.A.86) to a Practitioner of the bundle; nil when it
// names nobody. With an identifier it is a conditional create by it.
func (c *conv) person(v view) *fhir.Reference { return c.personAt(v, view{}) }

// personAt is person with an address (XAD) that the message gives beside.
func (c *conv) personAt(v, addr view) *fhir.Reference {
	id := v.c(1)
	n := fhir.HumanName{Family: fhir.Text(v.c(2))}
	for _, g := range []int{3, 4} {
		if s := fhir.Text(v.c(g)); s != "" {
			n.Given = append(n.Given, s)
		}
	}
	if s := fhir.Text(v.c(6)); s != "" {
		n.Prefix = []string{s}
	}
	for _, g := range []int{5, 7, 21} {
		if s := fhir.Text(v.c(g)); s != "" {
			n.Suffix = append(n.Suffix, s)
		}
	}
	if use, ok := lookup("name-use", v.peek(10)); ok {
		n.Use = use
		v.c(10)
	}
	n.Period = c.periodOr(v, 19, 20, 17)
	p := fhir.Practitioner{Type: "Practitioner"}
	if n.Family != "" || n.Given != nil {
		p.Name = []fhir.HumanName{n}
	}
	if id = fhir.Text(id); id == "" && p.Name == nil {
		return nil
	}
	if a := c.address(addr); a != nil {
		p.Address = []fhir.Address{*a}
	}
	if id != "" {
		kind := fhir.Code(v.c(13))
		ident := fhir.Identifier{System: c.authorityOf(v, 9), Value: id, Assigner: assigner(v.peek(9), v.peekSub(9, 2))}
		if kind == "NPI" {
			ident.System, _ = lookup("authorities", "NPI")
		}
		if kind != "" {
			ident.Type = typed(kind)
		}
		p.Identifier = []fhir.Identifier{ident}
		key := "practitioner|" + ident.System + "|" + ident.Value
		if said := n.Family + "|" + strings.Join(n.Given, " "); c.people[key] == "" {
			c.people[key] = said
		} else if c.people[key] != said {
			c.note(v.path, "another name under an identifier of this message: the first stands")
		}
		ref := c.add(key, p, create("Practitioner", ident))
		return &ref
	}
	ident := c.keyed("practitioner", n.Family, strings.Join(n.Given, " "), strings.Join(n.Suffix, " "))
	p.Identifier = []fhir.Identifier{ident}
	ref := c.add("practitioner|"+ident.Value, p, create("Practitioner", ident))
	return &ref
}

// shortPerson maps NDL.1 (a CNN in sub-components, v2.5.1 2.A.9), which has its
// own order: id, family, given, middle, suffix, prefix, degree, source,
// authority namespace, id and type.
func (c *conv) shortPerson(v view) *fhir.Reference {
	in := v.inner(1)
	arranged := view{path: v.path}
	for n := 1; n <= 7 && n <= len(in.leaves); n++ {
		arranged.leaves = append(arranged.leaves, in.leaves[n-1])
	}
	if len(in.leaves) >= 9 {
		for len(arranged.leaves) < 8 {
			arranged.leaves = append(arranged.leaves, nil)
		}
		var hd []*leaf
		for n := 9; n <= 11 && n <= len(in.leaves); n++ {
			hd = append(hd, in.leaves[n-1][0])
		}
		arranged.leaves = append(arranged.leaves, hd)
	}
	return c.person(arranged)
}

// organization maps XON (v2.5.1 2.A.87), the address and the numbers beside it.
func (c *conv) organization(v view, addrs, phones []view, contact ...fhir.OrganizationContact) *fhir.Reference {
	o := fhir.Organization{Type: "Organization", Name: fhir.Text(v.c(1))}
	value := fhir.Text(v.c(10))
	if value == "" {
		value = fhir.Text(v.c(3))
	}
	if value != "" {
		id := fhir.Identifier{System: c.authorityOf(v, 6), Value: value, Assigner: assigner(v.peek(6), v.peekSub(6, 2))}
		if kind := fhir.Code(v.c(7)); kind != "" {
			id.Type = typed(kind)
		}
		o.Identifier = []fhir.Identifier{id}
	}
	if o.Name == "" && o.Identifier == nil {
		return nil
	}
	o.Contact = contact
	for _, addr := range addrs {
		if a := c.address(addr); a != nil {
			o.Address = append(o.Address, *a)
		}
	}
	for _, phone := range phones {
		if t := c.telecom(phone, "work"); t != nil {
			o.Telecom = append(o.Telecom, *t)
		}
	}
	return c.addOrganization(o)
}

// role ties a person to an organization, or to a function of table 0912 where
// the message names one; nil where it names neither person nor organization.
func (c *conv) role(person, org *fhir.Reference, period *fhir.Period, code string) *fhir.Reference {
	if person == nil && org == nil {
		return nil
	}
	r := fhir.PractitionerRole{Type: "PractitionerRole", Practitioner: person, Organization: org, Period: period}
	parts := []string{code, "", ""}
	if person != nil {
		parts[1] = person.Reference
	}
	if org != nil {
		parts[2] = org.Reference
	}
	if period != nil { // another term of office is another role
		parts = append(parts, period.Start, period.End)
	}
	if code != "" {
		r.Code = []fhir.CodeableConcept{{Coding: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/v2-0912", Code: code}}}}
	}
	id := c.keyed("role", parts...)
	r.Identifier = []fhir.Identifier{id}
	ref := c.add("role|"+id.Value, r, create("PractitionerRole", id))
	return &ref
}

func (c *conv) addOrganization(o fhir.Organization) *fhir.Reference {
	if len(o.Identifier) == 0 {
		o.Identifier = []fhir.Identifier{c.keyed("organization", o.Name)}
	}
	id := o.Identifier[0]
	ref := c.add("organization|"+id.System+"|"+id.Value, o, create("Organization", id))
	return &ref
}
