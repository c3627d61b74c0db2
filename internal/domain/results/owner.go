package results

import (
	"slices"
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
		for s := range m.Segments("OBR") {
			found, ours := orderedBy(s.Field(16), owns[partner])
			if !found {
				if orc, ok := segment(m, "ORC", s.Occurrence()); ok {
					found, ours = orderedBy(orc.Field(12), owns[partner])
				}
			}
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

func segment(m *hl7.Message, name string, n int) (hl7.Segment, bool) {
	for s := range m.Segments(name) {
		if s.Occurrence() == n {
			return s, true
		}
	}
	return hl7.Segment{}, false
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
	out := []string{}
	add := func(v hl7.Value) (found bool) {
		for _, r := range v.Repetitions() {
			id := r.Part(1).Text()
			found = found || id != ""
			if id != "" && !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
		return found
	}
	for s := range m.Segments("OBR") {
		if !add(s.Field(16)) {
			if orc, ok := segment(m, "ORC", s.Occurrence()); ok {
				add(orc.Field(12))
			}
		}
	}
	return out
}
