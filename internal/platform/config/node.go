package config

import (
	"reflect"
	"strings"
)

// ParseNode reads the node section alone, from a file whose other sections may
// be wrong: what runs is the applied revision, and a draft with a mistake must
// not keep a laboratory from starting. The problems are those of the node
// section, and those for which the file is no YAML at all.
func ParseNode(file string, src []byte, opts Options) (*Node, Problems) {
	root, problems := readTree(file, src)
	if root == nil || root.refused {
		problems.sort()
		return nil, problems
	}
	d := &decoder{file: file, opts: opts, problems: problems, pos: map[string]position{}}
	c := &Config{}
	d.structure(reflect.ValueOf(c).Elem(), root, "")
	d.checkNode(c)
	var out Problems
	for _, p := range withoutEchoes(d.problems) {
		// node.listen names sources, which are the applied revision's.
		if p.Path == "" || p.Path == "node" || strings.HasPrefix(p.Path, "node.") && !strings.HasPrefix(p.Path, "node.listen") {
			out = append(out, p)
		}
	}
	out.sort()
	if len(out.Errors()) > 0 {
		return nil, out
	}
	return &c.Node, out
}
