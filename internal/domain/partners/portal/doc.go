// Package portal is what practices without a system of their own get: a place in
// which their people open, print and fetch the results of their own patients.
//
// Guarantees:
//   - A person sees the results that were sent to a practice they belong to at that
//     moment, and nothing else: what is held, stopped, on its way or another's does
//     not exist for them. What a rule keeps back is not shown until the laboratory
//     lets it go.
//   - Every look is a row and a ledger event before anything is shown, under the name
//     of a person; where it cannot be written, nothing is shown.
//   - Nothing is computed or interpreted: values, units, ranges and flags are shown as
//     the LIS wrote them. A later message that holds all observations of an earlier
//     one supersedes it; both stay reachable.
//   - Whoever comes by letter has a code that works once, ends by itself and dies
//     after ten wrong tries. Nobody gets in with one factor.
//   - People change their ways to sign in themselves, after they proved anew who they
//     are, and are never left with less than two factors. Their practice's managers are
//     told, the laboratory where there is none; who did not expect it locks the person
//     out until the laboratory writes a letter.
//   - A session ends when it was not used for a while, when its person is ended or
//     belongs to no practice any more: at the next request, not later.
//   - Every row is bound by a tag (Audit), partners_portal_seen apart; see the
//     migration. Rows that decide who sees what are held against their tags when they
//     are read.
//
// It does not: keep results (domain results does, and erases them), decide whether
// something is critical, or replace a call: an opening is shown to the laboratory and
// closes no phone task. A row that is put back together with its older tag is not
// found.
package portal
