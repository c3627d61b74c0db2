package hl7fhir

import (
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/codec/fhir"
)

// policy cites the guide the mapping follows.
const policy = "http://hl7.org/fhir/uv/v2mappings/message-oru-r01-to-bundle"

// provenance says what the bundle was made from, by whom, and holds the place
// of our signature. Its tag lets a repeat find it: Provenance has no identifier.
func (c *conv) provenance() error {
	at := c.instant(c.msh.rep(7), 1)
	if at == "" {
		if c.opt.Recorded.IsZero() {
			return ErrNoTime
		}
		at = c.opt.Recorded.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	sender := fhir.Reference{Display: "sender not named"}
	if ref := c.sender(); ref != nil {
		sender = *ref
	}
	tag := fhir.Coding{System: c.opt.LocalBase + ":message", Code: derive("message", c.facility, c.msh.get(3), c.control, at)}
	activity := "CREATE"
	entity := fhir.ProvenanceEntity{Role: "source", What: fhir.Reference{
		Identifier: &fhir.Identifier{System: c.local("control", c.msh.get(3)), Value: fhir.Text(c.control)}, Display: "HL7 v2 message",
	}}
	if fhir.Text(c.control) == "" {
		entity.What.Identifier = nil
	}
	p := &fhir.Provenance{
		Type: "Provenance", Meta: &fhir.Meta{Tag: []fhir.Coding{tag}}, Target: c.targets, Recorded: at,
		Policy: []string{policy}, Entity: []fhir.ProvenanceEntity{entity},
		Agent: []fhir.ProvenanceAgent{
			{Kind: agentKind("author"), Who: sender},
			{Kind: agentKind("assembler"), Who: fhir.Reference{Display: c.opt.Agent}, OnBehalfOf: onBehalf(sender)},
		},
	}
	if c.revision {
		activity = "UPDATE"
	}
	p.Activity = &fhir.CodeableConcept{Coding: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/v3-DataOperation", Code: activity}}}
	c.add("provenance", p, fhir.Request{Method: "POST", URL: "Provenance", IfNoneExist: tokenQuery("_tag", tag.System, tag.Code)})
	c.b.Timestamp = at
	if fhir.Text(c.control) != "" {
		c.b.Identifier = entity.What.Identifier
	}
	if c.opt.Sign == nil {
		return nil
	}
	payload, err := Encode(c.b)
	if err != nil {
		return err
	}
	sig, err := c.opt.Sign(payload)
	if err != nil {
		return fmt.Errorf("sign bundle: %w", err)
	}
	p.Signature = []fhir.Signature{sig}
	return nil
}

// sender is MSH-4 (else MSH-3) as an Organization.
func (c *conv) sender() *fhir.Reference {
	for _, f := range []int{4, 3} {
		v := c.msh.rep(f)
		ns, id, kind := v.c(1), v.c(2), v.c(3)
		o := fhir.Organization{Type: "Organization", Name: fhir.Text(ns)}
		if id = fhir.Text(id); id != "" {
			ident := fhir.Identifier{System: c.local("facility", kind), Value: id}
			if strings.EqualFold(kind, "CLIA") {
				ident.System, _ = lookup("authorities", "CLIA")
			} else if isOID(id) {
				ident.System, ident.Value = "urn:ietf:rfc:3986", "urn:oid:"+id
			}
			o.Identifier = []fhir.Identifier{ident}
		}
		if o.Name != "" || o.Identifier != nil {
			return c.addOrganization(o)
		}
	}
	return nil
}

func onBehalf(r fhir.Reference) *fhir.Reference {
	if r.Reference == "" {
		return nil
	}
	return &r
}

func agentKind(code string) *fhir.CodeableConcept {
	return &fhir.CodeableConcept{Coding: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/provenance-participant-type", Code: code}}}
}

// SignatureOf is a Signature in the form Options.Sign returns: a verification
// signature (ASTM E1762-95) over the payload in the named format.
func SignatureOf(when time.Time, who, format string, data []byte) fhir.Signature {
	return fhir.Signature{
		Type: []fhir.Coding{{System: "urn:iso-astm:E1762-95:2013", Code: "1.2.840.10065.1.12.1.5", Display: "Verification Signature"}},
		When: when.UTC().Format("2006-01-02T15:04:05.000Z"), Who: fhir.Reference{Display: who},
		TargetFormat: fhir.ContentType, SigFormat: format, Data: data,
	}
}
