package gate

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Limits of a CSV file.
const (
	maxRow     = 1 << 20
	maxColumns = 1000
)

// csv reads a table: UTF-8 or windows-1252, the same number of columns in each
// row (RFC 4180 2.4), quotes as RFC 4180 2.5 to 2.7.
func (l *looker) csv(c *content) error {
	head, err := c.start(headSize)
	if err != nil {
		return err
	}
	t := &textReader{r: bomless(c.open())}
	a := &allowance{r: t, left: maxRow}
	d := csv.NewReader(a)
	d.ReuseRecord = true
	d.Comma = separator(head)
	rows, columns, formulas := 0, 0, 0
	for {
		row, err := d.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return t.csvError(err, rows+1)
		}
		rows++
		columns = len(row)
		a.left = maxRow
		if columns > maxColumns {
			return refuse(CauseForm, fmt.Sprintf("The table has more than %d columns. Send a smaller one.", maxColumns))
		}
		for _, cell := range row {
			if formula(cell) {
				formulas++
			}
		}
	}
	switch {
	case rows == 0:
		return unreadable(CauseSize, "The table is empty. Send it again.")
	case columns < 2 && extension(c.name) == "txt":
		return unreadable(CauseKind, "The file is plain text of no kind that is known here. HL7 begins with MSH, FHS or BHS; a table with one column only is named .csv.")
	case t.wrong && t.undefined:
		return refuse(CauseForm, "The table is written neither in UTF-8 nor in windows-1252. Save it as UTF-8 and send it again.")
	case formulas > 0:
		l.seen.remark = fmt.Sprintf("The table was taken. Formulas in it: %d cells begin as formulas do; open them as text, never as formulas.", formulas)
	}
	return nil
}

func (t *textReader) csvError(err error, row int) error {
	var p *csv.ParseError
	switch {
	case t.control:
		return unreadable(CauseForm, "The table holds control characters that no text file has. Save it as CSV in UTF-8 and send it again.")
	case errors.Is(err, errTooLarge):
		return refuse(CauseForm, fmt.Sprintf("Row %d of the table is longer than %s. Look for a missing quotation mark, and send it again.", row, bytesText(maxRow)))
	case errors.Is(err, csv.ErrFieldCount) && errors.As(err, &p):
		return refuse(CauseForm, fmt.Sprintf("Line %d of the table has another number of columns than its first line. Correct it and send it again.", p.StartLine))
	case errors.As(err, &p):
		return refuse(CauseForm, fmt.Sprintf("Line %d of the table has a quotation mark where none belongs, or lacks one. Correct it and send it again.", p.Line))
	}
	return err
}

// separator is what parts the first line's columns: the one of comma, semicolon,
// tab and bar that stands there most often.
func separator(head []byte) rune {
	line := bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	if i := bytes.IndexAny(line, "\r\n"); i > 0 {
		line = line[:i]
	}
	best, most := ',', 0
	for _, s := range ",;\t|" {
		if n := bytes.Count(line, []byte(string(s))); n > most {
			best, most = s, n
		}
	}
	return best
}

// formula says whether a spreadsheet takes a cell for a formula. Signs before
// plain values ("+", "++", "-3.5", "+/-") are results and no formulas.
func formula(cell string) bool {
	if len(cell) < 2 {
		return false
	}
	switch cell[0] {
	case '=', '@', '\t', '\r':
		return true
	case '+', '-':
		return strings.ContainsAny(cell, "(!|")
	}
	return false
}

var errControl = errors.New("a control character")

// textReader passes text on: it stops at control characters and notes whether it
// is UTF-8 and whether it could be windows-1252.
type textReader struct {
	r         io.Reader
	part      [4]byte // the beginning of a rune that is cut
	n         int
	control   bool
	wrong     bool // not UTF-8
	undefined bool // not windows-1252
}

func (t *textReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	for _, c := range p[:n] {
		if control(c) {
			t.control = true
			return 0, errControl
		}
		switch c {
		case 0x81, 0x8d, 0x8f, 0x90, 0x9d: // undefined in windows-1252
			t.undefined = true
		}
	}
	t.utf8(p[:n], err != nil)
	return n, err
}

func (t *textReader) utf8(b []byte, last bool) {
	for t.n > 0 && len(b) > 0 && !utf8.FullRune(t.part[:t.n]) {
		t.part[t.n] = b[0]
		t.n++
		b = b[1:]
	}
	if t.n > 0 && (utf8.FullRune(t.part[:t.n]) || last) {
		t.wrong = t.wrong || !utf8.Valid(t.part[:t.n])
		t.n = 0
	}
	for i := max(0, len(b)-3); i < len(b) && !last; i++ {
		if utf8.RuneStart(b[i]) && !utf8.FullRune(b[i:]) {
			t.n = copy(t.part[:], b[i:])
			b = b[:i]
		}
	}
	t.wrong = t.wrong || !utf8.Valid(b)
}
