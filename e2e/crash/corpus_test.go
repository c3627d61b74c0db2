package crash

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/demo"
)

// refused are the messages of the corpus that the hub must not take, with the
// beginning of what it says. FILE#N is the
// N-th message of a file with several.
var refused = map[string]string{
	"rethinkhealth/invalid-missing-msh.hl7": "AR This is not a readable HL7 message: the message does not begin with an MSH segment.",
}

// header is a field of MSH, by the message's own separator.
func header(segs []string, n int) string {
	if len(segs) == 0 || len(segs[0]) < 4 || !strings.HasPrefix(segs[0], "MSH") {
		return ""
	}
	f := strings.Split(segs[0], segs[0][3:4])
	if n-1 < len(f) {
		return f[n-1]
	}
	return ""
}

// patience: a message may ask for no answer (MSH-15), so none is waited for long.
func patience(body []byte) time.Duration {
	segs := strings.FieldsFunc(string(body), func(r rune) bool { return r == '\r' || r == '\n' })
	if a := header(segs, 15); a == "NE" || a == "ER" {
		return 300 * time.Millisecond
	}
	return 20 * time.Second
}

func corpus(t *testing.T) map[string][]byte {
	t.Helper()
	var roots []string
	if s := os.Getenv("LABWARDEN_SHARED"); s != "" {
		roots = append(roots, s)
	}
	for d := built.root; ; d = filepath.Dir(d) {
		roots = append(roots, filepath.Join(d, "shared"))
		if d == filepath.Dir(d) {
			break
		}
	}
	for _, r := range roots {
		dir := filepath.Join(r, "corpus", "hl7")
		if i, err := os.Stat(dir); err != nil || !i.IsDir() {
			continue
		}
		files := map[string][]byte{}
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".hl7" {
				return err
			}
			rel, err := filepath.Rel(dir, path)
			if err == nil {
				files[filepath.ToSlash(rel)], err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	t.Skip("SKIPPED: shared/corpus/hl7 is not beside the project and LABWARDEN_SHARED is not set: the real messages did not travel")
	return nil
}

// The real messages go the whole way, each file from a source of its own, its
// control ids as they are: what is taken arrives at a clinic byte for byte, and
// what is not is exactly what is expected.
func TestCorpusGoesTheWholeWay(t *testing.T) {
	files := corpus(t)
	names := slices.Sorted(maps.Keys(files))
	var sources, from strings.Builder
	for i := range names {
		fmt.Fprintf(&sources, "  f%d: {mllp: {listen: \"127.0.0.1:0\"}}\n", i)
		fmt.Fprintf(&from, "f%d, ", i)
	}
	l := newLab(t, layout{extra: sources.String(), route: fmt.Sprintf(
		"  - {name: corpus, from: [%s], to: %s, stage: carry, check: none, check_reason: a test}\n", strings.TrimSuffix(from.String(), ", "), demo.Riverside)})
	l.beginClinics()
	l.launch()
	addr := map[string]string{}
	for range len(names) + 1 {
		s, err := l.hub.says("listening ", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		name, a, _ := strings.Cut(s, " ")
		addr[name] = a
	}
	messages, due := 0, map[string]string{}
	seenRefused, unanswered := map[string]string{}, 0
	for i, name := range names {
		c, err := dial(addr[fmt.Sprintf("f%d", i)], nil)
		if err != nil {
			t.Fatal(err)
		}
		ps := parts(files[name])
		for n, body := range ps {
			id := name
			if len(ps) > 1 {
				id = fmt.Sprintf("%s#%d", name, n+1)
			}
			messages++
			code, text, err := c.send(body, patience(body))
			if errors.Is(err, os.ErrDeadlineExceeded) {
				unanswered++ // it asked for no answer, or it must arrive all the same
			} else if err != nil {
				t.Errorf("%s: %v", id, err)
				if c, err = dial(addr[fmt.Sprintf("f%d", i)], nil); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if err == nil && code != "AA" && code != "CA" {
				seenRefused[id] = code + " " + text
				continue
			}
			sum := sha256.Sum256(body)
			due[hex.EncodeToString(sum[:])] = id
		}
		c.Close()
	}
	// A message that asked for no answer gets none from the clinic either, so
	// what counts is that its bytes came.
	missing := func() (out []string) {
		l.arrived()
		for sum, id := range due {
			if l.tails[demo.Riverside].came[sum] == 0 {
				out = append(out, id)
			}
		}
		slices.Sort(out)
		return out
	}
	if !within(time.Minute, func() bool { return len(missing()) == 0 }) {
		t.Errorf("taken but did not arrive byte for byte:\n%s", strings.Join(missing(), "\n"))
	}
	for _, id := range slices.Sorted(maps.Keys(seenRefused)) {
		if want, ok := refused[id]; !ok || !strings.HasPrefix(seenRefused[id], want) {
			t.Errorf("refused, but expected %q: %q: %q,", want, id, seenRefused[id])
		}
	}
	for id, why := range refused {
		if seenRefused[id] == "" {
			t.Errorf("%s was taken, but %s", id, why)
		}
	}
	t.Logf("%d files, %d messages: %d taken (%d bodies, %d wanted no answer), %d refused", len(names), messages, messages-len(seenRefused), len(due), unanswered, len(seenRefused))
	l.hub.stop(t)
	db := l.open()
	defer db.Close()
	auditLedger(t, db)
}
