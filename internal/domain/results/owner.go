package results

import (
	"strings"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// Provider is an ordering provider: an identifier and who assigned it.
type Provider struct{ ID, Authority string }

// Belonging is what is known to belong to a partner.
type Belonging struct {
	Providers []Provider
	Accounts  []string
}

// ByProvider checks that each order in a message names an ordering provider of
// the partner (OBR-16, or ORC-12 where that is empty). An order may name
// several providers; one of the partner's is enough. A message that names no
// provider at all is judged by its account.
func ByProvider(owns map[string]Belonging) func(string, Look) (string, error) {
	return func(partner string, l Look) (string, error) {
		m, err := l.Message()
		if err != nil {
			return "", err
		}
		named := false
		for _, v := range orderers(m) {
			found, ours := orderedBy(v, owns[partner])
			named = named || found
			if found && !ours {
				return "the ordering provider is not one of this partner's", nil
			}
		}
		if named {
			return "", nil
		}
		return byAccount(m, owns[partner], "no ordering provider is named and the account is not this partner's")
	}
}

// orderedBy reads the providers of one order: whether any is named, and
// whether one of them is b's.
func orderedBy(v hl7.Value, b Belonging) (named, ours bool) {
	for _, r := range v.Repetitions() {
		id := r.Part(1).Text()
		if id == "" {
			continue
		}
		named = true
		ours = ours || b.has(id, r.Part(9).Subpart(1).Text())
	}
	return named, ours
}

// orderers is, for each order (OBR), the field that names who ordered it: OBR-16,
// or where that names nobody ORC-12 of the same order. An ORC may be missing; it
// stands before its OBR (HL7 v2.5.1 7.3.1), in OUL^R22 to R24 right behind it or
// before it, by version.
func orderers(m *hl7.Message) []hl7.Value {
	var out []hl7.Value
	var lines []int // of the OBR
	all := true
	for s := range m.Segments("OBR") {
		v := s.Field(16)
		out, lines, all = append(out, v), append(lines, s.Line()), all && names(v)
	}
	if all {
		return out
	}
	either, n := orcEitherWay(m), 0 // n is the first OBR behind the ORC
	for s := range m.Segments("ORC") {
		for n < len(lines) && lines[n] < s.Line() {
			n++
		}
		i := n
		if either && n > 0 && lines[n-1] == s.Line()-1 {
			i = n - 1
		}
		if i < len(out) && !names(out[i]) {
			out[i] = s.Field(12)
		}
	}
	return out
}

func orcEitherWay(m *hl7.Message) bool {
	h := m.Header()
	switch string(h.Trigger()) {
	case "R22", "R23", "R24":
		return string(h.Code()) == "OUL"
	}
	return false
}

func names(v hl7.Value) bool {
	for _, r := range v.Repetitions() {
		if r.Part(1).Text() != "" {
			return true
		}
	}
	return false
}

// ByAccount checks that the message's account (PID-18) belongs to the partner.
func ByAccount(owns map[string]Belonging) func(string, Look) (string, error) {
	return func(partner string, l Look) (string, error) {
		m, err := l.Message()
		if err != nil {
			return "", err
		}
		return byAccount(m, owns[partner], "the account is not this partner's")
	}
}

func byAccount(m *hl7.Message, b Belonging, no string) (string, error) {
	p, err := hl7.ParsePath("PID-18")
	if err != nil {
		return "", err
	}
	found := false
	for _, v := range m.Each(p) {
		id := v.Part(1).Text()
		if id == "" {
			continue
		}
		found = true
		ok := false
		for _, a := range b.Accounts {
			ok = ok || a == id
		}
		if !ok {
			return no, nil
		}
	}
	if !found {
		return no, nil
	}
	return "", nil
}

func (b Belonging) has(id, authority string) bool {
	for _, p := range b.Providers {
		if p.ID == id && strings.EqualFold(p.Authority, authority) {
			return true
		}
	}
	return false
}

// providers lists who ordered, without authorities, each once.
func providers(m *hl7.Message) []string {
	out, seen := []string{}, map[string]bool{}
	for _, v := range orderers(m) {
		for _, r := range v.Repetitions() {
			if id := r.Part(1).Text(); id != "" && !seen[id] {
				seen[id] = true
				out = append(out, id)
			}
		}
	}
	return out
}
