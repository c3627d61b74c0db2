// Package record lets people read what the ledger holds about people: every
// sign-in, refusal, change and view of patient data, who did it, when, and to
// what; as a list, as FHIR AuditEvents, and as one patient's report of access and
// disclosures.
//
// Guarantees: the ledger is the record; the table record_events only finds its
// leaves. It is derived from the ledger alone, follows it in order and can be
// made anew at any time; Audit compares every row with the ledger. What is shown
// of an entry is read from the ledger and checked against its hash, so that a
// line somebody changed shows as damaged and not as something else. Whoever
// reads the record, or takes a part of it out, stands in it first: when that
// cannot be written, nothing is shown. A person's own trail shows only their own.
//
// It holds no patient data: a patient's report asks for the messages of an exact
// identifier through Messages, and neither the identifier nor a name goes into
// the ledger, a log line or a URL.
//
// The table follows the ledger within about a second; Reach says how far it is.
package record
