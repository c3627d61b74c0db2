package demo

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// resource is decoded JSON, numbers as json.Number so that 1.0 stays 1.0.
type resource = map[string]any

// fhirStore keeps resources by "Type/id", all versions.
type fhirStore struct {
	versions map[string][]resource
	next     int
}

func (s *fhirStore) latest(ref string) resource {
	if v := s.versions[ref]; len(v) > 0 {
		return v[len(v)-1]
	}
	return nil
}

// search finds the resources of typ that match a query by identifier or _tag
// (system|value, |value or value) or by _id. Any other parameter is an error: a
// server that ignored it would match too much.
func (s *fhirStore) search(typ, query string) ([]string, error) {
	q, err := url.ParseQuery(query)
	if err != nil || len(q) == 0 {
		return nil, refusal{412, "search criteria cannot be read"}
	}
	for name := range q {
		if name != "identifier" && name != "_tag" && name != "_id" {
			return nil, refuse(412, "search parameter %.40q is not supported", name)
		}
	}
	var out []string
	for _, ref := range slices.Sorted(maps.Keys(s.versions)) {
		t, id, _ := strings.Cut(ref, "/")
		if t != typ {
			continue
		}
		all := true
		for name, values := range q {
			for _, v := range values {
				switch name {
				case "identifier":
					all = all && hasToken(identifiers(s.latest(ref)), "value", v)
				case "_tag":
					all = all && hasToken(objects(object(s.latest(ref), "meta")["tag"]), "code", v)
				case "_id":
					all = all && id == v
				}
			}
		}
		if all {
			out = append(out, ref)
		}
	}
	return out, nil
}

// hasToken is the token search of FHIR R4 search.html 3.1.1.5.10 over coded
// things whose code or value stands in the element named member.
func hasToken(in []resource, member, token string) bool {
	system, value, both := cutToken(token)
	for _, i := range in {
		if text(i, member) == value && (!both || text(i, "system") == system) {
			return true
		}
	}
	return false
}

// cutToken parts system|value at the first bar that is not escaped and takes
// the escapes out (search.html 3.1.1.4.0.1). Without a bar all is value.
func cutToken(t string) (system, value string, both bool) {
	var cur strings.Builder
	for i := 0; i < len(t); i++ {
		switch {
		case t[i] == '\\' && i+1 < len(t):
			i++
			cur.WriteByte(t[i])
		case t[i] == '|' && !both:
			system, both = cur.String(), true
			cur.Reset()
		default:
			cur.WriteByte(t[i])
		}
	}
	return system, cur.String(), both
}

// identifiers returns r.identifier, which is a list in most types and one
// object in Bundle, Composition and QuestionnaireResponse.
func identifiers(r resource) []resource {
	if one, ok := r["identifier"].(resource); ok {
		return []resource{one}
	}
	return objects(r["identifier"])
}

func objects(v any) []resource {
	var out []resource
	l, _ := v.([]any)
	for _, x := range l {
		if o, ok := x.(resource); ok {
			out = append(out, o)
		}
	}
	return out
}

func object(r resource, name string) resource {
	o, _ := r[name].(resource)
	return o
}

func text(r resource, name string) string {
	s, _ := r[name].(string)
	return s
}

// refusal is a request the server does not carry out, and its HTTP status.
type refusal struct {
	status int
	words  string
}

func (r refusal) Error() string { return r.words }

func refuse(status int, format string, a ...any) error {
	return refusal{status, fmt.Sprintf(format, a...)}
}
