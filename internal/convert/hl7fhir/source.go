package hl7fhir

import "fmt"

// The message as the mapping reads it: decoded text, and for each leaf whether
// the mapping took it. What holds content and was never taken is a loss and
// becomes a Note, so a field nobody thought of cannot vanish silently.

type leaf struct {
	text string
	null bool
	used bool
}

type segment struct {
	name string
	// nth counts segments of this name from 1.
	nth int
	// fields[f][r][c][s], each from 0; fields[0] is field 1.
	fields [][][][]leaf
}

// view is one repetition of a field, or one component read as if it were a
// repetition whose components are its sub-components.
type view struct {
	leaves [][]*leaf
	path   string
}

func (s *segment) path(field int) string {
	p := s.name
	if s.nth > 1 {
		p += fmt.Sprintf("(%d)", s.nth)
	}
	if field > 0 {
		p += fmt.Sprintf("-%d", field)
	}
	return p
}

// reps returns the repetitions of a field; none when it is absent or empty.
func (s *segment) reps(field int) []view {
	if s == nil || field < 1 || field > len(s.fields) {
		return nil
	}
	var out []view
	for r := range s.fields[field-1] {
		v := view{path: s.path(field)}
		if len(s.fields[field-1]) > 1 {
			v.path += fmt.Sprintf("(%d)", r+1)
		}
		for c := range s.fields[field-1][r] {
			var subs []*leaf
			for i := range s.fields[field-1][r][c] {
				subs = append(subs, &s.fields[field-1][r][c][i])
			}
			v.leaves = append(v.leaves, subs)
		}
		out = append(out, v)
	}
	return out
}

// rep returns the first repetition, an empty view when there is none.
func (s *segment) rep(field int) view {
	if r := s.reps(field); len(r) > 0 {
		return r[0]
	}
	if s == nil {
		return view{}
	}
	return view{path: s.path(field)}
}

// get takes the first component of the first repetition.
func (s *segment) get(field int) string { return s.rep(field).c(1) }

// c takes component n (its first sub-component).
func (v view) c(n int) string { return v.sub(n, 1) }

// sub takes sub-component m of component n.
func (v view) sub(n, m int) string {
	if l := v.leaf(n, m); l != nil {
		l.used = true
		return l.text
	}
	return ""
}

// peek reads without taking.
func (v view) peek(n int) string { return v.peekSub(n, 1) }

func (v view) peekSub(n, m int) string {
	if l := v.leaf(n, m); l != nil {
		return l.text
	}
	return ""
}

func (v view) leaf(n, m int) *leaf {
	if n < 1 || n > len(v.leaves) || m < 1 || m > len(v.leaves[n-1]) {
		return nil
	}
	return v.leaves[n-1][m-1]
}

// inner reads component n as a view whose components are its sub-components.
func (v view) inner(n int) view {
	in := view{path: fmt.Sprintf("%s.%d", v.path, n)}
	if n >= 1 && n <= len(v.leaves) {
		for _, l := range v.leaves[n-1] {
			in.leaves = append(in.leaves, []*leaf{l})
		}
	}
	return in
}

// content says whether any leaf holds text.
func (v view) content() bool {
	for _, subs := range v.leaves {
		for _, l := range subs {
			if l.text != "" {
				return true
			}
		}
	}
	return false
}

// take marks everything taken: the mapping knows it and needs it for nothing
// else (a set number), or has said so in a Note of its own.
func (v view) take() {
	for _, subs := range v.leaves {
		for _, l := range subs {
			l.used = true
		}
	}
}

// untake gives back what was taken: it went nowhere after all.
func (v view) untake() {
	for _, subs := range v.leaves {
		for _, l := range subs {
			l.used = false
		}
	}
}

// all takes the text of all components, joined by the separators of the
// standard's defaults, for types that FHIR can only carry as text.
func (v view) all() string {
	out := ""
	for i, subs := range v.leaves {
		if i > 0 {
			out += "^"
		}
		for j, l := range subs {
			if j > 0 {
				out += "&"
			}
			out += l.text
			l.used = true
		}
	}
	for len(out) > 0 && (out[len(out)-1] == '^' || out[len(out)-1] == '&') {
		out = out[:len(out)-1]
	}
	return out
}

// component reads component n as a view of its own.
func (v view) component(n int) view {
	if n < 1 || n > len(v.leaves) {
		return view{path: v.path}
	}
	return view{path: fmt.Sprintf("%s.%d", v.path, n), leaves: v.leaves[n-1 : n]}
}
