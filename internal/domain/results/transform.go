package results

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// Change is one step of a transformation.
type Change func(m *hl7.Message) error

// ErrNotInTable holds a message whose value a mapping does not know.
var ErrNotInTable = errors.New("a value is not in the table")

// Transformer makes the function of a route from its steps. The result is a
// function of the bytes alone: the same message gives the same bytes.
func Transformer(steps []Change) func([]byte) ([]byte, error) {
	return func(body []byte) ([]byte, error) {
		m, err := hl7.Parse(body)
		if err != nil {
			return nil, err
		}
		for i, step := range steps {
			if err := step(m); err != nil {
				return nil, fmt.Errorf("step %d: %w", i+1, err)
			}
		}
		return m.Bytes(), nil
	}
}

// SetTo writes a value at the path in every segment it names. Segments that do
// not exist are not made.
func SetTo(path hl7.Path, value string) Change {
	return func(m *hl7.Message) error {
		var at []hl7.Path
		for s := range m.Segments(path.Segment) {
			if path.Occurrence == 0 || path.Occurrence == s.Occurrence() {
				p := path
				p.Occurrence = s.Occurrence()
				at = append(at, p)
			}
		}
		for _, p := range at {
			if err := m.Set(p, value); err != nil {
				return err
			}
		}
		return nil
	}
}

// CopyFrom copies the value at one place to another, byte for byte.
func CopyFrom(from, to hl7.Path) Change {
	return func(m *hl7.Message) error { return m.SetRaw(to, append([]byte(nil), m.Value(from).Raw()...)) }
}

// RemoveAt empties a field, or removes the segments a path without a field names.
func RemoveAt(path hl7.Path) Change {
	return func(m *hl7.Message) error {
		if path.Field > 0 {
			return everywhere(m, path, m.Clear)
		}
		for n := path.Occurrence; ; {
			at := path
			at.Occurrence = max(n, 1)
			if m.Value(at).Presence() == hl7.Absent {
				return nil
			}
			if err := m.Remove(at); err != nil {
				return err
			}
			if n > 0 {
				return nil
			}
		}
	}
}

// MapBy replaces values by a table. A value the table does not know stays when
// keep is set, and holds the message otherwise: it is never guessed.
func MapBy(path hl7.Path, table map[string]string, keep bool) Change {
	return func(m *hl7.Message) error {
		return everywhere(m, path, func(p hl7.Path) error {
			v := m.Value(p)
			if v.Presence() != hl7.Present {
				return nil
			}
			to, ok := table[v.Text()]
			switch {
			case ok:
				return m.Set(p, to)
			case keep:
				return nil
			}
			return ErrNotInTable
		})
	}
}

// everywhere calls f for each place the path matches; segments that do not
// exist are not made.
func everywhere(m *hl7.Message, path hl7.Path, f func(hl7.Path) error) error {
	var at []hl7.Path
	for p := range m.Each(path) {
		at = append(at, p)
	}
	for _, p := range at {
		if err := f(p); err != nil {
			return err
		}
	}
	return nil
}

// maxSteps bounds a Starlark program: some milliseconds.
const maxSteps = 1_000_000

// Script compiles a Starlark program that defines transform(m). m.get(path),
// m.set(path, text), m.clear(path) and m.remove(path) are all it can reach: no
// files, no network, no clock, no chance. It is stopped after a million steps.
func Script(name, source string) (Change, error) {
	opts := &syntax.FileOptions{}
	_, program, err := starlark.SourceProgramOptions(opts, name, source, func(string) bool { return false })
	if err != nil {
		return nil, fmt.Errorf("program: %w", err)
	}
	thread := newThread(name)
	globals, err := program.Init(thread, nil)
	if err != nil {
		return nil, fmt.Errorf("program: %w", err)
	}
	globals.Freeze()
	fn, ok := globals["transform"].(*starlark.Function)
	if !ok || fn.NumParams() != 1 {
		return nil, fmt.Errorf("program: %w: it must define transform(m)", ErrInvalid)
	}
	return func(m *hl7.Message) error {
		_, err := starlark.Call(newThread(name), fn, starlark.Tuple{scriptMessage(m)}, nil)
		var eval *starlark.EvalError
		if errors.As(err, &eval) {
			// The program's own words may hold what stands in the message.
			return fmt.Errorf("program failed in line %d: %w", eval.CallStack.At(0).Pos.Line, ErrInvalid)
		}
		return err
	}, nil
}

func newThread(name string) *starlark.Thread {
	t := &starlark.Thread{Name: name, Print: func(*starlark.Thread, string) {}}
	t.SetMaxExecutionSteps(maxSteps)
	return t
}

func scriptMessage(m *hl7.Message) starlark.Value {
	return scriptObject{
		"get": scriptFunc("get", 1, func(a []string) (starlark.Value, error) {
			s, err := m.Get(a[0])
			return starlark.String(s), err
		}),
		"set": scriptFunc("set", 2, func(a []string) (starlark.Value, error) {
			return onPath(a[0], func(p hl7.Path) error { return m.Set(p, a[1]) })
		}),
		"clear":  scriptFunc("clear", 1, func(a []string) (starlark.Value, error) { return onPath(a[0], m.Clear) }),
		"remove": scriptFunc("remove", 1, func(a []string) (starlark.Value, error) { return onPath(a[0], m.Remove) }),
		"all": scriptFunc("all", 1, func(a []string) (starlark.Value, error) {
			vs, err := all(m, a[0])
			list := make([]starlark.Value, len(vs))
			for i, v := range vs {
				list[i] = starlark.String(v)
			}
			return starlark.NewList(list), err
		}),
	}
}

func onPath(path string, f func(hl7.Path) error) (starlark.Value, error) {
	p, err := hl7.ParsePath(path)
	if err != nil {
		return nil, err
	}
	return starlark.None, f(p)
}

// scriptObject is an object with methods and nothing else.
type scriptObject map[string]*starlark.Builtin

func (o scriptObject) String() string        { return "message" }
func (o scriptObject) Type() string          { return "message" }
func (o scriptObject) Freeze()               {}
func (o scriptObject) Truth() starlark.Bool  { return true }
func (o scriptObject) Hash() (uint32, error) { return 0, errors.New("a message is no key") }
func (o scriptObject) AttrNames() []string   { return []string{"all", "clear", "get", "remove", "set"} }
func (o scriptObject) Attr(name string) (starlark.Value, error) {
	if b, ok := o[name]; ok {
		return b, nil
	}
	return nil, nil // Starlark's way to say: no such attribute
}

func scriptFunc(name string, n int, f func([]string) (starlark.Value, error)) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if len(args) != n || len(kwargs) > 0 {
			return nil, fmt.Errorf("%s takes %d texts", name, n)
		}
		in := make([]string, n)
		for i, a := range args {
			s, ok := starlark.AsString(a)
			if !ok {
				return nil, fmt.Errorf("%s takes texts", name)
			}
			in[i] = s
		}
		v, err := f(in)
		if err != nil {
			return nil, err
		}
		return v, nil
	})
}
