// Package portalui draws the provider portal for the people of practices (Site), and
// the laboratory's side of it (LabRoutes): invitations, who opened what, what
// practices told, patients' requests.
//
// Guarantees: the two are different sites with different people, cookies and doors;
// no page of one is served by the other. Every page of a practice asks package portal
// with the person of the session, which decides what exists for them. A letter's code
// is drawn once. Every form works without JavaScript, passkeys excepted.
//
// It decides nothing: package portal does.
package portalui

//go:generate env -u GOFLAGS go tool -modfile=../../../../tools/go.mod templ generate -path .
