package arch

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// checkSource judges one file by its text: path is below the module's root.
func checkSource(path string, text []byte) ([]string, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", path, err)
	}
	var bad []string
	report := func(pos token.Pos, format string, args ...any) {
		bad = append(bad, fmt.Sprintf("%s:%d: ", path, set.Position(pos).Line)+fmt.Sprintf(format, args...))
	}

	name := strings.TrimSuffix(file.Name.Name, "_test")
	if slices.Contains(badNames, name) {
		report(file.Name.Pos(), "package %s: name it for what it is about", name)
	}
	if ast.IsGenerated(file) {
		return bad, nil
	}
	if lines := bytes.Count(text, []byte("\n")); lines > maxLines && longFiles[path] == "" {
		bad = append(bad, fmt.Sprintf("%s: %d lines, more than %d: split it", path, lines, maxLines))
	}
	if strings.HasSuffix(path, "_test.go") || name == "main" {
		return bad, nil
	}

	noClock := strings.HasPrefix(path, "internal/codec/") || strings.HasPrefix(path, "internal/convert/")
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Name.Name == "init" && n.Recv == nil {
				report(n.Pos(), "init(): what is registered is listed by hand in internal/app")
			}
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if noClock && ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "NewTimer"}, n.Sel.Name) {
				report(n.Pos(), "time.%s: a codec has no clock; the time is an input", n.Sel.Name)
			}
		}
		return true
	})
	return bad, nil
}
