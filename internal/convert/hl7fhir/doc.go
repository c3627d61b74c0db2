// Package hl7fhir maps HL7 v2 laboratory results (ORU^R01, ORU^R30 to R32, OUL^R21 to
// R24) to a FHIR R4 transaction bundle: Patient, Practitioner, PractitionerRole,
// Organization, Specimen, ServiceRequest, Observation, DiagnosticReport and Provenance.
//
// Guarantees:
//   - The same message and options give the same bundle; references are
//     urn:uuid derived from identifiers and all resolve within the bundle.
//   - A repeat changes nothing and a correction updates the same report:
//     reports, results, orders and specimens are conditional updates by an
//     identifier derived from the filler order number, the test and the sub-id;
//     people and organizations are conditional creates.
//   - Nothing is computed, rounded, interpreted or guessed (SAFETY.md 12). A
//     code outside the tables keeps its own system; a status outside them is
//     sent as unknown; units get a UCUM code only where the sender said UCUM.
//   - Every field with content that the bundle does not carry is in the notes.
//
// It does not: see the original of a correction (the receiver's history keeps
// it), map other messages, or verify that a receiver shows what it took.
//
// The facts follow HL7's "V2 to FHIR" implementation guide
// (http://hl7.org/fhir/uv/v2mappings); the tables in tables/ are our own and
// name the map each follows.
package hl7fhir
