package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// ParseEvent reads the canonical bytes of an event. Anything Encode would not
// have written byte for byte is refused: a second spelling of the same event
// would be a second leaf.
func ParseEvent(b []byte) (Event, error) {
	if len(b) > MaxEvent {
		return Event{}, fmt.Errorf("%w: larger than %d bytes", ErrEvent, MaxEvent)
	}
	var w struct {
		V       int              `json:"v"`
		Kind    string           `json:"kind"`
		At      int64            `json:"at"`
		IDs     jsonPairs        `json:"ids"`
		Codes   jsonPairs        `json:"codes"`
		Numbers map[string]int64 `json:"numbers"`
		Commit  string           `json:"commit"`
	}
	// The decoder's error may quote the input, so it is not passed on.
	if json.Unmarshal(b, &w) != nil {
		return Event{}, fmt.Errorf("%w: not the JSON of an event", ErrEvent)
	}
	if w.V != 1 {
		return Event{}, fmt.Errorf("%w: version is not 1", ErrEvent)
	}
	e := Event{Kind: w.Kind, At: w.At, IDs: w.IDs.pairs(), Codes: w.Codes.pairs()}
	for k, n := range w.Numbers {
		e.Numbers = append(e.Numbers, Number{k, n})
	}
	e.sortNumbers()
	if w.Commit != "" {
		c, err := ParseCommitment(w.Commit)
		if err != nil {
			return Event{}, fmt.Errorf("%w: %w", ErrEvent, err)
		}
		e.Commit = &c
	}
	back, err := e.Encode()
	if err != nil {
		return Event{}, err
	}
	if !bytes.Equal(back, b) {
		return Event{}, fmt.Errorf("%w: written in another way than the canonical one", ErrEvent)
	}
	return e, nil
}

// eventTime reads "at" from the start of canonical event bytes without parsing
// the rest; 0 where b is not an event.
func eventTime(b []byte) int64 {
	const head, mid = `{"v":1,"kind":"`, `","at":`
	if len(b) < len(head) || string(b[:len(head)]) != head {
		return 0
	}
	b = b[len(head):]
	i := bytes.IndexByte(b, '"')
	if i < 0 || len(b) < i+len(mid) || string(b[i:i+len(mid)]) != mid {
		return 0
	}
	at := int64(0)
	for _, c := range b[i+len(mid):] {
		if c < '0' || c > '9' || at > MaxNumber/10 {
			break
		}
		at = at*10 + int64(c-'0')
	}
	return at
}

// jsonPairs is a JSON object of strings on its way to Pairs.
type jsonPairs map[string]string

func (m jsonPairs) pairs() Pairs {
	var p Pairs
	for k, v := range m {
		p = append(p, Pair{k, v})
	}
	slices.SortFunc(p, func(a, b Pair) int { return strings.Compare(a.K, b.K) })
	return p
}

func (e *Event) sortNumbers() {
	slices.SortFunc(e.Numbers, func(a, b Number) int { return strings.Compare(a.K, b.K) })
}

// KindOf reads the kind of an event in its canonical form, empty where it is in
// another.
func KindOf(raw []byte) string {
	rest, ok := bytes.CutPrefix(raw, []byte(`{"v":1,"kind":"`))
	if !ok {
		return ""
	}
	kind, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(kind)
}
