package results

import (
	"bytes"
	"encoding/binary"
	"slices"
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

// eachKey gives what a message is known by. Those that are lanes too order its
// deliveries: its patient's ids, each with the authority, and its order,
// specimen and accession numbers. A number without its authority may be
// another's: that only makes one wait for the other.
func eachKey(k *hl7.Keys, m *hl7.Message, f func(lane bool, domain string, parts ...[]byte)) {
	for _, id := range k.PatientIDs {
		number, authority, _ := bytes.Cut(id, []byte{hl7.KeySep})
		if len(authority) == 0 {
			f(true, domainPatient, number)
			continue
		}
		f(false, domainPatient, number)
		f(true, domainPatient, number, authority)
	}
	for _, list := range [...][][]byte{k.Placers, k.Fillers, k.Specimens, k.Accessions} {
		for _, id := range list {
			number, _, _ := bytes.Cut(id, []byte{hl7.KeySep})
			f(true, domainOrder, number)
		}
	}
	eachPerson(m, func(last, birth string) { f(false, domainPerson, []byte(last), []byte(birth)) })
}

// marks are the lanes a message waits in, 8 bytes each, and what it is found
// by. A lane that two identifiers share by chance (2^-64) only makes one wait
// for the other. With no identifier at all, all of a source's messages share one.
func (s *Service) marks(source string, k *hl7.Keys, m *hl7.Message) (lanes []byte, search []searchKey) {
	lanes, search = make([]byte, 0, 32), make([]searchKey, 0, 8)
	eachKey(k, m, func(lane bool, domain string, parts ...[]byte) {
		x := s.vault.Index(domain, parts...)
		if lane && !hasLane(lanes, x[:8]) {
			lanes = append(lanes, x[:8]...)
		}
		if key := keyFrom(x); !slices.Contains(search, key) {
			search = append(search, key)
		}
	})
	if len(lanes) == 0 {
		x := s.vault.Index("source", []byte(source))
		lanes = append(lanes, x[:8]...)
	}
	return lanes, search
}

func hasLane(lanes, x []byte) bool {
	want := binary.BigEndian.Uint64(x)
	for i := 0; i+8 <= len(lanes); i += 8 {
		if binary.BigEndian.Uint64(lanes[i:]) == want {
			return true
		}
	}
	return false
}

// searchKeys appends what a stored message is found by.
func searchKeys(dst []searchKey, index indexer, body []byte, k *hl7.Keys) []searchKey {
	head, err := hl7.ReadHeader(body)
	if err != nil {
		return dst
	}
	if hl7.ReadKeys(body, &head, k) != nil {
		return dst // intake refuses such a message
	}
	m, err := hl7.Parse(body)
	if err != nil {
		return dst
	}
	from := len(dst)
	eachKey(k, m, func(_ bool, domain string, parts ...[]byte) {
		for _, x := range index(domain, parts...) {
			if !slices.Contains(dst[from:], x) {
				dst = append(dst, x)
			}
		}
	})
	return dst
}

// maxPersons bounds what a hostile message can make of name and birth date.
const maxPersons = 64

// eachPerson gives each pair of last name (PID-5.1, HL7 v2.5.1 3.4.2.5, every
// repetition) and birth date (PID-7, to the day), both normalised.
func eachPerson(m *hl7.Message, f func(last, birth string)) {
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
