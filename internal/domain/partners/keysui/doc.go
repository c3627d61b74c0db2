// Package keysui draws the pages of domain/partners/keys and answers its
// operations of the JSON API: a partner's keys, the exchange with its comparison
// by phone, taking into use, retiring and revoking.
//
// Guarantees: every page works without JavaScript. While a key is being compared
// the half that the partner reads out stands nowhere on the page: it is typed as
// it is heard. What can be done stands on a page only where this person may do it;
// whether they may is asked again when they do it. It shows public keys and no
// patient data.
package keysui

//go:generate env -u GOFLAGS go tool -modfile=../../../../tools/go.mod templ generate -path .
