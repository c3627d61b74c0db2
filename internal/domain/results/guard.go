package results

import (
	"fmt"

	"go.starlark.net/syntax"
)

// guard rewrites a program so that what costs is paid for; see budget. Names
// with a middle dot cannot be written in a program.
func guard(f *syntax.File) error {
	var err error
	bad := func(at syntax.Position, what string) {
		if err == nil {
			err = fmt.Errorf("%s: %w: %s", at, ErrInvalid, what)
		}
	}
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.LoadStmt:
			bad(n.Load, "load is not offered here")
		case *syntax.BinaryExpr:
			if priced(n.Op) {
				// In its place stands (true and ·op(op, x, y)).
				pay := call("·op", n.OpPos, number(n.Op, n.OpPos), n.X, n.Y)
				n.X, n.Op, n.Y = ident("·true", n.OpPos), syntax.AND, pay
			}
		case *syntax.AssignStmt:
			if op, ok := augmented[n.Op]; ok {
				if !simple(n.LHS) {
					bad(n.OpPos, "write a = a + b here: what stands left is too much to look at twice")
					break
				}
				n.RHS = call("·op", n.OpPos, number(op, n.OpPos), again(n.LHS), n.RHS, number(op, n.OpPos))
				n.Op = syntax.EQ
			}
		case *syntax.CallExpr:
			for _, a := range n.Args {
				if u, ok := a.(*syntax.UnaryExpr); ok && (u.Op == syntax.STAR || u.Op == syntax.STARSTAR) {
					bad(u.OpPos, "*args and **kwargs are not offered in calls")
				}
			}
		case *syntax.DotExpr:
			n.X = call("·of", n.Dot, n.X)
		case *syntax.IndexExpr:
			n.Y = call("·key", n.Lbrack, n.Y)
		case *syntax.DictEntry:
			n.Key = call("·key", n.Colon, n.Key)
		}
		return err == nil
	})
	return err
}

var augmented = map[syntax.Token]syntax.Token{
	syntax.PLUS_EQ: syntax.PLUS, syntax.STAR_EQ: syntax.STAR, syntax.PERCENT_EQ: syntax.PERCENT,
	syntax.LTLT_EQ: syntax.LTLT, syntax.PIPE_EQ: syntax.PIPE,
}

func priced(op syntax.Token) bool {
	switch op {
	case syntax.PLUS, syntax.STAR, syntax.PERCENT, syntax.LTLT, syntax.PIPE, syntax.AMP, syntax.CIRCUMFLEX,
		syntax.EQL, syntax.NEQ, syntax.LT, syntax.LE, syntax.GT, syntax.GE, syntax.IN, syntax.NOT_IN:
		return true
	}
	return false
}

// simple says that looking at e twice does nothing twice.
func simple(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.Ident, *syntax.Literal:
		return true
	case *syntax.IndexExpr:
		return simple(e.X) && simple(e.Y)
	case *syntax.ParenExpr:
		return simple(e.X)
	}
	return false
}

// again copies a simple expression: the resolver binds each name once.
func again(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.Ident:
		return &syntax.Ident{NamePos: e.NamePos, Name: e.Name}
	case *syntax.IndexExpr:
		return &syntax.IndexExpr{X: again(e.X), Lbrack: e.Lbrack, Y: again(e.Y), Rbrack: e.Rbrack}
	case *syntax.ParenExpr:
		return again(e.X)
	}
	return e
}

func ident(name string, at syntax.Position) *syntax.Ident {
	return &syntax.Ident{NamePos: at, Name: name}
}

func number(op syntax.Token, at syntax.Position) *syntax.Literal {
	return &syntax.Literal{Token: syntax.INT, TokenPos: at, Raw: fmt.Sprint(int(op)), Value: int64(op)}
}

func call(fn string, at syntax.Position, args ...syntax.Expr) *syntax.CallExpr {
	return &syntax.CallExpr{Fn: ident(fn, at), Lparen: at, Args: args, Rparen: at}
}
