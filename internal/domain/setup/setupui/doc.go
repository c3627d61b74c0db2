// Package setupui draws the pages of domain/setup and answers its operations of
// the JSON API: configuration drafts, history, replay, the way through a first
// set-up, a new partner, keys, secrets, dates, maintenance and support.
//
// Every page works without JavaScript. None shows a secret's value or patient
// data: a replay shows places in a message, never what stands there. What can be
// done stands on a page only where this person may do it; whether they may is
// asked again when they do it.
package setupui

//go:generate env -u GOFLAGS go tool -modfile=../../../../tools/go.mod templ generate -path .
