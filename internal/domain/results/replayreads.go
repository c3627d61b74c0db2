package results

import (
	"fmt"
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// What a rule reads can be asked out of it: a replay of a condition that begins
// with "PID-5.1 starts with D" tells whose names do. These places tell of the
// kind of a message, of the test and of who ordered it, and neither single out
// one message nor say what was found or of whom. Everything else is treated as
// the patient's.
var harmless = map[string][]int{
	"MSH": {3, 4, 5, 6, 9, 11, 12, 15, 16, 17, 18, 19, 20, 21}, // not when and which: 7, 10
	"SFT": {1, 2, 3, 4, 5, 6},
	"ORC": {1, 5, 12},
	"OBR": {4, 16, 24, 25},
	"OBX": {2, 3, 6, 7, 11},
}

// plain segments may be copied, emptied and removed without that telling more
// than which of them a message has. OBX-5 is the result itself.
var plain = []string{"MSH", "SFT", "ORC", "OBR", "OBX", "SPM", "TQ1"}

// Harmless says that what stands at the place tells nothing of a patient and
// singles out no message.
func Harmless(p hl7.Path) bool { return slices.Contains(harmless[p.Segment], p.Field) }

// Plain says that emptying or copying the place tells nothing of a patient.
func Plain(p hl7.Path) bool {
	return slices.Contains(plain, p.Segment) && (p.Segment != "OBX" || p.Field != 5)
}

// ConditionReads names what a condition reads that is not Harmless, once each,
// in words for whoever wrote it.
func ConditionReads(source string) ([]string, error) {
	tree, err := parser.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("condition: %w", err)
	}
	r := reads{direct: map[*ast.IdentifierNode]bool{}}
	ast.Walk(&tree.Node, &r)
	for _, id := range r.fields {
		if !r.direct[id] {
			r.add("places that it computes")
		}
	}
	return r.out, nil
}

// reads gathers what a condition reads. A field function that is called with
// anything but a text that stands there reads whatever it likes.
type reads struct {
	out    []string
	fields []*ast.IdentifierNode
	direct map[*ast.IdentifierNode]bool
}

func (r *reads) add(what string) {
	if !slices.Contains(r.out, what) {
		r.out = append(r.out, what)
	}
}

// Visit implements ast.Visitor.
func (r *reads) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		switch n.Value {
		case "field", "fields":
			r.fields = append(r.fields, n)
		case "account":
			r.add("the account (PID-18)")
		case "$env":
			r.add("places that it computes")
		}
	case *ast.CallNode:
		id, ok := n.Callee.(*ast.IdentifierNode)
		if !ok || id.Value != "field" && id.Value != "fields" || len(n.Arguments) != 1 {
			return
		}
		text, ok := n.Arguments[0].(*ast.StringNode)
		if !ok {
			return
		}
		r.direct[id] = true
		if p, err := hl7.ParsePath(text.Value); err != nil || !Harmless(p) {
			r.add(text.Value)
		}
	}
}
