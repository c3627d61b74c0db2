package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// SetPath returns src with the value at path set: text, number, true or false,
// a list, or a section (map[string]any). A setting that is not there yet is
// added, with the sections above it; a list grows by setting the index after
// its last. Every other byte stays, comments included. It fails rather than
// change anything else, and it does not judge the value: Parse does.
func SetPath(src []byte, path string, value any) ([]byte, error) {
	v, err := generic(value)
	if err != nil {
		return nil, err
	}
	return edit(src, path, func(e *editor, steps []step) error { return e.set(steps, v) },
		func(tree any, steps []step) (any, error) { return put(tree, steps, v) })
}

// RemovePath returns src without the setting or list entry at path.
func RemovePath(src []byte, path string) ([]byte, error) {
	return edit(src, path, (*editor).remove, cut)
}

// edit changes the text, and then makes sure that the text says what the same
// change to the plain values says.
func edit(src []byte, path string, change func(*editor, []step) error, model func(any, []step) (any, error)) (changed []byte, err error) {
	defer func() {
		// The positions come from a parser that is not ours; nothing is
		// changed in place, so a wrong one costs only this edit.
		if recover() != nil {
			changed, err = nil, fmt.Errorf("edit %s: %w", path, errByHand)
		}
	}()
	steps, err := splitPath(path)
	if err != nil {
		return nil, err
	}
	root, problems := readTree("", src)
	if root == nil || len(problems) > 0 {
		return nil, fmt.Errorf("edit %s: the file has errors: %w", path, problems.Err())
	}
	want, err := model(root.generic(), steps)
	if err != nil {
		return nil, fmt.Errorf("edit %s: %w", path, err)
	}
	e := &editor{root: root, lines: strings.Split(string(normalise(src)), "\n")}
	if err := change(e, steps); err != nil {
		return nil, fmt.Errorf("edit %s: %w", path, err)
	}
	out := []byte(strings.Join(e.lines, "\n"))
	after, problems := readTree("", out)
	if after == nil || len(problems) > 0 || !same(after.generic(), want) {
		return nil, fmt.Errorf("edit %s: %w", path, errByHand)
	}
	if bytes.Contains(src, []byte("\r\n")) {
		out = bytes.ReplaceAll(out, []byte("\n"), []byte("\r\n"))
	}
	return out, nil
}

var errByHand = errors.New("the file is written in a way that cannot be changed safely here; change it by hand")

// same compares plain values; a section without entries is as good as nothing.
func same(a, b any) bool {
	nothing := func(x any) bool {
		m, ok := x.(map[string]any)
		l, isList := x.([]any)
		return x == nil || ok && len(m) == 0 || isList && len(l) == 0
	}
	if nothing(a) || nothing(b) {
		return nothing(a) && nothing(b)
	}
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			if _, there := y[k]; !there || !same(x[k], y[k]) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !same(x[i], y[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

// put is the change on plain values.
func put(tree any, steps []step, v any) (any, error) {
	if len(steps) == 0 {
		return v, nil
	}
	s := steps[0]
	if s.index < 0 {
		m, ok := tree.(map[string]any)
		if !ok && tree != nil {
			return nil, fmt.Errorf("%s is below something that is not a section", quote(s.key))
		}
		if m == nil {
			m = map[string]any{}
		}
		below, err := put(m[s.key], steps[1:], v)
		m[s.key] = below
		return m, err
	}
	l, ok := tree.([]any)
	if !ok && tree != nil || s.index > len(l) {
		return nil, fmt.Errorf("there is no entry %d, the list has %d", s.index, len(l))
	}
	if s.index == len(l) {
		l = append(l, nil)
	}
	below, err := put(l[s.index], steps[1:], v)
	l[s.index] = below
	return l, err
}

var errNotThere = errors.New("it is not there")

func cut(tree any, steps []step) (any, error) {
	s := steps[0]
	switch t := tree.(type) {
	case map[string]any:
		below, ok := t[s.key]
		if !ok || s.index >= 0 {
			return nil, errNotThere
		}
		if len(steps) == 1 {
			delete(t, s.key)
			return t, nil
		}
		below, err := cut(below, steps[1:])
		t[s.key] = below
		return t, err
	case []any:
		if s.index < 0 || s.index >= len(t) {
			return nil, errNotThere
		}
		if len(steps) == 1 {
			return append(t[:s.index], t[s.index+1:]...), nil
		}
		below, err := cut(t[s.index], steps[1:])
		t[s.index] = below
		return t, err
	}
	return nil, errNotThere
}
