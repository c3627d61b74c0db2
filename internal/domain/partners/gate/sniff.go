package gate

import (
	"bytes"
	"encoding/pem"
	"slices"
)

// headSize is how much of a file tells its kind.
const headSize = 4096

// extensions that agree with each kind.
var extensions = map[string][]string{
	KindHL7:     {"hl7", "oru", "orm", "oml", "adt", "mdm", "msg", "dat", "txt"},
	KindFHIR:    {"json", "fhir", "ndjson"},
	KindPDF:     {"pdf"},
	KindCSV:     {"csv", "tsv", "txt"},
	KindZIP:     {"zip"},
	KindAge:     {"age"},
	KindOpenPGP: {"pgp", "gpg", "asc"},
	KindCMS:     {"p7m", "p7e", "cms", "pem"},
}

// names of the kinds as people read them.
var names = map[string]string{
	KindHL7: "HL7 v2", KindFHIR: "FHIR JSON", KindPDF: "PDF", KindCSV: "CSV", KindZIP: "ZIP",
	KindAge: "age-encrypted", KindOpenPGP: "OpenPGP-encrypted", KindCMS: "CMS-encrypted",
}

func encryptedBy(ext string) bool {
	return slices.Contains(extensions[KindAge], ext) || slices.Contains(extensions[KindOpenPGP], ext) || slices.Contains(extensions[KindCMS], ext)
}

// signature is how a kind of file that is never taken begins.
type signature struct {
	at    int
	bytes string
	what  string
}

const (
	program = "a program or script, which is never taken"
	packed  = "an archive of a kind that is not taken; send the files themselves"
	picture = "a picture, which is not taken; send a PDF"
	office  = "an Office document, which may hold macros; send a PDF or CSV"
)

// never are kinds that are known to be told apart, so that the reason can name
// them; everything else unknown is refused as well.
var never = []signature{
	{0, "MZ", program},
	{0, "\x7fELF", program},
	{0, "#!", program},
	{0, "\xfe\xed\xfa\xce", program},
	{0, "\xfe\xed\xfa\xcf", program},
	{0, "\xce\xfa\xed\xfe", program},
	{0, "\xcf\xfa\xed\xfe", program},
	{0, "\xca\xfe\xba\xbe", program},
	{0, "\x00asm", program},
	{0, "L\x00\x00\x00\x01\x14\x02\x00", "a shortcut, which is never taken"},
	{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", office},
	{0, "{\\rtf", office},
	{0, "\x1f\x8b", packed},
	{0, "7z\xbc\xaf\x27\x1c", packed},
	{0, "Rar!\x1a\x07", packed},
	{0, "BZh", packed},
	{0, "\xfd7zXZ\x00", packed},
	{0, "\x28\xb5\x2f\xfd", packed},
	{0, "\x1f\x9d", packed},
	{257, "ustar", packed},
	{0, "MSCF", packed},
	{0, "\x89PNG\r\n\x1a\n", picture},
	{0, "\xff\xd8\xff", picture},
	{0, "GIF8", picture},
	{0, "II*\x00", picture},
	{0, "MM\x00*", picture},
	{0, "BM", picture},
	{8, "WEBP", picture},
	{128, "DICM", "a DICOM object, which is not taken here"},
	{0, "%!PS", "PostScript, which is a program; send a PDF"},
}

// markup is what a browser would take for a page, in lower case.
var markup = []string{"<!doctype", "<html", "<head", "<body", "<script", "<svg", "<iframe", "<?php"}

// sniff tells what a file is by its first bytes: a kind, or why there is none.
// name serves only to tell plain text apart.
func sniff(head []byte, name string) (kind string, no *refusal) {
	if k := sniffEncrypted(head); k != "" {
		return k, nil
	}
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")): // APPNOTE 4.3.7, 4.3.16
		return KindZIP, nil
	case bytes.HasPrefix(head, []byte("%PDF-")): // ISO 32000-1 7.5.2
		return KindPDF, nil
	}
	binary := slices.ContainsFunc(head, control)
	for _, s := range never {
		if len(s.bytes) == 2 && s.bytes[0] >= ' ' && s.bytes != "#!" && !binary {
			continue // two letters, which a text may begin with
		}
		if len(head) >= s.at+len(s.bytes) && string(head[s.at:s.at+len(s.bytes)]) == s.bytes {
			return "", refuse(CauseKind, "The file is "+s.what+".")
		}
	}
	if wide(head) {
		return wideKind(head), unreadable(CauseForm, "The file is written in UTF-16. Write it in UTF-8, and in HL7 say so in MSH-18 (UNICODE UTF-8).")
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), "\x0b\r\n\t ") // 0x0b begins a message in MLLP
	if hl7Header(text) {
		return KindHL7, nil
	}
	if bytes.Contains(head[:min(len(head), 1024)], []byte("%PDF-")) {
		return KindPDF, unreadable(CauseForm, "Something stands before the beginning of the PDF. Make the PDF anew and send it again.")
	}
	if bytes.HasPrefix(text, []byte("{")) && !binary {
		return KindFHIR, nil
	}
	lower := bytes.ToLower(text)
	for _, m := range markup {
		if bytes.Contains(lower, []byte(m)) && (lower[0] == '<' || m == "<script") {
			return "", refuse(CauseKind, "The file is a web page or holds a script, which is never taken. Send HL7, FHIR JSON, PDF or CSV.")
		}
	}
	if binary {
		return "", unreadable(CauseKind, "The file is of no kind that is known here. Send HL7, FHIR JSON, PDF or CSV.")
	}
	if bytes.HasPrefix(text, []byte("<")) {
		return "", unreadable(CauseKind, "The file is XML, which is not taken. Send FHIR as JSON, or HL7 v2.")
	}
	if ext := extension(name); slices.Contains(extensions[KindCSV], ext) {
		return KindCSV, nil
	}
	return "", unreadable(CauseKind, "The file is of no kind that is known here: HL7 begins with MSH, FHS or BHS, FHIR JSON with {, a PDF with %PDF. Send one of these, or CSV.")
}

// hl7Header: FHS, BHS or MSH and two different delimiters (HL7 v2.5.1 2.5.4,
// 2.10.3).
func hl7Header(b []byte) bool {
	if len(b) < 5 {
		return false
	}
	switch string(b[:3]) {
	case "MSH", "FHS", "BHS":
		return separates(b[3]) && separates(b[4]) && b[3] != b[4]
	}
	return false
}

// separates says whether a byte may be a delimiter of HL7.
func separates(c byte) bool {
	return c > ' ' && c < 0x7f && !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z')
}

// wide says whether text is written in UTF-16 or UTF-32.
func wide(b []byte) bool {
	if bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff")) || bytes.HasPrefix(b, []byte("\x00\x00\xfe\xff")) {
		return true
	}
	if len(b) < 8 {
		return false
	}
	var zeros [2]int
	for i, c := range b[:8] {
		if c == 0 {
			zeros[i%2]++
		} else if c < ' ' && c != '\r' && c != '\n' && c != '\t' {
			return false
		}
	}
	return zeros[0] == 4 && zeros[1] == 0 || zeros[1] == 4 && zeros[0] == 0
}

// wideKind is what text in UTF-16 would be.
func wideKind(b []byte) string {
	narrow := bytes.TrimLeft(bytes.ReplaceAll(b, []byte{0}, nil), "\xff\xfe \r\n\t\x0b")
	switch {
	case hl7Header(narrow):
		return KindHL7
	case bytes.HasPrefix(narrow, []byte("{")):
		return KindFHIR
	}
	return ""
}

// control says whether a rune is a control character that no text file holds.
func control(c byte) bool {
	return c < ' ' && c != '\t' && c != '\r' && c != '\n' || c == 0x7f
}

// The object identifiers of CMS that hold something encrypted (RFC 5652 6.1, 8;
// RFC 5083 2.1), in DER.
var (
	enveloped     = []byte("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03")
	encryptedData = []byte("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06")
	authEnveloped = []byte("\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17")
)

func sniffEncrypted(head []byte) string {
	text := bytes.TrimLeft(head, "\r\n\t ")
	switch {
	case bytes.HasPrefix(head, []byte("age-encryption.org/v1\n")), // C2SP age.md "Header"
		bytes.HasPrefix(text, []byte("-----BEGIN AGE ENCRYPTED FILE-----")):
		return KindAge
	case bytes.HasPrefix(text, []byte("-----BEGIN PGP MESSAGE-----")), pgpPacket(head): // RFC 9580 6.2
		return KindOpenPGP
	}
	der := head
	if bytes.HasPrefix(text, []byte("-----BEGIN CMS-----")) || bytes.HasPrefix(text, []byte("-----BEGIN PKCS7-----")) { // RFC 7468 8, 9
		der = pemStart(text)
	}
	if len(der) > 2 && der[0] == 0x30 { // SEQUENCE, its length, then the content's type
		at := 2
		if der[1] > 0x80 && der[1] <= 0x84 {
			at += int(der[1] & 0x7f)
		}
		for _, oid := range [][]byte{enveloped, encryptedData, authEnveloped} {
			if len(der) > at && bytes.HasPrefix(der[at:], oid) {
				return KindCMS
			}
		}
	}
	return ""
}

// pemStart is the first bytes of what a PEM block holds, which may be cut off.
func pemStart(text []byte) []byte {
	_, rest, ok := bytes.Cut(text, []byte("\n"))
	line, _, full := bytes.Cut(rest, []byte("\n"))
	if !ok || !full {
		return nil
	}
	line = bytes.TrimSpace(line)
	whole := append([]byte("-----BEGIN X-----\n"), line[:len(line)/4*4]...)
	p, _ := pem.Decode(append(whole, "\n-----END X-----\n"...))
	if p == nil {
		return nil
	}
	return p.Bytes
}

// pgpPacket: a public-key or symmetric-key encrypted session key, which an
// encrypted message begins with (RFC 9580 4.2, 5.1, 5.3, 10.3).
func pgpPacket(b []byte) bool {
	if len(b) < 16 || b[0]&0x80 == 0 {
		return false
	}
	var tag, body int
	if b[0]&0x40 != 0 { // the OpenPGP format
		tag = int(b[0] & 0x3f)
		switch {
		case b[1] < 192:
			body = 2
		case b[1] < 224:
			body = 3
		case b[1] == 255:
			body = 6
		default:
			return false
		}
	} else { // the legacy format
		tag, body = int(b[0]>>2&0x0f), 2
		switch b[0] & 3 {
		case 1:
			body = 3
		case 2:
			body = 5
		case 3:
			return false
		}
	}
	switch v := b[body]; tag {
	case 1:
		return v == 3 || v == 6
	case 3:
		return v >= 4 && v <= 6
	}
	return false
}
