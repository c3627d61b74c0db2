// Package demo is everything around the hub that is not the hub: a bundled set
// of self-written sample messages, a small certificate authority, a simulated
// laboratory information system (LIS), three receiving clinics, and the count
// that compares their lists.
//
// The counterparts are honest ones. They run as processes of their own, keep
// their own lists on disk (one JSON object a line, flushed before the protocol
// goes on) and use their own small readers and framing rather than the hub's
// codecs and transports, so that a fault there cannot hide itself. Count never
// looks at the hub's tables: what was lost, doubled or overtaken follows from
// what the LIS presented and what the clinics received. The one thing it takes
// from the hub is what it says it holds or keeps in quarantine.
//
// Every name, person, practice and number in the samples is invented. OIDs are
// from the example arc 2.999. Codes said to be LOINC are: their check digits are
// tested, and 18864-9 and its kin, 20449-5, 65750-2 and 19091-8 were corrected
// against public lists; names of the others follow LOINC's long common names
// as commonly published, without a look into the licensed table (unverified).
//
// It is no part of a production path: keys live in plain files, certificates
// for hours, and the FHIR server knows just enough to judge what it is sent.
package demo
