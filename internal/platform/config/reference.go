package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// Setting is one line of the reference.
type Setting struct {
	// Path has NAME for a key people choose and [] for an entry of a list.
	Path     string   `json:"path"`
	Kind     string   `json:"kind"`
	Doc      string   `json:"doc"`
	Required bool     `json:"required,omitempty"`
	Default  string   `json:"default,omitempty"`
	Example  string   `json:"example,omitempty"`
	OneOf    []string `json:"one_of,omitempty"`
	Min      string   `json:"min,omitempty"`
	Max      string   `json:"max,omitempty"`
	// Section says whether it holds other settings.
	Section bool `json:"section,omitempty"`
}

// Settings lists every setting in the order of the sample.
func Settings() []Setting {
	var out []Setting
	settings(&out, reflect.TypeFor[Config](), "")
	return out
}

// ReferenceJSON is Settings as JSON.
func ReferenceJSON() []byte {
	b, err := json.MarshalIndent(Settings(), "", "  ")
	if err != nil {
		panic(err) // plain strings
	}
	return append(b, '\n')
}

func settings(out *[]Setting, t reflect.Type, path string) {
	for _, f := range fieldsOf(t) {
		words, below, inner := describe(f)
		sub := join(path, f.name)
		if strings.HasSuffix(path, "]") { // join quotes nothing here: names are ours
			sub = path + "." + f.name
		}
		*out = append(*out, Setting{
			Path: sub, Kind: words, Doc: f.doc, Required: f.required, Default: f.def,
			Example: f.example, OneOf: f.oneof, Min: f.min, Max: f.max, Section: inner != nil,
		})
		if inner != nil {
			settings(out, inner, sub+below)
		}
	}
}

// describe says what a field takes, and what is below it when it is a section.
func describe(f field) (words, below string, inner reflect.Type) {
	t := element(f.typ)
	if s, ok := asScalar(reflect.New(t).Elem()); ok {
		return s.kind(), "", nil
	}
	switch t.Kind() {
	case reflect.Struct:
		return "section", "", t
	case reflect.Slice:
		g := f
		g.typ = t.Elem()
		words, _, inner = describe(g)
		if inner != nil {
			return "list of sections", "[]", inner
		}
		return "list of " + words, "", nil
	case reflect.Map:
		if t.Elem() == reflect.TypeFor[Table]() {
			return "by name, pairs of text", "", nil
		}
		g := f
		g.typ = t.Elem()
		words, _, inner = describe(g)
		if inner != nil {
			return "sections by name", ".NAME", inner
		}
		return words + " by name", "", nil
	case reflect.Bool:
		return "true or false", "", nil
	case reflect.Int:
		return "number", "", nil
	}
	if f.ref != "" {
		return "name of a " + f.ref, "", nil
	}
	return "text", "", nil
}

// Reference returns docs/operate/configuration.md.
func Reference() []byte {
	var b bytes.Buffer
	b.WriteString(`<!-- Generated from internal/platform/config; go generate ./internal/platform/config writes it anew. -->

# Configuration

` + "`labwarden.yaml`" + ` is how a configuration is written and reviewed. What runs is the applied revision: a changed
file does nothing until it is applied. Only the ` + "`node`" + ` section is read from the file at every start.
[labwarden.yaml](labwarden.yaml) beside this page is a sample with every setting.

The file is plain YAML in UTF-8, at most 512 KiB: no anchors, no tags, no key twice, no unknown key.

| kind | how it is written |
|---|---|
| length of time | ` + "`500ms` `30s` `10m` `72h` `7d` `2w` `10y`" + `; a day is 24 hours, a year 366 days |
| size | ` + "`512KiB` `32MiB` `10GiB`" + ` |
| date | ` + "`2027-01-31`" + `, until its end in UTC |
| listen address | ` + "`IP:PORT`" + `; a port alone listens on 127.0.0.1 |
| address | ` + "`HOST:PORT`" + ` |
| network | ` + "`192.0.2.0/24`" + `, or one address |
| secret reference | ` + "`vault:NAME` or `file:PATH`" + `; the secret itself is refused |
| path | a relative one counts from the folder of the configuration file |
| fingerprint | SHA-256 of a certificate, 64 hex digits |

`)
	referenceSection(&b, "", "", reflect.TypeFor[Config](), map[reflect.Type]string{})
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n')
}

func referenceSection(b *bytes.Buffer, path, doc string, t reflect.Type, done map[reflect.Type]string) {
	done[t] = path
	if path == "" {
		b.WriteString("## The sections\n\n")
	} else {
		fmt.Fprintf(b, "## %s\n\n%s\n\n", path, doc)
	}
	b.WriteString("| setting | kind | meaning | default |\n|---|---|---|---|\n")
	type next struct {
		path, doc string
		t         reflect.Type
	}
	var later []next
	for _, f := range fieldsOf(t) {
		words, below, inner := describe(f)
		sub := strings.TrimPrefix(path+"."+f.name, ".")
		if inner != nil {
			if first, ok := done[inner]; ok {
				words += ", see [" + first + "](#" + anchor(first) + ")"
			} else {
				done[inner] = sub + below
				later = append(later, next{sub + below, f.doc, inner})
				words += ", [below](#" + anchor(sub+below) + ")"
			}
		}
		def := ""
		switch {
		case f.required:
			def = "required"
		case f.def != "":
			def = "`" + f.def + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s%s | %s |\n", f.name, words, strings.ReplaceAll(f.doc, "|", `\|`), limits(f), def)
	}
	b.WriteByte('\n')
	for _, n := range later {
		referenceSection(b, n.path, n.doc, n.t, done)
	}
}

func limits(f field) string {
	switch {
	case len(f.oneof) > 0:
		return " One of `" + strings.Join(f.oneof, "`, `") + "`."
	case f.min != "" && f.max != "":
		return " From " + f.min + " to " + f.max + "."
	case f.min != "":
		return " At least " + f.min + "."
	}
	return ""
}

// anchor is the identifier common Markdown readers give a heading.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return -1
	}, heading)
}
