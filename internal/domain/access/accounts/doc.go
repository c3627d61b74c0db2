// Package accounts looks beyond Labwarden's own people: the accounts that other
// systems have (the LIS, Active Directory, analyzers, VPN, partner portals), the
// business associates and vendors, and the quarterly review of who still needs
// what.
//
// Guarantees: a list is shown as a difference before it is taken, and a list
// that is older than the one at hand, or holds far fewer accounts, is not taken
// by mistake. An account is joined to a person by itself only where the mail or
// the account name is exactly the same and nothing speaks against it; everything
// else is a suggestion that a person confirms. What a list does not say (second
// factor, last use) is unknown, never "no". A system whose list is old reads "not
// looked at since", whatever the list said. A finding ends when a newer list no
// longer shows it, or with somebody's reason, for at most a year. Nobody decides
// about their own access in the review; a signed review is frozen by its hash in
// the ledger. Every row is bound by a keyed tag.
//
// It changes no account in another system: removals there are tasks for whoever
// answers for the system, closed by the next list that no longer shows the
// account. It holds names of staff, never patient data. It does not know
// Labwarden's own people and grants: Staff and Holdings are declared here and
// given by the program.
package accounts
