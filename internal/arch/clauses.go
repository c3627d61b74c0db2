package arch

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// A source is a document that code cites on the line it justifies.
type source struct {
	name string
	form *regexp.Regexp
	// clauses gives the citations of one match, in the words of the page.
	clauses func(m []string) []string
}

var numbers = regexp.MustCompile(`[0-9]+(?:\.[0-9A]+)+|[0-9]{4}`)

// each prefixes every number of the match's first group.
func each(prefix string) func([]string) []string {
	return func(m []string) []string {
		var out []string
		for _, n := range numbers.FindAllString(m[1], -1) {
			out = append(out, prefix+n)
		}
		return out
	}
}

func whole(prefix string) func([]string) []string {
	return func(m []string) []string { return []string{prefix + m[1]} }
}

const clauseNumber = `[2-9]\.(?:A\.)?[0-9]+(?:\.[0-9]+)*`

var sources = []source{
	{
		"HL7 version 2, by version and section", regexp.MustCompile(`(?:HL7 )?v(2\.[0-9](?:\.[0-9])?) (` + clauseNumber + `(?:(?:, | and | to )` + clauseNumber + `)*)`),
		func(m []string) []string {
			var out []string
			for _, n := range regexp.MustCompile(clauseNumber).FindAllString(m[2], -1) {
				out = append(out, "v"+m[1]+" "+n)
			}
			return out
		},
	},
	{"HL7 tables", regexp.MustCompile(`[tT]ables? ([0-9]{4}(?:(?:, | and )[0-9]{4})*)`), each("table ")},
	{"MLLP, release 1", regexp.MustCompile(`MLLP release 1, sections? ([0-9.]+[0-9](?: and [0-9.]+[0-9])*)`), each("section ")},
	{"HL7 Version 2 to FHIR (http://hl7.org/fhir/uv/v2mappings)", regexp.MustCompile(`"((?:Segment |Datatype |Table )?[A-Z][A-Z0-9\[\]A-Za-z]* to [A-Z][A-Za-z0-9 ]+)"`), whole("")},
	{"FHIR R4 invariants", regexp.MustCompile(`\b((?:obs|pat|org|cpt|per)-[0-9]+)\b`), whole("")},
	{"Code of Federal Regulations", regexp.MustCompile(`([0-9]+ CFR [0-9]+\.[0-9]+(?:\([a-z0-9]+\))*)`), whole("")},
	{"C2SP", regexp.MustCompile(`(?:C2SP |c2sp\.org/)((?:signed-note|tlog-[a-z-]+)(?:,? "[^"]+")?)`), whole("")},
	{"RFC", regexp.MustCompile(`RFC ([0-9]{4}(?:,? (?:section )?[0-9]+(?:\.[0-9]+)*)?)\b`), whole("RFC ")},
	{"Safety rules (docs of the design, by number)", regexp.MustCompile(`SAFETY(?:\.md)? ([0-9]+)\b`), whole("rule ")},
}

// A citation is one clause at one place of the code.
type citation struct {
	source int
	clause string
	file   string // below the module's root
	symbol string // what it stands in or beside: a function, type, constant, variable
}

// cited gives the citations of a file that is no test. The package's own comment
// is passed over: a clause belongs on the line it justifies.
func cited(path string, p parsed) []citation {
	file := p.file
	var out []citation
	add := func(pos token.Pos, text string) {
		if symbol := p.symbolAt(pos); symbol != "" {
			out = append(out, citations(text, path, symbol)...)
		}
	}
	for _, group := range file.Comments {
		if group != file.Doc {
			add(group.Pos(), strings.Join(strings.Fields(group.Text()), " "))
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && strings.Contains(lit.Value, " CFR ") {
			add(lit.Pos(), lit.Value)
		}
		return true
	})
	return out
}

// citations finds the clauses in a text.
func citations(text, path, symbol string) []citation {
	var out []citation
	for i, s := range sources {
		for _, m := range s.form.FindAllStringSubmatch(text, -1) {
			for _, c := range s.clauses(m) {
				out = append(out, citation{i, c, path, symbol})
			}
		}
	}
	return out
}

// citedTable gives the citations of a table's comments. It is reached where code
// names it in a string.
func citedTable(path, text string) []citation {
	name := path[strings.LastIndexByte(path, '/')+1:]
	var comments []string
	for line := range strings.Lines(text) {
		if c, is := strings.CutPrefix(strings.TrimSpace(line), "#"); is {
			comments = append(comments, strings.TrimSpace(c))
		}
	}
	return citations(strings.Join(comments, " "), path, `"`+strings.TrimSuffix(name, ".csv")+`"`)
}

// parsed is a file with its positions.
type parsed struct {
	set  *token.FileSet
	file *ast.File
}

// symbolAt names the declaration that holds pos, its comment included.
func (p parsed) symbolAt(pos token.Pos) string {
	line := func(at token.Pos) int { return p.set.Position(at).Line }
	within := func(doc *ast.CommentGroup, n ast.Node) bool {
		from := n.Pos()
		if doc != nil {
			from = doc.Pos()
		}
		return line(from) <= line(pos) && line(pos) <= line(n.End()) // the line itself, for a comment behind it
	}
	for _, d := range p.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if within(d.Doc, d) {
				return d.Name.Name
			}
		case *ast.GenDecl:
			if !within(d.Doc, d) || d.Tok == token.IMPORT {
				continue
			}
			var all []string
			for _, s := range d.Specs {
				names, doc := specNames(s)
				if within(doc, s) {
					return names[0]
				}
				all = append(all, names...)
			}
			return all[0]
		}
	}
	return ""
}

func specNames(s ast.Spec) ([]string, *ast.CommentGroup) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		return []string{s.Name.Name}, s.Doc
	case *ast.ValueSpec:
		var names []string
		for _, n := range s.Names {
			names = append(names, n.Name)
		}
		return names, s.Doc
	}
	return []string{""}, nil
}

// sortCitations orders by source, then clause, each number by its value.
func sortCitations(list []citation) []citation {
	key := func(c citation) string {
		return regexp.MustCompile(`[0-9]+`).ReplaceAllStringFunc(c.clause, func(n string) string { return strings.Repeat("0", max(0, 6-len(n))) + n }) + "\x00" + c.file + "\x00" + c.symbol
	}
	slices.SortFunc(list, func(a, b citation) int {
		if a.source != b.source {
			return a.source - b.source
		}
		return strings.Compare(key(a), key(b))
	})
	return slices.Compact(list)
}
