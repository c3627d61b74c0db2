package web

//go:generate env -u GOFLAGS go tool -modfile=../../../tools/go.mod templ generate -f explorer.templ

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// explorerOp is an operation as the explorer shows it.
type explorerOp struct {
	ID, Method, Path string
	Op               *Operation
	Body             []Parameter
	Answer, Curl     string
}

type explorerGroup struct {
	Tag, Count string
	Ops        []explorerOp
}

// about are the operations that are said all of: a page of all of them would weigh
// too much.
func (g explorerGroup) about(whole bool) []explorerOp {
	if !whole {
		return nil
	}
	return g.Ops
}

func explorerPath(tag string) string { return "/api?" + url.Values{"of": {tag}}.Encode() }

// kindOf is a schema in a few words.
func kindOf(s *Schema) string {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	case len(s.AnyOf) > 0:
		return kindOf(s.AnyOf[0]) + " or null"
	case s.Items != nil:
		return "list of " + kindOf(s.Items)
	case s.Format != "":
		return s.Format
	}
	switch t := s.Type.(type) {
	case string:
		return t
	case []any:
		return fmt.Sprint(t[0])
	}
	return "anything"
}

func explorerGroups(d *Description) []explorerGroup {
	byTag := map[string][]explorerOp{}
	for path, methods := range d.Paths {
		for method, op := range methods {
			o := explorerOp{ID: op.OperationID, Method: strings.ToUpper(method), Path: path, Op: op}
			for mt, c := range op.Responses["200"].Content {
				if o.Answer = kindOf(c.Schema); mt != "application/json" {
					o.Answer = mt
				}
			}
			o.Curl = "curl -H \"Authorization: Bearer $TOKEN\""
			if op.RequestBody != nil {
				props := op.RequestBody.Content["application/json"].Schema.Properties
				var fields []string
				for _, n := range slices.Sorted(maps.Keys(props)) {
					o.Body = append(o.Body, Parameter{Name: n, Schema: props[n], Description: props[n].Description})
					fields = append(fields, fmt.Sprintf("%q: …", n))
				}
				o.Curl += " -H 'Content-Type: application/json' -d '{" + strings.Join(fields, ", ") + "}'"
			}
			if o.Method != http.MethodGet {
				o.Curl += " -X " + o.Method
			}
			o.Curl += " https://HOST" + path
			byTag[op.Tags[0]] = append(byTag[op.Tags[0]], o)
		}
	}
	var out []explorerGroup
	for _, tag := range slices.Sorted(maps.Keys(byTag)) {
		ops := byTag[tag]
		slices.SortFunc(ops, func(a, b explorerOp) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method)) })
		word := "operations"
		if len(ops) == 1 {
			word = "operation"
		}
		out = append(out, explorerGroup{tag, fmt.Sprintf("%d %s", len(ops), word), ops})
	}
	return out
}

// explorerRoutes are the page about the API. It works without any script: what
// is tried is an ordinary form that leads to the operation's own address.
func (s *Server) explorerRoutes() []Route {
	return []Route{
		{Pattern: "GET /api", Needs: authz.APIDescribe, Handle: func(w http.ResponseWriter, r *http.Request) error {
			d := s.Describe()
			groups, of := explorerGroups(d), r.URL.Query().Get("of")
			p := kit.Page{Title: "API", Lead: fmt.Sprintf("%d operations for programs.", count(d)), Rest: "The same rules as on the pages."}
			if of != "" {
				groups = slices.DeleteFunc(groups, func(g explorerGroup) bool { return g.Tag != of })
				if len(groups) == 0 {
					return NotFound("There is no such subject.")
				}
				p.Title, p.Lead, p.Crumbs = "API: "+of, of+".", []kit.Crumb{{Name: "API", Href: "/api"}}
			}
			p.Body = explorerPage(groups, of != "")
			return Render(w, r, p)
		}},
		{Pattern: "POST /api/try", Needs: authz.APIDescribe, Handle: func(w http.ResponseWriter, r *http.Request) error {
			if err := r.ParseForm(); err != nil {
				return err
			}
			for path, methods := range s.Describe().Paths {
				op := methods["get"]
				if op == nil || op.OperationID != r.PostForm.Get("op") {
					continue
				}
				q := url.Values{}
				for _, p := range op.Parameters {
					v := r.PostForm.Get("p_" + p.Name)
					switch {
					case p.In == "path" && v == "":
						return Invalid(p.Name + " is needed.")
					case p.In == "path":
						path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(v))
					case v != "":
						q.Set(p.Name, v)
					}
				}
				if len(q) > 0 {
					path += "?" + q.Encode()
				}
				http.Redirect(w, r, Local(path), http.StatusSeeOther)
				return nil
			}
			return NotFound("There is no such operation.")
		}},
	}
}

func count(d *Description) int {
	n := 0
	for _, m := range d.Paths {
		n += len(m)
	}
	return n
}
