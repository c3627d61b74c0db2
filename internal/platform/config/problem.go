package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Severity says whether a problem keeps a configuration from running.
type Severity int

const (
	// Error: the file cannot be applied.
	Error Severity = iota + 1
	// Warning: it runs, and a person should know.
	Warning
)

func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// MarshalJSON writes "error" or "warning".
func (s Severity) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// Problem is one thing to mend, and where. Its text never holds a secret that
// was written into the file.
type Problem struct {
	File string `json:"file"`
	// Line and Column count from 1; a column is one character, not one byte.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Path names the setting ("partners.riverside.retry.first"), empty when the
	// file could not be read as YAML.
	Path    string `json:"path"`
	Message string `json:"message"`
	// Fix says what to write instead, empty when there is nothing to say.
	Fix      string   `json:"fix,omitempty"`
	Severity Severity `json:"severity"`

	width int // characters to underline
	mask  int // column from which the source line must not be shown, 0 for none
}

func (p Problem) String() string {
	s := fmt.Sprintf("%s:%d:%d: %s: ", p.File, p.Line, p.Column, p.Severity)
	if p.Path != "" {
		s += p.Path + ": "
	}
	s += p.Message
	if p.Fix != "" {
		s += "; " + p.Fix
	}
	return s
}

// Problems is sorted by position.
type Problems []Problem

// Errors returns those that keep the configuration from running.
func (ps Problems) Errors() Problems { return ps.only(Error) }

// Warnings returns those that do not.
func (ps Problems) Warnings() Problems { return ps.only(Warning) }

func (ps Problems) only(s Severity) Problems {
	var out Problems
	for _, p := range ps {
		if p.Severity == s {
			out = append(out, p)
		}
	}
	return out
}

// Err returns nil when there is no error among ps, else one error that lists
// every one of them, a line each.
func (ps Problems) Err() error {
	errs := ps.Errors()
	if len(errs) == 0 {
		return nil
	}
	lines := make([]string, len(errs))
	for i, p := range errs {
		lines[i] = p.String()
	}
	return fmt.Errorf("configuration: %s", strings.Join(lines, "\n"))
}

// JSON returns the list as a JSON array, never null.
func (ps Problems) JSON() []byte {
	if ps == nil {
		ps = Problems{}
	}
	b, err := json.MarshalIndent(ps, "", "  ")
	if err != nil {
		panic(err) // plain strings and numbers
	}
	return append(b, '\n')
}

// Render writes every problem with its source line and a caret. A line on
// which a secret was found is shown only up to it.
func (ps Problems) Render(w io.Writer, src []byte) error {
	lines := strings.Split(string(normalise(src)), "\n")
	masks := map[int]int{}
	for _, p := range ps {
		if p.mask > 0 && (masks[p.Line] == 0 || p.mask < masks[p.Line]) {
			masks[p.Line] = p.mask
		}
	}
	var b bytes.Buffer
	for _, p := range ps {
		fmt.Fprintf(&b, "%s:%d:%d: %s: ", p.File, p.Line, p.Column, p.Severity)
		if p.Path != "" {
			b.WriteString(p.Path + ": ")
		}
		b.WriteString(p.Message + "\n")
		if p.Line >= 1 && p.Line <= len(lines) {
			caret(&b, p, lines[p.Line-1], masks[p.Line])
		}
		if p.Fix != "" {
			fmt.Fprintf(&b, "        = %s\n", p.Fix)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func caret(b *bytes.Buffer, p Problem, line string, mask int) {
	rs := []rune(strings.ToValidUTF8(line, "\uFFFD"))
	for i, r := range rs {
		if r < ' ' || r == 0x7f { // tabs would move the caret, escapes the terminal
			rs[i] = ' '
		}
	}
	rs = hide(rs)
	if mask > 0 && mask-1 < len(rs) {
		rs = append(rs[:mask-1:mask-1], '…')
	}
	const widest = 160
	if p.Column > widest {
		return
	}
	if len(rs) > widest {
		rs = append(rs[:widest:widest], '…')
	}
	width := min(max(p.width, 1), max(len(rs)-p.Column+1, 1))
	fmt.Fprintf(b, "  %4d | %s\n       | %s%s\n", p.Line, string(rs),
		strings.Repeat(" ", max(p.Column-1, 0)), strings.Repeat("^", width))
}

// secretText finds what looks like a secret on a line no rule has read: after a
// key of such a name, and before the @ of a URL.
var secretText = regexp.MustCompile(`(?i)(?:(?:token|key|secret|passw(?:or)?d|passphrase|pwd)["']?\s*[:=]\s*|://[^/@\s:]*:)([^\s,}\]@]+)`)

// hide covers such text, one star for one character, so that columns stay.
func hide(line []rune) []rune {
	s := string(line)
	var out []rune
	done := 0
	for _, m := range secretText.FindAllStringSubmatchIndex(s, -1) {
		value := strings.Trim(s[m[2]:m[3]], `"'`)
		if strings.HasPrefix(value, "vault:") || strings.HasPrefix(value, "file:") || strings.HasPrefix(value, "./") || strings.HasPrefix(value, "/") {
			continue
		}
		out = append(out, []rune(s[done:m[2]])...)
		out = append(out, []rune(strings.Repeat("*", utf8.RuneCountInString(s[m[2]:m[3]])))...)
		done = m[3]
	}
	return append(out, []rune(s[done:])...)
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
}

// quote shows a piece of the file in a message: short, on one line.
func quote(s string) string {
	const longest = 60
	if utf8.RuneCountInString(s) > longest {
		s = string([]rune(s)[:longest]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
