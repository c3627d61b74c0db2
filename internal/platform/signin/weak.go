package signin

import (
	_ "embed"
	"slices"
	"sort"
	"strings"
	"unicode"
)

// guessable says why a password is among the first that are tried, or nothing.
// The whole password is judged, never a part of it (NIST SP 800-63B-4 3.1.1.2): it
// is refused if common words, words of its context, sequences, repetitions and
// years make all of it but a few characters.
func guessable(password string, context []string) string {
	typed := []rune(strings.ToLower(password))
	if repeated(typed) {
		return "it repeats itself"
	}
	words := contextWords(context)
	for _, meant := range foldings(typed) {
		pieces, rest := pieces(typed, meant, words)
		kind := ""
		for _, x := range pieces {
			if kind == "" || x.weight > 0 && kind != x.what {
				kind = x.what
			}
		}
		if len(pieces) > 0 && rest < spare {
			return kind
		}
	}
	return ""
}

// spare is how many different other characters make a password more than a
// variation.
const spare = 4

// foldings are the words that people may have meant, rune by rune.
func foldings(typed []rune) [][]rune {
	out := [][]rune{typed}
	for _, one := range "il" {
		meant := make([]rune, len(typed))
		for i, c := range typed {
			meant[i] = c
			if c == '1' || c == '!' || c == '|' {
				meant[i] = one
			} else if at := strings.IndexRune("034578@$+", c); at >= 0 {
				meant[i] = rune("oeastbast"[at])
			}
		}
		if !slices.ContainsFunc(out, func(x []rune) bool { return slices.Equal(x, meant) }) {
			out = append(out, meant)
		}
	}
	return out
}

// repeated: a short unit over and over, or hardly any different characters.
func repeated(r []rune) bool {
	seen := map[rune]bool{}
	for _, c := range r {
		seen[c] = true
	}
	if len(seen) < 4 {
		return true
	}
	for unit := 1; unit <= min(len(r)/2, 6); unit++ {
		same := true
		for i := unit; i < len(r) && same; i++ {
			same = r[i] == r[i-unit]
		}
		if same {
			return true
		}
	}
	return false
}

type piece struct {
	n, weight int
	what      string
}

// pieces finds what can be guessed, from the left, the longest first: words in
// what was meant, sequences and years in what was typed. rest is how many
// different characters stand outside of them.
func pieces(r, meant []rune, context []string) (out []piece, rest int) {
	other := map[rune]bool{}
	for i := 0; i < len(r); {
		best := piece{}
		ahead := string(meant[i:])
		take := func(n int, weight int, what string) {
			if n > best.n {
				best = piece{n, weight, what}
			}
		}
		for _, w := range context {
			if strings.HasPrefix(ahead, w) {
				take(len([]rune(w)), 2, "it is made of the laboratory's, the program's or your own name")
			}
		}
		for _, w := range common {
			if len(w) > best.n && strings.HasPrefix(ahead, w) {
				take(len([]rune(w)), 1, "it is made of words that stand on every list")
			}
		}
		take(walk(r[i:]), 1, "it follows the keys or the alphabet")
		take(run(r[i:]), 1, "it repeats a character")
		take(year(r[i:]), 0, "it is a year")
		if best.n == 0 {
			other[r[i]] = true
			i++
			continue
		}
		out = append(out, best)
		i += best.n
	}
	return out, len(other)
}

// walk is how many runes from the start follow the alphabet, the digits or a
// keyboard, in one direction: at least four, else 0.
func walk(r []rune) int {
	best := 0
	for _, w := range walks {
		for at, c := range w {
			if c != r[0] {
				continue
			}
			n := 1
			for n < len(r) && at+n < len(w) && r[n] == w[at+n] {
				n++
			}
			best = max(best, n)
		}
	}
	if best < 4 {
		return 0
	}
	return best
}

// run is how many times the first rune stands there: at least three, else 0.
func run(r []rune) int {
	n := 1
	for n < len(r) && r[n] == r[0] {
		n++
	}
	if n < 3 {
		return 0
	}
	return n
}

func year(r []rune) int {
	if len(r) < 4 || !(r[0] == '1' && r[1] == '9' || r[0] == '2' && r[1] == '0') || !unicode.IsDigit(r[2]) || !unicode.IsDigit(r[3]) {
		return 0
	}
	return 4
}

// walks are the rows, columns and zigzags of qwerty, qwertz and azerty, the
// alphabet and the digits, each in both directions.
var walks = func() (out [][]rune) {
	for _, w := range []string{
		"abcdefghijklmnopqrstuvwxyz", "01234567890", "1234567890ß´", "1234567890-=", "!@#$%^&*()_+", `!"§$%&/()=?`, "&é\"'(-è_çà)=",
		"qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./", // qwerty
		"qwertzuiopü+", "asdfghjklöä#", "yxcvbnm,.-", // qwertz
		"azertyuiop^$", "qsdfghjklmù", "wxcvbn,;:!", // azerty
		"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/", "qazwsxedcrfvtgbyhnujmikolp", "1qay2wsx3edc4rfv5tgb6zhn7ujm", "qaywsxedcrfvtgbzhnujmikolp",
		"1aqw2zsx3edc4rfv", "aqwzsxedcrfvtgbyhn",
		"1q2w3e4r5t6y7u8i9o0p", "1q2w3e4r5t6z7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0", "q1w2e3r4t5z6u7i8o9p0", "1a2z3e4r5t6y", "a1b2c3d4e5f6g7h8",
		"qweasdzxcrtyfghvbn", "qweasdyxc", "147258369", "159357", "789456123", "112233445566778899", "aabbccddeeffgg",
	} {
		r := []rune(w)
		back := slices.Clone(r)
		slices.Reverse(back)
		out = append(out, r, back)
	}
	return out
}()

// contextWords are the words of names, each as it would be typed.
func contextWords(names []string) []string {
	var out []string
	add := func(w string) {
		if len([]rune(w)) >= 3 && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	for _, name := range names {
		low := strings.ToLower(name)
		parts := strings.FieldsFunc(low, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
		for _, w := range append(parts, strings.Join(parts, ""), low) {
			add(w)
			if r := []rune(w); len(r) > 5 {
				add(string(r[:5])) // how a long name is cut short
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return len(out[i]) > len(out[j]) })
	return out
}

//go:embed common.txt
var commonText string

// common are words and passwords that everybody tries first; lower case, at
// least three letters.
var common = strings.Fields(commonText)
