package heartbeat

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

const firstLine = "labwarden.heartbeat/v1"

// MaxBeat is the largest beat in bytes.
const MaxBeat = 4 << 10

// Beat is one sign of life.
type Beat struct {
	Hub string // a name without line breaks
	Seq int64  // ascends, also over a restart
	At  time.Time
}

// ErrBeat: this is not a beat of the laboratory.
var ErrBeat = errors.New("not a signed beat of this laboratory")

// Sign writes a beat as a signed note. Its first line keeps it apart from every
// other note the key signs.
func Sign(b Beat, s note.Signer) ([]byte, error) {
	hub := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '-'
		}
		return r
	}, b.Hub)
	text := fmt.Sprintf("%s\n%s\n%d\n%d\n", firstLine, hub, b.Seq, b.At.UnixMicro())
	out, err := note.Sign(&note.Note{Text: text}, s)
	if err != nil {
		return nil, fmt.Errorf("sign beat: %w", err)
	}
	return out, nil
}

// Open checks who signed and reads the beat.
func Open(signed []byte, keys ...note.Verifier) (Beat, error) {
	n, err := note.Open(signed, note.VerifierList(keys...))
	if err != nil {
		return Beat{}, ErrBeat
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 5 || lines[0] != firstLine || lines[1] == "" {
		return Beat{}, ErrBeat
	}
	seq, err := strconv.ParseInt(lines[2], 10, 64)
	if err != nil {
		return Beat{}, ErrBeat
	}
	at, err := strconv.ParseInt(lines[3], 10, 64)
	if err != nil {
		return Beat{}, ErrBeat
	}
	return Beat{lines[1], seq, time.UnixMicro(at).UTC()}, nil
}
