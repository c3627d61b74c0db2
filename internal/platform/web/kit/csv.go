package kit

import (
	"encoding/csv"
	"io"
	"net/http"
	"strings"
)

// CSV writes a table for a spreadsheet. A cell that a spreadsheet would take for
// a formula gets an apostrophe in front: what a message says must not run on the
// reader's machine.
type CSV struct{ w *csv.Writer }

// NewCSV writes to w, beginning with the names of the columns.
func NewCSV(w io.Writer, columns ...string) (*CSV, error) {
	c := &CSV{csv.NewWriter(w)}
	return c, c.Row(columns...)
}

// Row writes one line.
func (c *CSV) Row(cells ...string) error {
	safe := make([]string, len(cells))
	for i, s := range cells {
		safe[i] = Defuse(s)
	}
	return c.w.Write(safe)
}

// Close writes what is left and says whether all was written.
func (c *CSV) Close() error {
	c.w.Flush()
	return c.w.Error()
}

// Defuse keeps a spreadsheet from running a cell.
func Defuse(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n|%＝＋－＠", []rune(s)[0]) {
		return "'" + s
	}
	return s
}

// CSVHead sets the headers of a table that is downloaded under name.
func CSVHead(h http.Header, name string) {
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+slug("", name)+`.csv"`)
}
