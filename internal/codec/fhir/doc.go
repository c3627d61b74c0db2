// Package fhir holds the part of FHIR R4 (4.0.1) that Labwarden emits and
// reads: the resources of a laboratory report, the transaction Bundle around
// them, and what a server answers (transaction-response, OperationOutcome).
//
// Guarantees: Encode writes the same bytes for the same value; members stand in
// the order of the FHIR definition; empty members are left out, as FHIR JSON
// demands (R4 "JSON Representation"); a Decimal keeps the digits it was given.
// Decode bounds size and depth before it builds anything.
//
// It does not: validate against profiles or value sets, read or write XML, or
// cover resources that no route of ours emits.
package fhir
