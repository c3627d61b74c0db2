package hl7

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// Edits in any order, with segments that come and go between them, reach the
// places that reading finds.
func TestEditsInAnyOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString("MSH|^~\\&|A|B|C|D|2026||ORU^R01|1|P|2.5.1\r")
	for i := range 12_000 {
		fmt.Fprintf(&b, "OBX|%d\rNTE|%d\r", i, i)
	}
	m, err := Parse([]byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		p := Path{Segment: [2]string{"OBX", "NTE"}[rnd.IntN(2)], Occurrence: rnd.IntN(12_000), Field: 3}
		switch i % 50 {
		case 10:
			if err := m.Remove(Path{Segment: p.Segment, Occurrence: p.Occurrence}); err != nil {
				t.Fatal(p, err)
			}
			continue
		case 20:
			if err := m.Insert(Path{Segment: p.Segment, Occurrence: p.Occurrence}, []byte("OBX|new")); err != nil {
				t.Fatal(p, err)
			}
			continue
		}
		text := fmt.Sprint("edit ", i)
		err := m.Set(p, text)
		if m.find(p) < 0 {
			if err == nil {
				t.Fatalf("%s does not exist and was set", p)
			}
			continue
		}
		if err != nil || m.Value(p).Text() != text {
			t.Fatalf("%s: %q %v", p, m.Value(p).Text(), err)
		}
	}
	if err := m.RemoveAll("NTE"); err != nil || m.find(Path{Segment: "NTE"}) >= 0 {
		t.Error("a note is left", err)
	}
	if err := m.Set(Path{Segment: "OBX", Occurrence: 11_000, Field: 2}, "x"); err != nil {
		t.Error(err)
	}
	if err := m.RemoveAll("MSH"); err == nil {
		t.Error("the header was removed")
	}
	if _, err := Parse(m.Bytes()); err != nil {
		t.Error(err)
	}
}

// What does not exist is not removed, and the message stays the very bytes.
func TestRemovingNothingEditsNothing(t *testing.T) {
	m, err := Parse([]byte("MSH|^~\\&|A|B|C|D|2026||ORU^R01|1|P|2.5.1\rOBX|1\r"))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.RemoveAll("NTE"); err != nil || m.Edited() {
		t.Error(err, m.Edited())
	}
}
