// Package resultsfhir is a FHIR R4 server for partners who pull their results
// instead of having them sent.
//
// Guarantees
//
//   - A partner's program sees what was delivered to that partner and nothing
//     else: a result that is held, stopped, quarantined or routed elsewhere has no
//     row here. Who asks is told by the bearer token alone, never by the
//     connection.
//   - What is delivered here is converted as for any FHIR partner
//     (convert/hl7fhir) and stored before the delivery counts as placed. A
//     correction is a new version of the same resource; the newest shows, what it
//     replaced can be read at its version.
//   - What a request may say stands in one table (params.go): it routes, parses
//     and is what the CapabilityStatement is made of. A parameter that is not in
//     it is refused, since a search that drops a condition shows somebody else's
//     results.
//   - The work of a request grows with its page: each is answered from an index,
//     and looks at no more than a fixed number of rows beyond it. A page may come
//     short; its next link goes on.
//   - Each resource that goes out is recorded first, as a look at its message;
//     where that cannot be written, nothing goes out. A report that was fetched
//     counts as picked up.
//   - Resources, subscriptions and export lists are sealed. Identifiers are found
//     by keyed fingerprints; a code by one together with its patient. Row, time
//     and version stand within the seal too, so that the audit finds a row that
//     was changed or moved; what is placed, granted and subscribed carries tags.
//   - Errors are OperationOutcomes without patient data. Page links are sealed, so
//     that no address holds what was searched.
//
// It does not: take resources from partners, search by name, give a total count,
// sort otherwise than newest first, or interpret a result.
package resultsfhir
