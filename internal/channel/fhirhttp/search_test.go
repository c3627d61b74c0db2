package fhirhttp

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/fhir"
)

func TestSearch(t *testing.T) {
	for _, x := range []struct {
		name, answer string
		code         int
		has, fails   bool
	}{
		{"a number alone", `{"resourceType":"Bundle","type":"searchset","total":1}`, 200, false, true},
		{"there", `{"resourceType":"Bundle","type":"searchset","entry":[{"search":{"mode":"match"},"resource":{"identifier":[{"system":"urn:x","value":"7 7"}]}}]}`, 200, true, false},
		{"another", `{"resourceType":"Bundle","type":"searchset","total":9,"entry":[{"search":{"mode":"match"},"resource":{"identifier":[{"system":"urn:x","value":"8"}]}}]}`, 200, false, true},
		{"none", `{"resourceType":"Bundle","type":"searchset","total":0}`, 200, false, false},
		{"outcome only", `{"resourceType":"Bundle","type":"searchset","entry":[{"search":{"mode":"outcome"}}]}`, 200, false, false},
		{"no searchset", `{"resourceType":"Bundle","type":"collection","total":1}`, 200, false, true},
		{"no JSON", `hello`, 200, false, true},
		{"refused", `{}`, 403, false, true},
		{"redirected", `{}`, 302, false, true},
		{"failing", `{}`, 500, false, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := newPartner(t)
			p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != "POST" || !strings.HasSuffix(r.URL.Path, "/DiagnosticReport/_search") || r.URL.RawQuery != "" || r.PostFormValue("identifier") != "urn:x|7 7" {
					t.Errorf("%s %s", r.Method, r.URL)
				}
				w.Header().Set("Content-Type", fhir.ContentType)
				w.WriteHeader(x.code)
				fmt.Fprint(w, x.answer)
			})
			has, err := newSender(t, p, func(*Config) {}).Search(t.Context(), "DiagnosticReport", Token{"identifier", "urn:x", "7 7"})
			var e *channel.Error
			if has != x.has || (err != nil) != x.fails || err != nil && (!errors.As(err, &e) || strings.Contains(err.Error(), "7 7")) {
				t.Errorf("%t %v", has, err)
			}
		})
	}
}

func TestTokens(t *testing.T) {
	bundle := `{"resourceType":"Bundle","type":"transaction","entry":[
		{"request":{"method":"PUT","url":"DiagnosticReport?identifier=urn%3Aa%5C%7Cb%7C7%5C%2C8"}},
		{"request":{"method":"PUT","url":"Observation?identifier=urn%3Aa%7C1"}},
		{"request":{"method":"POST","url":"Provenance","ifNoneExist":"_tag=urn%3At%7C9"}}]}`
	for kind, want := range map[string]Token{"DiagnosticReport": {"identifier", "urn:a|b", "7,8"}, "Provenance": {"_tag", "urn:t", "9"}} {
		got, err := Tokens([]byte(bundle), kind)
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: %+v %v", kind, got, err)
		}
	}
	if _, err := Tokens([]byte("MSH|^~"), "Provenance"); err == nil {
		t.Error("no bundle was read")
	}
}
