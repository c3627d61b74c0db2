package config

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// position is where a path stands in the file: its value, and its key.
type position struct{ line, col, width, keyLine, keyCol, keyWidth int }

type decoder struct {
	file     string
	opts     Options
	problems Problems
	count    [Warning + 1]int
	pos      map[string]position
}

// add reports an error at the value of path, or where it would have to be.
func (d *decoder) add(path, fix, format string, args ...any) *Problem {
	p := d.where(path)
	return d.put(p.line, p.col, p.width, path, Error, fix, format, args...)
}

// addKey reports at the key of path.
func (d *decoder) addKey(path string, sev Severity, fix, format string, args ...any) {
	p := d.where(path)
	d.put(p.keyLine, p.keyCol, p.keyWidth, path, sev, fix, format, args...)
}

func (d *decoder) put(line, col, width int, path string, sev Severity, fix, format string, args ...any) *Problem {
	// Counted apart: many warnings must neither stop a file nor hide an error.
	if d.count[sev] >= maxProblems {
		return &Problem{}
	}
	d.count[sev]++
	d.problems = append(d.problems, Problem{
		File: d.file, Line: line, Column: col, Path: path,
		Message: fmt.Sprintf(format, args...), Fix: fix, Severity: sev, width: width,
	})
	return &d.problems[len(d.problems)-1]
}

func (d *decoder) where(path string) position {
	for {
		if p, ok := d.pos[path]; ok {
			return p
		}
		i := strings.LastIndexAny(path, ".[")
		if i <= 0 {
			return position{1, 1, 1, 1, 1, 1}
		}
		path = path[:i]
	}
}

// written says whether path stands in the file.
func (d *decoder) written(path string) bool { _, ok := d.pos[path]; return ok }

func (d *decoder) record(path string, e entry) {
	d.pos[path] = position{e.val.line, e.val.col, e.val.width(), e.line, e.col, e.width}
}

// setDefaults fills what the tags say; it cannot fail, a test reads them all.
func setDefaults(v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		fv := v.Field(f.index)
		if fv.Kind() == reflect.Struct {
			setDefaults(fv)
		} else if f.def != "" {
			if refused, _ := setText(fv, f.def); refused != "" {
				panic("config: default of " + f.name + ": " + refused)
			}
		}
	}
}

// setText reads text into a scalar field.
func setText(v reflect.Value, text string) (refused, fix string) {
	if s, ok := asScalar(v); ok {
		return s.read(text)
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(text == "true")
	case reflect.Int:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return quote(text) + " is not a whole number", "write a whole number such as 10"
		}
		v.SetInt(n)
	}
	return "", ""
}

func (d *decoder) structure(v reflect.Value, n *node, path string) {
	setDefaults(v)
	if n.kind == kNull {
		n = &node{kind: kMap, line: n.line, col: n.col}
	}
	if n.kind != kMap {
		d.add(path, "write the settings of this section as key: value below it", "%s where a section is needed", n.kind)
		return
	}
	fields := fieldsOf(v.Type())
	byName := make(map[string]field, len(fields))
	known := make([]string, 0, len(fields))
	for _, f := range fields {
		byName[f.name] = f
		known = append(known, f.name)
	}
	seen := map[string]bool{}
	for _, e := range n.entries {
		sub := join(path, e.key)
		d.record(sub, e)
		f, ok := byName[e.key]
		if !ok {
			d.unknown(e, path, sub, known)
			continue
		}
		seen[e.key] = true
		d.value(v.Field(f.index), e.val, sub, f)
	}
	for _, f := range fields {
		if !seen[f.name] {
			d.absent(v.Field(f.index), path, f)
		}
	}
}

func (d *decoder) absent(v reflect.Value, path string, f field) {
	sub := join(path, f.name)
	if f.required {
		at := d.where(path)
		if path != "" {
			at.line, at.col, at.width = at.keyLine, at.keyCol, at.keyWidth
		}
		d.put(at.line, at.col, at.width, sub, Error, "write "+f.name+": "+hint(f), "%s is missing", f.name)
		return
	}
	// A section that is absent may still hold something required.
	if v.Kind() == reflect.Struct {
		for _, g := range fieldsOf(v.Type()) {
			d.absent(v.Field(g.index), sub, g)
		}
	}
}

// hint shows what a value looks like.
func hint(f field) string {
	switch {
	case f.example != "":
		return f.example
	case len(f.oneof) > 0:
		return strings.Join(f.oneof, " or ")
	case f.typ.Kind() == reflect.Slice && f.typ.Elem().Kind() == reflect.Struct:
		return "and its entries below it, each with -"
	case f.typ.Kind() == reflect.Slice:
		return "[…]"
	case element(f.typ).Kind() == reflect.Struct || f.typ.Kind() == reflect.Map:
		return "and its settings below it"
	}
	if s, ok := asScalar(reflect.New(f.typ).Elem()); ok {
		return "a " + s.kind()
	}
	return "…"
}

func (d *decoder) unknown(e entry, path, sub string, known []string) {
	fix := "remove it; known here: " + strings.Join(known, ", ")
	if near := nearest(e.key, known); near != "" {
		fix = "write " + near
	}
	name := "in " + path
	if path == "" {
		name = "at the top of the file"
	}
	p := d.put(e.line, e.col, e.width, sub, Error, fix, "unknown key %s %s", quote(e.key), name)
	p.mask = e.col + e.width // a misspelt key may stand before a secret
}

var (
	namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)
	keyPattern  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)
)

func (d *decoder) value(v reflect.Value, n *node, path string, f field) {
	if n.refused { // said already
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	_, isScalar := asScalar(v)
	switch {
	case isScalar:
		d.scalar(v, n, path, f)
	case v.Kind() == reflect.Struct:
		d.structure(v, n, path)
	case v.Kind() == reflect.Slice:
		d.list(v, n, path, f)
	case v.Kind() == reflect.Map:
		d.dict(v, n, path, f)
	default:
		d.scalar(v, n, path, f)
	}
}

func (d *decoder) list(v reflect.Value, n *node, path string, f field) {
	items := n.items
	if f.one && (n.kind == kString || n.kind == kNumber) {
		items = []*node{n}
	} else if n.kind != kList {
		d.add(path, "write - before each entry, or [a, b]", "%s where a list is needed", n.kind)
		return
	}
	if f.required && len(items) == 0 {
		d.add(path, "write at least one", "the list is empty")
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	g := f
	g.required, g.one = false, false
	seen := map[string]int{}
	for i, item := range items {
		sub := fmt.Sprintf("%s[%d]", path, i)
		d.record(sub, entry{line: item.line, col: item.col, width: item.width(), val: item})
		d.value(v.Index(i), item, sub, g)
		if item.kind == kString || item.kind == kNumber {
			if j, twice := seen[item.text]; twice {
				d.add(sub, "remove it", "the same as entry %d", j+1)
			} else {
				seen[item.text] = i
			}
		}
	}
}

func (d *decoder) dict(v reflect.Value, n *node, path string, f field) {
	if n.kind == kNull && !f.required {
		return
	}
	if n.kind != kMap {
		d.add(path, "write NAME: and its settings below it", "%s where a section is needed", n.kind)
		return
	}
	if f.required && len(n.entries) == 0 {
		d.add(path, "write at least one", "the section is empty")
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.entries)))
	g := f
	g.required, g.ref = false, ""
	values := v.Type() == reflect.TypeFor[Table]()
	for _, e := range n.entries {
		sub := join(path, e.key)
		d.record(sub, e)
		if !values && !keyPattern.MatchString(e.key) {
			d.addKey(sub, Error, "use letters, digits, - and _, at most 63", "%s is not a name", quote(e.key))
		}
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(item, e.val, sub, g)
		v.SetMapIndex(reflect.ValueOf(e.key), item)
	}
}

func (d *decoder) scalar(v reflect.Value, n *node, path string, f field) {
	s, own := asScalar(v)
	_, secret := s.(*Secret)
	k := v.Kind()
	if n.kind == kNull {
		if f.required || k != reflect.String || own || f.def != "" || len(f.oneof) > 0 {
			d.add(path, "write a value, or remove the key", "the value is empty")
		}
		return
	}
	wanted := "text"
	switch {
	case own:
		wanted = "a " + s.kind()
	case k == reflect.Bool:
		wanted = "true or false"
	case k == reflect.Int:
		wanted = "a whole number"
	}
	if n.kind == kList || n.kind == kMap || k == reflect.Bool && (n.kind != kBool || n.quoted) || k != reflect.Bool && n.kind == kBool {
		fix := "write " + wanted
		if n.kind == kBool {
			fix = "put it in \"quotes\" if it is meant as text"
			if own || k == reflect.Int {
				fix = "write " + wanted
			}
		}
		p := d.add(path, fix, "%s where %s is needed", n.kind, wanted)
		if secret {
			p.mask = p.Column
		}
		return
	}
	if k == reflect.Int && n.quoted {
		d.add(path, "write the number without quotes", "text where a whole number is needed")
		return
	}
	if f.required && strings.TrimSpace(n.text) == "" {
		d.add(path, "write "+f.name+": "+hint(f), "the value is empty")
		return
	}
	if refused, fix := setText(v, n.text); refused != "" {
		p := d.add(path, fix, "%s", refused)
		if secret || strings.Contains(refused, "must not stand") || strings.Contains(refused, "key or certificate") {
			p.mask = p.Column
		}
		return
	}
	d.rules(v, n, path, f)
}

func (d *decoder) rules(v reflect.Value, n *node, path string, f field) {
	if len(f.oneof) > 0 {
		ok := false
		for _, o := range f.oneof {
			ok = ok || o == n.text
		}
		if !ok {
			fix := "write " + strings.Join(f.oneof, ", ")
			if near := nearest(n.text, f.oneof); near != "" {
				fix = "write " + near
			}
			d.add(path, fix, "%s is not one of %s", quote(n.text), strings.Join(f.oneof, ", "))
		}
	}
	if f.isName && !namePattern.MatchString(n.text) {
		d.add(path, "use small letters, digits, - and ., at most 63", "%s is not a name", quote(n.text))
	}
	if f.min != "" && compare(v, f.min) < 0 {
		fix := "write at least " + f.min
		if f.max != "" {
			fix = "write " + f.min + " to " + f.max
		}
		d.add(path, fix, "%s is less than %s", n.text, f.min)
	} else if f.max != "" && compare(v, f.max) > 0 {
		fix := "write at most " + f.max
		if f.min != "" {
			fix = "write " + f.min + " to " + f.max
		}
		d.add(path, fix, "%s is more than %s", n.text, f.max)
	}
	if f.hl7 && d.opts.Validators.Path != nil {
		if err := d.opts.Validators.Path(n.text); err != nil {
			d.add(path, "write a place like PID-3.1 or OBX(2)-5", "%s", err)
		}
	}
	if f.file != "" && d.opts.CheckFile != nil {
		if err := d.opts.CheckFile(n.text, f.file == "folder"); err != nil {
			d.add(path, "write the path of a "+f.file+" that is there and that Labwarden may read", "%s", err)
		}
	}
}

func compare(v reflect.Value, limit string) int {
	l := reflect.New(v.Type()).Elem()
	if refused, _ := setText(l, limit); refused != "" {
		panic("config: limit " + limit + ": " + refused)
	}
	return cmp.Compare(v.Int(), l.Int())
}
