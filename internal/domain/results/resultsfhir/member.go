package resultsfhir

import (
	"encoding/json"
	"strings"
)

// member is a resource as searches look at it: only what they compare is read.
type member map[string]json.RawMessage

func membersOf(resource []byte) member {
	var m member
	if json.Unmarshal(resource, &m) != nil {
		return nil // it was ours, and encoded by us: a damaged one has no members
	}
	return m
}

// coded is a token: a code or a value, and whose.
type coded struct{ system, value string }

type wireConcept struct {
	Coding []wireCoded `json:"coding"`
	wireCoded
}

type wireCoded struct {
	System string `json:"system"`
	Code   string `json:"code"`
	Value  string `json:"value"`
}

func (w wireCoded) coded() coded {
	if w.Code != "" {
		return coded{w.System, w.Code}
	}
	return coded{w.System, w.Value}
}

// codings are the tokens of a member: of a code, of concepts or identifiers, one
// or several (R4 search.html 2.21.1.5.1).
func (m member) codings(path string) []coded {
	raw := m[path]
	if len(raw) == 0 {
		return nil
	}
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return nil
		}
		return []coded{{value: s}}
	case '{':
		raw = append(append([]byte{'['}, raw...), ']')
	}
	var all []wireConcept
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	var out []coded
	for _, c := range all {
		if c.Code != "" || c.Value != "" {
			out = append(out, c.coded())
		}
		for _, x := range c.Coding {
			out = append(out, x.coded())
		}
	}
	return out
}

// references are the local references of a member, "Type/id".
func (m member) references(path string) []string {
	raw := m[path]
	if len(raw) == 0 {
		return nil
	}
	if raw[0] == '{' {
		raw = append(append([]byte{'['}, raw...), ']')
	}
	var all []struct {
		Reference string `json:"reference"`
	}
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	var out []string
	for _, r := range all {
		if r.Reference != "" && !strings.Contains(r.Reference, ":") {
			out = append(out, r.Reference)
		}
	}
	return out
}

// span reads a dateTime, an instant or a Period member as the time it covers.
func (m member) span(path string) (span, bool) {
	raw := m[path]
	if len(raw) == 0 {
		return span{}, false
	}
	if raw[0] == '"' {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return span{}, false
		}
		return parseTime(s)
	}
	var p struct{ Start, End string }
	if json.Unmarshal(raw, &p) != nil {
		return span{}, false
	}
	from, okFrom := parseTime(p.Start)
	to, okTo := parseTime(p.End)
	if !okFrom && !okTo {
		return span{}, false
	}
	if !okFrom {
		from.from = earliest
	}
	if !okTo {
		to.to = latest
	}
	return span{from.from, to.to}, true
}
