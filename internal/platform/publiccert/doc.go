// Package publiccert obtains certificates of public authorities by ACME (RFC
// 8555) for the host names of the hub's own doors, and renews them.
//
// It guarantees: keys and accounts lie in the hub's database alone, sealed by the
// vault, bound to their place; only the names that it was given are ever asked
// for; of several nodes one asks at a time, and all of them answer the
// authority's challenge and show what was obtained; what fails is said by State
// and tried again at a pace that no public authority takes for abuse; a
// certificate that is there is shown until its end, whatever fails. It opens no
// port: challenges are answered at the doors that are open (TLS-ALPN-01, RFC
// 8737) or, where a plain HTTP listener is configured, there (HTTP-01).
//
// It does not decide when somebody is called (app's lookout does), does not do
// DNS-01 or wildcard names, staples no OCSP, and makes no certificate for
// partners or devices: that is domain/certificates. acme_locks is not bound
// against changes in the database: it changes with each try, and a lock that is
// forged ends a renewal's turn at worst for LockTime.
package publiccert
