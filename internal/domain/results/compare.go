package results

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// Class says how a place differs between what we deliver and what the old path
// delivered.
type Class int

// The classes. They are stored: never renumber them.
const (
	OnlyOurs   Class = iota + 1 // we have it, the old path has not
	OnlyTheirs                  // the other way round
	Differs                     // both have it, and it says something else
	OtherOrder                  // both have the same, in another order
)

func (c Class) String() string {
	switch c {
	case OnlyOurs:
		return "only_ours"
	case OnlyTheirs:
		return "only_theirs"
	case Differs:
		return "differs"
	case OtherOrder:
		return "order"
	}
	return "unknown"
}

// ParseClass reads what String writes.
func ParseClass(s string) (Class, error) {
	for c := OnlyOurs; c <= OtherOrder; c++ {
		if c.String() == s {
			return c, nil
		}
	}
	return 0, fmt.Errorf("%w: a class of difference is only_ours, only_theirs, differs or order", ErrInvalid)
}

// WholeMessage is the path and kind of a difference that is a whole message:
// one path delivered it and the other did not.
const WholeMessage = "message"

// Gap is one place at which two messages differ. Path and Kind hold no
// patient data; Ours and Theirs do: they are stored sealed and shown only to a
// person whose look is recorded.
type Gap struct {
	Class Class
	// Path is where, OBX(2)-5; of a segment that only one has, in that one.
	Path string
	// Kind is the path without numbers of occurrence, OBX-5: what an
	// explanation covers.
	Kind         string
	Ours, Theirs string
}

// Bounds of a comparison.
const (
	maxGaps    = 500
	maxShown   = 1024    // bytes of a value that are kept
	maxAligned = 4 << 20 // cells of the alignment's table
)

// Compare finds where theirs differs from ours, segment by segment and field by
// field. It compares meaning, not bytes: line ends, empty fields at a segment's
// end, other delimiters with the same content and another character set of the
// same text are equal (where the message declares them, MSH-1, MSH-2 and MSH-18
// still differ). An empty field and the null "" are not. No difference is an
// empty list; more than 500 are cut there.
func Compare(ours, theirs *hl7.Message) []Gap {
	c := comparison{}
	a, b := segments(ours), segments(theirs)
	pairs, restA, restB := align(a, b)
	alike := ours.Charset() == theirs.Charset() && delimiters(ours) == delimiters(theirs)
	for _, p := range pairs {
		if len(c.out) == maxGaps {
			return c.out
		}
		if x, y := a[p[0]], b[p[1]]; !alike || !bytes.Equal(x.Raw(), y.Raw()) {
			c.fields(x, y)
		}
	}
	// What stands in both, only elsewhere, is another order and not two facts.
	elsewhere := map[string][]int{}
	for _, j := range restB {
		elsewhere[string(b[j].Raw())] = append(elsewhere[string(b[j].Raw())], j)
	}
	found := map[int]bool{}
	for _, i := range restA {
		raw := string(a[i].Raw())
		if js := elsewhere[raw]; len(js) > 0 {
			elsewhere[raw], found[js[0]] = js[1:], true
			c.add(OtherOrder, placeOf(a[i]), segmentKind(a[i]), raw, raw)
			continue
		}
		c.add(OnlyOurs, placeOf(a[i]), segmentKind(a[i]), raw, "")
	}
	for _, j := range restB {
		if !found[j] {
			c.add(OnlyTheirs, placeOf(b[j]), segmentKind(b[j]), "", string(b[j].Raw()))
		}
	}
	return c.out
}

// delimiters are those a message is written with: where they and the character set
// are alike, equal bytes mean the same.
func delimiters(m *hl7.Message) [6]byte {
	h := m.Header()
	return [6]byte{h.FieldSep, h.Component, h.Repetition, h.Escape, h.Subcomponent, h.Truncation}
}

type comparison struct{ out []Gap }

func (c *comparison) add(class Class, path, kind, ours, theirs string) {
	if len(c.out) < maxGaps {
		c.out = append(c.out, Gap{class, path, kind, shown(ours), shown(theirs)})
	}
}

func shown(v string) string {
	if len(v) <= maxShown {
		return v
	}
	return v[:maxShown] + " ... (" + strconv.Itoa(len(v)) + " bytes in all)"
}

func segments(m *hl7.Message) []hl7.Segment { return slices.Collect(m.Segments("")) }

// segmentKind is the segment's name; "line" for what is no segment.
func segmentKind(s hl7.Segment) string {
	if n := s.Name(); n != "" {
		return n
	}
	return "line"
}

func placeOf(s hl7.Segment) string {
	return segmentKind(s) + "(" + strconv.Itoa(s.Occurrence()) + ")"
}

// alignKey is what makes two segments the same one with perhaps other values:
// an observation is known by its code and sub-id, an order by its service.
func alignKey(s hl7.Segment) string {
	switch n := segmentKind(s); n {
	case "OBX":
		return n + "\x00" + s.Field(3).Part(1).Text() + "\x00" + s.Field(4).Text()
	case "OBR":
		return n + "\x00" + s.Field(4).Part(1).Text()
	default:
		return n
	}
}

// align pairs segments that stand for the same thing, in order (the longest
// common subsequence of their keys), and gives the indexes of the rest.
func align(a, b []hl7.Segment) (pairs [][2]int, restA, restB []int) {
	ka, kb := alignKeys(a), alignKeys(b)
	front := 0
	for front < len(ka) && front < len(kb) && ka[front] == kb[front] {
		pairs = append(pairs, [2]int{front, front})
		front++
	}
	back := 0
	for back < len(ka)-front && back < len(kb)-front && ka[len(ka)-1-back] == kb[len(kb)-1-back] {
		back++
	}
	n, m := len(ka)-front-back, len(kb)-front-back
	usedA, usedB := make([]bool, n), make([]bool, m)
	if n > 0 && m > 0 && n <= maxAligned/m {
		length := make([][]int32, n+1)
		for i := range length {
			length[i] = make([]int32, m+1)
		}
		for i := n - 1; i >= 0; i-- {
			for j := m - 1; j >= 0; j-- {
				if ka[front+i] == kb[front+j] {
					length[i][j] = length[i+1][j+1] + 1
				} else {
					length[i][j] = max(length[i+1][j], length[i][j+1])
				}
			}
		}
		for i, j := 0, 0; i < n && j < m; {
			switch {
			case ka[front+i] == kb[front+j]:
				pairs = append(pairs, [2]int{front + i, front + j})
				usedA[i], usedB[j] = true, true
				i, j = i+1, j+1
			case length[i+1][j] >= length[i][j+1]:
				i++
			default:
				j++
			}
		}
	}
	for i, used := range usedA {
		if !used {
			restA = append(restA, front+i)
		}
	}
	for j, used := range usedB {
		if !used {
			restB = append(restB, front+j)
		}
	}
	for i := back; i > 0; i-- {
		pairs = append(pairs, [2]int{len(ka) - i, len(kb) - i})
	}
	return pairs, restA, restB
}

func alignKeys(ss []hl7.Segment) []string {
	out := make([]string, len(ss))
	for i, s := range ss {
		out[i] = alignKey(s)
	}
	return out
}

func (c *comparison) fields(a, b hl7.Segment) {
	name := segmentKind(a)
	if name == "line" {
		if !bytes.Equal(a.Raw(), b.Raw()) {
			c.add(Differs, placeOf(a), name, string(a.Raw()), string(b.Raw()))
		}
		return
	}
	delimiters := name == "MSH" || name == "FHS" || name == "BHS"
	for n := 1; n <= max(a.Fields(), b.Fields()); n++ {
		path, kind := placeOf(a)+"-"+strconv.Itoa(n), name+"-"+strconv.Itoa(n)
		x, y := a.Field(n), b.Field(n)
		switch {
		case delimiters && n <= 2:
			if !bytes.Equal(x.Raw(), y.Raw()) {
				c.add(Differs, path, kind, string(x.Raw()), string(y.Raw()))
			}
		default:
			c.field(path, kind, x, y)
		}
	}
}

// field compares one field with its repetitions.
func (c *comparison) field(path, kind string, x, y hl7.Value) {
	a, b := repetitions(x), repetitions(y)
	if slices.Equal(a, b) {
		return
	}
	switch {
	case len(b) == 0:
		c.add(OnlyOurs, path, kind, string(x.Raw()), "")
		return
	case len(a) == 0:
		c.add(OnlyTheirs, path, kind, "", string(y.Raw()))
		return
	}
	sa, sb := slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	if slices.Equal(sa, sb) {
		c.add(OtherOrder, path, kind, string(x.Raw()), string(y.Raw()))
		return
	}
	if len(a) == 1 && len(b) == 1 {
		c.add(Differs, path, kind, string(x.Raw()), string(y.Raw()))
		return
	}
	rx, ry := raws(x), raws(y)
	for i := range max(len(a), len(b)) {
		at := path + "(" + strconv.Itoa(i+1) + ")"
		switch {
		case i >= len(b):
			c.add(OnlyOurs, at, kind, rx[i], "")
		case i >= len(a):
			c.add(OnlyTheirs, at, kind, "", ry[i])
		case a[i] != b[i]:
			c.add(Differs, at, kind, rx[i], ry[i])
		}
	}
}

func raws(v hl7.Value) []string {
	var out []string
	for _, r := range v.Repetitions() {
		out = append(out, string(r.Raw()))
	}
	return out
}

// repetitions gives each repetition's meaning in one form, whatever delimiters
// and character set it was written with; empty ones at the end do not count.
func repetitions(v hl7.Value) []string {
	var out []string
	for _, r := range v.Repetitions() {
		out = append(out, meaning(r))
	}
	for len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return out
}

// maxParts bounds components and sub-components of one value.
const maxParts = 1000

// meaning writes components and sub-components with separators no text has.
func meaning(v hl7.Value) string {
	var b []byte
	var gap []byte // separators that count only if something follows
	for n := 1; n <= maxParts; n++ {
		p := v.Part(n)
		if p.Presence() == hl7.Absent {
			break
		}
		if n > 1 {
			gap = append(gap, 0x1e)
		}
		start := len(gap)
		for k := 1; k <= maxParts; k++ {
			q := p.Subpart(k)
			if q.Presence() == hl7.Absent {
				break
			}
			if k > 1 {
				gap = append(gap, 0x1f)
			}
			t := q.Text()
			if q.Presence() == hl7.Null {
				t = "\x00null"
			}
			if t != "" {
				b = append(append(b, gap...), t...)
				gap, start = gap[:0], 0
			}
		}
		gap = gap[:min(start, len(gap))] // empty sub-components at the end do not count
	}
	return string(b)
}
