package gate

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
)

// Limits of the object streams of a PDF.
const (
	maxObjectStreams = 20_000
	maxObjects       = 128 << 20 // bytes of all of them, unpacked
)

// pdf looks for what a PDF does by itself. It reads every name of the file, in
// whichever revision and whether or not a table of the file points to it, and
// unpacks object streams (ISO 32000-1 7.5.7), in which newer programs write most
// objects. It does not unpack other streams: pages, fonts, pictures; what acts
// must be named in an object.
func (l *looker) pdf(c *content) error {
	if err := c.anywhere(); err != nil {
		return err
	}
	head, err := c.start(1024)
	if err != nil {
		return err
	}
	tail, err := c.end(64<<10 + 22)
	if err != nil {
		return err
	}
	if no := pdfFrame(c, head, tail); no != nil {
		return no
	}
	s := &pdfScan{}
	if err := s.scan(c.from(0)); err != nil {
		return err
	}
	if s.streams > maxObjectStreams {
		return unreadable(CauseForm, "The PDF holds more packed objects than can be looked at. Print it to a new PDF and send that.")
	}
	encrypted := s.found[actEncrypt]
	if !encrypted {
		if err := s.unpack(c); err != nil {
			return err
		}
	}
	if no := s.verdict(); no != nil {
		return no
	}
	if encrypted {
		if !l.rules.unseen(KindPDF) {
			return unreadable(CauseEncrypted, "The PDF has a password, so it cannot be looked into. Send it without one: the connection is encrypted.")
		}
		l.seen.kind = KindPDF + unseen
	}
	return nil
}

var (
	startxref = regexp.MustCompile(`startxref[\r\n \t]+([0-9]{1,12})[\r\n \t]+%%EOF[\r\n \t\x00]*$`)
	xrefAt    = regexp.MustCompile(`^[\r\n \t]*(xref|[0-9]+[\r\n \t]+[0-9]+[\r\n \t]+obj)`)
)

// pdfFrame looks at both ends: a PDF that is whole, and nothing else besides.
func pdfFrame(c *content, head, tail []byte) *refusal {
	lower := bytes.ToLower(head)
	for _, m := range markup {
		if bytes.Contains(lower, []byte(m)) {
			return refuse(CauseActive, "The PDF is a web page as well. Print it to a new PDF and send that.")
		}
	}
	if endOfArchive(tail) >= 0 {
		return refuse(CauseActive, "The PDF is an archive as well. Print it to a new PDF and send that.")
	}
	m := startxref.FindSubmatch(tail[max(0, len(tail)-2048):]) // ISO 32000-1 7.5.5
	if m == nil {
		return refuse(CauseForm, "The PDF has no end, or something stands behind it: it was cut off or damaged. Make it anew and send it again.")
	}
	at, err := strconv.ParseInt(string(m[1]), 10, 64)
	table := make([]byte, 64)
	if err == nil && at < c.size {
		n, _ := c.at.ReadAt(table[:min(64, c.size-at)], at)
		table = table[:n]
	}
	if err != nil || at >= c.size || !xrefAt.Match(table) {
		return refuse(CauseForm, "The PDF's table of contents is not where the PDF says: it was cut off or damaged. Make it anew and send it again.")
	}
	return nil
}

func (c *content) from(at int64) io.Reader { return io.NewSectionReader(c.at, at, c.size-at) }

// unpack scans the object streams.
func (s *pdfScan) unpack(c *content) error {
	left := int64(maxObjects)
	for _, o := range s.objects {
		if o.packed {
			return unreadable(CauseForm, "The PDF packs its objects in a way that cannot be looked into. Print it to a new PDF and send that.")
		}
		r := c.from(o.at)
		in := &pdfScan{inObjects: true, found: s.found}
		if o.flate {
			z, err := zlib.NewReader(r)
			if err != nil {
				return pdfObjects(err)
			}
			r = z
		} else {
			in.plain = true
		}
		a := &allowance{r: r, left: left}
		if err := in.scan(a); err != nil {
			return pdfObjects(err)
		}
		left = a.left
		s.found = in.found
	}
	return nil
}

func pdfObjects(err error) error {
	switch {
	case errors.Is(err, errTooLarge):
		return unreadable(CauseArchive, fmt.Sprintf("The PDF holds more than %s of packed objects. Print it to a new PDF and send that.", bytesText(maxObjects)))
	case errors.Is(err, zlib.ErrHeader), errors.Is(err, zlib.ErrChecksum), errors.Is(err, io.ErrUnexpectedEOF), isCorrupt(err):
		return unreadable(CauseForm, "The PDF holds packed objects that cannot be unpacked: it was cut off or damaged. Make it anew and send it again.")
	}
	return err
}

// verdict refuses what acts.
func (s *pdfScan) verdict() *refusal {
	const again = " Print it to a new PDF without that, and send it."
	switch f := s.found; {
	case f[actScript]:
		return refuse(CauseActive, "The PDF holds JavaScript."+again)
	case f[actLaunch]:
		return refuse(CauseActive, "The PDF starts programs or opens other files."+again)
	case f[actFile]:
		return refuse(CauseActive, "The PDF has other files attached. Send them by themselves, and the PDF without them.")
	case f[actForm]:
		return refuse(CauseActive, "The PDF holds a form that acts or sends data."+again)
	case f[actMedia]:
		return refuse(CauseActive, "The PDF holds media that are played by other programs."+again)
	case f[actEvent]:
		return refuse(CauseActive, "The PDF acts on events such as opening a page."+again)
	case f[actOpen] && f[actURI]:
		return refuse(CauseActive, "The PDF does something when it is opened, and it can go to web pages."+again)
	}
	return nil
}
