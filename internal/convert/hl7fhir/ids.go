package hl7fhir

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/labwarden/labwarden/internal/codec/fhir"
)

// uuidSpace keeps our derived UUIDs apart from anybody else's.
const uuidSpace = "labwarden hl7fhir 1"

// derive makes a UUID from names: RFC 9562 5.8 (version 8), the way of version 5
// but with SHA-256, which FIPS builds allow. Parts are length-prefixed, so that
// ("ab","c") and ("a","bc") differ.
func derive(parts ...string) string {
	h := sha256.New()
	var n [8]byte
	for _, p := range append([]string{uuidSpace}, parts...) {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	u := h.Sum(nil)[:16]
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	x := hex.EncodeToString(u)
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

var searchEscape = strings.NewReplacer(`\`, `\\`, `|`, `\|`, `,`, `\,`, `$`, `\$`)

// tokenQuery is a FHIR token search (R4 search.html 2.21.1.5.1, escaping in
// 2.21.1.4.3), percent-encoded.
func tokenQuery(param, system, value string) string {
	return param + "=" + url.QueryEscape(searchEscape.Replace(system)+"|"+searchEscape.Replace(value))
}

// uriPart makes any text safe inside a URI of ours.
func uriPart(s string) string { return url.PathEscape(fhir.Code(s)) }

// add puts a resource into the bundle and returns the reference to it. Entries
// with the same key are one entry: the first stands.
func (c *conv) add(key string, resource any, r fhir.Request) fhir.Reference {
	full := "urn:uuid:" + derive("entry", key)
	if !c.seen[full] {
		c.seen[full] = true
		c.b.Entry = append(c.b.Entry, fhir.Entry{FullURL: full, Resource: resource, Request: &r})
	}
	return fhir.Reference{Reference: full}
}

// keyed is the identifier by which a repeat or a correction finds the resource
// again: derived from business identifiers, never from position alone unless
// the message gives nothing else.
func (c *conv) keyed(kind string, parts ...string) fhir.Identifier {
	return fhir.Identifier{Use: "secondary", System: c.opt.LocalBase + ":" + kind, Value: derive(append([]string{kind, c.facility}, parts...)...)}
}

// put updates the resource that carries id, or creates it (conditional update).
func put(kind string, id fhir.Identifier) fhir.Request {
	return fhir.Request{Method: "PUT", URL: kind + "?" + tokenQuery("identifier", id.System, id.Value)}
}

// create makes the resource only where none carries id (conditional create).
func create(kind string, id fhir.Identifier) fhir.Request {
	return fhir.Request{Method: "POST", URL: kind, IfNoneExist: tokenQuery("identifier", id.System, id.Value)}
}
