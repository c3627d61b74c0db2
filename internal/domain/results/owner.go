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

// ByProvider checks that every ordering provider a message names belongs to
// the partner. A message that names none is judged by its account.
func ByProvider(owns map[string]Belonging) func(string, Look) (string, error) {
	return func(partner string, l Look) (string, error) {
		m, err := l.Message()
		if err != nil {
			return "", err
		}
		named := false
		for _, path := range []string{"OBR-16", "ORC-12"} {
			p, err := hl7.ParsePath(path)
			if err != nil {
				return "", err
			}
			for _, v := range m.Each(p) {
				id := v.Part(1).Text()
				if id == "" {
					continue
				}
				named = true
				if !owns[partner].has(id, v.Part(9).Subpart(1).Text()) {
					return "the ordering provider is not one of this partner's", nil
				}
			}
		}
		if named {
			return "", nil
		}
		return byAccount(m, owns[partner], "no ordering provider is named and the account is not this partner's")
	}
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
