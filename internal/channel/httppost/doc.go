// Package httppost delivers by HTTPS POST: one request per message, its body
// byte for byte, over TLS 1.3 with certificates on both sides unless a
// channel.Exception says otherwise.
//
// It goes to the configured address and nowhere else: redirects are refused,
// proxies from the environment ignored, nothing is repeated behind the caller's
// back. The delivery's identifier goes along as Idempotency-Key, so that a
// partner that honours it takes a repeat for what it is.
//
// A 2xx answer means that the partner's system took custody (Committed); what
// the answer's body says is kept and not interpreted.
package httppost
