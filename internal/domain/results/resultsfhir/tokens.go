package resultsfhir

import (
	"encoding/binary"
	"slices"

	"github.com/labwarden/labwarden/internal/platform/event"
)

// What blind indexes are made of. A code alone has too few values to be blind:
// it is one index with its patient.
const (
	domainIdentity   = "results fhir identity"
	domainIdentifier = "results fhir identifier"
	domainCode       = "results fhir patient and code"
)

// token is the first 63 bits of a blind index. What it finds is compared with
// the resource itself, so a wrong hit costs a look and shows nothing.
func token(x [16]byte) int64 { return int64(binary.BigEndian.Uint64(x[:]) >> 1) }

func tokens(xs [][16]byte) []int64 {
	out := make([]int64, len(xs))
	for i, x := range xs {
		out[i] = token(x)
	}
	return out
}

func identityParts(partner string, k kind, identity string) [][]byte {
	return [][]byte{[]byte(partner), []byte(k.String()), []byte(identity)}
}

// identifierParts are of an identifier's value: its system is compared with the
// resource. The same value under another system costs a look.
func identifierParts(partner string, k kind, value string) [][]byte {
	return [][]byte{[]byte(partner), []byte(k.String()), []byte(value)}
}

func codeParts(k kind, patient event.ID, code string) [][]byte {
	return [][]byte{[]byte(k.String()), patient[:], []byte(code)}
}

// codeIndexed are the kinds whose codes are found by index, together with the
// patient. Of the others a patient has few.
func (k kind) codeIndexed() bool { return k == kindReport || k == kindObservation }

// mark sets by what the row is found.
func (s *Service) mark(r *row, m member) {
	add := func(domain string, parts [][]byte) {
		if t := token(s.vault.Index(domain, parts...)); !slices.Contains(r.tokens, t) && len(r.tokens) < maxTokens {
			r.tokens = append(r.tokens, t)
		}
	}
	add(domainIdentity, identityParts(r.partner, r.kind, r.identity))
	for _, c := range m.codings("identifier") {
		if c.value == "" {
			continue
		}
		add(domainIdentifier, identifierParts(r.partner, r.kind, c.value))
	}
	if r.patient == (event.ID{}) || !r.kind.codeIndexed() {
		return
	}
	for _, c := range m.codings("code") {
		if c.value == "" {
			continue
		}
		add(domainCode, codeParts(r.kind, r.patient, c.value))
	}
}

// maxTokens bounds what a hostile message can make of its identifiers.
const maxTokens = 200
