// Package accessui draws the pages of people and access and answers their part
// of the JSON API: people and their roles, the printed matrix, the director's
// delegations, sessions and shared benches, service accounts and tokens,
// break-glass, the review of administrators' acts, lists of people, rules for
// other systems and SCIM; and the pages of signing in and of one's own security.
//
// Files sign* are how one comes in (sign-in, step-up, one-time links), files me*
// what one sees and changes of one's own.
//
// Guarantees: a secret (one-time link, token) is drawn once, in the answer to the
// form that made it, and stands in no URL of a page, notice or log. What the
// domain refuses is said beside the field it is about. Every form works without
// JavaScript, passkeys excepted.
//
// It decides nothing: package access does.
package accessui

//go:generate env -u GOFLAGS go tool -modfile=../../../../tools/go.mod templ generate -path .
