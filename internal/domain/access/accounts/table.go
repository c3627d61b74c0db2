package accounts

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// grid is a list as rows under named columns.
type grid struct {
	columns []string
	rows    [][]string
}

// read makes a grid of a file: what `net user` prints, or separated values with
// a first row of names (comma, semicolon or tab; a #TYPE line of Export-Csv is
// left out).
func read(file []byte) (*grid, error) {
	text, err := decode(file)
	if err != nil {
		return nil, err
	}
	if s, ok, err := netUser(text); ok || err != nil {
		return s, err
	}
	text = strings.TrimLeft(text, "\r\n")
	if strings.HasPrefix(text, "#TYPE ") {
		_, text, _ = strings.Cut(text, "\n")
	}
	head, _, _ := strings.Cut(text, "\n")
	r := csv.NewReader(strings.NewReader(text))
	r.Comma = separator(head)
	r.FieldsPerRecord = -1
	out := &grid{}
	for line := 1; ; line++ {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			return nil, fmt.Errorf("%w: line %d: the quotes do not fit together", ErrInvalid, bad.Line)
		}
		if err != nil {
			return nil, fmt.Errorf("read list: %w", err)
		}
		for i := range row {
			row[i] = clean(row[i])
			if len(row[i]) > maxField {
				return nil, fmt.Errorf("%w: row %d has a field of more than %d characters", ErrInvalid, line, maxField)
			}
		}
		if !slices.ContainsFunc(row, func(f string) bool { return f != "" }) {
			continue
		}
		if out.columns == nil {
			if err := out.head(row); err != nil {
				return nil, err
			}
			continue
		}
		if len(row) != len(out.columns) {
			return nil, fmt.Errorf("%w: row %d has %d fields, the first row names %d columns", ErrInvalid, line, len(row), len(out.columns))
		}
		if out.rows = append(out.rows, row); len(out.rows) > maxRows {
			return nil, fmt.Errorf("%w: the list has more than %d rows", ErrInvalid, maxRows)
		}
	}
	if len(out.rows) == 0 {
		return nil, fmt.Errorf("%w: the list names columns and has no rows under them", ErrInvalid)
	}
	return out, nil
}

func (s *grid) head(row []string) error {
	if len(row) > maxColumns {
		return fmt.Errorf("%w: the list has more than %d columns", ErrInvalid, maxColumns)
	}
	for i, c := range row {
		if c == "" {
			row[i] = fmt.Sprintf("column %d", i+1)
		} else if slices.Contains(row[:i], c) {
			return fmt.Errorf("%w: two columns are named alike", ErrInvalid)
		}
	}
	s.columns = row
	return nil
}

// separator is the one that stands most often in the first row, outside quotes.
func separator(head string) rune {
	best, most := ',', 0
	for _, c := range []rune{',', ';', '\t', '|'} {
		n, quoted := 0, false
		for _, r := range head {
			if r == '"' {
				quoted = !quoted
			} else if r == c && !quoted {
				n++
			}
		}
		if n > most {
			best, most = c, n
		}
	}
	return best
}

// clean drops what could change how a name reads or where it stands: control
// characters, direction marks, blanks at the ends.
func clean(f string) string {
	f = strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, f)
	return strings.TrimSpace(f)
}

var dashes = regexp.MustCompile(`(?m)^-{20,}\s*$`)

// netWidth is the width of a column in what `net user` prints.
const netWidth = 25

// netUser reads what `net user` prints without a name: a line of dashes, names
// in three columns of 25, a closing sentence. The words around are in the
// language of the machine, so only the form counts.
func netUser(text string) (*grid, bool, error) {
	at := dashes.FindStringIndex(text)
	if at == nil || strings.ContainsAny(text[:at[0]], ",;\t|") || len(text[:at[0]]) > 500 {
		return nil, false, nil
	}
	var lines []string
	for l := range strings.SplitSeq(strings.ReplaceAll(text[at[1]:], "\r", ""), "\n") {
		if strings.TrimSpace(l) != "" {
			lines = append(lines, l)
		}
	}
	if len(lines) < 2 || !strings.HasSuffix(strings.TrimSpace(lines[len(lines)-1]), ".") {
		return nil, true, fmt.Errorf("%w: this looks like `net user` without its last line: copy all that it printed", ErrInvalid)
	}
	out := &grid{columns: []string{"account"}}
	for _, l := range lines[:len(lines)-1] {
		r := []rune(l)
		for i := 0; i < len(r); i += netWidth {
			if name := clean(string(r[i:min(i+netWidth, len(r))])); name != "" {
				out.rows = append(out.rows, []string{name})
			}
		}
		if len(out.rows) > maxRows {
			return nil, true, fmt.Errorf("%w: the list has more than %d rows", ErrInvalid, maxRows)
		}
	}
	return out, true, nil
}
