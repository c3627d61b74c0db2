package web

import (
	"encoding"
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
)

// Schema is the part of JSON Schema 2020-12 that OpenAPI 3.1 descriptions here
// use.
type Schema struct {
	Ref         string             `json:"$ref,omitempty"`
	Type        any                `json:"type,omitempty"` // a word, or a list with "null"
	Format      string             `json:"format,omitempty"`
	Description string             `json:"description,omitempty"`
	Properties  map[string]*Schema `json:"properties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	Items       *Schema            `json:"items,omitempty"`
	// Additional is the schema of a map's values, or false.
	Additional      any    `json:"additionalProperties,omitempty"`
	ContentEncoding string `json:"contentEncoding,omitempty"`
	// AnyOf: one of these, for what may be null.
	AnyOf []*Schema `json:"anyOf,omitempty"`
}

// Description is an OpenAPI 3.1 document.
type Description struct {
	OpenAPI    string                           `json:"openapi"`
	Info       map[string]any                   `json:"info"`
	Servers    []map[string]string              `json:"servers"`
	Security   []map[string][]string            `json:"security"`
	Paths      map[string]map[string]*Operation `json:"paths"`
	Components struct {
		Schemas         map[string]*Schema        `json:"schemas"`
		SecuritySchemes map[string]map[string]any `json:"securitySchemes"`
	} `json:"components"`
}

// Operation describes one.
type Operation struct {
	OperationID string              `json:"operationId"`
	Tags        []string            `json:"tags,omitempty"`
	Summary     string              `json:"summary"`
	Description string              `json:"description,omitempty"`
	Permission  string              `json:"x-permission"`
	Parameters  []Parameter         `json:"parameters,omitempty"`
	RequestBody *Content            `json:"requestBody,omitempty"`
	Responses   map[string]*Content `json:"responses"`
}

// Parameter stands in the path or the query.
type Parameter struct {
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Required    bool    `json:"required,omitempty"`
	Description string  `json:"description,omitempty"`
	Schema      *Schema `json:"schema"`
}

// Content is a body.
type Content struct {
	Description string               `json:"description,omitempty"`
	Required    bool                 `json:"required,omitempty"`
	Content     map[string]MediaType `json:"content,omitempty"`
}

// MediaType is the schema of one representation.
type MediaType struct {
	Schema *Schema `json:"schema"`
}

// Describe makes the OpenAPI document of the operations among the routes.
func Describe(version string, routes []Route) *Description {
	d := &Description{
		OpenAPI: "3.1.0",
		Info: map[string]any{
			"title": "Labwarden", "version": version, "license": map[string]string{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "What the pages can do. Authorization: Bearer with a token of a service account, or a client certificate. " +
				"Every operation asks for one permission (x-permission). Times are RFC 3339 in UTC. What shows patient data is recorded before it is given out.",
		},
		Servers:  []map[string]string{{"url": "/"}},
		Security: []map[string][]string{{"token": {}}, {"certificate": {}}, {"session": {}}},
		Paths:    map[string]map[string]*Operation{},
	}
	d.Components.Schemas = map[string]*Schema{}
	d.Components.SecuritySchemes = map[string]map[string]any{
		"token":       {"type": "http", "scheme": "bearer", "description": "A token of a service account: lw_…"},
		"certificate": {"type": "mutualTLS"},
		"session":     {"type": "apiKey", "in": "cookie", "name": "__Host-lw"},
	}
	m := maker{d.Components.Schemas}
	failed := m.of(reflect.TypeFor[struct {
		Error apiError `json:"error"`
	}]())
	for i := range routes {
		rt := &routes[i]
		if rt.Doc == nil {
			continue
		}
		method, path := rt.split()
		path = strings.ReplaceAll(path, "...}", "}")
		info, _ := authz.Of(rt.Needs)
		op := &Operation{
			OperationID: operationID(method, path), Tags: []string{rt.Doc.Tag}, Summary: rt.Doc.Summary, Description: rt.Doc.Description, Permission: string(rt.Needs),
			Responses: map[string]*Content{
				"200":     {Description: "Done.", Content: map[string]MediaType{"application/json": {m.of(rt.Doc.Out)}}},
				"401":     {Description: "Not signed in.", Content: map[string]MediaType{"application/json": {failed}}},
				"403":     {Description: "May not " + info.What + ".", Content: map[string]MediaType{"application/json": {failed}}},
				"default": {Description: "Refused or failed; error.kind says how.", Content: map[string]MediaType{"application/json": {failed}}},
			},
		}
		if p := rt.Doc.Produces; p != "" {
			op.Responses["200"].Content = map[string]MediaType{p: {&Schema{Type: "string", Format: "binary"}}}
		}
		op.Parameters, op.RequestBody = m.input(rt.Doc.In)
		if d.Paths[path] == nil {
			d.Paths[path] = map[string]*Operation{}
		}
		d.Paths[path][strings.ToLower(method)] = op
	}
	return d
}

var notWord = regexp.MustCompile(`[^a-zA-Z0-9]+`)

func operationID(method, path string) string {
	return strings.ToLower(method) + strings.TrimRight(notWord.ReplaceAllString(strings.TrimPrefix(path, "/api/v1"), "_"), "_")
}

type maker struct{ named map[string]*Schema }

// input splits a request's struct into parameters and body.
func (m maker) input(t reflect.Type) ([]Parameter, *Content) {
	var ps []Parameter
	if t.Kind() != reflect.Struct {
		return nil, nil
	}
	body := &Schema{Type: "object", Properties: map[string]*Schema{}, Additional: false}
	for i := range t.NumField() {
		f := t.Field(i)
		doc := f.Tag.Get("doc")
		if n := f.Tag.Get("path"); n != "" {
			ps = append(ps, Parameter{Name: n, In: "path", Required: true, Description: doc, Schema: m.of(f.Type)})
		} else if n := f.Tag.Get("query"); n != "" {
			ps = append(ps, Parameter{Name: n, In: "query", Description: doc, Schema: m.of(f.Type)})
		} else {
			m.field(body, f)
		}
	}
	if len(body.Properties) == 0 {
		return ps, nil
	}
	return ps, &Content{Required: len(body.Required) > 0, Content: map[string]MediaType{"application/json": {body}}}
}

// field adds a field to an object's schema as encoding/json writes it.
func (m maker) field(o *Schema, f reflect.StructField) {
	name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
	if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
		for i := range f.Type.NumField() {
			m.field(o, f.Type.Field(i))
		}
		return
	}
	if !f.IsExported() || name == "-" {
		return
	}
	if name == "" {
		name = f.Name
	}
	s := m.of(f.Type)
	if doc := f.Tag.Get("doc"); doc != "" {
		if s.Ref != "" {
			s = &Schema{Ref: s.Ref}
		}
		s.Description = doc
	}
	o.Properties[name] = s
	if !strings.Contains(opts, "omit") {
		o.Required = append(o.Required, name)
	}
}

var (
	textType = reflect.TypeFor[encoding.TextMarshaler]()
	jsonType = reflect.TypeFor[json.Marshaler]()
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
)

// of is the schema of what encoding/json makes of a type.
func (m maker) of(t reflect.Type) *Schema {
	switch {
	case t == timeType:
		return &Schema{Type: "string", Format: "date-time"}
	case t == rawType, t.Kind() == reflect.Interface:
		return &Schema{}
	case t.Kind() != reflect.Pointer && t.Implements(textType):
		return &Schema{Type: "string"}
	case t.Kind() != reflect.Pointer && t.Implements(jsonType):
		return &Schema{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		s := *m.of(t.Elem())
		if s.Ref != "" {
			return &Schema{AnyOf: []*Schema{{Ref: s.Ref}, {Type: "null"}}}
		}
		if s.Type != nil {
			s.Type = []any{s.Type, "null"}
		}
		return &s
	case reflect.Bool:
		return &Schema{Type: "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &Schema{Type: "integer"}
	case reflect.Float32, reflect.Float64:
		return &Schema{Type: "number"}
	case reflect.String:
		return &Schema{Type: "string"}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 && t.Kind() == reflect.Slice {
			return &Schema{Type: []any{"string", "null"}, ContentEncoding: "base64"}
		}
		s := &Schema{Type: []any{"array", "null"}, Items: m.of(t.Elem())} // a nil slice is null
		if t.Kind() == reflect.Array {
			s.Type = "array"
		}
		return s
	case reflect.Map:
		return &Schema{Type: []any{"object", "null"}, Additional: m.of(t.Elem())}
	case reflect.Struct:
		return m.object(t)
	}
	panic("web: " + t.String() + " cannot be described")
}

func (m maker) object(t reflect.Type) *Schema {
	name := schemaName(t)
	if name == "" {
		return m.fields(t, &Schema{})
	}
	if _, ok := m.named[name]; !ok {
		s := &Schema{}
		m.named[name] = s // before its fields: a type may hold itself
		m.fields(t, s)
	}
	return &Schema{Ref: "#/components/schemas/" + name}
}

func (m maker) fields(t reflect.Type, s *Schema) *Schema {
	s.Type, s.Properties, s.Additional = "object", map[string]*Schema{}, false
	for i := range t.NumField() {
		m.field(s, t.Field(i))
	}
	slices.Sort(s.Required)
	return s
}

// schemaName is package and type: two packages may have a Partner each.
func schemaName(t reflect.Type) string {
	if t.Name() == "" {
		return ""
	}
	pkg := t.PkgPath()
	pkg = pkg[strings.LastIndexByte(pkg, '/')+1:]
	return strings.Trim(notWord.ReplaceAllString(pkg+"_"+t.Name(), "_"), "_")
}

// describeRoute serves the document.
func (s *Server) describeRoute() Route {
	return Route{Pattern: "GET /api/v1/openapi.json", Needs: authz.APIDescribe, Handle: func(w http.ResponseWriter, _ *http.Request) error {
		return JSON(w, s.Describe())
	}}
}

// Describe is the description of what this server answers.
func (s *Server) Describe() *Description { return Describe(s.Version, s.routes) }
