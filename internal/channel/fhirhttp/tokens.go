package fhirhttp

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
)

// Tokens are those under which a transaction bundle writes resources of the kind:
// of its conditional updates (R4 http.html#cond-update) and creates.
func Tokens(bundle []byte, kind string) ([]Token, error) {
	var b struct {
		Entry []struct {
			Request struct {
				Method      string `json:"method"`
				URL         string `json:"url"`
				IfNoneExist string `json:"ifNoneExist"`
			} `json:"request"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(bundle, &b); err != nil {
		return nil, errors.New("what was sent is no FHIR bundle") // the decoder's text may quote it
	}
	var out []Token
	for _, e := range b.Entry {
		at, query, _ := strings.Cut(e.Request.URL, "?")
		if at != kind {
			continue
		}
		if e.Request.IfNoneExist != "" {
			query = e.Request.IfNoneExist
		}
		values, err := url.ParseQuery(query)
		if err != nil {
			return nil, errors.New("what was sent has an entry with a condition that cannot be read")
		}
		for param, v := range values {
			if system, value, ok := cutToken(v[0]); ok && (param == "identifier" || param == "_tag") {
				out = append(out, Token{param, system, value})
			}
		}
	}
	return out, nil
}

// cutToken reads system|value with its escapes (R4 search.html 2.21.1.4.3).
func cutToken(s string) (system, value string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '|' && !ok:
			system, ok = b.String(), true
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return system, b.String(), ok
}
