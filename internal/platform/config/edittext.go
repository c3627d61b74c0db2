package config

import (
	"slices"
	"strings"
)

// editor changes the lines of a file by the positions of its tree.
type editor struct {
	root  *node
	lines []string
}

// at finds the deepest node on the way that exists: the node, the entry or
// item it hangs in (nil for the root), and how many steps are left.
type found struct {
	n, parent *node
	entry     *entry
	item      int
	flow      bool // somewhere above are braces
	rest      []step
}

func (e *editor) at(steps []step) found {
	f := found{n: e.root, item: -1, rest: steps}
	for len(f.rest) > 0 {
		s := f.rest[0]
		if s.index < 0 {
			i := slices.IndexFunc(f.n.entries, func(x entry) bool { return x.key == s.key })
			if i < 0 {
				return f
			}
			f.flow = f.flow || f.n.flow
			f.parent, f.entry, f.item, f.n = f.n, &f.n.entries[i], -1, f.n.entries[i].val
		} else {
			if s.index >= len(f.n.items) {
				return f
			}
			f.flow = f.flow || f.n.flow
			f.parent, f.entry, f.item, f.n = f.n, nil, s.index, f.n.items[s.index]
		}
		f.rest = f.rest[1:]
	}
	return f
}

func (e *editor) set(steps []step, v any) error {
	f := e.at(steps)
	for i := len(f.rest) - 1; i > 0; i-- { // the sections in between do not exist either
		if f.rest[i].index < 0 {
			v = map[string]any{f.rest[i].key: v}
		} else {
			v = []any{v}
		}
	}
	if len(f.rest) == 0 {
		return e.replace(f, v)
	}
	s := f.rest[0]
	flow := f.flow || f.n.flow
	switch {
	case f.n.kind == kNull || f.n.kind == kMap && len(f.n.entries) == 0 && f.parent != nil || f.n.kind == kList && len(f.n.items) == 0:
		if s.index < 0 {
			return e.replace(f, map[string]any{s.key: v})
		}
		return e.replace(f, []any{v})
	case s.index < 0 && flow:
		return e.beforeEnd(f.n, ", "+inline(s.key, true)+": "+inline(v, true))
	case s.index >= 0 && flow:
		return e.beforeEnd(f.n, ", "+inline(v, true))
	case s.index < 0:
		if len(f.n.entries) == 0 { // an empty file
			e.insert(len(e.lines), blockEntry(s.key, v, 0))
			return nil
		}
		last := f.n.entries[len(f.n.entries)-1]
		indent := f.n.entries[0].col - 1
		e.insert(e.end(last), indented(blockEntry(s.key, v, indent), indent))
		return nil
	}
	last := f.n.items[len(f.n.items)-1]
	indent := f.n.col - 1
	e.insert(e.itemEnd(f.n, last), []string{strings.Repeat(" ", indent) + "- " + inline(v, false)})
	return nil
}

func indented(lines []string, indent int) []string {
	lines[0] = strings.Repeat(" ", indent) + lines[0]
	return lines
}

func (e *editor) insert(after int, lines []string) {
	for after > 0 && after == len(e.lines) && strings.TrimSpace(e.lines[after-1]) == "" {
		after-- // keep the last line break last
	}
	e.lines = slices.Insert(e.lines, after, lines...)
}

// end returns the number of the last line of a block entry, counted from 1.
func (e *editor) end(x entry) int {
	dashes := x.val.kind == kList && !x.val.flow && x.val.col == x.col
	return e.extent(x.line, x.col, dashes)
}

func (e *editor) itemEnd(list, item *node) int {
	return e.extent(max(item.line, 1), list.col, false)
}

// extent is the last line below line that is indented deeper than col.
func (e *editor) extent(line, col int, dashes bool) int {
	last := line
	for i := line; i < len(e.lines); i++ {
		t := strings.TrimLeft(e.lines[i], " ")
		indent := len(e.lines[i]) - len(t)
		if strings.TrimSpace(t) == "" {
			continue
		}
		deeper := indent > col-1 || dashes && indent == col-1 && (t == "-" || strings.HasPrefix(t, "- "))
		if !deeper {
			break
		}
		last = i + 1
	}
	return last
}

// span finds the characters [from, to) of a value that stands on one line, or
// of one in braces on several.
func (e *editor) span(n *node) (toLine, toCol int, ok bool) {
	line, i := n.line-1, n.col-1
	rs := []rune(e.lines[line])
	if i >= len(rs) || n.block {
		return 0, 0, false
	}
	if (n.kind == kMap || n.kind == kList) && !n.flow {
		return 0, 0, false
	}
	if !n.flow && !n.quoted {
		want := []rune(n.text)
		if i+len(want) > len(rs) || string(rs[i:i+len(want)]) != n.text {
			return 0, 0, false
		}
		return line, i + len(want), true
	}
	depth, quoted := 0, rune(0)
	for {
		for ; i < len(rs); i++ {
			r := rs[i]
			switch {
			case quoted == '"' && r == '\\':
				i++
			case quoted == '\'' && r == '\'' && i+1 < len(rs) && rs[i+1] == '\'':
				i++
			case quoted != 0 && r == quoted:
				quoted = 0
				if depth == 0 {
					return line, i + 1, true
				}
			case quoted != 0:
			case r == '"' || r == '\'':
				if i == 0 || depth == 0 || strings.ContainsRune(" [{,:", rs[i-1]) {
					quoted = r
				}
			case r == '#' && (i == 0 || rs[i-1] == ' '):
				i = len(rs)
			case r == '[' || r == '{':
				depth++
			case r == ']' || r == '}':
				if depth--; depth == 0 {
					return line, i + 1, true
				}
			}
		}
		if line++; line >= len(e.lines) {
			return 0, 0, false
		}
		rs, i = []rune(e.lines[line]), 0
	}
}

// splice replaces characters from one position up to another.
func (e *editor) splice(fromLine, fromCol, toLine, toCol int, with string) {
	head := string([]rune(e.lines[fromLine])[:fromCol])
	tail := string([]rune(e.lines[toLine])[toCol:])
	e.lines = slices.Replace(e.lines, fromLine, toLine+1, head+with+tail)
}

func (e *editor) beforeEnd(n *node, with string) error {
	line, col, ok := e.span(n)
	if !ok {
		return errByHand
	}
	e.splice(line, col-1, line, col-1, with)
	return nil
}

func (e *editor) replace(f found, v any) error {
	if f.parent == nil {
		return errByHand
	}
	_, section := v.(map[string]any)
	if f.n.kind == kNull && f.entry != nil {
		return e.fill(f, v, section)
	}
	if line, col, ok := e.span(f.n); ok && (!section || f.flow || f.item >= 0 || f.n.flow) {
		e.splice(f.n.line-1, f.n.col-1, line, col, inline(v, f.flow))
		return nil
	}
	if f.flow {
		return errByHand
	}
	if f.entry == nil {
		first := f.n.line - 1
		pad := strings.Repeat(" ", f.parent.col-1)
		e.lines = slices.Replace(e.lines, first, e.itemEnd(f.parent, f.n), pad+"- "+inline(v, false))
		return nil
	}
	e.rewrite(*f.entry, v)
	return nil
}

// rewrite replaces the lines of a block entry, keeping what stands before its
// key (the dash of a list).
func (e *editor) rewrite(x entry, v any) {
	head := string([]rune(e.lines[x.line-1])[:x.col-1])
	lines := blockEntry(x.key, v, x.col-1)
	lines[0] = head + lines[0]
	e.lines = slices.Replace(e.lines, x.line-1, e.end(x), lines...)
}

// fill gives a key without a value one.
func (e *editor) fill(f found, v any, section bool) error {
	x := *f.entry
	rs := []rune(e.lines[x.line-1])
	i := x.col - 1 + x.width
	if section && !f.flow {
		after := strings.TrimSpace(strings.TrimPrefix(string(rs[min(i, len(rs)):]), ":"))
		if lines := blockEntry(x.key, v, x.col-1)[1:]; len(lines) > 0 && (after == "" || after[0] == '#') {
			e.insert(e.end(x), lines) // below the comments that may stand there
			return nil
		}
		e.rewrite(x, v)
		return nil
	}
	for i < len(rs) && rs[i] == ' ' {
		i++
	}
	if i >= len(rs) || rs[i] != ':' {
		return errByHand
	}
	rest := strings.TrimLeft(string(rs[i+1:]), " ")
	for _, null := range []string{"null", "Null", "NULL", "~"} {
		rest = strings.TrimPrefix(rest, null)
	}
	if rest != "" && !strings.ContainsAny(rest[:1], " ,}]") {
		rest = " " + rest
	}
	e.lines[x.line-1] = string(rs[:i+1]) + " " + inline(v, f.flow) + rest
	return nil
}

func (e *editor) remove(steps []step) error {
	f := e.at(steps)
	if len(f.rest) > 0 || f.parent == nil {
		return errNotThere
	}
	if f.flow {
		return e.removeInline(f)
	}
	if f.item >= 0 {
		first := f.n.line - 1
		for first > 0 && !strings.HasPrefix(strings.TrimLeft(e.lines[first], " "), "-") {
			first--
		}
		e.lines = slices.Delete(e.lines, first, e.itemEnd(f.parent, f.n))
		return nil
	}
	head := string([]rune(e.lines[f.entry.line-1])[:f.entry.col-1])
	end := e.end(*f.entry)
	if strings.TrimSpace(head) != "" { // the first entry of a list item: the next takes its dash
		if len(f.parent.entries) == 1 {
			return errByHand
		}
		next := f.parent.entries[1]
		e.lines[next.line-1] = head + string([]rune(e.lines[next.line-1])[next.col-1:])
		end = next.line - 1
	}
	e.lines = slices.Delete(e.lines, f.entry.line-1, end)
	return nil
}

func (e *editor) removeInline(f found) error {
	type place struct{ line, col int }
	var starts []place
	at := f.item
	for i, x := range f.parent.entries {
		starts = append(starts, place{x.line - 1, x.col - 1})
		if &f.parent.entries[i] == f.entry {
			at = i
		}
	}
	for _, n := range f.parent.items {
		starts = append(starts, place{n.line - 1, n.col - 1})
	}
	if at+1 < len(starts) {
		e.splice(starts[at].line, starts[at].col, starts[at+1].line, starts[at+1].col, "")
		return nil
	}
	line, col, ok := e.span(f.parent)
	if !ok {
		return errByHand
	}
	from := starts[at]
	if at > 0 { // the comma before the last entry goes with it
		before := []rune(e.lines[from.line])[:from.col]
		cut := strings.TrimRight(strings.TrimSuffix(strings.TrimRight(string(before), " "), ","), " ")
		from.col = len([]rune(cut))
	}
	e.splice(from.line, from.col, line, col-1, "")
	return nil
}
