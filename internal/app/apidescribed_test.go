package app

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// conforms holds a value against a schema of the description.
func conforms(d *web.Description, s *web.Schema, v any, at string) []string {
	if s == nil {
		return nil
	}
	if s.Ref != "" {
		return conforms(d, d.Components.Schemas[s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]], v, at)
	}
	if len(s.AnyOf) > 0 {
		for _, one := range s.AnyOf {
			if len(conforms(d, one, v, at)) == 0 {
				return nil
			}
		}
		return []string{fmt.Sprintf("%s: %v is none of what is described", at, v)}
	}
	var types []string
	switch t := s.Type.(type) {
	case string:
		types = []string{t}
	case []any:
		for _, x := range t {
			types = append(types, fmt.Sprint(x))
		}
	default:
		return nil // anything
	}
	is := map[string]bool{}
	switch v := v.(type) {
	case nil:
		is["null"] = true
	case bool:
		is["boolean"] = true
	case string:
		is["string"] = true
	case float64:
		is["number"], is["integer"] = true, v == float64(int64(v))
	case []any:
		is["array"] = true
		var out []string
		for i, x := range v {
			out = append(out, conforms(d, s.Items, x, fmt.Sprintf("%s[%d]", at, i))...)
		}
		if len(out) > 0 {
			return out
		}
	case map[string]any:
		is["object"] = true
		var out []string
		for _, k := range s.Required {
			if _, ok := v[k]; !ok {
				out = append(out, at+"."+k+": is missing")
			}
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if p := s.Properties[k]; p != nil {
				out = append(out, conforms(d, p, v[k], at+"."+k)...)
			} else if s.Additional == false {
				out = append(out, at+"."+k+": is not described")
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	if !slices.ContainsFunc(types, func(t string) bool { return is[t] }) {
		return []string{fmt.Sprintf("%s: %v is not %v", at, v, types)}
	}
	return nil
}

// The OpenAPI document is made from the code; here it is held against what the
// server answers: every operation that reads, as somebody who may.
func TestTheServerAnswersAsDescribed(t *testing.T) {
	d := newDoors(t)
	b, err := json.Marshal(d.s.Describe())
	if err != nil {
		t.Fatal(err)
	}
	var doc web.Description // as a reader of the document has it
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	asked, answered := 0, 0
	routes := d.s.Routes()
	for i := range routes {
		rt := &routes[i]
		method, path, _ := d.path(rt.Pattern)
		if rt.Doc == nil || method != http.MethodGet {
			continue
		}
		role := authz.Role("")
		for _, info := range authz.Roles() {
			if authz.Has(info.Role, rt.Needs) && !info.Scoped {
				role = info.Role
				break
			}
		}
		if role == "" {
			continue
		}
		d.as = &authz.Subject{
			Person: event.NewID(), Account: "reader", Name: "Reader", Level: authz.LevelPasskey, FreshAt: now, Session: event.NewID(),
			Grants: []authz.Grant{{Role: role, Until: now.Add(time.Hour)}},
		}
		asked++
		w := httptest.NewRecorder()
		d.all.ServeHTTP(w, httptest.NewRequest(method, "https://localhost"+path, nil))
		_, pattern, _ := strings.Cut(rt.Pattern, " ")
		op := doc.Paths[pattern]["get"]
		if op == nil {
			t.Errorf("%s is not described", rt.Pattern)
			continue
		}
		answer := op.Responses["200"]
		if w.Code != http.StatusOK {
			answer = op.Responses["default"]
		}
		media, ok := answer.Content["application/json"]
		if !ok {
			continue // a file
		}
		var v any
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
			t.Errorf("%s: %d %.200s: %v", rt.Pattern, w.Code, w.Body, err)
			continue
		}
		if w.Code == http.StatusOK {
			answered++
		}
		for _, no := range conforms(&doc, media.Schema, v, pattern) {
			t.Errorf("%d: %s", w.Code, no)
		}
	}
	t.Logf("%d reading operations asked, %d answered 200", asked, answered)
	if answered < asked/3 {
		t.Errorf("only %d of %d were answered: nothing is shown by this", answered, asked)
	}
}
