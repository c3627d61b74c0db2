// Package certificatesui draws the pages and the API of certificates: the
// calendar of all that ends, what was issued and pinned, tokens, SSH keys.
//
// Guarantees: a token's text is shown once, in the answer to who made it, and
// nowhere else; revoking takes two steps and a reason.
package certificatesui
