package gate

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"strings"
	"testing"
)

// pdfOf makes a PDF of objects, numbered from 1; the first is the catalogue.
func pdfOf(objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	at := make([]int, 0, len(objects))
	for i, o := range objects {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, a := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", a)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, xref)
	return b.Bytes()
}

// stream makes a stream object of a dictionary's members and packed content.
func stream(members string, content []byte) string {
	return fmt.Sprintf("<<%s/Length %d>>\nstream\n%s\nendstream", members, len(content), content)
}

func deflated(s string) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write([]byte(s))
	_ = z.Close()
	return b.Bytes()
}

// objectStream packs one object, number 9, as PDF 1.5 writers do.
func objectStream(members, object string) string {
	head := "9 0 "
	return stream(fmt.Sprintf("%s/N 1/First %d/Filter/FlateDecode", members, len(head)), deflated(head+object))
}

const (
	catalogue = "<</Type/Catalog/Pages 2 0 R>>"
	pages     = "<</Type/Pages/Kids[]/Count 0>>"
	script    = "<</S/JavaScript/JS(app.alert\\(1\\))>>"
)

func TestPDF(t *testing.T) {
	page := stream("/Filter/FlateDecode", deflated("BT /F1 12 Tf (Glucose 5.1) Tj ET"))
	with := func(objects ...string) string {
		return string(pdfOf(append([]string{catalogue, pages}, objects...)...))
	}
	good := with(page)
	refused := func(reason string) Verdict { return Verdict{Kind: "pdf", Cause: CauseActive, Reason: reason} }
	bad := func(reason string) Verdict { return Verdict{Kind: "pdf", Cause: CauseForm, Reason: reason} }
	encrypted := strings.Replace(good, "/Root 1 0 R", "/Root 1 0 R/Encrypt 3 0 R", 1)
	judge(t, []file{
		{"plain", "a.pdf", good, Rules{}, Verdict{Pass: true, Kind: "pdf"}},
		{"opens at a place", "a.pdf", string(pdfOf("<</Type/Catalog/Pages 2 0 R/OpenAction [3 0 R /FitH null]>>", pages)), Rules{}, Verdict{Pass: true, Kind: "pdf"}},
		{"a link", "a.pdf", with("<</S/URI/URI(https://lab.example)>>"), Rules{}, Verdict{Pass: true, Kind: "pdf"}},
		{"harmless object stream", "a.pdf", with(objectStream("/Type/ObjStm", "<</Type/Font>>")), Rules{}, Verdict{Pass: true, Kind: "pdf"}},
		{"JavaScript", "a.pdf", with(script), Rules{}, refused("JavaScript")},
		{"JavaScript in disguise", "a.pdf", with("<</S/J#61vaScr#69pt/#4aS(x)>>"), Rules{}, refused("JavaScript")},
		{"only /JS", "a.pdf", with("<</S/X/JS 7 0 R>>"), Rules{}, refused("JavaScript")},
		{"/JS behind a comment", "a.pdf", with("<</S/X/JS %x\n(y)>>"), Rules{}, refused("JavaScript")},
		{"in an object stream", "a.pdf", with(objectStream("/Type/ObjStm", script)), Rules{}, refused("JavaScript")},
		{"in an object stream that hides its type", "a.pdf", with(objectStream("", "<</S/X/#4aS(x)>>")), Rules{}, refused("JavaScript")},
		{"in an object stream that is not packed", "a.pdf", with(stream("/Type/ObjStm/N 1/First 4", []byte("9 0 <</S/X/JS(x)>>"))), Rules{}, refused("JavaScript")},
		{"behind an open bracket", "a.pdf", with("(", "<</AA<</O 9 0 R>>>>"), Rules{}, refused("events")},
		{"in what looks like a stream", "a.pdf", with("<<>>\nstream\n", "<</AA<</O 9 0 R>>>>"), Rules{}, refused("events")},
		{"in an old revision", "a.pdf", strings.Replace(good, "xref\n", "8 0 obj"+script+"endobj\nxref\n", 1), Rules{}, refused("JavaScript")},
		{"Launch", "a.pdf", with("<</S/Launch/F(cmd.exe)>>"), Rules{}, refused("programs")},
		{"another file", "a.pdf", with("<</S/GoToR/F(\\\\\\\\evil\\\\x)>>"), Rules{}, refused("programs")},
		{"attachment", "a.pdf", with("<</Type/Filespec/F(x)/EF<</F 5 0 R>>>>"), Rules{}, refused("attached")},
		{"attachment in disguise", "a.pdf", with(stream("/Type/Embedded#46ile", []byte("x"))), Rules{}, refused("attached")},
		{"empty list of attachments", "a.pdf", with("<</Names<</EmbeddedFiles<</Names[]>>>>>>"), Rules{}, Verdict{Pass: true, Kind: "pdf"}},
		{"form that sends", "a.pdf", with("<</S/SubmitForm/F(http://x)>>"), Rules{}, refused("form")},
		{"XFA", "a.pdf", with("<</AcroForm<</XFA[(a) 3 0 R]>>>>"), Rules{}, refused("form")},
		{"goes to the web when opened", "a.pdf", string(pdfOf("<</Type/Catalog/Pages 2 0 R/OpenAction 3 0 R>>", pages, "<</S/URI/URI(http://x)>>")), Rules{}, refused("web pages")},
		{"encrypted", "a.pdf", encrypted, Rules{}, Verdict{Kind: "pdf", Cause: CauseEncrypted, Reason: "password"}},
		{"encrypted, allowed", "a.pdf", encrypted, open, Verdict{Pass: true, Kind: "pdf, cannot be looked into"}},
		{"object stream, packed oddly", "a.pdf", with(stream("/Type/ObjStm/N 1/First 4/Filter[/ASCIIHexDecode/FlateDecode]", []byte("00"))), Rules{}, bad("cannot be looked into")},
		{"object stream, filter elsewhere", "a.pdf", with(stream("/Type/ObjStm/N 1/First 4/Filter 5 0 R", []byte("00"))), Rules{}, bad("cannot be looked into")},
		{"object stream, damaged", "a.pdf", with(stream("/Type/ObjStm/N 1/First 4/Filter/FlateDecode", []byte("xx"))), Rules{}, bad("damaged")},
		{"object stream bomb", "a.pdf", with(stream("/Type/ObjStm/N 1/First 4/Filter/FlateDecode", deflated(strings.Repeat(" ", maxObjects+1)))), Rules{}, Verdict{Kind: "pdf", Cause: CauseArchive}},
		{"cut off", "a.pdf", good[:len(good)-20], Rules{}, bad("no end")},
		{"cut in the middle", "a.pdf", good[:60] + good[len(good)-40:], Rules{}, bad("table of contents")},
		{"an archive behind it", "a.pdf", good + string(zipOf(t, map[string]string{"a.hl7": normal})), Rules{}, refused("archive as well")},
		{"a page in it", "a.pdf", "%PDF-1.4\n%<html><script>alert(1)</script>\n" + good, Rules{}, refused("web page")},
		{"something before it", "a.pdf", "\n" + good, Rules{}, bad("before the beginning")},
		{"named .hl7", "a.hl7", good, Rules{}, Verdict{Kind: "pdf", Cause: CauseName, Critical: true, Reason: "Name it .pdf"}},
	})
}
