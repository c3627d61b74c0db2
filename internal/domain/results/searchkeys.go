package results

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// A search key is the first 63 bits of a blind index: in an index of a hundred
// million entries a wrong hit comes once in a hundred thousand million searches.
type searchKey int64

func keyFrom(x [16]byte) searchKey { return searchKey(binary.BigEndian.Uint64(x[:]) >> 1) }

// What can be looked for. A name or a birth date alone has too few values to be
// blind: they are one index together.
const (
	domainPatient = "search patient"
	domainOrder   = "search order"
	domainPerson  = "search name and birth date"
)

// indexer computes the keys of one value: one for what is written, one for each
// key version for what is looked for.
type indexer func(domain string, parts ...[]byte) []searchKey

func currentIndex(v *vault.Vault) indexer {
	return func(domain string, parts ...[]byte) []searchKey {
		return []searchKey{keyFrom(v.Index(domain, parts...))}
	}
}

func everyIndex(v *vault.Vault) indexer {
	return func(domain string, parts ...[]byte) []searchKey {
		xs := v.IndexVersions(domain, parts...)
		out := make([]searchKey, len(xs))
		for i, x := range xs {
			out[i] = keyFrom(x)
		}
		return out
	}
}

// searchKeys appends what a message can be found by.
func searchKeys(dst []searchKey, index indexer, body []byte, k *hl7.Keys) []searchKey {
	head, err := hl7.ReadHeader(body)
	if err != nil {
		return dst
	}
	if hl7.ReadKeys(body, &head, k) != nil {
		return dst // intake refuses such a message
	}
	from := len(dst)
	add := func(keys []searchKey) {
	next:
		for _, x := range keys {
			for _, have := range dst[from:] {
				if have == x {
					continue next
				}
			}
			dst = append(dst, x)
		}
	}
	for _, id := range k.PatientIDs {
		number, authority, _ := bytes.Cut(id, []byte{hl7.KeySep})
		add(index(domainPatient, number))
		if len(authority) > 0 {
			add(index(domainPatient, number, authority))
		}
	}
	for _, list := range [][][]byte{k.Placers, k.Fillers, k.Specimens, k.Accessions} {
		for _, id := range list {
			number, _, _ := bytes.Cut(id, []byte{hl7.KeySep})
			add(index(domainOrder, number))
		}
	}
	eachPerson(body, func(last, birth string) { add(index(domainPerson, []byte(last), []byte(birth))) })
	return dst
}

// maxPersons bounds what a hostile message can make of name and birth date.
const maxPersons = 64

// eachPerson gives each pair of last name (PID-5.1, HL7 v2.5.1 3.4.2.5, every
// repetition) and birth date (PID-7, to the day), both normalised.
func eachPerson(body []byte, f func(last, birth string)) {
	// Only as far as the last PID: of a usual message that is its first lines.
	end := max(bytes.LastIndex(body, []byte("\rPID")), bytes.LastIndex(body, []byte("\nPID")))
	if end < 0 {
		return
	}
	if n := bytes.IndexAny(body[end+1:], "\r\n"); n >= 0 {
		body = body[:end+1+n]
	}
	m, err := hl7.Parse(body)
	if err != nil {
		return
	}
	n := 0
	for s := range m.Segments("PID") {
		birth := normalDate(s.Field(7).Part(1).Text())
		if birth == "" {
			continue
		}
		for _, name := range s.Field(5).Repetitions() {
			if last := normalName(name.Part(1).Subpart(1).Text()); last != "" {
				if n++; n > maxPersons {
					return
				}
				f(last, birth)
			}
		}
	}
}

// normalName makes names equal that differ in case and blanks only.
func normalName(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

// normalDate is YYYYMMDD out of an HL7 time or an ISO date, or empty.
func normalDate(s string) string {
	s = strings.ReplaceAll(strings.TrimSpace(s), "-", "")
	if len(s) < 8 {
		return ""
	}
	for _, c := range s[:8] {
		if c < '0' || c > '9' {
			return ""
		}
	}
	return s[:8]
}
