// Package authz says who may do what: roles, permissions, the matrix of both,
// scopes and the laboratory director's delegations. It is plain Go and data: no
// database, no clock, no request.
//
// Guarantees: what is not granted is refused. A permission that the catalogue
// does not name is refused to everyone. A scoped grant gives nothing outside of
// its partners and sites, nor what is the whole laboratory's. A grant that is not
// as its role asks (without an end, without a partner) gives nothing. A delegated permission (a clinical act) is given only
// by the director's role or delegation; a delegation reaches where the person's
// grants reach and ends with the last of them. Break-glass opens only what the
// catalogue marks for it. In a session at a shared bench nothing is given that
// the catalogue marks Apart. May allocates nothing
// when it allows and takes less than a microsecond.
//
// It does not know how somebody proved who they are (domain/access does) and
// does not look at objects: the caller names the partner and site of what is
// acted on.
package authz
