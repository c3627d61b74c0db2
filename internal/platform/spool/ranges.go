package spool

import "slices"

// Span is the bytes From to To (To excluded).
type Span struct{ From, To int64 }

// maxSpans bounds how scattered a file may arrive: a client that writes every
// second byte would make us remember each.
const maxSpans = 4096

// Spans are the bytes that arrived: sorted, apart from each other.
type Spans []Span

// Add returns the set with one more Span.
func (s Spans) Add(n Span) Spans {
	if n.From >= n.To {
		return s
	}
	if l := len(s); l > 0 && s[l-1].To == n.From { // the usual case: one after the other
		s[l-1].To = n.To
		return s
	}
	i, _ := slices.BinarySearchFunc(s, n.From, func(e Span, at int64) int {
		if e.To < at {
			return -1
		}
		return 1
	})
	j := i
	for j < len(s) && s[j].From <= n.To {
		n.From, n.To = min(n.From, s[j].From), max(n.To, s[j].To)
		j++
	}
	return slices.Replace(s, i, j, n)
}

// Covers says whether all bytes of n arrived.
func (s Spans) Covers(n Span) bool {
	i, _ := slices.BinarySearchFunc(s, n.From, func(e Span, at int64) int {
		if e.To <= at {
			return -1
		}
		return 1
	})
	return i < len(s) && s[i].From <= n.From && n.To <= s[i].To
}

// gap is the first stretch of 0..size that did not arrive; empty when none.
func (s Spans) gap(size int64) Span {
	at := int64(0)
	for _, e := range s {
		if e.From > at {
			return Span{at, e.From}
		}
		at = e.To
	}
	return Span{at, max(at, size)}
}
