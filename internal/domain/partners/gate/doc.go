// Package gate looks at a file that a partner has put into its box, before
// anybody sees it: is it one of the kinds that are taken from this partner, is it
// whole and of that kind's form, is it this partner's, and does the virus scanner
// find nothing.
//
// Guarantees:
//
//   - What a file is, its content says; its extension must agree. What is none of
//     HL7 v2, FHIR R4 JSON, PDF, CSV, and where the rules allow it ZIP and
//     encrypted files, is refused with what to do instead.
//   - A Reason never holds what stands in the file. It may be shown to the
//     uploader and logged.
//   - Critical is set, whatever the verdict, when the sender flags a result as
//     critical, and when something that may hold results could not be read: the
//     caller opens the phone task (nobody waits in silence because of a gate).
//   - A scanner that cannot answer is never a silent pass: its policy decides, the
//     verdict says so, and Told is called.
//   - Memory is bounded whatever the file: one message of at most 64 MiB or
//     resource of 32 MiB at a time, and as many files at once as Config.Parallel. Each file has
//     a limit of time. A panic in a reader is a refusal, counted and told.
//   - An error of Check is one of reading the file or of the end of ctx, never a
//     judgement: the caller tries again.
//
// It does not: look into encrypted files; open streams of a PDF other than object
// streams (docs/operate/content-gate.md says what that means); check a FHIR
// resource against profiles; change, keep or deliver anything; write events.
package gate
