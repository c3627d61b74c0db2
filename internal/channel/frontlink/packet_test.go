package frontlink

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
)

func TestPacketsComeBackAsTheyWent(t *testing.T) {
	for _, p := range []packet{
		{kind: ask, verb: VerbHello, number: 1, words: []byte("{}")},
		{kind: answer, verb: VerbRead, number: 1<<32 - 1, words: []byte(`{"a":1}`), body: bytes.Repeat([]byte{7}, MaxBody)},
		{kind: refusal, verb: 255, words: bytes.Repeat([]byte{' '}, maxWords), body: nil},
	} {
		b, err := p.append(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parse(b)
		if err != nil || got.kind != p.kind || got.verb != p.verb || got.number != p.number || !bytes.Equal(got.words, p.words) || !bytes.Equal(got.body, p.body) {
			t.Fatal(err, got.kind, got.verb, got.number)
		}
	}
}

func TestPacketsHaveLimits(t *testing.T) {
	for _, p := range []packet{{kind: ask, words: make([]byte, maxWords+1)}, {kind: ask, body: make([]byte, MaxBody+1)}} {
		if _, err := p.append(nil); err == nil {
			t.Error("a packet that is too large was made")
		}
	}
	head := func(kind byte, zero byte, words uint32, rest int) []byte {
		b := append([]byte{kind, 1, zero, 0, 0, 0, 0, 1}, byte(words>>24), byte(words>>16), byte(words>>8), byte(words))
		return append(b, make([]byte, rest)...)
	}
	for name, b := range map[string][]byte{
		"empty": nil, "short": head(1, 0, 0, 0)[:11], "no kind": head(0, 0, 0, 0), "kind 4": head(4, 0, 0, 0), "not zero": head(1, 1, 0, 0),
		"words past the end": head(1, 0, 5, 4), "many words": head(1, 0, maxWords+1, maxWords+1), "all bits": head(1, 0, 1<<32-1, 8), "large body": head(1, 0, 0, MaxBody+1),
	} {
		if _, err := parse(b); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestWordsAreReadStrictly(t *testing.T) {
	for _, b := range []string{``, `{`, `{"version":1,"more":2}`, `{"version":1}{}`, `{"version":1} x`, `{"version":"1"}`, `[]`} {
		var w Hello
		if decode([]byte(b), &w) == nil {
			t.Errorf("%s: taken", b)
		}
	}
	if err := decode([]byte("nonsense"), nil); err != nil {
		t.Error("words that nobody reads are no error:", err)
	}
}

// What the hub keeps for itself does not reach the front.
func TestErrorsTellNoMoreThanTheyMay(t *testing.T) {
	for _, e := range []error{channel.ErrNoFile, channel.ErrFileExists, channel.ErrSignIn, channel.ErrBoxClosed} {
		if got := noOf(fmt.Errorf("inside: %w", e)).err(); !errors.Is(got, e) {
			t.Error(got)
		}
	}
	var r *channel.Refusal
	if got := noOf(channel.Refuse("too many")).err(); !errors.As(got, &r) || r.Reason != "too many" {
		t.Error(got)
	}
	if n := noOf(errors.New("password of the database")); n.Reason != "" || !errors.Is(n.err(), ErrFailed) {
		t.Error(n)
	}
}

func FuzzParse(f *testing.F) {
	p := packet{kind: ask, verb: VerbSign, number: 9, words: []byte(`{"key":"x"}`), body: []byte("body")}
	b, err := p.append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{1, 2, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parse(b)
		if err != nil {
			return
		}
		if again, err := p.append(nil); err != nil || !bytes.Equal(again, b) {
			t.Fatal("a packet that was read is written otherwise", err)
		}
		var w Settings
		_ = decode(p.words, &w) // must not panic
	})
}
