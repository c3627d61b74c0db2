package hl7

import "testing"

func TestWriter(t *testing.T) {
	w := NewWriter().Field(3, "LW", "").Field(9, "OUL", "R22", "OUL_R22").Field(18, "UNICODE UTF-8")
	w.Segment("PID").Field(1, "1").Field(3, "", "", "").Field(5, "O|Hara^", "M\u00fcller\rX").Repeat("a", "b")
	w.Segment("OBX").Field(5, `a~b\c&d`)
	b := w.Bytes()
	want := "MSH|^~\\&|LW||||||OUL^R22^OUL_R22|||||||||UNICODE UTF-8\rPID|1||||O\\F\\Hara\\S\\^M\u00fcller\\X0D\\X~a^b\rOBX|||||a\\R\\b\\E\\c\\T\\d\r"
	if string(b) != want {
		t.Errorf("%q", b)
	}
	m, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := m.Get("PID-5.1"); got != "O|Hara^" {
		t.Errorf("%q", got)
	}
}

func FuzzWriter(f *testing.F) {
	f.Add("a|b", "c^\r")
	f.Fuzz(func(t *testing.T, a, b string) {
		m, err := Parse(NewWriter().Field(18, "UNICODE UTF-8").Segment("OBX").Field(3, a, "x").Field(5, b, "y").Bytes())
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for s := range m.Segments("") {
			n++
			_ = s
		}
		x, _ := m.Get("OBX-3.2")
		y, _ := m.Get("OBX-5.2")
		if x != "x" || y != "y" {
			t.Fatalf("%q %q: %q %q", a, b, x, y)
		}
	})
}
