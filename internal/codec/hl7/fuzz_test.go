package hl7

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func seeds(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(strings.ReplaceAll(sample, "\r", "\n")))
	f.Add([]byte("MSH#!@%*#A#B#C#D#1##ADT!A01#ID7#P#2.5\nPID#1##12!!!M@13\n"))
	f.Add([]byte("FHS|^~\\&|X\rBHS|^~\\&|X\r" + sample + sample + "BTS|2\rFTS|1\r"))
	f.Add([]byte("MSH|^~\\&|S|F|R|F|1||ACK^R01^ACK|X|P|2.5.1||||||8859/1\rMSA|AE|1|no\rERR||PID^1^3|101^x^HL70357|E|||d|u\r"))
	f.Add([]byte("MSH|^~\\&|S\rNTE|1||a\nABC\rPID|1||\\X4\\\\\r"))
}

func FuzzReadHeader(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ReadHeader(b)
		// Whatever came in, what we answer must be readable and name it.
		a := AppendAck(nil, &h, AckOptions{Code: "AR", Text: "é|\r", ControlID: "X", Time: time.Unix(0, 0)})
		got, ackErr := ReadAck(a)
		if ackErr != nil || got.Code != "AR" || got.ControlID != string(h.ControlID) {
			t.Fatalf("acknowledgement %q: %+v, %v", a, got, ackErr)
		}
		var k Keys
		_ = ReadKeys(b, &h, &k)
		if err != nil {
			return
		}
		m, err := Parse(b)
		if err != nil {
			return
		}
		for _, c := range []struct {
			field int
			want  []byte
		}{{3, h.SendingApp}, {9, h.MessageType}, {10, h.ControlID}, {12, h.Version}, {16, h.AppAck}, {18, h.Charset}} {
			if v := m.Value(Path{Segment: "MSH", Field: c.field}); !bytes.Equal(v.Raw(), c.want) {
				t.Fatalf("MSH-%d: %q by tree, %q in place", c.field, v.Raw(), c.want)
			}
		}
	})
}

func FuzzReadAck(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ReadAck(b)
		if err != nil {
			return
		}
		if len(a.Code) != 2 || !utf8.ValidString(a.Text) || !utf8.ValidString(a.ErrorText) || len(a.ErrorText) > maxErrorText {
			t.Fatalf("%+v", a)
		}
	})
}

func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		if !bytes.Equal(m.AppendTo(nil), b) {
			t.Fatal("not lossless")
		}
		j, err := m.MarshalJSON()
		if err != nil || !json.Valid(j) {
			t.Fatalf("JSON %q: %v", j, err)
		}
		for _, e := range m.Check() {
			if e.Offset > len(b) || e.Line > len(m.segs) || !utf8.ValidString(e.Error()) {
				t.Fatalf("finding outside of the message: %v", e)
			}
		}
		m.ReportWarnings()
		m.Signs("X")
		for s := range m.Segments("") {
			for n := 1; n <= s.Fields(); n++ {
				for _, v := range s.Field(n).Repetitions() {
					if !utf8.ValidString(v.Part(2).Subpart(1).Text()) {
						t.Fatal("text is not UTF-8")
					}
				}
			}
		}
	})
}

// FuzzEdit: an edit reads back, changes nothing else, and the result parses to
// the same segments.
func FuzzEdit(f *testing.F) {
	f.Add([]byte(sample), "PID-5.2", "A|B^\\é\n")
	f.Add([]byte("MSH|^~\\&|S\rNTE|1||a\nABC\rPID|1\r"), "NTE-4", "x")
	f.Add([]byte("MSH|^|S\rNTE|1\r"), "NTE-3(2).1.2", "x")
	f.Fuzz(func(t *testing.T, b []byte, path, text string) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		p, err := ParsePath(path)
		if err != nil || m.Set(p, text) != nil {
			return
		}
		out := m.Bytes()
		if len(bytes.TrimSpace(b)) > 0 && m.Charset().Guessed() {
			return // another text may make the guess fall otherwise
		}
		again, err := Parse(out)
		if err != nil {
			if p.Segment == "MSH" {
				return
			}
			t.Fatalf("after the edit: %v", err)
		}
		if len(again.segs) != len(m.segs) {
			t.Fatalf("%d segments became %d", len(m.segs), len(again.segs))
		}
		if got, want := again.Value(p), m.Value(p); !bytes.Equal(got.Raw(), want.Raw()) {
			t.Fatalf("%q reads back as %q", want.Raw(), got.Raw())
		}
		orig, _ := Parse(b)
		edited := m.find(p)
		for i := range again.segs {
			if i != edited && !bytes.Equal(again.segs[i].text, orig.segs[i].text) {
				t.Fatalf("segment %d changed", i)
			}
		}
		i := orig.find(p)
		for n := 1; n <= orig.segs[i].parts(); n++ {
			s, a := Segment{m: orig, i: i}, Segment{m: again, i: i}
			if n != p.Field && !bytes.Equal(s.Field(n).Raw(), a.Field(n).Raw()) {
				t.Fatalf("field %d changed", n)
			}
		}
	})
}

func FuzzEscape(f *testing.F) {
	f.Add("a|b^c~d\\e&f\r\n\x00é\u2028\\.br\\", byte(0))
	f.Add("\\X41\\", byte('#'))
	f.Fuzz(func(t *testing.T, s string, trunc byte) {
		if !utf8.ValidString(s) {
			return
		}
		h := Header{FieldSep: '|', Component: '^', Repetition: '~', Escape: '\\', Subcomponent: '&'}
		if delimiter(trunc) && !strings.ContainsRune("|^~\\&", rune(trunc)) {
			h.Truncation = trunc
		}
		cs := charsets["UTF-8"]
		raw := appendEscaped(nil, s, &h, cs)
		if bytes.ContainsAny(raw, "|^~&\r\n") {
			t.Fatalf("%q holds a delimiter", raw)
		}
		if got := decodeLoose(raw, &h, cs); got != s {
			t.Fatalf("%q came back as %q by %q", s, got, raw)
		}
	})
}

func FuzzSplit(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		parts, _ := SplitAll(b)
		end := 0
		for i, p := range parts {
			if p.Index != i+1 || p.Offset < end || !bytes.Equal(b[p.Offset:p.Offset+len(p.Body)], p.Body) || !bytes.HasPrefix(p.Body, []byte("MSH")) {
				t.Fatalf("part %d at %d after %d", i, p.Offset, end)
			}
			end = p.Offset + len(p.Body)
		}
		// A file made of the parts alone is cut at the same places.
		if len(parts) > 0 {
			again, _ := SplitAll(parts[0].Body)
			if len(again) != 1 || !bytes.Equal(again[0].Body, parts[0].Body) {
				t.Fatalf("the first part splits into %d", len(again))
			}
		}
	})
}
