package portalui

import (
	"bytes"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/qr"
)

// Where a letter's parts stand, in millimetres from the top left. The address is in the
// window of a DIN C6/5 envelope (DIN 5008 form B: 45 to 90 below the top, 20 to 105
// from the left) and of a US No. 10 envelope (7/8 inch from its left, 1/2 inch from its
// bottom, 4 1/2 by 1 1/8 inch): of the latter, however far the sheet slips, what is
// between 63.5 and 80 shows. Nothing of what is secret is above the fold.
const (
	letterLeft  = 25.0
	letterWide  = 160.0
	windowTop   = 63.5
	windowLine  = 4.1
	belowFold   = 108.0
	foldA4      = 105.0        // DIN 5008 form B
	foldLetter  = 279.4 / 3    // a sheet folded in three
	qrSide      = 30.0         // of the address alone
	letterLines = 2 + maxLines // name and practice as well
)

// letterPDF is the letter on paper; lost: not all letters of a name could be written.
func letterPDF(x *written, size string, now time.Time) (body []byte, lost bool, err error) {
	f := sheet(size, now)
	f.SetMargins(letterLeft, 15, 20)
	f.SetAutoPageBreak(false, 0)
	f.SetTitle("Letter", true)
	f.AddPage()
	p := &paper{f}
	line := func(y, height float64, style string, points float64, text string) {
		f.SetXY(letterLeft, y)
		f.SetFont("Helvetica", style, points)
		f.CellFormat(letterWide, height, latin(text), "", 0, "L", false, 0, "")
		lost = lost || other(text)
	}
	line(18, 7, "B", 15, x.Lab)
	line(25, 5, "", 10, x.Phone)
	if x.Sender != "" {
		line(58, 3.4, "", 6.5, x.Lab+", "+x.Sender)
	}
	for i, l := range append([]string{x.Person.Name, x.Practice}, x.To...)[:min(letterLines, 2+len(x.To))] {
		line(windowTop+float64(i)*windowLine, windowLine, "", 10, l)
	}
	p.fold(size)

	f.SetY(belowFold)
	p.letterText("", x.Day)
	p.letterText("B", "Laboratory results for "+x.Practice)
	before, steps, after := x.says(func(s string) string { return "“" + s + "”" }, func(s string) string { return s })
	steps[1] = "Type this code. It works once, until " + x.Until + "."
	for _, t := range before {
		p.letterText("", t)
		lost = lost || other(t)
	}
	if err := p.square(x.url(), letterLeft+letterWide-qrSide, f.GetY()); err != nil {
		return nil, false, err
	}
	for i, t := range steps {
		p.step(i+1, t)
		if i == 1 {
			f.SetX(letterLeft + 8)
			f.SetFont("Courier", "B", 20)
			f.CellFormat(letterWide-8, 11, x.Code, "", 1, "L", false, 0, "")
			f.Ln(1.5)
		}
	}
	for _, t := range after {
		p.letterText("", t)
	}
	var b bytes.Buffer
	if err := f.Output(&b); err != nil {
		return nil, false, fmt.Errorf("write a letter: %w", err)
	}
	return b.Bytes(), lost, nil
}

func (p *paper) letterText(style, text string) {
	p.SetX(letterLeft)
	p.SetFont("Helvetica", style, 10.5)
	p.MultiCell(letterWide, 5, latin(text), "", "L", false)
	p.Ln(2.2)
}

// step leaves the square its room.
func (p *paper) step(n int, text string) {
	p.SetX(letterLeft)
	p.SetFont("Helvetica", "B", 10.5)
	p.CellFormat(8, 5, fmt.Sprintf("%d.", n), "", 0, "L", false, 0, "")
	p.SetFont("Helvetica", "", 10.5)
	p.MultiCell(letterWide-8-qrSide-6, 5, latin(text), "", "L", false)
	p.Ln(1.5)
}

// fold marks at the left edge where the sheet is folded.
func (p *paper) fold(size string) {
	at := foldLetter
	if size == "a4" {
		at = foldA4
	}
	p.SetDrawColor(150, 150, 150)
	p.SetLineWidth(0.15)
	p.Line(4, at, 8, at)
	p.Line(4, 2*at, 8, 2*at)
}

// square draws a QR code.
func (p *paper) square(text string, x, y float64) error {
	code, err := qr.Of(text)
	if err != nil {
		return err
	}
	p.SetFillColor(0, 0, 0)
	unit := qrSide / float64(code.Side)
	code.Runs(func(cx, cy, w int) {
		p.Rect(x+float64(cx)*unit, y+float64(cy)*unit, float64(w)*unit, unit, "F")
	})
	return nil
}
