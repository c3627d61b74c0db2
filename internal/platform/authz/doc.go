// Package authz says who may do what: roles, permissions, the matrix of both,
// scopes and the laboratory director's delegations. It is plain Go and data: no
// database, no clock, no request.
//
// Guarantees: what is not granted is refused. A permission that the catalogue
// does not name is refused to everyone. A scoped grant gives nothing outside of
// its partners and sites. A delegated permission (a clinical act) is given only
// by the director's delegation, whatever the roles say. May allocates nothing
// when it allows and takes less than a microsecond.
//
// It does not know how somebody proved who they are (domain/access does) and
// does not look at objects: the caller names the partner and site of what is
// acted on.
package authz
