package results

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// What a Starlark program may use for one message.
const (
	maxSteps  = 1_000_000 // some milliseconds
	maxBudget = 64 << 20  // bytes made or looked through; see budget
)

// Script compiles a Starlark program that defines transform(m). m.get(path),
// m.set(path, text), m.clear(path) and m.remove(path) are all it can reach: no
// files, no network, no clock, no chance. It is stopped after a million steps, or
// once it has made or looked through 64 MiB. print does nothing; getattr and
// calls with *args or **kwargs are not offered.
func Script(name, source string) (Change, error) {
	opts := &syntax.FileOptions{}
	file, err := opts.Parse(name, source, 0)
	if err != nil {
		return nil, fmt.Errorf("program: %w", err)
	}
	if err := guard(file); err != nil {
		return nil, fmt.Errorf("program: %w", err)
	}
	offered := predeclared()
	program, err := starlark.FileProgram(file, offered.Has)
	if err != nil {
		return nil, fmt.Errorf("program: %w", err)
	}
	globals, err := program.Init(newThread(name), offered)
	if err != nil {
		return nil, fmt.Errorf("program: %w", err)
	}
	globals.Freeze()
	fn, ok := globals["transform"].(*starlark.Function)
	if !ok || fn.NumParams() != 1 {
		return nil, fmt.Errorf("program: %w: it must define transform(m)", ErrInvalid)
	}
	return func(m *hl7.Message) error {
		thread := newThread(name)
		_, err := starlark.Call(thread, fn, starlark.Tuple{scriptMessage(m, len(m.Bytes()))}, nil)
		var eval *starlark.EvalError
		if errors.As(err, &eval) {
			// The program's own words may hold what stands in the message.
			return fmt.Errorf("program failed in line %d: %w", lineOf(eval), ErrInvalid)
		}
		return err
	}, nil
}

// lineOf is the program's line in which it failed; what is built in has none.
func lineOf(e *starlark.EvalError) int32 {
	for i := range e.CallStack {
		if line := e.CallStack.At(i).Pos.Line; line > 0 {
			return line
		}
	}
	return 0
}

func newThread(name string) *starlark.Thread {
	t := &starlark.Thread{Name: name, Print: func(*starlark.Thread, string) {}}
	t.SetMaxExecutionSteps(maxSteps)
	t.SetLocal(budgetKey, &budget{left: maxBudget})
	return t
}

// scriptMessage is what the program gets. Each of its methods looks for a
// place in the whole message, so its length is part of their price.
func scriptMessage(m *hl7.Message, size int) starlark.Value {
	price := int64(64 + size/1024)
	scriptFunc := func(name string, n int, f func([]string) (starlark.Value, error)) *starlark.Builtin {
		return messageFunc(name, n, price, f)
	}
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

func messageFunc(name string, n int, price int64, f func([]string) (starlark.Value, error)) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if len(args) != n || len(kwargs) > 0 {
			return nil, fmt.Errorf("%s takes %d texts", name, n)
		}
		b := budgetOf(t)
		if err := b.charge(price); err != nil {
			return nil, err
		}
		in := make([]string, n)
		for i, a := range args {
			s, ok := starlark.AsString(a)
			if !ok {
				return nil, fmt.Errorf("%s takes texts", name)
			}
			if err := b.charge(int64(len(s))); err != nil {
				return nil, err
			}
			in[i] = s
		}
		v, err := f(in)
		if err != nil {
			return nil, err
		}
		return v, b.charge(b.size(v))
	})
}
