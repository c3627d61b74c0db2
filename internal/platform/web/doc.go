// Package web serves pages and the JSON API: routes with their permission,
// identity, refusals, headers, limits and live hints, in the one place every
// request passes. Pages themselves stand beside their domain; what they are made
// of is in package kit.
//
// Guarantees: a route without a permission does not start (New panics). Nobody
// is answered beyond it without being known and allowed. A request from another
// site that would change something is refused. Every answer carries the content
// security policy with a nonce of its own. Bodies, headers and times are
// bounded, and how often one account may ask; a handler that panics answers 500, is counted, and hurts nobody else.
// What an error says is shown only if it was written for people; anything else
// goes to the log under a reference. No patient data stands in a URL that this
// package makes, in a log line or in a live hint.
//
// It keeps no sessions (domain/access does) and knows no domain.
package web
