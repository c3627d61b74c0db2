package fronthub

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labwarden/labwarden/internal/channel/frontlink"
)

// A client that does not read what it is told holds a call up once, for a second;
// one that reads is told so much and no more, and nothing that moves its cursor.
func TestWhatIsSaidBesideAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tk := &ticket{}
		deaf, w := io.Pipe()
		n, end := tk.speak(w)
		began := time.Now()
		for range 5 {
			tk.say(frontlink.Said{Stream: n, Text: "no"})
		}
		if took := time.Since(began); took != sayTime {
			t.Errorf("held up for %v", took)
		}
		_ = deaf.Close()
		end()
		end()
		var heard bytes.Buffer
		n, end = tk.speak(&heard)
		for range 2 * maxSaid {
			tk.say(frontlink.Said{Stream: n, Text: "no\x1b[2J" + strings.Repeat("x", 1000)})
		}
		tk.say(frontlink.Said{Stream: n + 1, Text: "another stream"})
		end()
		synctest.Wait()
		lines := strings.SplitAfter(strings.TrimSuffix(heard.String(), "\r\n"), "\r\n")
		if len(lines) != maxSaid || !strings.HasPrefix(lines[0], "Labwarden: no?[2Jxxx") || heard.Len() > maxSaid*(maxSaidText+20) || strings.Contains(heard.String(), "\x1b") {
			t.Errorf("%d lines, %d bytes: %q", len(lines), heard.Len(), lines[0])
		}
	})
}
