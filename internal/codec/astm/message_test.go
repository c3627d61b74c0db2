package astm

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The project's own sample: two patients, an order each, comments at every level
// and a field that no standard knows.
const sample = `H|\^&|7||LW-100^2.1^SN0042|||||host||P|LIS2-A2|20260301101500` + "\r" +
	`P|1|PRAC-1|LAB-1||Fluss^Ada^M||19800229|F|||||||||||||||||||||||||||Z&F&9` + "\r" +
	`C|1|I|fasting|G` + "\r" +
	`O|1|S-77^3^5||^^^GLU\^^^K|R||20260301093000` + "\r" +
	`R|1|^^^GLU|98|mg/dL|70 to 105|N||F||tech1||20260301101400` + "\r" +
	`C|1|I|hemolysed^2|I` + "\r" +
	`M|1|curve|-3\-4` + "\r" +
	`R|2|^^^K|4.1|mmol/L||N||F` + "\r" +
	`P|2` + "\r" +
	`O|1|QC-2||^^^GLU|||||||Q` + "\r" +
	`R|1|^^^GLU|100|mg/dL` + "\r" +
	`L|1|N` + "\r"

func TestParse(t *testing.T) {
	m, err := Parse([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	if !m.Complete() || string(m.Bytes()) != sample || m.Delimiters() != DefaultDelimiters {
		t.Errorf("complete %v, delimiters %v", m.Complete(), m.Delimiters())
	}
	h := m.Header()
	if got := h.Field(5).Component(3).Text(); got != "SN0042" {
		t.Errorf("serial %q", got)
	}
	if got := h.Field(2).Text(); got != `\^&` {
		t.Errorf("delimiters %q", got)
	}
	var walk []string
	for r := range m.Records() {
		up, _ := r.Parent()
		from := "-"
		if up.m != nil {
			from = string(up.Type()) + string(rune('0'+up.Number()))
		}
		walk = append(walk, string(r.Type())+"<"+from)
	}
	if got := strings.Join(walk, " "); got != "H<- P<H1 C<P2 O<P2 R<O4 C<R5 M<R5 R<O4 P<H1 O<P9 R<O: L<H1" {
		t.Error(got)
	}
	for r := range m.Records('R') {
		o, ok := r.Within('O')
		p, ok2 := r.Within('P')
		if !ok || !ok2 || o.Field(3).Component(1).Empty() {
			t.Errorf("record %d: order %v, patient %v", r.Number(), ok, ok2)
		}
		if p.Number() == 2 && p.Field(6).Component(2).Text() != "Ada" {
			t.Errorf("name %q", p.Field(6).Component(2).Text())
		}
	}
	for r := range m.Records('O') {
		var tests []string
		for v := range r.Field(5).Repetitions() {
			tests = append(tests, v.Component(4).Text())
		}
		if got := strings.Join(tests, ","); r.Number() == 4 && got != "GLU,K" {
			t.Errorf("tests %q", got)
		}
	}
	for r := range m.Records('P') {
		if r.Number() == 2 && (r.Fields() != 36 || r.Field(36).Text() != "Z|9" || !r.Field(99).Empty()) {
			t.Errorf("%d fields, the last %q", r.Fields(), r.Field(36).Text())
		}
	}
}

func TestAnyDelimiters(t *testing.T) {
	other := strings.NewReplacer("|", "!", `\`, "~", "^", "*", "&", "$").Replace(sample)
	m, err := Parse([]byte(other))
	if err != nil {
		t.Fatal(err)
	}
	for r := range m.Records('P') {
		if r.Number() == 2 && (r.Field(6).Component(1).Text() != "Fluss" || r.Field(36).Text() != "Z!9") {
			t.Errorf("%q %q", r.Field(6).Component(1).Text(), r.Field(36).Text())
		}
	}
}

func TestText(t *testing.T) {
	for raw, want := range map[string]string{
		"a&F&b&S&c&R&d&E&e": `a|b^c\d&e`, "&X41C3A9&": "A\u00e9", "&X4&": "&X4&", "&Q&": "&Q&", "a&": "a&", "&H&bold&N&": "bold", "M\xfcller": "M\u00fcller", "M\u00fcller": "M\u00fcller",
		"&&F&": "&|",
	} {
		m, err := Parse([]byte("H|\\^&|||" + raw))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Header().Field(5).Text(); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		in    string
		limit Limits
		want  string
	}{
		"empty": {"", Limits{}, "begins with a header"}, "no header": {"P|1\r", Limits{}, "begins with a header"}, "short": {"H|\\^", Limits{}, "ends before"},
		"same": {"H||^&|", Limits{}, "same character"}, "letter": {"Ha^&|", Limits{}, "no letter"}, "five": {"H|\\^&x|", Limits{}, "end with the field delimiter"},
		"two": {"H|\\^&\rL|1\rH|\\^&\r", Limits{}, "a second header"}, "long": {sample, Limits{Bytes: 40}, "longer than the limit"},
		"records": {sample, Limits{Records: 3}, "more records"}, "fields": {sample, Limits{Fields: 20}, "more fields"},
	} {
		_, err := ParseLimits([]byte(c.in), c.limit)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Msg, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWriter(t *testing.T) {
	w := NewWriter(DefaultDelimiters).Field(5, "labwarden").Field(12, "P")
	w.Record('P').Field(6, "O'Hara|x", "A^\rB")
	w.Record('O').Field(3, "S-1").Field(5, "", "", "", "GLU").Repeat("", "", "", "K").Field(12, "N")
	w.Record('O').Field(3, "S-2")
	w.Record('P').Field(3, "2")
	w.Record('O').Field(3, "S-3")
	b := w.End("F")
	want := "H|\\^&|||labwarden|||||||P\rP|1||||O'Hara&F&x^A&S&&X0D&B\rO|1|S-1||^^^GLU\\^^^K|||||||N\rO|2|S-2\rP|2|2\rO|1|S-3\rL|1|F\r"
	if string(b) != want {
		t.Errorf("%q", b)
	}
	m, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	for r := range m.Records('P') {
		if r.Number() == 2 && (r.Field(6).Component(1).Text() != "O'Hara|x" || r.Field(6).Component(2).Text() != "A^\rB") {
			t.Errorf("%q", r.Raw())
		}
	}
}

// What real analyzers sent is read whole and comes back byte for byte.
func TestCorpus(t *testing.T) {
	files, _ := filepath.Glob("../../../../shared/corpus/astm/*.txt")
	if len(files) == 0 {
		t.Skip("SKIPPED: the corpus of real messages is not beside the project")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		messages, wrong := ReadCapture(b)
		if len(messages) == 0 {
			t.Errorf("%s: no message", filepath.Base(f))
		}
		for _, text := range messages {
			m, err := Parse(text)
			if err != nil {
				t.Errorf("%s: %v", filepath.Base(f), err)
				continue
			}
			var again []byte
			results := 0
			for r := range m.Records() {
				again = append(append(again, r.Raw()...), CR)
				for n := range r.Fields() {
					_ = r.Field(n + 1).Text()
				}
				if r.Type() == 'R' {
					results++
					if _, ok := r.Within('O'); !ok {
						t.Errorf("%s: result %d belongs to no order", filepath.Base(f), r.Number())
					}
				}
			}
			if !bytes.Equal(again, bytes.ReplaceAll(text, []byte("\r\n"), []byte{CR})) {
				t.Errorf("%s: records do not add up to the message", filepath.Base(f))
			}
			if !m.Complete() {
				t.Errorf("%s: no terminator", filepath.Base(f))
			}
			t.Logf("%s: %d results, %d wrong checksums", filepath.Base(f), results, wrong)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("H!~*$!\rR!1!***A$X41$\n\rC\r"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseLimits(b, Limits{Bytes: 1 << 16})
		if err != nil {
			return
		}
		w := NewWriter(m.Delimiters())
		var texts []string
		for r := range m.Records() {
			if len(r.Raw()) == 0 {
				t.Fatal("an empty record")
			}
			if up, ok := r.Parent(); ok && up.Number() >= r.Number() {
				t.Fatal("a parent behind its child")
			}
			for n := range r.Fields() {
				for v := range r.Field(n + 1).Repetitions() {
					_ = v.Component(2).Text()
				}
			}
			text := r.Field(3).Text()
			texts = append(texts, text)
			w.Record('R').Field(3, text)
		}
		back, err := Parse(w.End("N"))
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for r := range back.Records('R') {
			if got := r.Field(3).Text(); got != texts[i] {
				t.Fatalf("%q, want %q", got, texts[i])
			}
			i++
		}
	})
}

func FuzzReadCapture(f *testing.F) {
	f.Add([]byte("\x05" + string(AppendFrame(nil, Frame{Number: 1, Text: []byte("H|\\^&\r"), Last: true})) + pentra + "\x04"))
	f.Fuzz(func(t *testing.T, b []byte) {
		messages, _ := ReadCapture(b)
		n := 0
		for _, m := range messages {
			n += len(m)
		}
		if n > len(b) {
			t.Fatalf("%d bytes out of %d", n, len(b))
		}
	})
}
