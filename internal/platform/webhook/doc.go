// Package webhook posts messages of this program as signed JSON over HTTPS, to a
// gateway that makes a text message, a push or a call of them.
//
// The request is POST with the message (alarm.Message, and "to" where the
// configuration names somebody) as application/json. Labwarden-Signature is
// "t=SECONDS,v1=HEX": HMAC-SHA256 under the shared secret over SECONDS, a dot
// and the body. Idempotency-Key is the message's identifier, the same when it is
// sent again. Any answer from 200 to 299 means that it was taken.
//
// Guarantees: https only, with the server's certificate checked; redirects are
// not followed; at most 64 KiB of an answer are read and only its status is
// kept. Errors do not name the path or query of the address, which may be secret.
package webhook
