// Package signin is how a person proves who they are: passkeys, password with
// one-time code, recovery codes, or an OpenID provider. It keeps each way under the person's id, which
// whoever keeps people owns (domain access the laboratory's, domain partners those
// of practices), and answers with how well the proof was made
// (authz.Level); it makes no session.
//
// Guarantees:
//   - A wrong password, an account that does not exist and one that was ended read
//     alike, cost the same hash and wait alike.
//   - Who guesses waits longer each time, on one account (at most 100 wrong
//     passwords in a row, NIST SP 800-63B-4 3.2.2) and from one network. The
//     counts are in the database: a restart forgives nothing. A passkey is never
//     made to wait.
//   - A one-time code, a recovery code, a challenge and a half-done sign-in work
//     once, however many ask at the same time and wherever the clock is set.
//   - What is stored does not sign anybody in: passwords and recovery codes are
//     hashed and then sealed by the vault, seeds are sealed, tokens are kept as
//     their SHA-256.
//   - An OpenID provider's answer is taken once, by the browser that asked, and only
//     if issuer, audience, signature, time, nonce, state and PKCE agree; issuer and
//     subject alone say who it is. It counts for one factor unless the configuration
//     says otherwise. A provider that is away or slow holds up nobody else.
//   - At most a fixed number of hashes run at a time, and a fixed number wait.
//   - Every success, refusal, enrolment and removal is a ledger event in the
//     transaction of what it tells, with ids only. What is turned away while it has
//     to wait is counted, and the count told with the next event: guessing must not
//     fill the ledger.
//   - Rows are bound by tags (Audit). signin_attempts and signin_pending are not,
//     see the migration.
//
// It does not: know roles (PersonInfo.MustPasskey says what follows from them),
// make sessions, or send anything to anybody. A password row that is put back
// together with its older tag is not found.
package signin
