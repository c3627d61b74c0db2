package accounts

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Limits of a list. A directory of a laboratory has hundreds of accounts.
const (
	MaxList    = 4 << 20
	maxRows    = 20_000
	maxColumns = 64
	maxField   = 4_000
)

// decode returns the text of a list: UTF-8 with or without a mark, UTF-16 as
// Windows PowerShell writes it, else Windows-1252.
func decode(b []byte) (string, error) {
	if len(b) > MaxList {
		return "", fmt.Errorf("%w: the list is larger than %d MB", ErrInvalid, MaxList>>20)
	}
	var text string
	switch {
	case strings.HasPrefix(string(b), "\xef\xbb\xbf"):
		text = string(b[3:])
	case strings.HasPrefix(string(b), "\xff\xfe"):
		return wide(b[2:], binary.LittleEndian)
	case strings.HasPrefix(string(b), "\xfe\xff"):
		return wide(b[2:], binary.BigEndian)
	case len(b) >= 4 && b[1] == 0 && b[3] == 0 && b[0] != 0:
		return wide(b, binary.LittleEndian)
	case len(b) >= 4 && b[0] == 0 && b[2] == 0 && b[1] != 0:
		return wide(b, binary.BigEndian)
	default:
		text = string(b)
	}
	if !utf8.ValidString(text) {
		out, err := charmap.Windows1252.NewDecoder().String(text)
		if err != nil {
			return "", fmt.Errorf("%w: the file's characters are of no encoding that lists have", ErrInvalid)
		}
		text = out
	}
	return checked(text)
}

func wide(b []byte, order binary.ByteOrder) (string, error) {
	if len(b)%2 != 0 {
		return "", fmt.Errorf("%w: the file is cut: its last character is half there", ErrInvalid)
	}
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = order.Uint16(b[2*i:])
	}
	return checked(string(utf16.Decode(u)))
}

func checked(text string) (string, error) {
	if strings.ContainsRune(text, 0) {
		return "", fmt.Errorf("%w: this is no list of text: it holds zero characters", ErrInvalid)
	}
	if strings.TrimSpace(text) == "" {
		return "", fmt.Errorf("%w: the file is empty", ErrInvalid)
	}
	return text, nil
}
