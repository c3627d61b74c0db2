// Package astmhl7 maps what analyzers say in ASTM E1394 (LIS02-A2) to HL7 v2.5.1
// and orders back: results to OUL^R22 (as IHE Laboratory Analytical Workflow has
// it), host queries to QBP^Q11, orders of OML^O33 to an ASTM message for the
// device.
//
// Guarantees:
//   - Nothing is computed, rounded, interpreted or guessed (SAFETY.md 12): a value,
//     a unit, a flag stands in HL7 as the device wrote it; so does a status that
//     HL7 has too. One that it has not, or for something else, becomes "entered,
//     not verified" (R) and is in the notes.
//   - A code that the model's file does not know is kept as the device wrote it and
//     named in the notes, so is a unit and a flag outside the standard's table.
//   - Each field with content that the message does not carry is in the notes, by
//     its place, never with its content. The device's own bytes travel beside it.
//   - The same message, model and options give the same bytes.
//
// It does not decide where anything goes, or whether a specimen belongs to a
// patient. Field numbers are those of E1394-97 and HL7 v2.5.1.
package astmhl7
