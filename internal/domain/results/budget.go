package results

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Starlark counts steps, and one step can make a gigabyte ("x" * (1 << 30)) or
// compare for ever (two lists that hold each other many times over). So every
// operation whose cost grows with its operands pays from a budget before it
// runs: guard turns x + y into a call that pays and then adds, and what has
// methods into something whose methods pay. The price is a bound of the bytes
// made or looked through, never the time: the same message and program always
// end the same way.

const budgetKey = "labwarden budget"

var errBudget = fmt.Errorf("%w: the program makes or looks through more than %d MiB", ErrInvalid, maxBudget>>20)

type budget struct{ left int64 }

func budgetOf(t *starlark.Thread) *budget {
	if b, ok := t.Local(budgetKey).(*budget); ok {
		return b
	}
	return &budget{} // a thread without a budget may do nothing
}

func (b *budget) charge(n int64) error {
	if n < 0 || n > b.left {
		b.left = 0
		return errBudget
	}
	b.left -= n
	return nil
}

// size is a bound of the bytes of v with all it holds, each as often as it is
// held. It stops counting once that is more than what is left.
func (b *budget) size(v starlark.Value) int64 {
	n := int64(0)
	b.add(v, &n)
	return n
}

func (b *budget) add(v starlark.Value, n *int64) {
	*n += 16
	switch v := v.(type) {
	case starlark.String:
		*n += int64(len(v))
	case starlark.Bytes:
		*n += int64(len(v))
	case starlark.Int:
		*n += int64(v.BigInt().BitLen() / 8)
	case *starlark.List:
		for i := 0; i < v.Len() && *n <= b.left; i++ {
			b.add(v.Index(i), n)
		}
	case starlark.Tuple:
		for i := 0; i < len(v) && *n <= b.left; i++ {
			b.add(v[i], n)
		}
	case *starlark.Dict:
		for _, kv := range v.Items() {
			if *n > b.left {
				return
			}
			b.add(kv, n)
		}
	default:
		if l := starlark.Len(v); l > 0 {
			*n += 16 * int64(l)
		}
	}
}

// times is a*c, or more than any budget.
func times(a, c int64) int64 {
	if a < 0 || c <= 0 {
		return 0
	}
	if a > (maxBudget+1)/c {
		return maxBudget + 1
	}
	return a * c
}

const maxIntBits = 1 << 16

// price is what a binary operation costs.
func (b *budget) price(op syntax.Token, x, y starlark.Value) int64 {
	switch op {
	case syntax.PLUS:
		return flat(x) + flat(y)
	case syntax.STAR:
		xi, xint := x.(starlark.Int)
		yi, yint := y.(starlark.Int)
		switch {
		case xint && yint:
			return bitSize(xi.BigInt().BitLen() + yi.BigInt().BitLen())
		case yint:
			return repeat(flat(x), yi)
		case xint:
			return repeat(flat(y), xi)
		}
	case syntax.LTLT:
		xi, xint := x.(starlark.Int)
		yi, yint := y.(starlark.Int)
		if n, ok := yi.Int64(); xint && yint && ok {
			return bitSize(xi.BigInt().BitLen() + int(min(max(n, 0), maxIntBits)))
		}
	case syntax.PERCENT:
		if s, ok := x.(starlark.String); ok {
			return int64(len(s)) + times(b.size(y), int64(strings.Count(string(s), "%")))
		}
	case syntax.EQL, syntax.NEQ:
		return min(b.size(x), b.size(y))
	default:
		return b.size(x) + b.size(y)
	}
	return 16
}

func bitSize(n int) int64 {
	if n > maxIntBits {
		return maxBudget + 1
	}
	return 16 + int64(n/8)
}

// flat is the size of v without what its elements hold: what a copy of it costs.
func flat(v starlark.Value) int64 {
	switch v := v.(type) {
	case starlark.String:
		return int64(len(v))
	case starlark.Bytes:
		return int64(len(v))
	case starlark.Int:
		return bitSize(v.BigInt().BitLen() + 1)
	}
	return 16 * int64(max(starlark.Len(v), 1))
}

func repeat(size int64, n starlark.Int) int64 {
	c, ok := n.Int64()
	if !ok {
		c = maxBudget + 1
	}
	return times(max(size, 1), c)
}

// method is what a method of a built-in type costs.
func (b *budget) method(recv starlark.Value, name string, args starlark.Tuple, kwargs []starlark.Tuple) int64 {
	held := int64(0)
	for _, a := range args {
		held += b.size(a)
	}
	for _, kv := range kwargs {
		held += b.size(kv)
	}
	own := flat(recv)
	switch name {
	case "append":
		return 16
	case "get", "setdefault", "add", "discard":
		return held
	case "join":
		if len(args) == 1 {
			return held + times(own, int64(max(starlark.Len(args[0]), 1)))
		}
	case "replace":
		if s, ok := recv.(starlark.String); ok && len(args) >= 2 {
			old, _ := starlark.AsString(args[0])
			to, _ := starlark.AsString(args[1])
			return own + held + times(int64(len(to)), int64(strings.Count(string(s), old)))
		}
	case "format":
		if s, ok := recv.(starlark.String); ok {
			return own + times(held, int64(strings.Count(string(s), "{")))
		}
	case "split", "rsplit", "splitlines":
		return held + times(own, 16) // a part may be one byte, and its place in the list is sixteen
	}
	return own + held
}

// predeclared are the names a program can use, besides those of Starlark that
// cost nothing.
func predeclared() starlark.StringDict {
	out := starlark.StringDict{"·true": starlark.True}
	def := func(name string, f func(b *budget, t *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)) {
		out[name] = starlark.NewBuiltin(name, func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			return f(budgetOf(t), t, args, kwargs)
		})
	}
	for _, name := range []string{
		"abs", "all", "any", "bool", "bytes", "dict", "enumerate", "fail", "float", "hash", "int", "list", "max", "min",
		"ord", "print", "repr", "reversed", "set", "sorted", "str", "tuple", "zip",
	} {
		real := starlark.Universe[name]
		def(name, func(b *budget, t *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			n := b.size(args)
			if s, ok := starlark.AsString(first(args)); name == "int" && ok && len(s) > maxIntBits/4 {
				return nil, errBudget // reading digits takes the square of their number
			}
			if name == "sorted" {
				n = times(n, 16)
			}
			if err := b.charge(n); err != nil {
				return nil, err
			}
			return starlark.Call(t, real, args, kwargs)
		})
	}
	def("range", func(_ *budget, t *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		v, err := starlark.Call(t, starlark.Universe["range"], args, kwargs)
		if err == nil && starlark.Len(v) > maxSteps {
			return nil, fmt.Errorf("%w: a range of more than %d numbers", ErrInvalid, maxSteps)
		}
		return v, err
	})
	for _, name := range []string{"getattr", "hasattr", "dir"} {
		def(name, func(*budget, *starlark.Thread, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
			return nil, errors.New(name + " is not offered here")
		})
	}
	def("·op", func(b *budget, _ *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return b.operate(args)
	})
	def("·key", func(b *budget, _ *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return args[0], b.charge(b.size(args[0]))
	})
	def("·of", func(_ *budget, _ *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return guarded{args[0]}, nil
	})
	return out
}

func first(args starlark.Tuple) starlark.Value {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

// operate is x op y, and x op= y when a fourth argument is there.
func (b *budget) operate(args starlark.Tuple) (starlark.Value, error) {
	n, err := starlark.AsInt32(args[0])
	if err != nil {
		return nil, err
	}
	op, x, y := syntax.Token(n), args[1], args[2]
	if err := b.charge(b.price(op, x, y)); err != nil {
		return nil, err
	}
	switch op {
	case syntax.EQL, syntax.NEQ, syntax.LT, syntax.LE, syntax.GT, syntax.GE:
		ok, err := starlark.Compare(op, x, y)
		return starlark.Bool(ok), err
	}
	if l, ok := x.(*starlark.List); ok && op == syntax.PLUS && len(args) == 4 {
		if more, ok := y.(starlark.Iterable); ok { // list += extends the list itself
			for v := range starlark.Elements(more) {
				if err := l.Append(v); err != nil {
					return nil, err
				}
			}
			return l, nil
		}
	}
	return starlark.Binary(op, x, y)
}

// guarded is a value whose methods pay.
type guarded struct{ starlark.Value }

// Attr implements starlark.HasAttrs.
func (g guarded) Attr(name string) (starlark.Value, error) {
	has, ok := g.Value.(starlark.HasAttrs)
	if !ok {
		return nil, nil
	}
	v, err := has.Attr(name)
	m, bound := v.(*starlark.Builtin)
	if _, own := g.Value.(scriptObject); err != nil || !bound || own {
		return v, err
	}
	return starlark.NewBuiltin(name, func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		b := budgetOf(t)
		if err := b.charge(b.method(g.Value, name, args, kwargs)); err != nil {
			return nil, err
		}
		return starlark.Call(t, m, args, kwargs)
	}), nil
}

// AttrNames implements starlark.HasAttrs.
func (g guarded) AttrNames() []string {
	if has, ok := g.Value.(starlark.HasAttrs); ok {
		return has.AttrNames()
	}
	return nil
}
