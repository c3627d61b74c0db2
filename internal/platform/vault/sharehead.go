package vault

import (
	"errors"
	"strings"
)

// ShareHead is what the first line of a share says: to which set it belongs. The
// secret begins with the second line, so a first line may be typed anywhere.
type ShareHead struct {
	Set              string
	Threshold, Total int
}

// ErrShareHead says that a text is not the first line of a share.
var ErrShareHead = errors.New("this is not the first line of a recovery share: type its twelve characters and the thirteenth behind them")

// ParseShareHead reads the first line of a share as a person types it. A longer
// text is refused: the rest of a share is secret and does not belong there.
func ParseShareHead(text string) (ShareHead, error) {
	var sym []byte
	for _, r := range strings.ToUpper(text) {
		switch r {
		case ' ', '\t', '\r', '\n', '-', '\u00a0', '\u2010', '\u2011', '\u2013':
			continue
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		v := strings.IndexRune(shareAlphabet, r)
		if v < 0 || len(sym) > lineChars {
			return ShareHead{}, ErrShareHead
		}
		sym = append(sym, byte(v))
	}
	if len(sym) != lineChars+1 || lineCheck(sym[:lineChars], 0) != sym[lineChars] {
		return ShareHead{}, ErrShareHead
	}
	var raw []byte
	var acc, bits uint
	for _, v := range sym[:lineChars] {
		acc, bits = acc<<5|uint(v), bits+5
		if bits >= 8 {
			bits -= 8
			raw = append(raw, byte(acc>>bits))
		}
	}
	s := Share{set: [4]byte(raw[1:5]), threshold: int(raw[5]), total: int(raw[6])}
	if raw[0] != shareVersion || s.threshold < 2 || s.total < s.threshold || s.total > maxShares {
		return ShareHead{}, ErrShareHead
	}
	return ShareHead{Set: s.Set(), Threshold: s.threshold, Total: s.total}, nil
}
