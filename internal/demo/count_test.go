package demo

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// books is a true account: two practices, four messages of which the last is
// malformed, everything where it belongs. m1 and m2 share an order.
func books() Books {
	sha := func(n int) string { return hash([]byte{byte(n)}) }
	l := func(n int, code string, keys ...string) []LISLine {
		id := fmt.Sprintf("C%d", n)
		return []LISLine{{Event: Presented, Seq: n, Control: id, SHA256: sha(n), Keys: keys, Orders: []string{"F1"}}, {Event: Replied, Seq: n, Control: id, SHA256: sha(n), Code: code}}
	}
	c := func(seq, n int, code string) ClinicLine {
		return ClinicLine{Seq: seq, SHA256: sha(n), Controls: []string{fmt.Sprintf("C%d", n)}, Code: code}
	}
	b := Books{
		LIS: slices.Concat(l(1, "AA", "filler F1", "patient a"), l(2, "AA", "filler F1", "patient b"), l(3, "AA", "patient c"), l(4, "AR")),
		Clinics: []ClinicList{
			{Riverside, KindMLLP, []ClinicLine{c(1, 1, "AA"), c(2, 2, "AA")}},
			{Northgate, KindFolder, []ClinicLine{c(1, 3, "taken"), c(2, 1, "taken")}},
		},
		Hub: HubSay{Quarantined: []Item{{SHA256: sha(4)}}},
	}
	for n, to := range [][]string{{Riverside, Northgate}, {Riverside}, {Northgate}, nil} {
		b.Expect = append(b.Expect, Expectation{Name: fmt.Sprintf("m%d", n+1), Control: fmt.Sprintf("C%d", n+1), SHA256: sha(n + 1), Partners: to, Quarantine: n == 3})
	}
	return b
}

func TestCountOfATrueAccount(t *testing.T) {
	got := Count(books())
	if !got.OK() || got.Received != 4 || got.Quarantined != 1 || got.Delivered != 4 || got.Acknowledged != 2 || got.Doubled != 0 {
		t.Errorf("%+v", got)
	}
}

func TestCountSeesEveryWrong(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*Books)
		want  func(Tally) bool
		says  string
	}{
		{
			"lost", func(b *Books) { b.Clinics[0].Lines = b.Clinics[0].Lines[:1] },
			func(t Tally) bool { return t.Lost == 1 && t.Delivered == 3 }, "LOST: m2, answered AA, never arrived at riverside",
		},
		{"held", func(b *Books) {
			b.Clinics[0].Lines = b.Clinics[0].Lines[:1]
			b.Hub.Held = []Item{{b.Expect[1].SHA256, Riverside}}
		}, func(t Tally) bool { return t.Lost == 0 && t.Held == 1 && t.OK() }, ""},
		{"held for another", func(b *Books) {
			b.Clinics[0].Lines = b.Clinics[0].Lines[:1]
			b.Hub.Held = []Item{{b.Expect[1].SHA256, Northgate}}
		}, func(t Tally) bool { return t.Lost == 1 }, "LOST"},
		{"one delivery quarantined", func(b *Books) {
			b.Clinics[0].Lines = b.Clinics[0].Lines[:1]
			b.Hub.Quarantined = append(b.Hub.Quarantined, Item{b.Expect[1].SHA256, Riverside})
		}, func(t Tally) bool { return t.Lost == 0 && t.Held == 1 && t.Quarantined == 1 && t.OK() }, ""},
		{
			"refused by the clinic", func(b *Books) { b.Clinics[0].Lines[1].Code = "AE" },
			func(t Tally) bool { return t.Lost == 1 }, "arrived 1 times but was never accepted at riverside",
		},
		{
			"unanswered", func(b *Books) { b.LIS = slices.Delete(b.LIS, 3, 4); b.Clinics[0].Lines = b.Clinics[0].Lines[:1] },
			func(t Tally) bool { return t.Lost == 0 && t.Unanswered == 1 && !t.OK() }, "m2 was never answered",
		},
		{"doubled", func(b *Books) {
			x := b.Clinics[0].Lines[0]
			x.Seq, x.Duplicate = 3, true
			b.Clinics[0].Lines = append(b.Clinics[0].Lines, x)
		}, func(t Tally) bool { return t.Doubled == 1 && t.OutOfOrder == 0 && t.OK() }, ""},
		{
			"overtaken", func(b *Books) { b.Clinics[0].Lines[0].Seq = 9 },
			func(t Tally) bool { return t.OutOfOrder == 1 && t.Lost == 0 && !t.OK() }, "m1 (presented as 1) came after m2 (presented as 2)",
		},
		{"wrong partner", func(b *Books) {
			x := b.Clinics[0].Lines[1]
			x.Seq = 3
			b.Clinics[1].Lines = append(b.Clinics[1].Lines, x)
		}, func(t Tally) bool { return t.WrongPartner == 1 && t.Lost == 0 && !t.OK() }, "WRONG PARTNER: m2"},
		{
			"changed", func(b *Books) { b.Clinics[0].Lines[1].SHA256 = "changed" },
			func(t Tally) bool { return t.Lost == 1 && len(t.Problems) == 2 }, "arrived with other bytes at riverside",
		},
		{"changed by its route", func(b *Books) {
			b.Clinics[0].Lines[1].SHA256 = "changed"
			b.Transformed = map[string]bool{b.Expect[1].SHA256: true}
		}, func(t Tally) bool { return t.OK() && t.Delivered == 4 }, ""},
		{"from nowhere", func(b *Books) {
			b.Clinics[0].Lines = append(b.Clinics[0].Lines, ClinicLine{Seq: 3, SHA256: "x", Code: "AA"})
		}, func(t Tally) bool { return !t.OK() }, "received what the LIS never presented"},
		{
			"malformed kept nowhere", func(b *Books) { b.Hub = HubSay{} },
			func(t Tally) bool { return t.Lost == 1 && t.Quarantined == 0 }, "LOST: m4 belongs in quarantine",
		},
		{"malformed answered AA", func(b *Books) { b.LIS[7].Code = "AA" }, func(t Tally) bool { return !t.OK() }, "m4 is malformed but was answered AA"},
		{"malformed delivered", func(b *Books) {
			b.Clinics[0].Lines = append(b.Clinics[0].Lines, ClinicLine{Seq: 3, SHA256: b.Expect[3].SHA256, Code: "AA"})
		}, func(t Tally) bool { return t.WrongPartner == 1 && !t.OK() }, "WRONG PARTNER: m4"},
		{"quarantined without cause", func(b *Books) {
			b.Hub.Quarantined = append(b.Hub.Quarantined, Item{SHA256: b.Expect[1].SHA256})
			b.Clinics[0].Lines = b.Clinics[0].Lines[:1]
		}, func(t Tally) bool { return t.Quarantined == 2 && t.Lost == 0 && !t.OK() }, "m2 is in quarantine but should not be"},
		{
			"invented quarantine", func(b *Books) { b.Hub.Quarantined = append(b.Hub.Quarantined, Item{SHA256: "never"}) },
			func(t Tally) bool { return t.Quarantined == 1 && !t.OK() }, "that the LIS never presented (never)",
		},
		{"never presented", func(b *Books) { b.LIS = b.LIS[2:] }, func(t Tally) bool { return t.Received == 3 && !t.OK() }, "1 messages were never presented"},
		{"a list is missing", func(b *Books) { b.Clinics = b.Clinics[1:] }, func(t Tally) bool { return !t.OK() }, "no list of riverside"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := books()
			c.spoil(&b)
			got := Count(b)
			if !c.want(got) || !strings.Contains(strings.Join(got.Problems, "\n"), c.says) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestCountOfFHIR(t *testing.T) {
	b := books()
	c := &b.Clinics[0]
	c.Kind = KindFHIR
	c.Lines = []ClinicLine{
		{Seq: 1, SHA256: "b1", Controls: []string{"C1"}, Code: "503"},
		{Seq: 2, SHA256: "b1", Controls: []string{"C1"}, Code: "200"},
		{Seq: 3, SHA256: "b2", Controls: []string{"C2"}, Code: "200"},
	}
	if got := Count(b); !got.OK() || got.Delivered != 4 || got.Acknowledged != 2 || got.Doubled != 1 {
		t.Errorf("by control id: %+v", got)
	}
	for i := range c.Lines {
		c.Lines[i].Controls, c.Lines[i].Orders = nil, []string{"F1"}
	}
	if got := Count(b); !got.OK() || got.Delivered != 4 || got.Doubled != 1 {
		t.Errorf("by filler number: %+v", got)
	}
	c.Lines[2].Controls = []string{"C3"}
	if got := Count(b); got.WrongPartner != 1 || got.Lost != 1 {
		t.Errorf("a bundle of another practice's message: %+v", got)
	}
}

func TestConnectionsKeepRelatedMessagesTogether(t *testing.T) {
	l := &lis{o: LISOptions{Connections: 4}}
	queues, err := l.plan(nil)
	if err != nil {
		t.Fatal(err)
	}
	on, used := map[string]int{}, 0
	var files []string
	for i, q := range queues {
		last := ""
		if len(q) > 5 {
			used++
		}
		for _, tk := range q {
			if tk.File < last {
				t.Errorf("connection %d: %s after %s", i, tk.File, last)
			}
			last = tk.File
			files = append(files, tk.File)
			for _, k := range tk.parts[0].keys() {
				if was, ok := on[k]; ok && was != i {
					t.Errorf("%s of %s on two connections", strings.Fields(k)[0], tk.File)
				}
				on[k] = i
			}
		}
	}
	if used != 4 {
		t.Errorf("%d of 4 connections are used in earnest", used)
	}
	if es, _ := Expectations(); len(files) != len(es) {
		t.Errorf("%d of %d messages are planned", len(files), len(es))
	}
}

func TestParseFault(t *testing.T) {
	if f, err := ParseFault("delay:2:3:250ms"); err != nil || f.at(1) != "" || f.at(2) != "delay" || f.at(4) != "delay" || f.at(5) != "" || f.Delay.Milliseconds() != 250 {
		t.Errorf("%+v %v", f, err)
	}
	for _, s := range []string{"explode", "hang:x", "hang:-1", "hang:1:1:soon"} {
		if _, err := ParseFault(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}

func TestFramesAndHostileBytes(t *testing.T) {
	var b bytes.Buffer
	bodies := []string{"", "a", "with \x1c inside", "\x1c\x1c", strings.Repeat("x", 200<<10)}
	for _, s := range bodies {
		_ = writeFrame(&b, []byte(s))
	}
	r := newReader(&b)
	for _, s := range bodies {
		if got, err := readFrame(r); err != nil || string(got) != s {
			t.Errorf("%.10q: %.10q %v", s, got, err)
		}
	}
	for _, s := range []string{"MSH|no start\x1c\r", "\x0bno end", "\x0bcut\x1c"} {
		if got, err := readFrame(newReader(strings.NewReader(s))); err == nil {
			t.Errorf("%q taken as %q", s, got)
		}
	}
}

func FuzzReading(f *testing.F) {
	for u := range Units(true) {
		f.Add(u.Body)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x := readFacts(b)
		PartnersOf(b)
		readAnswers(b)
		batchControl(b)
		n := 0
		for _, p := range splitBatch(b) {
			n += len(p)
		}
		if n > len(b) {
			t.Error("a batch grew")
		}
		for _, code := range answerCodes(x, "") {
			as := readAnswers(ack(b, code, x.Control, 1))
			if x.OK && (len(as) != 1 || as[0].Code != code || as[0].Control != x.Control) {
				t.Errorf("the answer %q to %q reads as %v", ack(b, code, x.Control, 1), b, as)
			}
		}
	})
}
