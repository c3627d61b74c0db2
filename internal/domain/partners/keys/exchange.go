package keys

import "strings"

// Groups parts a fingerprint into groups of four, to be read out.
func Groups(fingerprint string) []string {
	var out []string
	for rest := fingerprint; rest != ""; rest = rest[min(4, len(rest)):] {
		out = append(out, rest[:min(4, len(rest))])
	}
	return out
}

// Halves are the groups that the laboratory reads out, and those that the partner
// reads out: so each hears something it cannot have from the other.
func Halves(fingerprint string) (ours, theirs []string) {
	g := Groups(fingerprint)
	n := (len(g) + 1) / 2
	return g[:n], g[n:]
}

// Spoken writes a group as it is said on a bad line, in the words of the ICAO.
func Spoken(group string) string {
	words := map[rune]string{'a': "Alfa", 'b': "Bravo", 'c': "Charlie", 'd': "Delta", 'e': "Echo", 'f': "Foxtrot"}
	var out []string
	for _, r := range group {
		if w, ok := words[r]; ok {
			out = append(out, w)
		} else {
			out = append(out, string(r))
		}
	}
	return strings.Join(out, " ")
}

// heard is what somebody typed of what was read to them, in one spelling: with
// or without blanks, in capitals or not, letters by their words too.
func heard(typed string) string {
	s := strings.ToLower(typed)
	for _, w := range [][2]string{{"alfa", "a"}, {"alpha", "a"}, {"bravo", "b"}, {"charlie", "c"}, {"delta", "d"}, {"echo", "e"}, {"foxtrot", "f"}} {
		s = strings.ReplaceAll(s, w[0], w[1])
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n-:.,", r) {
			return -1
		}
		return r
	}, s)
}
