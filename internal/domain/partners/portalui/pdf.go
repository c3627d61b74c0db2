package portalui

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (s *site) pdf(w http.ResponseWriter, r *http.Request) error {
	p, x, err := s.look(r, portal.HowPDF)
	if err != nil {
		return err
	}
	body, err := sheetPDF(x, s.Paper(), s.Lab(), s.phone(), p.Name, web.Now(r))
	if err != nil {
		return err
	}
	download(w, x.ID.String()+".pdf", "application/pdf", false)
	_, _ = w.Write(body) // the reader may have gone
	return nil
}

// paper writes a document with the program's own fonts, which know more letters than
// those every PDF reader has.
type paper struct{ *fpdf.Fpdf }

const (
	margin = 18.0
	wide   = 210 - 2*margin
	// pagesMark stands for the number of pages until it is known; no text of a result
	// has it, since latin lets no control character through.
	pagesMark = "\x01\x02"
)

// sheet is a page of the size that the laboratory prints on.
func sheet(size string, now time.Time) *fpdf.Fpdf {
	if size != "a4" {
		size = "letter"
	}
	f := fpdf.New("P", "mm", size, "")
	f.SetCreationDate(now)
	f.SetModificationDate(now)
	return f
}

func newPaper(size string, now time.Time, foot string) (*paper, error) {
	f := sheet(size, now)
	f.SetMargins(margin, margin, margin)
	f.SetAutoPageBreak(true, 22)
	f.AliasNbPages(pagesMark)
	f.SetFooterFunc(func() {
		f.SetY(-16)
		f.SetFont("Helvetica", "", 8)
		f.SetTextColor(90, 90, 90)
		f.MultiCell(wide, 3.6, latin(foot)+fmt.Sprintf("  Page %d of %s.", f.PageNo(), pagesMark), "T", "L", false)
	})
	f.AddPage()
	return &paper{f}, f.Error()
}

// latin is a text in the letters of the PDF's built-in fonts (Windows-1252); others
// become a question mark, and the page says so.
func latin(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < ' ' && r != '\n':
			b.WriteByte(' ')
		case r < 0x80 || r >= 0xa0 && r <= 0xff:
			b.WriteByte(byte(r))
		default:
			if i := strings.IndexRune("–—‘’“”•…€™≤≥", r); i >= 0 {
				b.WriteString(map[rune]string{'–': "\x96", '—': "\x97", '‘': "\x91", '’': "\x92", '“': "\x93", '”': "\x94", '•': "\x95", '…': "\x85", '€': "\x80", '™': "\x99", '≤': "<=", '≥': ">="}[r])
			} else {
				b.WriteByte('?')
			}
		}
	}
	return b.String()
}

// other says whether a text has letters that latin loses.
func other(s string) bool { return strings.Count(latin(s), "?") > strings.Count(s, "?") }

func (p *paper) text(style string, size, height float64, s string) {
	p.SetFont("Helvetica", style, size)
	p.MultiCell(wide, height, latin(s), "", "L", false)
}

func (p *paper) fact(key, value string) {
	if value == "" {
		return
	}
	p.SetFont("Helvetica", "", 9)
	p.SetTextColor(90, 90, 90)
	p.CellFormat(38, 4.6, latin(key), "", 0, "L", false, 0, "")
	p.SetTextColor(0, 0, 0)
	p.MultiCell(wide-38, 4.6, latin(value), "", "L", false)
}

// sheetPDF is a result on paper: what the page shows, in the same order.
func sheetPDF(x *portal.Shown, size, lab, phone, by string, now time.Time) ([]byte, error) {
	lab = labOf(x, lab)
	name, whose := x.Report.Patient.Name, x.Report.Patient.Name
	if name == "" {
		name, whose = "Patient not named", "Patient not named"
	}
	for _, more := range []string{x.Report.Patient.Born, strings.Join(x.Report.Patient.IDs, ", ")} {
		if more != "" {
			whose += ", " + more
		}
	}
	superseded := x.Later != nil || x.LaterKept
	if superseded {
		whose += ". SUPERSEDED"
	}
	p, err := newPaper(size, now, fmt.Sprintf("%s. %s. Printed %s by %s from Labwarden's portal. Values, units, ranges and flags as the laboratory's system wrote them.", whose, lab, kit.Stamp(now), by))
	if err != nil {
		return nil, fmt.Errorf("begin a PDF: %w", err)
	}
	p.SetTitle("Laboratory result", true)
	p.text("", 10, 5, lab+"  "+phone)
	if superseded {
		p.SetTextColor(160, 0, 0)
		p.text("B", 13, 7, "SUPERSEDED. There is a later version of this result. Do not use this one.")
		p.SetTextColor(0, 0, 0)
	}
	if x.Report.Critical {
		p.text("B", 10, 5.5, "Flagged critical by the laboratory's system. This sheet does not replace the laboratory's call.")
	}
	if x.NotSame {
		p.text("B", 10, 5.5, "The version before named another patient. Compare both, and take the earlier one out of the other patient's chart.")
	}
	p.text("B", 15, 8, name)
	p.fact("Born", x.Report.Patient.Born)
	p.fact("Sex", x.Report.Patient.Sex)
	p.fact("Numbers", strings.Join(x.Report.Patient.IDs, ", "))
	lost := other(name)
	for i := range x.Report.Orders {
		lost = p.order(&x.Report.Orders[i]) || lost
	}
	for _, n := range x.Report.Notes {
		p.text("", 9, 4.6, n)
		lost = lost || other(n)
	}
	if n := len(x.Report.Documents); n > 0 {
		p.Ln(2)
		p.text("B", 9, 4.6, kit.Many(n, "document belongs", "documents belong")+" to this result and "+map[bool]string{true: "is", false: "are"}[n == 1]+" not on this sheet: open it on the page.")
	}
	if lost || x.Report.Cut {
		p.Ln(2)
		p.text("B", 9, 4.6, "Not everything can be written on this sheet (letters shown as ?, or a very long report). The page and the message have all of it.")
	}
	var b bytes.Buffer
	if err := p.Output(&b); err != nil {
		return nil, fmt.Errorf("write a PDF: %w", err)
	}
	return b.Bytes(), nil
}

var widths = [...]float64{58, 52, 22, 18, 24}

func (p *paper) order(o *portal.Order) (lost bool) {
	p.Ln(4)
	p.text("B", 12, 6.5, o.Test)
	for _, f := range [][2]string{
		{"Status", o.StatusWord},
		{"Laboratory's number", o.Filler},
		{"Your number", o.Placer},
		{"Specimen", o.Specimen},
		{"Collected", o.Collected},
		{"Reported", o.Reported},
		{"Ordered by", o.Provider},
		{"Copy to", strings.Join(o.CopyTo, "; ")},
	} {
		p.fact(f[0], f[1])
		lost = lost || other(f[1])
	}
	if len(o.Rows) > 0 {
		p.Ln(1)
		p.row("B", "Test", "Value", "Flag", "Units", "Range")
	}
	for i := range o.Rows {
		x := &o.Rows[i]
		name, style := x.Name, ""
		if x.Status != "" {
			name += " (" + x.Status + ")"
		}
		if x.Urgent {
			style = "B"
		}
		value := strings.Join(x.Value, "\n")
		if value == "" {
			value = "no value"
		}
		flag := x.Flag
		if x.FlagWord != "" {
			flag += " " + x.FlagWord
		}
		p.row(style, name, value, flag, x.Units, x.Range)
		lost = lost || other(name+value+x.Units+x.Range)
		if len(x.Notes) > 0 {
			p.SetX(margin + 6)
			p.SetFont("Helvetica", "I", 8.5)
			p.MultiCell(wide-6, 4.2, latin(strings.Join(x.Notes, "\n")), "", "L", false)
			lost = lost || other(strings.Join(x.Notes, ""))
		}
	}
	for _, n := range o.Notes {
		p.text("I", 9, 4.6, n)
		lost = lost || other(n)
	}
	return lost
}

// row writes cells side by side, as high as the highest; one that is higher than a
// page gives up its columns.
func (p *paper) row(style string, cells ...string) {
	const height = 4.6
	p.SetFont("Helvetica", style, 9)
	high := 1
	for i, c := range cells {
		high = max(high, len(p.SplitLines([]byte(latin(c)), widths[i]-2)))
	}
	_, page := p.GetPageSize()
	if high > 40 {
		p.MultiCell(wide, height, latin(strings.Join(cells[:1], "")), "T", "L", false)
		p.MultiCell(wide, height, latin(cells[1]), "", "L", false)
		p.MultiCell(wide, height, latin(strings.Join(cells[2:], "  ")), "", "L", false)
		return
	}
	if p.GetY()+float64(high)*height > page-22 {
		p.AddPage()
		p.SetFont("Helvetica", style, 9)
	}
	x, y := margin, p.GetY()
	p.SetDrawColor(200, 200, 200)
	p.Line(margin, y, margin+wide, y)
	for i, c := range cells {
		p.SetXY(x, y)
		p.MultiCell(widths[i], height, latin(c), "", "L", false)
		x += widths[i]
	}
	p.SetXY(margin, y+float64(high)*height)
}
