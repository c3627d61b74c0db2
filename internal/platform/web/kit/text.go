package kit

import (
	"context"
	"html"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/a-h/templ"
)

// Marks around parts of a text that are drawn otherwise. They are private-use
// code points: whoever plants one in a message gets another type face, no more.
const (
	monoOn   = '\ue000'
	strongOn = '\ue001'
	markOff  = '\ue002'
)

// Mono marks an identifier, hash or clock time within a text of this package.
func Mono(s string) string { return string(monoOn) + plain(s) + string(markOff) }

// Strong marks the part of a text that counts: "21" of "21 of 23 protected".
func Strong(s string) string { return string(strongOn) + plain(s) + string(markOff) }

func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r == monoOn || r == strongOn || r == markOff {
			return -1
		}
		return r
	}, s)
}

// Prose draws a text with its marked parts. Everything in it is escaped.
func Prose(s string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		if !strings.ContainsAny(s, string([]rune{monoOn, strongOn, markOff})) {
			_, err := io.WriteString(w, html.EscapeString(s))
			return err
		}
		var b strings.Builder
		open := ""
		for _, r := range s {
			switch r {
			case monoOn, strongOn, markOff:
				b.WriteString(open)
				open = ""
				switch r {
				case monoOn:
					b.WriteString(`<span class="mono">`)
					open = "</span>"
				case strongOn:
					b.WriteString("<strong>")
					open = "</strong>"
				}
			default:
				b.WriteString(html.EscapeString(string(r)))
			}
		}
		b.WriteString(open)
		_, err := io.WriteString(w, b.String())
		return err
	})
}

// Count writes a number as people read it: 1,284.
func Count(n int) string {
	s := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Many writes a number with its word: Many(1, "result", "results").
func Many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + more
}

// Initials of a name for the disc beside it: "Dana Reyes" is DR.
func Initials(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(words) == 0 {
		return "?"
	}
	first, _ := utf8.DecodeRuneInString(words[0])
	s := string(unicode.ToUpper(first))
	if len(words) > 1 {
		last, _ := utf8.DecodeRuneInString(words[len(words)-1])
		s += string(unicode.ToUpper(last))
	}
	return s
}

// slug makes an id of a title; ids on one page come from different titles.
func slug(prefix, s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(plain(s)) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return prefix + strings.Trim(b.String(), "-")
}
