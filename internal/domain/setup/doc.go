// Package setup is how a laboratory's configuration comes about: drafts that one
// person writes and another applies, the way through a first set-up, maintenance
// windows, and what is switched on at all.
//
// Guarantees
//
//   - A draft keeps its text byte for byte, comments included, and the revision
//     it was written against. What was applied meanwhile by somebody else is
//     never undone in passing: such a draft must be brought up to date first.
//   - Nobody applies alone what they wrote: whoever changed a draft's text, or
//     asked for it to be applied, cannot approve it. Any edit voids what was
//     approved. One exception, by rule and not by choice: in a laboratory where
//     nobody else may apply, its only administrator may, with a statement that
//     another role reviews (docs/develop/decisions/apply-alone.md).
//   - What only the laboratory director decides is decided by the director or by
//     whom the director delegated it to in writing, about the same text.
//   - Every step is an event in the ledger. Drafts are sealed at rest: they name
//     hosts, accounts and providers. The other columns are bound by tags.
//
// It does not apply anything itself: Configuration does, with its own checks. It
// holds no patient data, and no secret: those stand behind names.
package setup
