package proof

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// MaxKeys is the greatest number of keys in a key file.
const MaxKeys = 64

// Keys are the public keys a proof is checked with.
type Keys struct {
	// Lab are the laboratory's keys (more than one after a change of keys).
	Lab []note.Verifier
	// Witnesses are the keys of witnesses that the reader trusts; may be empty.
	Witnesses []note.Verifier
}

// ParseKeys reads public keys, one a line in the signed-note form
// name+id+base64: type 1 is a laboratory, type 4 a witness. Empty lines and
// lines that begin with # are skipped.
func ParseKeys(text string) (Keys, error) {
	var k Keys
	seen := make(map[string]string)
	for line := range strings.Lines(text) {
		line = strings.Trim(line, " \t\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		m := keyForm.FindStringSubmatch(line)
		if m == nil || !validName(m[1]) {
			return Keys{}, errors.New("read public key: a line is not of the form name+id+base64")
		}
		// Loose base64 would give one key several spellings.
		if _, err := base64.StdEncoding.Strict().DecodeString(m[3]); err != nil {
			return Keys{}, errors.New("read public key: a line is not of the form name+id+base64")
		}
		id := m[1] + "+" + m[2]
		if before, ok := seen[id]; ok {
			if before == line {
				continue
			}
			return Keys{}, fmt.Errorf("read public key: two keys share the name and id %s", id)
		}
		seen[id] = line
		if len(seen) > MaxKeys {
			return Keys{}, fmt.Errorf("read public key: more than %d keys", MaxKeys)
		}
		if ledger.IsWitnessKey(line) {
			v, err := ledger.NewCosignatureVerifier(line)
			if err != nil {
				return Keys{}, err
			}
			k.Witnesses = append(k.Witnesses, v)
			continue
		}
		v, err := note.NewVerifier(line)
		if err != nil {
			return Keys{}, fmt.Errorf("read public key %s: %w", id, err)
		}
		k.Lab = append(k.Lab, v)
	}
	if len(k.Lab) == 0 {
		return Keys{}, errors.New("read public key: no key of a laboratory")
	}
	return k, nil
}

var keyForm = regexp.MustCompile(`^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$`)
