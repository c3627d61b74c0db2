package heartbeat_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/heartbeat"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

func keys(t *testing.T) (note.Signer, note.Verifier) {
	t.Helper()
	secret, public, err := note.GenerateKey(rand.Reader, "millbrook")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

// inbox is a way that keeps what it was given.
type inbox struct {
	mu   sync.Mutex
	got  []alarm.Message
	at   []time.Time
	fail bool
}

func (b *inbox) Send(_ context.Context, m alarm.Message) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail {
		return "", errors.New("away")
	}
	b.got, b.at = append(b.got, m), append(b.at, time.Now())
	return "taken", nil
}

func (b *inbox) words() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, m := range b.got {
		out = append(out, m.What)
	}
	return strings.Join(out, " ")
}

// direct carries requests to a handler without a network.
type direct struct{ h http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r)
	return w.Result(), nil
}

// pass lets time go by in a synctest bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// A hub that beats every 30 s and dies is told of within two minutes, again
// after the interval, and once more when it is back.
func TestADeadHubIsNoticedWithinTwoMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signer, key := keys(t)
		b := &inbox{}
		w := &heartbeat.Watcher{Lab: "Millbrook", Keys: []note.Verifier{key}, Ways: []alarm.Way{{Name: "mail", Sender: b}}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go w.Run(ctx)
		var heard []error
		begin := func() context.CancelFunc {
			ctx, die := context.WithCancel(ctx)
			s := &heartbeat.Sender{
				URL: "http://watcher/", Hub: "hub1", Signer: func() note.Signer { return signer }, Client: &http.Client{Transport: direct{w}}, Now: time.Now,
				Heard: func(err error) { heard = append(heard, err) },
			}
			go s.Run(ctx)
			return die
		}
		die := begin()
		pass(10 * time.Minute)
		if b.words() != "" || len(heard) != 21 || errors.Join(heard...) != nil {
			t.Fatalf("while it beats: told %q, heard %d, %v", b.words(), len(heard), errors.Join(heard...))
		}
		// Just after a beat: the longest way.
		die()
		dead := time.Now()
		pass(2 * time.Minute)
		if b.words() != "raised" {
			t.Fatalf("two minutes after its death: told %q", b.words())
		}
		t.Logf("noticed after %v", b.at[0].Sub(dead))
		pass(20 * time.Minute)
		if b.words() != "raised again" {
			t.Fatalf("twenty minutes later: told %q", b.words())
		}
		die = begin()
		pass(5 * time.Second)
		if b.words() != "raised again over" || !strings.Contains(b.got[2].Subject, "hub1 is back") {
			t.Fatalf("after it came back: told %q", b.words())
		}
		die()
		stop()
		synctest.Wait()
	})
}

func TestSilenceFromTheStartAndAWayThatFailsAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, key := keys(t)
		b := &inbox{fail: true}
		w := &heartbeat.Watcher{Lab: "Millbrook", Keys: []note.Verifier{key}, Ways: []alarm.Way{{Name: "mail", Sender: b}}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		ctx, stop := context.WithCancel(t.Context())
		go w.Run(ctx)
		pass(3 * time.Minute)
		b.mu.Lock()
		b.fail = false
		b.mu.Unlock()
		pass(2 * time.Minute)
		if b.words() != "raised" {
			t.Errorf("told %q", b.words())
		}
		stop()
		synctest.Wait()
	})
}

func TestOnlyNewBeatsOfTheLaboratoryAreTaken(t *testing.T) {
	signer, key := keys(t)
	other, _ := keys(t)
	now := time.Date(2026, 5, 4, 6, 52, 0, 0, time.UTC)
	w := &heartbeat.Watcher{Keys: []note.Verifier{key}, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
	post := func(body []byte) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, r)
		return rec.Code
	}
	beat := func(s note.Signer, seq int64, at time.Time) []byte {
		b, err := heartbeat.Sign(heartbeat.Beat{Hub: "hub1", Seq: seq, At: at}, s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	checkpoint, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: "millbrook", Size: 1}, signer)
	if err != nil {
		t.Fatal(err)
	}
	good := beat(signer, 10, now)
	for _, c := range []struct {
		what string
		body []byte
		want int
	}{
		{"the first", good, http.StatusNoContent},
		{"the same again", good, http.StatusConflict},
		{"an older one", beat(signer, 9, now), http.StatusConflict},
		{"of an hour ago", beat(signer, 11, now.Add(-time.Hour)), http.StatusConflict},
		{"of tomorrow", beat(signer, 12, now.Add(24*time.Hour)), http.StatusConflict},
		{"of another key", beat(other, 13, now), http.StatusForbidden},
		{"a checkpoint of the same key", checkpoint, http.StatusForbidden},
		{"changed", bytes.Replace(beat(signer, 14, now), []byte("hub1"), []byte("hub2"), 1), http.StatusForbidden},
		{"nothing", nil, http.StatusForbidden},
		{"too much", bytes.Repeat([]byte("x"), heartbeat.MaxBeat+1), http.StatusBadRequest},
		{"the next", beat(signer, 15, now), http.StatusNoContent},
	} {
		if got := post(c.body); got != c.want {
			t.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
	if strings.Contains(string(good), "MRN") || len(good) > 300 {
		t.Errorf("a beat is %q", good)
	}
}

func FuzzOpen(f *testing.F) {
	secret, public, err := note.GenerateKey(rand.Reader, "millbrook")
	if err != nil {
		f.Fatal(err)
	}
	s, err := note.NewSigner(secret)
	if err != nil {
		f.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("hub", int64(1), int64(1))
	f.Add("a\nb", int64(-1), int64(1<<60))
	f.Fuzz(func(t *testing.T, hub string, seq, at int64) {
		b := heartbeat.Beat{Hub: hub, Seq: seq, At: time.UnixMicro(at).UTC()}
		signed, err := heartbeat.Sign(b, s)
		if err != nil {
			return // a name that no note may hold
		}
		got, err := heartbeat.Open(signed, v)
		if hub == "" {
			return
		}
		if err != nil || got.Seq != seq || !got.At.Equal(b.At) {
			t.Fatalf("%+v became %+v, %v", b, got, err)
		}
	})
}
