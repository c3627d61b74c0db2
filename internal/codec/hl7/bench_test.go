package hl7

import (
	"strings"
	"testing"
	"time"
)

func BenchmarkReadHeader(b *testing.B) {
	msg := []byte(sample)
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		if h, err := ReadHeader(msg); err != nil || len(h.ControlID) == 0 {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadKeys(b *testing.B) {
	msg := []byte(sample)
	h, _ := ReadHeader(msg)
	var k Keys
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		if err := ReadKeys(msg, &h, &k); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	msg := []byte(sample)
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(msg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseWalk parses and visits every sub-component there is.
func BenchmarkParseWalk(b *testing.B) {
	msg := []byte(sample)
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	leaves := 0
	for b.Loop() {
		m, err := Parse(msg)
		if err != nil {
			b.Fatal(err)
		}
		leaves = 0
		for i := range m.segs {
			s := Segment{m: m, i: i}
			for n := 1; n <= s.Fields(); n++ {
				rest := s.Field(n).raw
				for len(rest) > 0 {
					rep := first(rest, m.head.Repetition)
					rest = rest[min(len(rep)+1, len(rest)):]
					for len(rep) > 0 {
						comp := first(rep, m.head.Component)
						rep = rep[min(len(comp)+1, len(rep)):]
						for len(comp) > 0 {
							sub := first(comp, m.head.Subcomponent)
							comp = comp[min(len(sub)+1, len(comp)):]
							leaves++
						}
					}
				}
			}
		}
	}
	b.ReportMetric(float64(leaves), "leaves")
}

func BenchmarkAppendAck(b *testing.B) {
	h, _ := ReadHeader([]byte(sample))
	o := AckOptions{Code: "AA", ControlID: "1", Time: time.Unix(0, 0)}
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendAck(buf[:0], &h, o)
	}
}

// Time must grow with the length and not with its square, which would take 256
// times as long for what is sixteen times as long.
func TestHostileInputIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	const msh = "MSH|^~\\&|S|F|R|F|1||ORU^R01|C|P|2.5.1\r"
	for name, piece := range map[string]string{
		"returns after a line feed": "\r", "line feeds": "\n", "separators": "|\r", "escapes": "\\X",
		"open escapes": "\\", "repetitions": "~", "components": "^", "headers": "\nMSH|^~\\&|\r", "orders": "OBR|1|P\r", "line feed segments": "\nOBX|",
	} {
		run := func(n int) time.Duration {
			b := []byte(msh + "NTE|1||" + strings.Repeat(piece, n/len(piece)))
			best := time.Hour
			for range 3 {
				start := time.Now()
				h, _ := ReadHeader(b)
				_ = ReadKeys(b, &h, &Keys{})
				_, _ = SplitAll(b)
				if m, err := ParseLimits(b, Limits{Segments: 1 << 30, Fields: 1 << 30}); err == nil {
					_ = m.Check()
					_ = m.ReportWarnings()
					_ = m.Signs()
					_ = m.Value(Path{Segment: "NTE", Field: 3}).Text()
					_, _ = m.MarshalJSON()
				}
				best = min(best, time.Since(start))
			}
			return best
		}
		small, big := run(25_000), run(400_000)
		for try := 0; big > 64*small+50*time.Millisecond && try < 3; try++ { // the machine may have been busy
			small, big = run(25_000), min(big, run(400_000))
		}
		if big > 64*small+50*time.Millisecond {
			t.Errorf("%s: %v for 25 kB, %v for 400 kB", name, small, big)
		}
	}
}
