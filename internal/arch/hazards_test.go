package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// eachSource reads each file of the programs that is not a test.
func eachSource(t *testing.T, mode parser.Mode, visit func(path string, set *token.FileSet, file *ast.File)) {
	t.Helper()
	root := rootFolder(t)
	for _, top := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "/testdata/") {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, mode|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			visit(filepath.ToSlash(rel), set, file)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func imported(t *testing.T, x *ast.ImportSpec) string {
	t.Helper()
	name, err := strconv.Unquote(x.Path.Value)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// formatted is a statement of SQL with something to be filled in.
var formatted = regexp.MustCompile(`(?is)^\s*(select|insert|update|delete|with)\s.*%[sdvqxc]`)

// tableNames are the files whose statements are filled with names of tables and
// columns, which are constants of the program.
var tableNames = []string{"internal/platform/rewrap/rewrap.go", "internal/platform/signin/tagged.go"}

// TestNothingGoesRoundTheLanguage: no unsafe memory, no C, and no statement of SQL
// that values are formatted into (ASVS 5.0 V1.2.4, V1.4.1).
func TestNothingGoesRoundTheLanguage(t *testing.T) {
	seen := 0
	eachSource(t, 0, func(path string, set *token.FileSet, file *ast.File) {
		for _, x := range file.Imports {
			if name := imported(t, x); name == "unsafe" || name == "C" {
				t.Errorf("%s imports %q", path, name)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			x, ok := n.(*ast.BasicLit)
			if !ok || x.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(x.Value)
			if err != nil || !formatted.MatchString(text) {
				return true
			}
			seen++
			if !slices.Contains(tableNames, path) {
				t.Errorf("%v: a statement is formatted; give the values as $1, $2", set.Position(x.Pos()))
			}
			return true
		})
	})
	if seen == 0 {
		t.Error("not one formatted statement was seen: this test sees too little")
	}
}

// overSocket are the clients of this machine's own Unix socket.
var overSocket = []string{"internal/app/control/client.go", "internal/node/bypass/control.go"}

// TestNoClientFollowsRedirects: each client of HTTP says what it does about a
// redirect, and none uses the one of net/http that follows ten (ASVS 5.0 V1.3.6,
// V15.3.2). That they end there is tested beside each.
func TestNoClientFollowsRedirects(t *testing.T) {
	seen := 0
	eachSource(t, 0, func(path string, set *token.FileSet, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if !named(n.Type, "http", "Client") {
					return true
				}
				seen++
				says := slices.ContainsFunc(n.Elts, func(e ast.Expr) bool {
					kv, ok := e.(*ast.KeyValueExpr)
					if !ok {
						return false
					}
					key, ok := kv.Key.(*ast.Ident)
					return ok && key.Name == "CheckRedirect"
				})
				if !says && !slices.Contains(overSocket, path) {
					t.Errorf("%v: a client without CheckRedirect follows redirects", set.Position(n.Pos()))
				}
			case *ast.SelectorExpr:
				if named(n, "http", "DefaultClient") {
					t.Errorf("%v: http.DefaultClient follows redirects and has no time limit", set.Position(n.Pos()))
				}
			}
			return true
		})
	})
	if seen < 6 {
		t.Errorf("only %d clients were seen: this test sees too little", seen)
	}
}

// named says whether an expression is pkg.name.
func named(x ast.Expr, pkg, name string) bool {
	s, ok := x.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	of, ok := s.X.(*ast.Ident)
	return ok && of.Name == pkg && s.Sel.Name == name
}
