package config

import (
	"bytes"
	"reflect"
	"strings"
)

// Sample returns a configuration to start from: every setting, explained.
// Settings commented out show their default, or what may be added; it parses
// without a problem.
func Sample() []byte {
	w := &sampleWriter{}
	w.comment(0, "labwarden.yaml. Lines that begin with #key: show the default, or what may be added. "+
		"Times: 30s, 10m, 72h, 7d, 2w, 10y. Sizes: KiB, MiB, GiB. Secrets stand elsewhere and are named: vault:NAME or file:PATH. "+
		"labwarden check says what is wrong, and where.")
	w.fields(reflect.TypeFor[Config](), 0)
	return w.b.Bytes()
}

type sampleWriter struct {
	b    bytes.Buffer
	off  []int  // columns at which lines are commented out, outermost first
	dash string // what the next line of a list entry begins with
}

func (w *sampleWriter) line(indent int, s string) {
	at := 0
	for _, col := range w.off {
		w.b.WriteString(strings.Repeat(" ", col-at) + "#")
		at = col
	}
	w.b.WriteString(strings.Repeat(" ", indent-at))
	w.b.WriteString(s + "\n")
}

func (w *sampleWriter) setting(indent int, s string) {
	if w.dash != "" {
		indent, s, w.dash = indent-2, w.dash+s, ""
	}
	w.line(indent, s)
}

func (w *sampleWriter) comment(indent int, s string) {
	width := max(100-indent, 40)
	line := "#"
	for word := range strings.FieldsSeq(s) {
		if len(line)+1+len(word) > width {
			w.line(indent, line)
			line = "#"
		}
		line += " " + word
	}
	w.line(indent, line)
}

func (w *sampleWriter) fields(t reflect.Type, indent int) {
	for _, f := range fieldsOf(t) {
		if indent == 0 {
			w.b.WriteByte('\n')
		}
		words := f.doc
		if len(f.oneof) > 0 && f.def == "" {
			words += " One of " + strings.Join(f.oneof, ", ") + "."
		}
		first := w.dash != ""
		if first { // the dash stands before the key; its comment goes above it
			w.comment(indent-2, words)
		} else {
			w.comment(indent, words)
		}
		was := w.off
		if f.off || f.example == "" && isLeaf(f) && !f.required {
			w.off = append(w.off[:len(w.off):len(w.off)], indent)
		}
		w.field(f, indent)
		w.off = was
	}
}

// isLeaf says whether a field is written on one line.
func isLeaf(f field) bool {
	t := element(f.typ)
	if _, ok := asScalar(reflect.New(t).Elem()); ok {
		return true
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return false
	case reflect.Slice:
		return t.Elem().Kind() != reflect.Struct || !hasExample(t.Elem())
	}
	return true
}

func hasExample(t reflect.Type) bool {
	for _, f := range fieldsOf(t) {
		if f.example != "" || element(f.typ).Kind() == reflect.Struct {
			return true
		}
	}
	return false
}

func (w *sampleWriter) field(f field, indent int) {
	t := element(f.typ)
	if isLeaf(f) {
		w.setting(indent, f.name+": "+sampleValue(f, t))
		return
	}
	w.setting(indent, f.name+":")
	switch t.Kind() {
	case reflect.Struct:
		w.fields(t, indent+2)
	case reflect.Slice:
		if f.each {
			for _, g := range fieldsOf(t.Elem()) {
				w.comment(indent+2, g.doc)
				w.dash = "- "
				w.field(g, indent+4)
			}
			return
		}
		w.dash = "- "
		w.fields(t.Elem(), indent+4)
		if f.more != "" {
			w.line(indent+2, "- "+f.more)
		}
	case reflect.Map:
		if t.Elem() == reflect.TypeFor[Table]() {
			w.setting(indent+2, f.mapKey+":")
			w.setting(indent+4, `"mg/dl": mg/dL`)
			return
		}
		if t.Elem().Kind() != reflect.Struct {
			w.setting(indent+2, f.mapKey+": "+f.example)
			return
		}
		w.setting(indent+2, f.mapKey+":")
		w.fields(t.Elem(), indent+4)
	}
}

func sampleValue(f field, t reflect.Type) string {
	value := f.example
	if value == "" {
		value = f.def
	}
	switch {
	case t.Kind() == reflect.Slice && !f.one && value != "":
		return "[" + value + "]"
	case t.Kind() == reflect.Slice && value == "":
		return "[]"
	case value == "" && t.Kind() == reflect.Bool:
		return "false"
	case value == "":
		if s, ok := asScalar(reflect.New(t).Elem()); ok {
			return "<" + s.kind() + ">"
		}
		return "<text>"
	case t.Kind() == reflect.String && !plainText(value):
		return "'" + strings.ReplaceAll(value, "'", "''") + "'"
	}
	if f.name == "id" && strings.Trim(value, "0123456789") == "" {
		return `"` + value + `"`
	}
	return value
}
