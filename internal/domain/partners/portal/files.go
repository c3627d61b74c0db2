package portal

import (
	"archive/zip"
	"bytes"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// BatchFile puts messages into one HL7 file with a batch (HL7 v2.5.1 2.10.3): FHS,
// BHS, the messages byte for byte as they were sent, BTS with their number, FTS.
func BatchFile(messages [][]byte, lab string, at time.Time) []byte {
	var b bytes.Buffer
	// Delimiters are those of the first message: an importer reads the rest by them.
	delimiters := `|^~\&`
	if h, err := hl7.ReadHeader(messages[0]); err == nil && h.FieldSep != 0 {
		if i := bytes.IndexByte(messages[0], h.FieldSep); i == 3 && len(messages[0]) > 8 {
			delimiters = string(messages[0][3:8])
		}
	}
	sep := delimiters[:1]
	clean := func(s string) string {
		out := []byte(nil)
		for i := range len(s) {
			if c := s[i]; c > ' ' && c <= '~' && !bytes.ContainsRune([]byte(delimiters), rune(c)) {
				out = append(out, c)
			} else {
				out = append(out, ' ')
			}
		}
		return string(out)
	}
	stamp := at.UTC().Format("20060102150405") + "+0000"
	for _, name := range []string{"FHS", "BHS"} { // 2.14.4 and 2.14.2: fields 3 and 7
		b.WriteString(name + delimiters + sep + "LABWARDEN" + sep + clean(lab) + sep + sep + sep + stamp + "\r")
	}
	for _, m := range messages {
		b.Write(m)
		if len(m) > 0 && m[len(m)-1] != '\r' {
			b.WriteByte('\r')
		}
	}
	fmt.Fprintf(&b, "BTS%s%d\rFTS%s1\r", sep, len(messages), sep) // 2.14.3, 2.14.5
	return b.Bytes()
}

// ZipFile puts each message into a file of its own, named by its result's number.
func ZipFile(items []Item, messages [][]byte) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i, m := range messages {
		f, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("%04d-%s.hl7", i+1, items[i].ID), Method: zip.Deflate, Modified: items[i].Placed})
		if err == nil {
			_, err = f.Write(m)
		}
		if err != nil {
			return nil, fmt.Errorf("write a zip file: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("write a zip file: %w", err)
	}
	return b.Bytes(), nil
}
