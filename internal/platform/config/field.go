package config

import (
	"reflect"
	"strings"
)

// field is one setting as its struct tags describe it.
type field struct {
	index    int
	name     string
	doc      string
	def      string
	example  string
	mapKey   string
	more     string // a second entry of a list for the sample
	each     bool   // the sample shows one entry for each field of the element
	off      bool   // the sample shows it commented out
	required bool
	one      bool // a list of one may be written without brackets
	isName   bool
	hl7      bool
	min, max string
	oneof    []string
	ref      string
	file     string // "file" or "folder": it must be there
	typ      reflect.Type
}

func fieldsOf(t reflect.Type) []field {
	out := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		sf := t.Field(i)
		f := field{
			index: i, name: sf.Tag.Get("yaml"), doc: sf.Tag.Get("doc"), def: sf.Tag.Get("default"),
			example: sf.Tag.Get("ex"), mapKey: sf.Tag.Get("key"), more: sf.Tag.Get("more"), each: sf.Tag.Get("each") != "", off: sf.Tag.Get("sample") == "off", typ: sf.Type,
		}
		if f.name == "" {
			continue
		}
		rules := sf.Tag.Get("rule")
		if rules == "" {
			out = append(out, f)
			continue
		}
		for r := range strings.SplitSeq(rules, ",") {
			word, arg, _ := strings.Cut(r, "=")
			switch word {
			case "required":
				f.required = true
			case "one":
				f.one = true
			case "name":
				f.isName = true
			case "hl7":
				f.hl7 = true
			case "min":
				f.min = arg
			case "max":
				f.max = arg
			case "oneof":
				f.oneof = strings.Split(arg, "|")
			case "ref":
				f.ref = arg
			case "file", "folder":
				f.file = word
			default:
				panic("config: unknown rule " + r + " on " + t.Name() + "." + sf.Name)
			}
		}
		out = append(out, f)
	}
	return out
}

func element(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

func asScalar(v reflect.Value) (scalar, bool) {
	if !v.CanAddr() {
		c := reflect.New(v.Type())
		c.Elem().Set(v)
		v = c.Elem()
	}
	s, ok := v.Addr().Interface().(scalar)
	return s, ok
}

// nearest returns the known word closest to word, or "" when none is close
// enough to be what was meant.
func nearest(word string, known []string) string {
	best, bestDistance := "", max(len(word)/3, 1)+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), k, bestDistance); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance counts the letters to insert, remove, replace or swap (optimal
// string alignment), at most limit.
func distance(a, b string, limit int) int {
	if len(a) > 64 || len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit
	}
	var rows [3][]int
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur, prev, before := rows[i%3], rows[(i+2)%3], rows[(i+1)%3]
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
	}
	return min(rows[len(a)%3][len(b)], limit)
}
