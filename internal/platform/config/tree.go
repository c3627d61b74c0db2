package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxSize is the largest file Parse reads, in bytes.
const MaxSize = 512 << 10

// Limits that no file written by a person meets: the parser takes time in the
// square of the keys without a value.
const (
	maxDepth    = 40
	maxNulls    = 1000
	maxProblems = 1000
)

type kind int

const (
	kNull kind = iota
	kString
	kNumber
	kBool
	kList
	kMap
)

func (k kind) String() string {
	return [...]string{"nothing", "text", "a number", "true or false", "a list", "a section"}[k]
}

// node is the file as plain values with positions: what is left of YAML once
// anchors, tags and the other ways of writing one thing differently are refused.
type node struct {
	kind    kind
	line    int
	col     int
	text    string // of a scalar
	quoted  bool
	block   bool // a literal or folded block
	refused bool // a problem says why
	flow    bool // a map or list in braces
	entries []entry
	items   []*node
}

type entry struct {
	key    string
	line   int
	col    int
	width  int
	quoted bool
	val    *node
}

// width is how many characters of its first line a scalar takes.
func (n *node) width() int {
	if n.kind == kMap || n.kind == kList || n.block {
		return 1
	}
	first, _, _ := strings.Cut(n.text, "\n")
	w := utf8.RuneCountInString(first)
	if n.quoted {
		w += 2
	}
	return max(w, 1)
}

// normalise takes away a byte order mark and carriage returns, which changes
// no line or column of anything else.
func normalise(src []byte) []byte {
	src = bytes.TrimPrefix(src, []byte("\xEF\xBB\xBF"))
	return bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n"))
}

type treeReader struct {
	file     string
	problems Problems
}

// refuse reports a node that is not read at all. What stands there may be
// anything, so the line is not shown from there on.
func (t *treeReader) refuse(n *node, path, fix, format string, args ...any) {
	t.add(n.line, n.col, 1, path, fix, format, args...)
	t.problems[len(t.problems)-1].mask = n.col
	n.refused = true
}

func (t *treeReader) add(line, col, width int, path, fix, format string, args ...any) {
	if len(t.problems) >= maxProblems {
		return
	}
	t.problems = append(t.problems, Problem{
		File: t.file, Line: line, Column: col, Path: path,
		Message: fmt.Sprintf(format, args...), Fix: fix, Severity: Error, width: width,
	})
}

// readTree turns bytes into a tree. A nil node means that the YAML itself
// cannot be read; the problems then say why.
func readTree(file string, src []byte) (root *node, problems Problems) {
	t := &treeReader{file: file}
	defer func() {
		// The parser is not ours and the bytes are anyone's.
		if r := recover(); r != nil {
			t.add(1, 1, 1, "", "write plain YAML: key: value, lists with -, text in \"quotes\"",
				"this file cannot be read as YAML")
			root, problems = nil, t.problems
		}
	}()
	if len(src) > MaxSize {
		t.add(1, 1, 1, "", "", "the file has %d bytes, more than the limit of %d", len(src), MaxSize)
		return nil, t.problems
	}
	src = normalise(src)
	if line, col, ok := badCharacter(src); ok {
		t.add(line, col, 1, "", "save the file as UTF-8 text with ordinary line ends", "a character that does not belong into a text file")
		return nil, t.problems
	}
	tokens := lexer.Tokenize(string(src))
	if tk := tooManyNulls(tokens); tk != nil {
		t.add(tk.Position.Line, tk.Position.Column, 1, "", "write values, or remove the keys", "more than %d keys without a value", maxNulls)
		return nil, t.problems
	}
	if tk := tooDeep(tokens); tk != nil {
		t.add(tk.Position.Line, tk.Position.Column, 1, "", "", "nested deeper than %d levels", maxDepth)
		return nil, t.problems
	}
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		line, col, msg := 1, 1, "this file cannot be read as YAML"
		var se *yaml.SyntaxError
		if errors.As(err, &se) && se.Token != nil && se.Token.Position != nil {
			line, col, msg = se.Token.Position.Line, se.Token.Position.Column, "not YAML: "+se.Message
		}
		t.add(line, max(col, 1), 1, "", "check the indentation, the quotes and the colons around here", "%s", msg)
		return nil, t.problems
	}
	var docs []*ast.DocumentNode
	for _, d := range f.Docs {
		if d.Body != nil && d.Body.Type() != ast.CommentType {
			docs = append(docs, d)
		}
	}
	if len(docs) == 0 {
		return &node{kind: kMap, line: 1, col: 1}, t.problems
	}
	if len(docs) > 1 {
		p := docs[1].Body.GetToken().Position
		t.add(p.Line, p.Column, 1, "", "remove the --- line and what follows, or merge it above", "a second document in one file")
	}
	root = t.convert(docs[0].Body, "", 0)
	return root, t.problems
}

func badCharacter(src []byte) (line, col int, found bool) {
	line, col = 1, 1
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		if (r == utf8.RuneError && n == 1) || r == 0 || r == '\r' {
			return line, col, true
		}
		i += n
		col++
		if r == '\n' {
			line, col = line+1, 1
		}
	}
	return 0, 0, false
}

// tooDeep bounds the recursion of the parser before it starts: a stack that
// overflows cannot be recovered from.
func tooDeep(tokens token.Tokens) *token.Token {
	depth, run := 0, 0
	for _, tk := range tokens {
		switch tk.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		}
		switch tk.Type {
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType,
			token.AliasType, token.MappingValueType, token.SequenceStartType, token.MappingStartType:
			run++
		default:
			run = 0
		}
		if depth > maxDepth || run > maxDepth {
			return tk
		}
	}
	return nil
}

// tooManyNulls counts keys that nothing follows.
func tooManyNulls(tokens token.Tokens) *token.Token {
	n := 0
	for i := 1; i+1 < len(tokens); i++ {
		key, next := tokens[i-1].Position, tokens[i+1].Position
		if tokens[i].Type == token.MappingValueType && next.Line > tokens[i].Position.Line && next.Column <= key.Column &&
			tokens[i+1].Type != token.SequenceEntryType {
			if n++; n > maxNulls {
				return tokens[i]
			}
		}
	}
	return nil
}

func start(n ast.Node) (line, col int) {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return start(m.Values[0].Key)
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		return start(m.Key)
	}
	if p := n.GetToken().Position; p != nil {
		return p.Line, max(p.Column, 1)
	}
	return 1, 1
}

func (t *treeReader) convert(n ast.Node, path string, depth int) *node {
	line, col := start(n)
	out := &node{line: line, col: col}
	if depth > maxDepth {
		t.refuse(out, path, "", "nested deeper than %d levels", maxDepth)
		return out
	}
	switch v := n.(type) {
	case *ast.MappingNode:
		out.kind, out.flow = kMap, v.IsFlowStyle
		t.entries(out, v.Values, path, depth)
	case *ast.MappingValueNode:
		out.kind = kMap
		t.entries(out, []*ast.MappingValueNode{v}, path, depth)
	case *ast.SequenceNode:
		out.kind, out.flow = kList, v.IsFlowStyle
		for i, item := range v.Values {
			if item == nil {
				continue
			}
			out.items = append(out.items, t.convert(item, fmt.Sprintf("%s[%d]", path, i), depth+1))
		}
	case *ast.NullNode:
		out.kind = kNull
	case *ast.BoolNode:
		out.kind, out.text = kBool, v.Token.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = kNumber, v.GetToken().Value
	case *ast.StringNode:
		out.kind, out.text = kString, v.Value
		out.quoted = v.Token.Type == token.SingleQuoteType || v.Token.Type == token.DoubleQuoteType
	case *ast.LiteralNode:
		out.kind, out.block = kString, true
		if v.Value != nil {
			out.text = v.Value.Value
		}
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		t.refuse(out, path, "write the value out where it is used", "anchors and aliases (&, *, <<) are not read here")
	case *ast.TagNode:
		t.refuse(out, path, "leave the tag away; put text in \"quotes\"", "a tag (!) is not read here")
	default:
		t.refuse(out, path, "write plain YAML: key: value", "this kind of YAML is not read here")
	}
	return out
}

func (t *treeReader) entries(out *node, values []*ast.MappingValueNode, path string, depth int) {
	firstLine := make(map[string]int, len(values))
	for _, mv := range values {
		line, col := start(mv.Key)
		key, ok := mv.Key.(ast.ScalarNode)
		switch mv.Key.(type) {
		case *ast.MergeKeyNode, *ast.AnchorNode, *ast.TagNode, *ast.AliasNode, *ast.LiteralNode:
			ok = false
		}
		if !ok {
			t.add(line, col, 1, path, "write key: value", "a key must be plain text")
			continue
		}
		tk := key.GetToken()
		e := entry{key: tk.Value, line: line, col: col, width: utf8.RuneCountInString(tk.Value)}
		if tk.Type == token.SingleQuoteType || tk.Type == token.DoubleQuoteType {
			e.quoted, e.width = true, e.width+2
		}
		sub := join(path, e.key)
		if first, twice := firstLine[e.key]; twice {
			t.add(line, col, e.width, sub, fmt.Sprintf("keep one of the two; the first is on line %d", first),
				"%s is written twice", quote(e.key))
			continue
		}
		firstLine[e.key] = line
		if mv.Value == nil {
			e.val = &node{kind: kNull, line: line, col: col}
		} else {
			e.val = t.convert(mv.Value, sub, depth+1)
		}
		if e.val.kind == kNull && e.val.text == "" {
			e.val.line, e.val.col = line, col
		}
		out.entries = append(out.entries, e)
	}
}
