package signin

import (
	"context"
	"crypto/sha1" //nolint:gosec // the published lists of known passwords name them by it
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Lengths of a password in code points (NIST SP 800-63B-4 3.1.1.2).
const (
	MinAlone = 15 // the password is the only factor
	MinWith  = 8  // a second factor is enrolled
	MaxLong  = 256
)

// prepare brings a password into the one form that is hashed: compatibility
// composed (NFKC), so that the same keys on another keyboard driver give the same
// bytes (NIST SP 800-63B-4 3.1.1.2, UAX 15 section 12.1). Nothing is cut off.
func prepare(password string) (string, bool) {
	if len(password) > 4*MaxLong || !utf8.ValidString(password) {
		return "", false
	}
	p := norm.NFKC.String(password)
	return p, utf8.RuneCountInString(p) <= MaxLong
}

// BadPassword is why a new password was not taken, for the person who chose it.
type BadPassword struct{ Message string }

func (b *BadPassword) Error() string { return b.Message }

func bad(format string, args ...any) error { return &BadPassword{fmt.Sprintf(format, args...)} }

// check judges a new password, prepared. second: a second factor is enrolled.
// There are no rules of composition and no end date (NIST SP 800-63B-4 3.1.1.2).
func (s *Service) check(ctx context.Context, p PersonInfo, password string, second bool) error {
	n, least := utf8.RuneCountInString(password), MinAlone
	if second {
		least = MinWith
	}
	if n < least && p.MustTwo {
		return bad("Use at least %d characters: a few words in a row are good.", MinAlone)
	}
	if n < least && !second {
		return bad("Use at least %d characters: a few words in a row are good. With an authenticator app or a passkey besides, %d are enough.", MinAlone, MinWith)
	}
	if n < least {
		return bad("Use at least %d characters.", least)
	}
	if strings.ContainsFunc(password, unicode.IsControl) {
		return bad("A password cannot hold line breaks, tabs or other control characters.")
	}
	context := append([]string{p.Account, p.Name, s.site.Load().Lab, "labwarden", "laboratory"}, p.Words...)
	if weak := guessable(password, context); weak != "" {
		return bad("This one is guessed early: %s. Choose words that have nothing to do with each other or with you.", weak)
	}
	if b := s.breached.Load(); b != nil {
		known, err := b.Has(ctx, sha1.Sum([]byte(password))) //nolint:gosec // as above
		if err != nil {
			return fmt.Errorf("look up known passwords: %w", err)
		}
		if known {
			return bad("This one stands in a list of passwords that were stolen elsewhere. Choose another.")
		}
	}
	return nil
}
