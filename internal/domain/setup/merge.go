package setup

import "strings"

// edit replaces the lines [from, to) of a base text.
type edit struct {
	from, to int
	lines    []string
}

// edits are what makes new of base.
func edits(base, new []string) []edit {
	var out []edit
	at := 0 // the next line of base
	open := false
	for _, l := range compareLines(base, new) {
		if l.Kind == ' ' {
			at, open = l.Old, false
			continue
		}
		if !open {
			out = append(out, edit{from: at, to: at})
			open = true
		}
		e := &out[len(out)-1]
		if l.Kind == '-' {
			at = l.Old
			e.to = at
		} else {
			e.lines = append(e.lines, l.Text)
		}
	}
	return out
}

// Merge makes in mine the changes that made theirs of base. Where both changed
// the same lines, or lines beside each other, both are kept between marks that
// no configuration may have; conflicts counts these places.
func Merge(base, mine, theirs, name string) (text string, conflicts int) {
	switch {
	case mine == theirs || base == theirs:
		return mine, 0
	case base == mine:
		return theirs, 0
	}
	lines := splitLines(base)
	a, b := edits(lines, splitLines(mine)), edits(lines, splitLines(theirs))
	var out []string
	at := 0
	for len(a) > 0 || len(b) > 0 {
		from := len(lines)
		for _, e := range [][]edit{a, b} {
			if len(e) > 0 {
				from = min(from, e[0].from)
			}
		}
		to := from
		var x, y []edit // what overlaps from here on
		for grown := true; grown; {
			grown = false
			if len(a) > 0 && a[0].from <= to {
				x, to, grown = append(x, a[0]), max(to, a[0].to), true
				a = a[1:]
			}
			if len(b) > 0 && b[0].from <= to {
				y, to, grown = append(y, b[0]), max(to, b[0].to), true
				b = b[1:]
			}
		}
		out = append(out, lines[at:from]...)
		p, q := with(lines, from, to, x), with(lines, from, to, y)
		switch {
		case len(y) == 0 || equal(p, q):
			out = append(out, p...)
		case len(x) == 0:
			out = append(out, q...)
		default:
			conflicts++
			out = append(out, "<<<<<<< this draft")
			out = append(out, p...)
			out = append(out, "=======")
			out = append(out, q...)
			out = append(out, ">>>>>>> "+name)
		}
		at = to
	}
	out = append(out, lines[at:]...)
	return strings.Join(out, "\n") + "\n", conflicts
}

// with is [from, to) of the base after some edits within.
func with(lines []string, from, to int, es []edit) []string {
	var out []string
	at := from
	for _, e := range es {
		out = append(out, lines[at:e.from]...)
		out = append(out, e.lines...)
		at = e.to
	}
	return append(out, lines[at:to]...)
}

func equal(a, b []string) bool {
	return strings.Join(a, "\n") == strings.Join(b, "\n") && len(a) == len(b)
}
