package hl7

import (
	"fmt"
	"strconv"
)

// Path names a place in a message: OBX(2)-5(1).1.1 is the second OBX, field 5,
// repetition 1, component 1, sub-component 1. All numbers count from 1; 0 means
// "not given": the first occurrence, and everything below what is given.
type Path struct {
	Segment                                                string
	Occurrence, Field, Repetition, Component, Subcomponent int
}

// maxPathNumber bounds each number of a path, so that a mistyped one cannot ask
// for a gigabyte of separators.
const maxPathNumber = 9999

// String is the path in the form ParsePath reads.
func (p Path) String() string {
	b := []byte(p.Segment)
	paren := func(n int) {
		if n > 0 {
			b = append(b, '(')
			b = strconv.AppendInt(b, int64(n), 10)
			b = append(b, ')')
		}
	}
	paren(p.Occurrence)
	if p.Field == 0 {
		return string(b)
	}
	b = append(b, '-')
	b = strconv.AppendInt(b, int64(p.Field), 10)
	paren(p.Repetition)
	for _, n := range [2]int{p.Component, p.Subcomponent} {
		if n == 0 {
			break
		}
		b = append(b, '.')
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return string(b)
}

// ParsePath reads SEG, SEG(n), SEG-f, SEG(n)-f(r).c.s.
func ParsePath(s string) (Path, error) {
	p := Path{}
	bad := func(why string) (Path, error) {
		return Path{}, fmt.Errorf("hl7: path %q: %s; write it like OBX(2)-5(1).1.1", s, why)
	}
	if len(s) < 3 || !validSegmentID([]byte(s[:3])) {
		return bad("it must begin with a segment name of three capitals or digits")
	}
	p.Segment = s[:3]
	rest := s[3:]
	number := func() (int, bool) {
		i, n := 0, 0
		for i < len(rest) && rest[i] >= '0' && rest[i] <= '9' && n <= maxPathNumber {
			n = n*10 + int(rest[i]-'0')
			i++
		}
		rest = rest[i:]
		return n, i > 0 && n > 0 && n <= maxPathNumber
	}
	paren := func(into *int) bool {
		if rest == "" || rest[0] != '(' {
			return true
		}
		rest = rest[1:]
		n, ok := number()
		if !ok || rest == "" || rest[0] != ')' {
			return false
		}
		rest = rest[1:]
		*into = n
		return true
	}
	after := func(c byte, into *int) bool {
		if rest == "" || rest[0] != c {
			return true
		}
		rest = rest[1:]
		n, ok := number()
		*into = n
		return ok
	}
	switch {
	case !paren(&p.Occurrence):
		return bad("the number of the segment is wrong")
	case !after('-', &p.Field):
		return bad("the number of the field is wrong")
	case p.Field == 0 && rest != "":
		return bad("the part behind the segment is not understood")
	case !paren(&p.Repetition):
		return bad("the number of the repetition is wrong")
	case !after('.', &p.Component):
		return bad("the number of the component is wrong")
	case p.Component > 0 && !after('.', &p.Subcomponent):
		return bad("the number of the sub-component is wrong")
	case rest != "":
		return bad("the end is not understood")
	}
	return p, nil
}
