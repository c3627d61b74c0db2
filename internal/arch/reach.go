package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// folder is one package's folder as its sources read: who names whom. It knows
// names, not types: two methods of one name are one.
type folder struct {
	path  string // below the module's root
	files map[string]parsed
	// tables are its tables/*.csv: data that code looks up by its name.
	tables map[string]string
	// uses are the names a declaration of this name mentions; outside those of
	// other packages it mentions, as "folder name".
	uses, outside map[string][]string
	// says is what a test cites: its comment and the comments in it.
	says  map[string]string
	tests []string
}

// readTree parses every package below the given folders of root.
func readTree(root string, below ...string) (map[string]*folder, error) {
	tree, files := map[string]*folder{}, os.DirFS(root)
	for _, b := range below {
		err := fs.WalkDir(files, b, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "testdata" {
				return fs.SkipDir
			}
			table := path.Ext(p) == ".csv" && path.Base(path.Dir(p)) == "tables"
			if path.Ext(p) != ".go" && !table {
				return nil
			}
			text, err := fs.ReadFile(files, p)
			if err != nil {
				return err
			}
			if table {
				at(tree, strings.TrimSuffix(path.Dir(p), "/tables")).tables[p] = string(text)
				return nil
			}
			return addFile(tree, p, text)
		})
		if err != nil {
			return nil, err
		}
	}
	for _, f := range tree {
		slices.Sort(f.tests)
	}
	return tree, nil
}

func at(tree map[string]*folder, dir string) *folder {
	if tree[dir] == nil {
		tree[dir] = &folder{
			path: dir, files: map[string]parsed{}, tables: map[string]string{},
			uses: map[string][]string{}, outside: map[string][]string{}, says: map[string]string{},
		}
	}
	return tree[dir]
}

func addFile(tree map[string]*folder, name string, text []byte) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	f := at(tree, path.Dir(name))
	f.files[name] = parsed{set, file}
	imports := map[string]string{}
	for _, i := range file.Imports {
		to, ours := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), module+"/")
		if !ours {
			continue
		}
		as := path.Base(to)
		if i.Name != nil {
			as = i.Name.Name
		}
		imports[as] = to
	}
	for _, d := range file.Decls {
		for _, part := range parts(d) {
			decl := part.name
			ast.Inspect(part.node, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					x, ok := n.X.(*ast.Ident)
					switch {
					case ok && imports[x.Name] != "":
						f.outside[decl] = append(f.outside[decl], imports[x.Name]+" "+n.Sel.Name)
					case n.Sel.IsExported(): // a method or field: of one of the packages imported here
						for _, to := range imports {
							f.outside[decl] = append(f.outside[decl], to+" "+n.Sel.Name)
						}
					}
				case *ast.Ident:
					f.uses[decl] = append(f.uses[decl], n.Name)
				case *ast.BasicLit: // a table is looked up by its name
					if n.Kind == token.STRING && len(n.Value) < 40 {
						f.uses[decl] = append(f.uses[decl], n.Value)
					}
				}
				return true
			})
			if strings.HasSuffix(name, "_test.go") && isTest(decl) {
				f.tests = append(f.tests, decl)
				for _, g := range file.Comments {
					if g.End() >= part.from && g.Pos() <= part.node.End() {
						f.says[decl] += " " + strings.Join(strings.Fields(g.Text()), " ")
					}
				}
			}
		}
	}
	return nil
}

type part struct {
	name string
	node ast.Node
	from token.Pos
}

func parts(d ast.Decl) []part {
	var out []part
	switch d := d.(type) {
	case *ast.FuncDecl:
		from := d.Pos()
		if d.Doc != nil {
			from = d.Doc.Pos()
		}
		out = append(out, part{d.Name.Name, d, from})
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if d.Tok == token.IMPORT {
				continue
			}
			names, _ := specNames(s)
			for _, n := range names {
				out = append(out, part{n, s, s.Pos()})
			}
		}
	}
	return out
}

func isTest(name string) bool {
	return strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz")
}

// reaches gives the names of f from which symbol is reached, with the number of steps.
func (f *folder) reaches(symbol string) map[string]int {
	steps, edge := map[string]int{symbol: 0}, []string{symbol}
	for n := 1; len(edge) > 0; n++ {
		var next []string
		for name, used := range f.uses {
			if _, seen := steps[name]; !seen && slices.ContainsFunc(used, func(u string) bool { return slices.Contains(edge, u) }) {
				next = append(next, name)
			}
		}
		for _, name := range next {
			steps[name] = n
		}
		edge = next
	}
	return steps
}

// testOf names a test of the citation: one that cites the clause too, else the
// one nearest to the code, in its own package before others; empty for none.
func testOf(tree map[string]*folder, c citation) string {
	dir := strings.TrimSuffix(c.file[:strings.LastIndexByte(c.file, '/')], "/tables")
	f := tree[dir]
	steps := f.reaches(c.symbol)
	best, least := "", 1<<30
	try := func(where *folder, test string, n int) {
		for _, m := range sources[c.source].form.FindAllStringSubmatch(where.says[test], -1) {
			if slices.Contains(sources[c.source].clauses(m), c.clause) {
				n -= 1000
				break
			}
		}
		name := test
		if strings.HasPrefix(test, "Fuzz") { // fuzzing finds crashes, a table says what is right
			n += 5
		}
		if where != f {
			n += 100
			name += " (" + where.path + ")"
		}
		if n < least || n == least && name < best {
			best, least = name, n
		}
	}
	for _, t := range f.tests {
		if n, ok := steps[t]; ok {
			try(f, t, n)
		}
	}
	if best != "" {
		return best
	}
	for _, other := range tree {
		for name, out := range other.outside {
			for _, o := range out {
				to, used, _ := strings.Cut(o, " ")
				n, ok := steps[used]
				if to != dir || !ok {
					continue
				}
				more := other.reaches(name)
				for _, t := range other.tests {
					if m, ok := more[t]; ok {
						try(other, t, n+m)
					}
				}
			}
		}
	}
	return best
}
