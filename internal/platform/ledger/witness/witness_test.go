package witness

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/labwarden/labwarden/internal/platform/ledger"
)

func seed(s string) *bytes.Reader { h := sha256.Sum256([]byte(s)); return bytes.NewReader(h[:]) }

// lab is a ledger with its key.
type lab struct {
	t      *testing.T
	signer note.Signer
	key    note.Verifier
	rows   ledger.Memory
	head   ledger.Head
	codec  *ledger.Codec
}

func newLab(t *testing.T, name string) *lab {
	t.Helper()
	skey, vkey, err := note.GenerateKey(seed(name), name)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t}
	if l.signer, err = note.NewSigner(skey); err != nil {
		t.Fatal(err)
	}
	if l.key, err = note.NewVerifier(vkey); err != nil {
		t.Fatal(err)
	}
	if l.codec, err = ledger.NewCodec(); err != nil {
		t.Fatal(err)
	}
	return l
}

// grow appends n leaves; tag makes them those of one history or another.
func (l *lab) grow(n int, tag string) *lab {
	l.t.Helper()
	for range n {
		var err error
		if l.head, err = l.rows.Append(l.head, fmt.Appendf(nil, "%s %d", tag, l.head.Size)); err != nil {
			l.t.Fatal(err)
		}
	}
	return l
}

func (l *lab) reader() *ledger.Reader { return ledger.NewReader(&l.rows, l.codec) }

func (l *lab) checkpoint() []byte {
	l.t.Helper()
	b, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: l.signer.Name(), Size: l.head.Size, Root: l.head.Root()}, l.signer)
	if err != nil {
		l.t.Fatal(err)
	}
	return b
}

func (l *lab) push(w Witness, old int64) ([]note.Signature, error) {
	return Push(context.Background(), w, l.reader(), old, l.checkpoint(), l.head.Size)
}

func witnessKey(t *testing.T) (note.Signer, note.Verifier) {
	t.Helper()
	skey, vkey, err := ledger.GenerateCosigner(seed("witness"), "witness.example/w1")
	if err != nil {
		t.Fatal(err)
	}
	s, err := ledger.NewCosigner(skey, func() time.Time { return time.Unix(1_760_000_000, 0) })
	if err != nil {
		t.Fatal(err)
	}
	v, err := ledger.NewCosignatureVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

// overHTTP runs a witness server on dir and returns its client and a way to stop it.
func overHTTP(t *testing.T, dir string, keys ...note.Verifier) (*HTTP, string) {
	t.Helper()
	signer, key := witnessKey(t)
	s, err := NewServer(dir, signer, keys...)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	h, err := NewHTTP("second host", srv.URL+"/", srv.Client(), key)
	if err != nil {
		t.Fatal(err)
	}
	return h, srv.URL
}

// each runs a test on both kinds of witness. reopen starts the witness anew on
// what it had kept.
func each(t *testing.T, f func(t *testing.T, l *lab, reopen func() Witness)) {
	t.Run("http", func(t *testing.T) {
		l, dir := newLab(t, "lab.example/ledger"), t.TempDir()
		f(t, l, func() Witness { h, _ := overHTTP(t, dir, l.key); return h })
	})
	t.Run("folder", func(t *testing.T) {
		l, dir := newLab(t, "lab.example/ledger"), t.TempDir()
		f(t, l, func() Witness {
			w, err := NewFolder("stick", dir, l.key)
			if err != nil {
				t.Fatal(err)
			}
			return w
		})
	})
}

func TestWitnessFollowsGrowth(t *testing.T) {
	each(t, func(t *testing.T, l *lab, reopen func() Witness) {
		w, old := reopen(), int64(0)
		for i := range 20 {
			l.grow(i, "a")
			if _, err := l.push(w, old); err != nil {
				t.Fatalf("size %d: %v", l.head.Size, err)
			}
			if i%5 == 0 {
				w = reopen()
			}
			old = l.head.Size
			if i%3 == 0 {
				old = 0 // forgotten: Push must find the way back
			}
		}
		if _, err := l.push(w, l.head.Size); err != nil {
			t.Errorf("the same checkpoint again: %v", err)
		}
	})
}

func TestWitnessNoticesRollback(t *testing.T) {
	each(t, func(t *testing.T, l *lab, reopen func() Witness) {
		if _, err := l.grow(10, "a").push(reopen(), 0); err != nil {
			t.Fatal(err)
		}
		back := newLab(t, "lab.example/ledger").grow(7, "a")
		for _, old := range []int64{0, 3, 7} {
			_, err := back.push(reopen(), old)
			var stale *StaleError
			if !errors.Is(err, ErrRollback) || !errors.As(err, &stale) || stale.Size != 10 {
				t.Errorf("old %d: %v", old, err)
			}
		}
		// Nothing that was refused may have been kept.
		if _, err := l.grow(1, "a").push(reopen(), 10); err != nil {
			t.Errorf("after the refusals: %v", err)
		}
	})
}

func TestWitnessNoticesFork(t *testing.T) {
	each(t, func(t *testing.T, l *lab, reopen func() Witness) {
		if _, err := l.grow(10, "a").push(reopen(), 0); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{10, 11, 40} {
			fork := newLab(t, "lab.example/ledger").grow(9, "a").grow(n-9, "b")
			if _, err := fork.push(reopen(), 10); !errors.Is(err, ErrFork) {
				t.Errorf("fork of size %d: %v", n, err)
			}
		}
	})
}

func TestWitnessRefusesForeignLedger(t *testing.T) {
	each(t, func(t *testing.T, _ *lab, reopen func() Witness) {
		if _, err := newLab(t, "other.example").grow(3, "a").push(reopen(), 0); !errors.Is(err, ErrRefused) {
			t.Errorf("unknown ledger: %v", err)
		}
		imposter := newLab(t, "other.example").grow(3, "a")
		b, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: "lab.example/ledger", Size: 3, Root: imposter.head.Root()}, imposter.signer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := reopen().Submit(context.Background(), 0, b, nil); !errors.Is(err, ErrRefused) {
			t.Errorf("wrong key: %v", err)
		}
	})
}

func TestCosignatureOfServerVerifies(t *testing.T) {
	l := newLab(t, "lab.example/ledger").grow(5, "a")
	w, _ := overHTTP(t, t.TempDir(), l.key)
	sigs, err := l.push(w, 0)
	if err != nil || len(sigs) != 1 {
		t.Fatalf("%d cosignatures, %v", len(sigs), err)
	}
	_, key := witnessKey(t)
	c, n, err := ledger.OpenCheckpoint(Cosigned(l.checkpoint(), sigs...), l.key, key)
	if err != nil || len(n.Sigs) != 2 || c.Size != 5 {
		t.Fatalf("cosigned checkpoint: %v", err)
	}
}

// The statuses are those of c2sp.org/tlog-witness "add-checkpoint".
func TestServerStatuses(t *testing.T) {
	l := newLab(t, "lab.example/ledger").grow(4, "a")
	w, url := overHTTP(t, t.TempDir(), l.key)
	if _, err := l.push(w, 0); err != nil {
		t.Fatal(err)
	}
	l.grow(4, "a")
	proof, err := l.reader().ConsistencyProof(context.Background(), 4, 8)
	if err != nil {
		t.Fatal(err)
	}
	good := Request{Old: 4, Proof: proof, Checkpoint: l.checkpoint()}
	body := func(f func(r *Request)) string { r := good; f(&r); return string(r.Encode()) }
	other := newLab(t, "other.example").grow(8, "a")
	empty := ledger.Checkpoint{Origin: "lab.example/ledger", Size: 0, Root: l.head.Root()}
	emptySigned, err := ledger.SignCheckpoint(empty, l.signer)
	if err != nil {
		t.Fatal(err)
	}
	fork, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: "lab.example/ledger", Size: 4, Root: l.head.Root()}, l.signer)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, body string
		status     int
		size       string
	}{
		{"not a request", "hello", 400, ""},
		{"leading zero", strings.Replace(body(func(*Request) {}), "old 4", "old 04", 1), 400, ""},
		{"too large", body(func(r *Request) { r.Checkpoint = make([]byte, MaxRequest) }), 400, ""},
		{"64 proof lines", body(func(r *Request) { r.Proof = make(tlog.TreeProof, 64) }), 400, ""},
		{"unknown origin", body(func(r *Request) { r.Checkpoint = other.checkpoint() }), 404, ""},
		{"unsigned", body(func(r *Request) {
			r.Checkpoint = bytes.Replace(r.Checkpoint, []byte("\n8\n"), []byte("\n9\n"), 1)
		}), 403, ""},
		{"old greater than new", body(func(r *Request) { r.Old = 9 }), 400, ""},
		{"stale", body(func(r *Request) { r.Old = 3 }), 409, "4\n"},
		{"stale from zero", body(func(r *Request) { r.Old, r.Proof = 0, nil }), 409, "4\n"},
		{"empty tree with a root", body(func(r *Request) { r.Old, r.Proof, r.Checkpoint = 0, nil, emptySigned }), 409, "4\n"},
		{"same size, other root", body(func(r *Request) { r.Proof, r.Checkpoint = nil, fork }), 409, ""},
		{"wrong proof", body(func(r *Request) { r.Proof = make(tlog.TreeProof, len(proof)) }), 422, ""},
		{"no proof", body(func(r *Request) { r.Proof = nil }), 422, ""},
		{"good", body(func(*Request) {}), 200, ""},
	} {
		res, err := http.Post(url+"/add-checkpoint", "text/plain", strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d (%s)", tt.name, res.StatusCode, tt.status, got)
		}
		isSize := res.Header.Get("Content-Type") == sizeType
		if isSize != (tt.size != "") || isSize && string(got) != tt.size {
			t.Errorf("%s: answered %q as %s", tt.name, got, res.Header.Get("Content-Type"))
		}
	}
	for path, want := range map[string]int{"/": 404, "/add-checkpoint": 405} {
		res, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("GET %s: %d", path, res.StatusCode)
		}
	}
}

// Of many histories offered at once exactly one is cosigned
// (c2sp.org/tlog-witness "add-checkpoint", on atomicity).
func TestServerCosignsOneHistoryOnly(t *testing.T) {
	l := newLab(t, "lab.example/ledger").grow(4, "a")
	w, _ := overHTTP(t, t.TempDir(), l.key)
	if _, err := l.push(w, 0); err != nil {
		t.Fatal(err)
	}
	const histories = 16
	results := make(chan error, histories)
	for i := range histories {
		fork := newLab(t, "lab.example/ledger").grow(4, "a").grow(1+i%3, fmt.Sprint("history ", i))
		cp := fork.checkpoint()
		proof, err := fork.reader().ConsistencyProof(context.Background(), 4, fork.head.Size)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := w.Submit(context.Background(), 4, cp, proof)
			results <- err
		}()
	}
	won := 0
	for range histories {
		err := <-results
		var stale *StaleError
		switch {
		case err == nil:
			won++
		case !errors.As(err, &stale) || stale.Size <= 4:
			t.Errorf("a loser got %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d histories were cosigned", won)
	}
}

func TestServerRefusesToStartOnDamagedMemory(t *testing.T) {
	l, dir := newLab(t, "lab.example/ledger").grow(4, "a"), t.TempDir()
	w, _ := overHTTP(t, dir, l.key)
	if _, err := l.push(w, 0); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.checkpoint"))
	if err != nil || len(files) != 1 {
		t.Fatalf("kept %v, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], bytes.Replace(b, []byte("\n4\n"), []byte("\n3\n"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	signer, _ := witnessKey(t)
	if _, err := NewServer(dir, signer, l.key); err == nil {
		t.Error("started on a checkpoint that nobody signed")
	}
}

func TestFolderKeepsEveryCheckpoint(t *testing.T) {
	l, dir := newLab(t, "lab.example/ledger"), t.TempDir()
	w, err := NewFolder("stick", dir, l.key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := w.Last(context.Background()); c != nil || err != nil {
		t.Fatalf("empty folder: %v %v", c, err)
	}
	for range 12 {
		if _, err := l.grow(1, "a").push(w, l.head.Size); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 12 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	c, err := w.Last(context.Background())
	if err != nil || c.Size != 12 {
		t.Fatalf("last: %+v %v", c, err)
	}
	// A file that says another size than its name is noticed.
	if err := os.Rename(filepath.Join(dir, fileName(12)), filepath.Join(dir, fileName(13))); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Last(context.Background()); err == nil {
		t.Error("a renamed checkpoint was believed")
	}
	gone, err := NewFolder("stick", filepath.Join(dir, "unplugged"), l.key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.push(gone, 0); err == nil {
		t.Error("an absent folder passed for an empty one")
	}
}

func TestClientDoesNotTrustTheAnswer(t *testing.T) {
	l := newLab(t, "lab.example/ledger").grow(3, "a")
	_, key := witnessKey(t)
	for name, h := range map[string]http.HandlerFunc{
		"empty": func(http.ResponseWriter, *http.Request) {},
		"own line": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, strings.SplitN(string(l.checkpoint()), "\n\n", 2)[1])
		},
		"garbage": func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 1000)) },
		"endless": func(w http.ResponseWriter, _ *http.Request) { w.Write(bytes.Repeat([]byte("— "), 1<<20)) },
		"bad size": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", sizeType)
			w.WriteHeader(409)
		},
		"server down": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
	} {
		srv := httptest.NewServer(h)
		c, err := NewHTTP("w", srv.URL, srv.Client(), key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.push(c, 0); err == nil || errors.Is(err, ErrFork) || errors.Is(err, ErrRollback) {
			t.Errorf("%s: %v", name, err)
		}
		srv.Close()
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte("old 0\n\nx"))
	f.Add(Request{Old: 5, Proof: make(tlog.TreeProof, 2), Checkpoint: []byte("a\n5\nb\n\n— x AAAA\n")}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRequest(b)
		if err == nil && !bytes.Equal(r.Encode(), b) {
			t.Fatal("round trip")
		}
	})
}
