package config

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Change is one difference between two configurations.
type Change struct {
	// Path names the setting; entries of lists that have a name go by it.
	Path string `json:"path"`
	// Kind is added, removed or changed.
	Kind string `json:"kind"`
	// From and To are the values, empty where there is none; sections are JSON.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Words is the change as a sentence.
	Words string `json:"words"`
}

func (c Change) String() string { return c.Words }

// Diff says in words what becomes different from a to b, in the order of the
// reference. It is empty exactly when a and b mean the same.
func Diff(a, b *Config) []Change {
	d := &differ{}
	d.walk(spot{}, reflect.ValueOf(*a), reflect.ValueOf(*b))
	return d.changes
}

type differ struct{ changes []Change }

// spot is where the walk stands: the path, and the same as people say it.
type spot struct{ path, subject, rest string }

var subjects = map[string]string{"partners": "partner", "sources": "source", "routes": "route", "sites": "site", "tables": "table", "witnesses": "witness"}

func (s spot) key(key string) spot {
	out := s
	out.path = join(s.path, key)
	switch {
	case s.path == "":
		out.subject = key
	case subjects[s.path] != "":
		out.subject = subjects[s.path] + " " + key
	default:
		out.rest = join(s.rest, key)
	}
	return out
}

func (s spot) index(i int) spot {
	s.path, s.rest = fmt.Sprintf("%s[%d]", s.path, i), fmt.Sprintf("%s[%d]", s.rest, i)
	return s
}

func (s spot) words(format string, args ...any) string {
	name := s.subject
	if s.rest != "" {
		name += ": " + s.rest
	}
	return name + " " + fmt.Sprintf(format, args...)
}

func (d *differ) put(s spot, kind, from, to, words string) {
	d.changes = append(d.changes, Change{Path: s.path, Kind: kind, From: from, To: to, Words: words})
}

func text(v reflect.Value) string {
	if k := element(v.Type()).Kind(); k == reflect.Struct || k == reflect.Map || k == reflect.Slice {
		var b bytes.Buffer
		writeCanonical(&b, v, "")
		return b.String()
	}
	if s, ok := asScalar(v); ok {
		return s.String()
	}
	return fmt.Sprint(v.Interface())
}

func (d *differ) walk(s spot, a, b reflect.Value) {
	if a.Kind() == reflect.Pointer {
		switch {
		case a.IsNil() && b.IsNil():
		case a.IsNil():
			d.put(s, "added", "", text(b), s.words("is added"))
		case b.IsNil():
			d.put(s, "removed", text(a), "", s.words("is removed"))
		default:
			d.walk(s, a.Elem(), b.Elem())
		}
		return
	}
	switch a.Kind() {
	case reflect.Struct:
		for _, f := range fieldsOf(a.Type()) {
			d.walk(s.key(f.name), a.Field(f.index), b.Field(f.index))
		}
	case reflect.Map:
		keys := append(sortedKeys(a), sortedKeys(b)...)
		slices.Sort(keys)
		for _, k := range slices.Compact(keys) {
			d.pair(s.key(k), a.MapIndex(reflect.ValueOf(k)), b.MapIndex(reflect.ValueOf(k)))
		}
	case reflect.Slice:
		d.lists(s, a, b)
	default:
		d.leaf(s, a, b)
	}
}

func (d *differ) pair(s spot, a, b reflect.Value) {
	switch {
	case !a.IsValid():
		d.put(s, "added", "", text(b), s.words("is added"))
	case !b.IsValid():
		d.put(s, "removed", text(a), "", s.words("is removed"))
	default:
		d.walk(s, a, b)
	}
}

func (d *differ) leaf(s spot, a, b reflect.Value) {
	from, to := text(a), text(b)
	switch {
	case from == to:
	case from == "":
		d.put(s, "added", "", to, s.words("becomes %s", short(to)))
	case to == "":
		d.put(s, "removed", from, "", s.words("is removed, it was %s", short(from)))
	default:
		d.put(s, "changed", from, to, s.words("changes from %s to %s", short(from), short(to)))
	}
}

func short(s string) string {
	if n := strings.Count(s, "\n"); n > 0 {
		return fmt.Sprintf("a text of %d lines", n+1)
	}
	return s
}

func (d *differ) lists(s spot, a, b reflect.Value) {
	if a.Type().Elem().Kind() != reflect.Struct {
		d.sets(s, a, b)
		return
	}
	if _, named := a.Type().Elem().FieldByName("Name"); named && subjects[s.path] != "" {
		d.named(s, a, b)
		return
	}
	for i := range max(a.Len(), b.Len()) {
		var x, y reflect.Value
		if i < a.Len() {
			x = a.Index(i)
		}
		if i < b.Len() {
			y = b.Index(i)
		}
		d.pair(s.index(i), x, y)
	}
}

// named compares lists whose entries have a name of their own.
func (d *differ) named(s spot, a, b reflect.Value) {
	names := func(v reflect.Value) (out []string, at map[string]reflect.Value) {
		at = map[string]reflect.Value{}
		for i := range v.Len() {
			n := v.Index(i).FieldByName("Name").String()
			out, at[n] = append(out, n), v.Index(i)
		}
		return out, at
	}
	before, inA := names(a)
	after, inB := names(b)
	for _, n := range before {
		d.pair(s.key(n), inA[n], inB[n])
	}
	for _, n := range after {
		if !inA[n].IsValid() {
			d.pair(s.key(n), reflect.Value{}, inB[n])
		}
	}
	kept := func(list []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(n string) bool { return !inA[n].IsValid() || !inB[n].IsValid() })
	}
	if x, y := kept(before), kept(after); !slices.Equal(x, y) || !slices.Equal(before, after) && len(before) == len(after) && len(x) == len(before) {
		from, to := strings.Join(before, ", "), strings.Join(after, ", ")
		d.put(s, "changed", from, to, s.words("change their order from %s to %s", from, to))
	}
}

func (d *differ) sets(s spot, a, b reflect.Value) {
	var before, after []string
	for i := range a.Len() {
		before = append(before, text(a.Index(i)))
	}
	for i := range b.Len() {
		after = append(after, text(b.Index(i)))
	}
	if slices.Equal(before, after) {
		return
	}
	changed := false
	for _, x := range before {
		if !slices.Contains(after, x) {
			changed = true
			d.put(s, "removed", x, "", s.words("no longer has %s", short(x)))
		}
	}
	for _, x := range after {
		if !slices.Contains(before, x) {
			changed = true
			d.put(s, "added", "", x, s.words("also has %s", short(x)))
		}
	}
	if !changed {
		from, to := strings.Join(before, ", "), strings.Join(after, ", ")
		d.put(s, "changed", from, to, s.words("changes its order from %s to %s", from, to))
	}
}
