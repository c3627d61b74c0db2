package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// WithNode returns src with the node section as it stands in from, comments
// inside it included. Every other byte of src stays. The node section belongs to
// one machine's file and to no revision, so a text that takes the place of the
// file keeps it. It fails rather than change anything else.
func WithNode(src, from []byte) (out []byte, err error) {
	defer func() {
		if recover() != nil { // positions come from a parser that is not ours
			out, err = nil, fmt.Errorf("keep the node section: %w", errByHand)
		}
	}()
	a, problems := readTree("", src)
	if a == nil || len(problems) > 0 {
		return nil, fmt.Errorf("keep the node section: the new text has errors: %w", problems.Err())
	}
	b, problems := readTree("", from)
	if b == nil || len(problems) > 0 {
		return nil, fmt.Errorf("keep the node section: the present file has errors: %w", problems.Err())
	}
	x, y := entryOf(a, "node"), entryOf(b, "node")
	if x == nil || y == nil {
		if x == y {
			return src, nil
		}
		return nil, errors.New("keep the node section: one of the two texts has none")
	}
	if same(x.val.generic(), y.val.generic()) {
		return src, nil
	}
	if a.flow || b.flow || x.col != 1 || y.col != 1 {
		return SetPath(src, "node", y.val.generic())
	}
	into := &editor{root: a, lines: strings.Split(string(normalise(src)), "\n")}
	other := &editor{root: b, lines: strings.Split(string(normalise(from)), "\n")}
	lines := other.lines[y.line-1 : other.end(*y)]
	into.lines = slices.Replace(into.lines, x.line-1, into.end(*x), lines...)
	out = []byte(strings.Join(into.lines, "\n"))
	want, err := put(a.generic(), []step{{"node", -1}}, y.val.generic())
	if err != nil {
		return nil, fmt.Errorf("keep the node section: %w", err)
	}
	after, problems := readTree("", out)
	if after == nil || len(problems) > 0 || !same(after.generic(), want) {
		return nil, fmt.Errorf("keep the node section: %w", errByHand)
	}
	if bytes.Contains(src, []byte("\r\n")) {
		out = bytes.ReplaceAll(out, []byte("\n"), []byte("\r\n"))
	}
	return out, nil
}

func entryOf(n *node, key string) *entry {
	for i := range n.entries {
		if n.entries[i].key == key {
			return &n.entries[i]
		}
	}
	return nil
}
