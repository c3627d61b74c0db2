package hl7fhir

import (
	"net/url"
	"strings"

	"github.com/labwarden/labwarden/internal/codec/fhir"
)

// Data type maps of HL7's v2-to-FHIR guide that this file follows: CWE/CE to
// CodeableConcept, CX/EI to Identifier, HD to uri.

// concept maps CE, CWE, CNE, CF: code, text and system three times, versions,
// OIDs where systems have no name (v2.5.1 2.A.13; components 10 to 22 of v2.7).
func (c *conv) concept(v view) *fhir.CodeableConcept {
	var cc fhir.CodeableConcept
	for _, at := range []struct{ code, version, oid int }{{1, 7, 14}, {4, 8, 17}, {10, 13, 20}} {
		code := fhir.Code(v.c(at.code))
		text := fhir.Text(v.c(at.code + 1))
		name, oid := fhir.Code(v.c(at.code+2)), fhir.Code(v.c(at.oid))
		cd := fhir.Coding{Code: code, Display: text, System: c.codeSystem(name, oid)}
		if code != "" {
			cd.Version = fhir.Text(v.c(at.version))
		}
		switch {
		case code != "":
			cc.Coding = append(cc.Coding, cd)
			if cd.System == "" {
				c.note(v.path, whyNoSystem)
			}
		case text != "" && cc.Text == "":
			cc.Text = text
		case text != "":
			cc.Text += "; " + text
		}
	}
	if original := fhir.Text(v.c(9)); original != "" {
		cc.Text = original
	}
	if len(cc.Coding) == 0 && cc.Text == "" {
		return nil
	}
	return &cc
}

// codeSystem turns table 0396's name or an OID into a URI. Names nobody but the
// sender knows (L, 99xxx) become a local URI under the sending facility: two
// senders' local codes must never look like one.
func (c *conv) codeSystem(name, oid string) string {
	for _, s := range []string{name, oid} {
		if u, ok := c.opt.CodeSystems[s]; ok && s != "" {
			return u
		}
		if u, ok := lookup("coding-systems", s); ok {
			return u
		}
	}
	if digits, ok := strings.CutPrefix(name, "HL7"); ok && len(digits) == 4 && allDigits(digits) {
		return "http://terminology.hl7.org/CodeSystem/v2-" + digits
	}
	for _, s := range []string{oid, name} {
		if isOID(s) {
			return "urn:oid:" + s
		}
	}
	if name == "" {
		return ""
	}
	return c.local("code", name)
}

func (c *conv) local(kind, name string) string {
	s := c.opt.LocalBase + ":" + kind + ":" + uriPart(c.facility)
	if name != "" {
		s += ":" + uriPart(name)
	}
	return s
}

// isOID: FHIR's oid, [0-2](\.(0|[1-9][0-9]*))+.
func isOID(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) < 2 || len(s) > 200 || len(parts[0]) != 1 || parts[0] > "2" {
		return false
	}
	for _, p := range parts {
		if !allDigits(p) || (len(p) > 1 && p[0] == '0') {
			return false
		}
	}
	return true
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, r := range s {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (r == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return false
		}
	}
	return true
}

// webURL says whether s is an absolute http(s) address without blanks.
func webURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && !strings.ContainsAny(s, " \t\r\n")
}

// authority maps HD (namespace, universal id, its type) to an identifier
// system. A name only its sender knows stands under the sending facility.
func (c *conv) authority(namespace, id, kind string) string {
	namespace, id = fhir.Code(namespace), fhir.Code(id)
	if u, ok := c.opt.Authorities[namespace]; ok && namespace != "" {
		return u
	}
	for _, s := range []string{id, namespace} {
		if u, ok := lookup("authorities", s); ok {
			return u
		}
	}
	switch {
	case isOID(id):
		return "urn:oid:" + id
	case isUUID(id):
		return "urn:uuid:" + strings.ToLower(id)
	case webURL(id):
		return id
	case id != "":
		return c.local("authority", id)
	case namespace != "":
		return c.local("authority", namespace)
	}
	return c.local("authority", "")
}

// authorityOf reads an HD that stands in one component as sub-components.
func (c *conv) authorityOf(v view, n int) string {
	return c.authority(v.sub(n, 1), v.sub(n, 2), v.sub(n, 3))
}

// assigner keeps an authority's name where its universal id made the system.
func assigner(namespace, id string) *fhir.Reference {
	if namespace = fhir.Text(namespace); namespace == "" || id == "" {
		return nil
	}
	return &fhir.Reference{Display: namespace}
}

// typed is an identifier type of table 0203.
func typed(code string) *fhir.CodeableConcept {
	return &fhir.CodeableConcept{Coding: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/v2-0203", Code: code}}}
}

// entity maps EI (v2.5.1 2.A.25); nil when it has no identifier.
func (c *conv) entity(v view, kind string) *fhir.Identifier {
	value := fhir.Text(v.c(1))
	if value == "" {
		return nil
	}
	id := &fhir.Identifier{System: c.authority(v.c(2), v.c(3), v.c(4)), Value: value, Assigner: assigner(v.peek(2), v.peek(3))}
	if kind != "" {
		id.Type = typed(kind)
	}
	return id
}

// extendedID maps CX (v2.5.1 2.A.14); nil when it has no identifier.
func (c *conv) extendedID(v view, kind string) *fhir.Identifier {
	value := fhir.Text(v.c(1))
	if value == "" {
		return nil
	}
	if t := fhir.Code(v.c(5)); t != "" {
		kind = t
	}
	id := &fhir.Identifier{System: c.authorityOf(v, 4), Value: value, Assigner: assigner(v.peek(4), v.peekSub(4, 2))}
	if kind != "" {
		id.Type = typed(kind)
	}
	if kind == "SS" && v.peek(4) == "" {
		id.System = "http://hl7.org/fhir/sid/us-ssn"
	}
	if p := c.period(v, 7, 8); p != nil {
		id.Period = p
	}
	return id
}

// period maps two DTM components.
func (c *conv) period(v view, from, to int) *fhir.Period {
	p := fhir.Period{Start: c.dateTime(v, from), End: c.dateTime(v, to)}
	if p == (fhir.Period{}) {
		return nil
	}
	return &p
}

// periodOr is period, else the DR that older versions write in one component.
func (c *conv) periodOr(v view, from, to, dr int) *fhir.Period {
	if v.peek(from) != "" || v.peek(to) != "" || v.peek(dr) == "" {
		return c.period(v, from, to)
	}
	return c.period(v.inner(dr), 1, 2)
}
