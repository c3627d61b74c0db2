package fhir

import (
	"errors"
	"strings"
)

// Decimal is a FHIR decimal in its own digits: 1.50 stays 1.50 (R4 datatypes,
// decimal: "the precision is meaningful and must be preserved").
type Decimal string

// ErrDecimal reports text that is no FHIR decimal.
var ErrDecimal = errors.New("fhir: not a decimal")

// maxDecimalDigits bounds a decimal; R4 asks systems for 18 significant digits,
// a laboratory value never needs more than this.
const maxDecimalDigits = 40

// ParseDecimal takes an HL7 or FHIR number and returns it as a FHIR decimal.
// A leading "+", leading zeros and a bare leading or trailing point, which JSON
// forbids, are put right; the digits that carry precision stay. Exponents are
// refused: HL7 NM has none.
func ParseDecimal(s string) (Decimal, error) {
	if len(s) > maxDecimalDigits {
		return "", ErrDecimal
	}
	neg := strings.HasPrefix(s, "-")
	if neg || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	whole, frac, point := strings.Cut(s, ".")
	if !digits(whole) || !digits(frac) || (whole == "" && frac == "") {
		return "", ErrDecimal
	}
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if point && frac != "" {
		whole += "." + frac
	}
	if neg {
		whole = "-" + whole
	}
	if len(whole) > maxDecimalDigits { // a zero was added
		return "", ErrDecimal
	}
	return Decimal(whole), nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// MarshalJSON writes the digits as a JSON number.
func (d Decimal) MarshalJSON() ([]byte, error) {
	p, err := ParseDecimal(string(d))
	if err != nil {
		return nil, err
	}
	return []byte(p), nil
}

// UnmarshalJSON keeps the digits of a JSON number as they stand.
func (d *Decimal) UnmarshalJSON(b []byte) error {
	s := string(b)
	if s == "null" {
		return nil
	}
	if len(s) > maxDecimalDigits || s == "" || s[0] == '"' {
		return ErrDecimal
	}
	*d = Decimal(s)
	return nil
}

// Text makes s fit for a FHIR string: valid UTF-8, no control characters but
// tab, CR and LF (R4 datatypes, string), no blank ends. Text of blanks only
// becomes empty, since FHIR forbids empty strings.
func Text(s string) string {
	clean := strings.Map(func(r rune) rune {
		if (r < 0x20 && r != '\t' && r != '\r' && r != '\n') || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.TrimSpace(clean)
}

// Code makes s fit for a FHIR code: no leading or trailing blanks and single
// blanks inside (R4 datatypes, code: [^\s]+(\s[^\s]+)*).
func Code(s string) string { return strings.Join(strings.Fields(Text(s)), " ") }
