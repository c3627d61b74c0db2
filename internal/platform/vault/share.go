package vault

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
)

// A share on paper: 45 bytes as 72 characters of base32, in six lines of three
// groups of four and one check character:
//
//	version 1 | set 4 | threshold 1 | shares 1 | index 1 | data 32 | check 5
//
// The check character at the end of each line finds any one wrong character
// and any two exchanged ones, and says in which line; the check at the end
// (SHA-256, cut) covers all. The alphabet is Crockford's: no I, L, O, U.
const (
	shareVersion  = 1
	shareBytes    = 45
	shareLines    = 6
	lineChars     = 12 // without the check character
	shareAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	maxShares     = 20
	maxShareText  = 4096 // bytes
)

// Share is one recovery share. It is a secret: Text is for paper, String is
// safe to log.
type Share struct {
	set              [4]byte
	threshold, total int
	index            int // 1..total
	data             [keySize]byte
}

// Index is the number of the share, from 1.
func (s Share) Index() int { return s.index }

// Threshold is how many shares recovery needs.
func (s Share) Threshold() int { return s.threshold }

// Total is how many shares were made.
func (s Share) Total() int { return s.total }

// Set names the shares that belong together.
func (s Share) Set() string { return fmt.Sprintf("%X", s.set[:]) }

// String names the share without its secret.
func (s Share) String() string {
	return fmt.Sprintf("recovery share %d of %d, set %s, %d needed", s.index, s.total, s.Set(), s.threshold)
}

// GoString is String: %#v does not tell the secret either.
func (s Share) GoString() string { return s.String() }

// Text is the share to be printed and kept: six lines, the secret itself.
func (s Share) Text() string {
	raw := s.bytes()
	var sym []byte // 5 bits each
	var acc, bits uint
	for _, b := range raw {
		acc, bits = acc<<8|uint(b), bits+8
		for bits >= 5 {
			bits -= 5
			sym = append(sym, byte(acc>>bits&31))
		}
	}
	var out strings.Builder
	for line := range shareLines {
		part := sym[line*lineChars : (line+1)*lineChars]
		for i, v := range part {
			if i > 0 && i%4 == 0 {
				out.WriteByte('-')
			}
			out.WriteByte(shareAlphabet[v])
		}
		out.WriteByte('-')
		out.WriteByte(shareAlphabet[lineCheck(part, line)])
		out.WriteByte('\n')
	}
	return out.String()
}

func (s Share) bytes() []byte {
	raw := make([]byte, 0, shareBytes)
	raw = append(raw, shareVersion)
	raw = append(raw, s.set[:]...)
	raw = append(raw, byte(s.threshold), byte(s.total), byte(s.index))
	raw = append(raw, s.data[:]...)
	return append(raw, shareSum(raw)...)
}

func shareSum(raw []byte) []byte {
	sum := sha256.Sum256(append([]byte("labwarden share v1\n"), raw...))
	return sum[:5]
}

// print is what the book keeps of a share, to name a forged one.
func (s Share) print() []byte {
	sum := sha256.Sum256(append([]byte("labwarden share print v1\n"), s.bytes()...))
	return sum[:16]
}

// lineCheck is a weighted sum in GF(2^5) (x^5 + x^2 + 1). The weights are
// different powers of x, so one changed symbol or two exchanged ones always
// change it; the line number takes part, so exchanged lines are seen too.
func lineCheck(part []byte, line int) byte {
	var sum byte
	for _, v := range append(append([]byte{}, part...), byte(line+1)) {
		sum ^= v
		sum <<= 1 // times x
		if sum&32 != 0 {
			sum ^= 0b100101
		}
	}
	return sum
}

// ParseShare reads what Text wrote, as a person types it: lower or upper case,
// with any spaces, hyphens and line ends, O for 0 and I or L for 1. The error
// names the line to look at and never repeats what was typed.
func ParseShare(text string) (Share, error) {
	if len(text) > maxShareText {
		return Share{}, fmt.Errorf("read share: the text is longer than %d characters", maxShareText)
	}
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
		if v < 0 {
			return Share{}, fmt.Errorf("read share: line %d, character %d is none that a share has (digits and letters without U)",
				len(sym)/(lineChars+1)+1, len(sym)%(lineChars+1)+1)
		}
		sym = append(sym, byte(v))
	}
	const all = shareLines * (lineChars + 1)
	if len(sym) > all {
		return Share{}, fmt.Errorf("read share: %d characters, a share has %d", len(sym), all)
	}
	raw := make([]byte, 0, shareBytes)
	var acc, bits uint
	for line := 0; (line+1)*(lineChars+1) <= len(sym); line++ {
		part := sym[line*(lineChars+1):][:lineChars+1]
		if lineCheck(part[:lineChars], line) != part[lineChars] {
			return Share{}, fmt.Errorf("read share: line %d has a typing error", line+1)
		}
		for _, v := range part[:lineChars] {
			acc, bits = acc<<5|uint(v), bits+5
			if bits >= 8 {
				bits -= 8
				raw = append(raw, byte(acc>>bits))
			}
		}
	}
	if len(sym) < all {
		return Share{}, fmt.Errorf("read share: %d characters, a share has %d", len(sym), all)
	}
	return shareFromBytes(raw)
}

func shareFromBytes(raw []byte) (Share, error) {
	body, sum := raw[:shareBytes-5], raw[shareBytes-5:]
	if !bytes.Equal(shareSum(body), sum) {
		return Share{}, fmt.Errorf("read share: its check does not fit; it was changed or typed wrongly in several places")
	}
	if body[0] != shareVersion {
		return Share{}, fmt.Errorf("read share: version %d is not known here", body[0])
	}
	s := Share{set: [4]byte(body[1:5]), threshold: int(body[5]), total: int(body[6]), index: int(body[7]), data: [keySize]byte(body[8:])}
	if s.threshold < 2 || s.total < s.threshold || s.total > maxShares || s.index < 1 || s.index > s.total {
		return Share{}, fmt.Errorf("read share: its numbers are impossible")
	}
	return s, nil
}
