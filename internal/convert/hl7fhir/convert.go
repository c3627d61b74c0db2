package hl7fhir

import (
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/codec/fhir"
	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// Errors of Convert; none holds content of the message.
var (
	// ErrMessageType: not ORU^R01 or R30 to R32, nor OUL^R21 to R24.
	ErrMessageType = errors.New("hl7fhir: message type has no FHIR mapping")
	// ErrNoPatient: no PID. Quality control and proficiency testing look so and
	// must not leave by a patient route (SAFETY.md 12).
	ErrNoPatient = errors.New("hl7fhir: message names no patient")
	// ErrNoReport: no OBR, so there is nothing to report.
	ErrNoReport = errors.New("hl7fhir: message holds no report")
	// ErrNoTime: neither MSH-7 nor Options.Recorded gives a whole instant.
	ErrNoTime = errors.New("hl7fhir: no time with zone for Provenance; MSH-7 has none and no zone is configured")
)

// Options steer one conversion. The zero value works.
type Options struct {
	// Zone is that of times without offset; nil means the offset of MSH-7, and
	// where there is none times are reduced to their date.
	Zone *time.Location
	// Recorded is when Labwarden took the message, for Provenance.recorded where
	// MSH-7 gives no instant.
	Recorded time.Time
	// LocalBase begins every URI of ours; default "urn:labwarden:local".
	LocalBase string
	// Authorities and CodeSystems give URIs to names that only the source knows
	// (assigning authorities; coding systems such as L or 99ABC).
	Authorities, CodeSystems map[string]string
	// Agent names this Labwarden in Provenance; default "Labwarden".
	Agent string
	// Sign, when set, signs the bundle: payload is the encoded bundle without
	// Provenance.signature.
	Sign func(payload []byte) (fhir.Signature, error)
}

type conv struct {
	opt      Options
	src      []*segment
	msh      *segment
	b        *fhir.Bundle
	seen     map[string]bool
	notes    []Note
	facility string
	control  string
	offset   string
	targets  []fhir.Reference
	revision bool
	tied     map[string]int
	people   map[string]string
	byParent map[string][]*fhir.Observation
}

// Convert maps one ORU^R01, ORU^R30 to R32 or OUL^R21 to R24 to a transaction bundle. The same
// message and options give the same bundle. Notes name every field with content
// that the bundle does not carry, or carries otherwise.
func Convert(m *hl7.Message, opt Options) (*fhir.Bundle, []Note, error) {
	c, reports, err := convertAll(m, opt)
	if err != nil {
		return nil, nil, err
	}
	if reports == 0 {
		return nil, nil, ErrNoReport
	}
	return c.b, c.notes, nil
}

// convertAll is Convert for messages that may hold no report.
func convertAll(m *hl7.Message, opt Options) (c *conv, reports int, err error) {
	src, err := read(m)
	if err != nil {
		return nil, 0, err
	}
	if opt.LocalBase == "" {
		opt.LocalBase = "urn:labwarden:local"
	}
	if opt.Agent == "" {
		opt.Agent = "Labwarden"
	}
	c = &conv{
		opt: opt, src: src, msh: src[0], b: fhir.NewTransaction(),
		seen: map[string]bool{}, tied: map[string]int{}, people: map[string]string{}, byParent: map[string][]*fhir.Observation{},
	}
	kind := c.msh.rep(9)
	oul, ok := oulTrigger(kind.c(1), kind.c(2), kind.c(3))
	if !ok {
		return nil, 0, ErrMessageType
	}
	if m.Charset().Guessed() {
		c.note("MSH-18", "character set is not named: guessed from the bytes")
	}
	c.header()
	if reports, err = c.body(group(src, oul)); err != nil {
		return nil, 0, err
	}
	if err := c.provenance(); err != nil {
		return nil, 0, err
	}
	c.losses()
	return c, reports, nil
}

// header takes MSH; v2-to-FHIR maps it to MessageHeader, which a transaction
// does not have: sender and control id go to Provenance.
func (c *conv) header() {
	c.facility = fhir.Code(c.msh.get(4))
	if c.facility == "" {
		c.facility = fhir.Code(c.msh.get(3))
	}
	c.control = c.msh.get(10)
	if t, ok := parseStamp(c.msh.rep(7).peek(1)); ok {
		c.offset = t.offset
	}
	for _, f := range []int{11, 12, 15, 16, 18} { // processing, version, acks, character set
		for _, v := range c.msh.reps(f) {
			v.take()
		}
	}
}

func (c *conv) body(groups []*patientGroup) (reports int, err error) {
	if len(groups) == 0 {
		return 0, ErrNoPatient
	}
	for _, g := range groups {
		patient := c.patient(g)
		clear(c.byParent)
		for _, o := range g.orders {
			c.report(o, patient)
			reports++
		}
	}
	return reports, nil
}

// Encode writes a bundle as the bytes to send, and to hash for the proof.
func Encode(b *fhir.Bundle) ([]byte, error) {
	out, err := fhir.Encode(b)
	if err != nil {
		return nil, fmt.Errorf("encode bundle: %w", err)
	}
	return out, nil
}
