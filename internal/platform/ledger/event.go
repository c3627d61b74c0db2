package ledger

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Limits of an event. They keep hostile or mistaken callers from filling the
// ledger, which can never be emptied.
const (
	// MaxEvent is the greatest size of an event in bytes.
	MaxEvent = 8 << 10
	// MaxPairs is the greatest number of entries in each of IDs, Codes and Numbers.
	MaxPairs = 32
	// MaxValue is the greatest length of a value in bytes.
	MaxValue = 200
	// MaxNumber is the greatest absolute value of a number: what every JSON
	// reader keeps exactly (2^53-1, RFC 8259 section 6).
	MaxNumber = 1<<53 - 1
)

// ErrEvent is in the chain of every error about an event's form.
var ErrEvent = errors.New("not a canonical ledger event")

// Pair is a named value. Keys are lower-case words ([a-z][a-z0-9_]*, at most
// 40 bytes), values printable ASCII without spaces, quotes, backslashes, '<',
// '>', '&' and '^': a person's name as HL7 or people write it does not fit.
type Pair struct{ K, V string }

// Pairs are named values. Encode sorts them; keys must differ.
type Pairs []Pair

// Get returns the value of key k, empty where there is none.
func (p Pairs) Get(k string) string {
	for _, x := range p {
		if x.K == k {
			return x.V
		}
	}
	return ""
}

// Number is a named integer, at most MaxNumber either way.
type Number struct {
	K string
	N int64
}

// Event is what one leaf says.
type Event struct {
	// Kind is a dotted name in the past tense, "result.received".
	Kind string
	// At is when it happened, microseconds since 1970 UTC, not negative.
	At int64
	// IDs name the things concerned: UUIDs, partner keys.
	IDs Pairs
	// Codes are words of protocols, fingerprints, configuration hashes.
	Codes Pairs
	// Numbers are counts and sizes.
	Numbers []Number
	// Commit binds the event to a body without telling it; nil for none.
	Commit *Commitment
}

// Encode returns the canonical bytes: keys v, kind, at, ids, codes, numbers,
// commit in this order without white space, empty ones left out, entries sorted
// by key. Its error names the key at fault, never a value.
func (e Event) Encode() ([]byte, error) { return e.append(make([]byte, 0, 704)) }

func (e Event) append(b []byte) ([]byte, error) {
	if !validKind(e.Kind) {
		return nil, fmt.Errorf("%w: kind must be lower-case words joined by dots", ErrEvent)
	}
	if e.At < 0 || e.At > MaxNumber {
		return nil, fmt.Errorf("%w: time out of range", ErrEvent)
	}
	start := len(b)
	b = append(b, `{"v":1,"kind":"`...)
	b = append(b, e.Kind...)
	b = append(b, `","at":`...)
	b = strconv.AppendInt(b, e.At, 10)
	var err error
	if b, err = appendPairs(b, `,"ids":{`, e.IDs); err != nil {
		return nil, err
	}
	if b, err = appendPairs(b, `,"codes":{`, e.Codes); err != nil {
		return nil, err
	}
	if b, err = appendNumbers(b, e.Numbers); err != nil {
		return nil, err
	}
	if e.Commit != nil {
		b = append(b, `,"commit":"`...)
		b = e.Commit.append(b)
		b = append(b, '"')
	}
	b = append(b, '}')
	if len(b)-start > MaxEvent {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrEvent, MaxEvent)
	}
	return b, nil
}

func appendPairs(b []byte, open string, p Pairs) ([]byte, error) {
	if len(p) == 0 {
		return b, nil
	}
	p, err := p.sorted()
	if err != nil {
		return nil, err
	}
	b = append(b, open...)
	for i, x := range p {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, x.K...)
		b = append(b, `":"`...)
		b = append(b, x.V...)
		b = append(b, '"')
	}
	return append(b, '}'), nil
}

func appendNumbers(b []byte, n []Number) ([]byte, error) {
	if len(n) == 0 {
		return b, nil
	}
	if len(n) > MaxPairs {
		return nil, fmt.Errorf("%w: more than %d numbers", ErrEvent, MaxPairs)
	}
	byKey := func(a, b Number) int { return strings.Compare(a.K, b.K) }
	if !slices.IsSortedFunc(n, byKey) {
		n = slices.Clone(n)
		slices.SortFunc(n, byKey)
	}
	b = append(b, `,"numbers":{`...)
	for i, x := range n {
		if err := checkKey(x.K, i > 0 && n[i-1].K == x.K); err != nil {
			return nil, err
		}
		if x.N > MaxNumber || x.N < -MaxNumber {
			return nil, fmt.Errorf("%w: number %s out of range", ErrEvent, x.K)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, x.K...)
		b = append(b, `":`...)
		b = strconv.AppendInt(b, x.N, 10)
	}
	return append(b, '}'), nil
}

// sorted returns p in the order of its keys after checking every entry; p
// itself stays as it is.
func (p Pairs) sorted() (Pairs, error) {
	if len(p) > MaxPairs {
		return nil, fmt.Errorf("%w: more than %d entries", ErrEvent, MaxPairs)
	}
	byKey := func(a, b Pair) int { return strings.Compare(a.K, b.K) }
	if !slices.IsSortedFunc(p, byKey) {
		p = slices.Clone(p)
		slices.SortFunc(p, byKey)
	}
	for i, x := range p {
		if err := checkKey(x.K, i > 0 && p[i-1].K == x.K); err != nil {
			return nil, err
		}
		if !validValue(x.V) {
			return nil, fmt.Errorf("%w: the value of %s is empty, too long or has a character that ids and codes do not have", ErrEvent, x.K)
		}
	}
	return p, nil
}

func checkKey(k string, doubled bool) error {
	if !validKey(k) {
		return fmt.Errorf("%w: a key is not a lower-case word", ErrEvent)
	}
	if doubled {
		return fmt.Errorf("%w: key %s twice", ErrEvent, k)
	}
	return nil
}

func validKey(k string) bool {
	if len(k) == 0 || len(k) > 40 || k[0] < 'a' || k[0] > 'z' {
		return false
	}
	for i := 0; i < len(k); i++ {
		c := k[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_') {
			return false
		}
	}
	return true
}

func validKind(k string) bool {
	if len(k) > 80 {
		return false
	}
	for w := range strings.SplitSeq(k, ".") {
		if !validKey(w) {
			return false
		}
	}
	return true
}

func validValue(v string) bool {
	if len(v) == 0 || len(v) > MaxValue {
		return false
	}
	for i := 0; i < len(v); i++ {
		if !validByte(v[i]) {
			return false
		}
	}
	return true
}

// valueBytes says which bytes a value may have: the test runs for
// every byte of every event.
var valueBytes = func() (t [256]bool) {
	for c := '!'; c < 0x7f; c++ {
		t[c] = !strings.ContainsRune("\"\\<>&^'", c)
	}
	return t
}()

func validByte(c byte) bool { return valueBytes[c] }

// Program is who did it where the program acts by itself. No sign-in account can
// be this: none has a colon.
const Program = "labwarden:program"

// Code makes s fit for a value: other bytes become '-', what is longer than
// MaxValue is cut, empty becomes "-". It is for words that come from outside,
// such as a partner's answer code ("TLS 1.3" becomes "TLS-1.3").
func Code(s string) string {
	if validValue(s) {
		return s
	}
	if s == "" {
		return "-"
	}
	b := []byte(s[:min(len(s), MaxValue)])
	for i, c := range b {
		if !validByte(c) {
			b[i] = '-'
		}
	}
	return string(b)
}
