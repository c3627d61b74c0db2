package gate

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// FuzzCheck: whatever a file holds and is called, there is a verdict without a
// panic, and a reason where it does not pass.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{normal, critical, string(batch(normal)), observation, "1,2\n3,4\n", "age-encryption.org/v1\n", "\xff\xfeM\x00S\x00H\x00|\x00", "<html>", "MZ\x00", "-----BEGIN PGP MESSAGE-----\n"} {
		for _, name := range []string{"a.hl7", "a.json", "a.csv", "a.txt", "a.age"} {
			f.Add(name, []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		v := check(t, name, b, open)
		kind, no := sniff(b[:min(len(b), headSize)], name)
		if no == nil && kind == "" {
			t.Error("neither a kind nor a reason")
		}
		if v.Pass && !strings.HasPrefix(v.Kind, kind) {
			t.Errorf("passes as %s and is %s", v.Kind, kind)
		}
	})
}

// FuzzSplit: files that the codec cuts without a complaint are cut into the same
// messages here.
func FuzzSplit(f *testing.F) {
	f.Add([]byte(normal + critical))
	f.Add(batch(normal, critical))
	f.Add([]byte("\xef\xbb\xbf\x0b" + strings.ReplaceAll(normal, "\r", "\r\n") + "\x1c\r\n"))
	f.Add([]byte("BHS|^~\\&\n" + strings.ReplaceAll(normal, "\r", "\n") + "BTS|1|x\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if bytes.ContainsAny(b, "\x0b\x1c") || bytes.Contains(b, []byte("\n")) && bytes.Contains(b, []byte("\r")) {
			return // marks within lines, and line ends of two kinds, are read by rules of the codec's own
		}
		want, err := hl7.SplitAll(b)
		if err != nil {
			return
		}
		s := &splitter{r: bufio.NewReaderSize(bytes.NewReader(b), 16)}
		for _, p := range want {
			got, err := s.next()
			if err != nil {
				t.Fatalf("message %d: %v", p.Index, err)
			}
			if trim := bytes.TrimRight(p.Body, " \t\r\n"); !bytes.Equal(bytes.TrimRight(got, " \t\r\n"), trim) {
				t.Fatalf("message %d: %q, want %q", p.Index, got, trim)
			}
		}
		if got, err := s.next(); !errors.Is(err, io.EOF) {
			t.Fatalf("more: %q, %v", got, err)
		}
	})
}

// FuzzZIP: an archive of any bytes is judged without a panic, and what passes is
// read alike by the standard library's reader.
func FuzzZIP(f *testing.F) {
	f.Add(zipOf(f, map[string]string{"a.hl7": normal, "b.csv": "1,2\n"}))
	f.Add(rawZip(stored("a.hl7", normal), stored("b.csv", "1,2\n")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v := check(t, "a.zip", b, Rules{Archive: &Archive{Unpacked: 1 << 20, Nested: 2}}); !v.Pass {
			return
		}
		ours, err := readDirectory(bytes.NewReader(b), int64(len(b)), 1000)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := libraryNames(b)
		if err != nil {
			t.Fatalf("passes, and another reader says %v", err)
		}
		var names []string
		for _, e := range ours {
			names = append(names, e.name)
		}
		if !slices.Equal(names, theirs) {
			t.Errorf("%q, another reader %q", names, theirs)
		}
	})
}

// FuzzPDF: names are found however they are written, and nothing panics.
func FuzzPDF(f *testing.F) {
	f.Add(pdfOf(catalogue, pages, script))
	f.Add(pdfOf(catalogue, pages, objectStream("/Type/ObjStm", script)))
	f.Add(pdfOf("<</Type/Catalog/Pages 2 0 R/OpenAction [3 0 R /FitH null]>>", pages))
	f.Fuzz(func(t *testing.T, b []byte) {
		v := check(t, "a.pdf", b, Rules{})
		if v.Pass && bytes.Contains(b, []byte("/JavaScript>")) {
			t.Error("JavaScript passes")
		}
	})
}

// FuzzClamdAnswer: nothing but clamd's own words for "clean" is clean.
func FuzzClamdAnswer(f *testing.F) {
	for _, s := range []string{"stream: OK", "stream: Eicar-Test-Signature FOUND", "INSTREAM size limit exceeded. ERROR", "stream:  FOUND", "PONG", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		found, err := parseAnswer(b)
		if err == nil && found == "" && strings.TrimSpace(string(b)) != "stream: OK" {
			t.Errorf("%q is clean", b)
		}
		if err != nil && found != "" || len(found) > 100 {
			t.Errorf("%q: %q, %v", b, found, err)
		}
		got, err := answer(bytes.NewReader(append(bytes.Clone(b), 0)))
		want, _, _ := bytes.Cut(b, []byte{0})
		if err == nil && !bytes.Equal(got, want) || err != nil && len(want) <= clamdAnswer {
			t.Errorf("%q: %q, %v", b, got, err)
		}
	})
}
