package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
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
	rest, ok := bytes.CutPrefix(b, []byte(`{"v":1,"kind":"`))
	if !ok {
		return 0
	}
	_, rest, ok = bytes.Cut(rest, []byte(`","at":`))
	if !ok {
		return 0
	}
	n := 0
	for n < len(rest) && n < 17 && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	at, err := strconv.ParseInt(string(rest[:n]), 10, 64)
	if err != nil {
		return 0
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
