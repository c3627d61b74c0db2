package astm

import (
	"bytes"
	"strings"
	"testing"
)

// A frame of Horiba's interface description of the Pentra: its checksum was
// computed by the analyzer, not by us.
const pentra = "\x027L|1|N\r\x030A\r\n"

func TestReadFrame(t *testing.T) {
	f, err := ReadFrame([]byte(pentra))
	if err != nil || f.Number != 7 || !f.Last || string(f.Text) != "L|1|N\r" {
		t.Fatalf("%+v %v", f, err)
	}
	if got := AppendFrame(nil, f); string(got) != pentra {
		t.Errorf("%q", got)
	}
	for name, bad := range map[string]string{
		"cut off": pentra[:6], "no STX": "7L|1|N\r\x030A\r\n", "number": strings.Replace(pentra, "7", "8", 1), "checksum": strings.Replace(pentra, "0A", "0B", 1),
		"no digits": strings.Replace(pentra, "0A", "G!", 1), "no LF": pentra[:len(pentra)-1], "LF in the text": string(AppendFrame(nil, Frame{Text: []byte("a\nb")})),
		"ENQ in the text": string(AppendFrame(nil, Frame{Text: []byte("a\x05b")})), "empty": "",
	} {
		if f, err := ReadFrame([]byte(bad)); err == nil {
			t.Errorf("%s: read %+v", name, f)
		}
	}
	if _, err := ReadFrame([]byte(strings.Replace(pentra, "0A", "0a", 1))); err != nil {
		t.Error("small letters:", err)
	}
}

func TestFrames(t *testing.T) {
	message := "H|\\^&\rC|1|I|" + strings.Repeat("x", 500) + "|G\rL|1|N\r"
	frames := Frames([]byte(message), 1, 0)
	var back []byte
	for i, f := range frames {
		if f.Number != (1+i)&7 || len(f.Text) > MaxTextE1381 {
			t.Errorf("frame %d: number %d, %d bytes", i, f.Number, len(f.Text))
		}
		if f.Last != bytes.HasSuffix(f.Text, []byte{CR}) {
			t.Errorf("frame %d: last %v", i, f.Last)
		}
		back = append(back, f.Text...)
	}
	if string(back) != message || len(frames) != 5 {
		t.Errorf("%d frames: %q", len(frames), back)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte(pentra))
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, err := ReadFrame(b)
		if err != nil {
			return
		}
		again, err := ReadFrame(AppendFrame(nil, fr))
		if err != nil || again.Number != fr.Number || again.Last != fr.Last || !bytes.Equal(again.Text, fr.Text) {
			t.Fatalf("%+v %+v %v", fr, again, err)
		}
	})
}
