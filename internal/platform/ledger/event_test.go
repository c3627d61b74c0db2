package ledger

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestEventIsCanonical(t *testing.T) {
	c := Commitment{1}
	e := Event{
		Kind: "result.received", At: 12, IDs: Pairs{{"b", "2"}, {"a", "1"}},
		Numbers: []Number{{"z", -1}, {"n", 3}}, Commit: &c,
	}
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"v":1,"kind":"result.received","at":12,"ids":{"a":"1","b":"2"},"numbers":{"n":3,"z":-1},"commit":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`
	if string(b) != want {
		t.Fatalf("got  %s\nwant %s", b, want)
	}
	if !json.Valid(b) {
		t.Fatal("not JSON")
	}
	if e.IDs[0].K != "b" {
		t.Fatal("Encode reordered the caller's slice")
	}
	if eventTime(b) != 12 {
		t.Fatal("time not found")
	}
}

func TestEventRefuses(t *testing.T) {
	for name, e := range map[string]Event{
		"no kind":        {},
		"kind with dash": {Kind: "a-b"},
		"negative time":  {Kind: "a", At: -1},
		"name in value":  {Kind: "a", IDs: Pairs{{"a", "Doe^Jane"}}},
		"space in value": {Kind: "a", Codes: Pairs{{"a", "Jane Doe"}}},
		"umlaut":         {Kind: "a", Codes: Pairs{{"a", "Müller"}}},
		"quote":          {Kind: "a", Codes: Pairs{{"a", `x","y":"z`}}},
		"empty value":    {Kind: "a", Codes: Pairs{{"a", ""}}},
		"long value":     {Kind: "a", Codes: Pairs{{"a", strings.Repeat("x", MaxValue+1)}}},
		"key twice":      {Kind: "a", IDs: Pairs{{"a", "1"}, {"a", "2"}}},
		"number twice":   {Kind: "a", Numbers: []Number{{"a", 1}, {"a", 2}}},
		"big number":     {Kind: "a", Numbers: []Number{{"a", MaxNumber + 1}}},
		"many":           {Kind: "a", IDs: make(Pairs, MaxPairs+1)},
	} {
		if b, err := e.Encode(); err == nil {
			t.Errorf("%s: accepted as %s", name, b)
		} else if strings.Contains(err.Error(), "Doe") || strings.Contains(err.Error(), "ller") {
			t.Errorf("%s: the error repeats the value: %v", name, err)
		}
	}
}

func TestParseEventRefusesOtherSpellings(t *testing.T) {
	for _, s := range []string{
		``, `null`, `{}`, `{"v":2,"kind":"a","at":1}`, `{"v":1,"kind":"a","at":1} `, `{"v":1, "kind":"a","at":1}`,
		`{"kind":"a","v":1,"at":1}`, `{"v":1,"kind":"a","at":1,"ids":{}}`, `{"v":1,"kind":"a","at":1,"x":1}`,
		`{"v":1,"kind":"a","at":1,"ids":{"b":"1","a":"1"}}`, `{"v":1,"kind":"a","at":1,"ids":{"a":"1","a":"1"}}`,
		`{"v":1,"kind":"a","at":-0}`, `{"v":1,"kind":"a","at":1e0}`, `{"v":1,"kind":"\u0061","at":1}`,
		`{"v":1,"Kind":"a","at":1}`, `{"v":1,"kind":"a","at":1,"commit":""}`, `{"v":1,"kind":"a","at":1,"commit":"AQ"}`,
		`{"v":1,"kind":"a","at":9007199254740992}`,
	} {
		if _, err := ParseEvent([]byte(s)); err == nil {
			t.Errorf("accepted %s", s)
		}
	}
}

func TestCodeAlwaysFits(t *testing.T) {
	for _, s := range []string{"", "AA", "TLS 1.3 TLS_AES_128_GCM_SHA256", "Ünïcode\x00\"", strings.Repeat("a ", 500)} {
		if _, err := (Event{Kind: "a", Codes: Pairs{{"a", Code(s)}}}).Encode(); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	if got := Code("TLS 1.3 X"); got != "TLS-1.3-X" {
		t.Errorf("got %q", got)
	}
}

// The parts of a commitment cannot flow into each other.
func TestCommitmentTellsPartsApart(t *testing.T) {
	h := bytes.Repeat([]byte{7}, 32)
	seen := map[Commitment]string{}
	add := func(name string, salt Salt, kind string, ids Pairs, hs ...[]byte) {
		c, err := Commit(salt, kind, ids, hs...)
		if err != nil {
			t.Fatal(err)
		}
		if was, ok := seen[c]; ok {
			t.Errorf("%s and %s are the same", was, name)
		}
		seen[c] = name
	}
	add("plain", Salt{}, "a", Pairs{{"a", "bc"}}, h)
	add("shifted", Salt{}, "a", Pairs{{"ab", "c"}}, h)
	add("two", Salt{}, "a", Pairs{{"a", "b"}, {"c", "d"}}, h)
	add("salt", Salt{1}, "a", Pairs{{"a", "bc"}}, h)
	add("kind", Salt{}, "b", Pairs{{"a", "bc"}}, h)
	add("none", Salt{}, "a", Pairs{{"a", "bc"}})
	add("empty", Salt{}, "a", Pairs{{"a", "bc"}}, nil)
	add("second empty", Salt{}, "a", Pairs{{"a", "bc"}}, h, nil)
	add("twice", Salt{}, "a", Pairs{{"a", "bc"}}, h, h)
	if _, err := Commit(Salt{}, "a", nil, []byte("x")); err == nil {
		t.Error("took a hash of one byte")
	}
	s, err := NewSalt(bytes.NewReader(make([]byte, 15)))
	if err == nil {
		t.Errorf("made salt %v from too little randomness", s)
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add(event(f, 3))
	f.Add([]byte(`{"v":1,"kind":"a","at":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEvent(b)
		if err != nil {
			return
		}
		back, err := e.Encode()
		if err != nil || !bytes.Equal(back, b) {
			t.Fatalf("round trip: %v", err)
		}
		again, err := ParseEvent(back)
		if err != nil || !reflect.DeepEqual(e, again) {
			t.Fatalf("second reading differs: %v", err)
		}
		if eventTime(b) != e.At {
			t.Fatal("quick time differs")
		}
	})
}

func FuzzUnpack(f *testing.F) {
	c := newCodec(f)
	m, _ := build(f, 40, 30)
	for i := range m.Rows {
		f.Add(m.Rows[i].Events)
		c.Pack(&m.Rows[i])
		f.Add(m.Rows[i].Events)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		es, err := c.Unpack(b)
		if err != nil {
			return
		}
		g, _, err := Append(Head{}, es)
		if err != nil {
			t.Fatal(err)
		}
		if b[0] == packedPlain && !bytes.Equal(g.Events, b) {
			t.Fatal("a list has two spellings")
		}
		c.Pack(&g)
		again, err := c.Unpack(g.Events)
		if err != nil || !reflect.DeepEqual(es, again) {
			t.Fatalf("round trip: %v", err)
		}
	})
}
