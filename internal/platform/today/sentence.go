package today

import "github.com/labwarden/labwarden/internal/platform/web/kit"

// Sentence is the page's title: what needs the person, and its quieter end. It
// claims no more than was looked at.
func (g *Gathered) Sentence() (lead, rest string) {
	n := int64(g.More)
	for _, it := range g.Items {
		if it.State != kit.Unknown {
			n++
		}
	}
	switch {
	case len(g.Failed) > 0 && n == 0:
		return "Part of this could not be looked at.", "Nothing else needs you."
	case len(g.Failed) > 0:
		return need(n), "Part of this could not be looked at."
	case n == 0 && g.whole():
		return "Nothing needs you.", "Everything is running."
	case n == 0:
		return "Nothing needs you.", ""
	case g.whole():
		return need(n), "Everything else is running."
	}
	return need(n), ""
}

// whole says that everything was looked at, answered and is shown, and that no
// check found something that no item speaks of.
func (g *Gathered) whole() bool {
	if len(g.Failed) > 0 || g.Skipped > 0 || g.Hidden > 0 {
		return false
	}
	said := false
	for _, it := range g.Items {
		said = said || it.State != kit.Unknown
	}
	for _, l := range g.Lines {
		if !said && (l.State == kit.Warn || l.State == kit.Stopped) {
			return false
		}
	}
	return true
}

var small = [...]string{"", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve"}

func need(n int64) string {
	words := Group(n)
	if n < int64(len(small)) {
		words = small[n]
	}
	return words + " " + Plural(n, "thing needs", "things need") + " you."
}
