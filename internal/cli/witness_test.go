package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/demo"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// watched is a laboratory with a folder and a real witness process beside it.
type watched struct {
	t      *testing.T
	dir    string
	conf   *config.Config
	seals  []vault.Seal
	hub    *app.Hub
	cancel context.CancelFunc
	done   chan error
	n      int
	log    syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *syncBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

func eachWatched(t *testing.T, run func(t *testing.T, w *watched)) {
	t.Run("sqlite", func(t *testing.T) { run(t, newWatched(t, "")) })
	t.Run("postgres", func(t *testing.T) { run(t, newWatched(t, storetest.PostgresDSN(t))) })
}

const watchedConfiguration = `lab: {name: Millbrook, id: millbrook}
node:
  data: %[1]s/data
  seals: [{kind: keyfile, path: %[1]s/root.key}]
%[2]ssources:
  lis: {mllp: {listen: "127.0.0.1:0"}, from: [127.0.0.1/32]}
partners:
  first: {name: First, providers: [{id: "1", authority: NPI}], destination: {mllp: {address: "127.0.0.1:9"}}}
routes:
  - {name: all, from: lis, to: [first], stage: shadow}
`

func newWatched(t *testing.T, dsn string) *watched {
	t.Helper()
	w := &watched{t: t, dir: t.TempDir()}
	key := filepath.Join(w.dir, "root.key")
	check(t, vault.CreateKeyFile(key, rand.Reader))
	w.seals = []vault.Seal{vault.KeyFile(key)}
	database := ""
	if dsn != "" {
		check(t, os.WriteFile(filepath.Join(w.dir, "dsn"), []byte(dsn), 0o600))
		database = fmt.Sprintf("  database: {engine: postgres, dsn_file: %s/dsn}\n", w.dir)
	}
	src := fmt.Sprintf(watchedConfiguration, w.dir, database)
	w.parse(src)
	_, err := app.Create(t.Context(), w.conf, w.seals, 0, 0, w.deps())
	check(t, err)
	w.open()
	check(t, os.WriteFile(filepath.Join(w.dir, "lab.pub"), []byte(strings.Join(w.hub.Vault.VerifierKeys(), "\n")+"\n"), 0o600))
	check(t, w.hub.Close())
	check(t, os.Mkdir(filepath.Join(w.dir, "stick"), 0o700))
	url, vkey, ca := w.witness()
	w.parse(src + fmt.Sprintf(`witnesses:
  - {kind: folder, name: stick, path: %s/stick, every: 1s}
  - {kind: http, name: second-site, url: %q, key: %q, ca: %s, every: 1s}
`, w.dir, url, vkey, ca))
	return w
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *watched) parse(src string) {
	w.t.Helper()
	c, problems := config.Parse("labwarden.yaml", []byte(src), config.Options{Now: time.Now(), Validators: app.Validators()})
	if c == nil {
		w.t.Fatal(problems.Err())
	}
	w.conf = c
}

func (w *watched) deps() app.Deps {
	return app.Deps{Now: time.Now, Log: slog.New(slog.NewTextHandler(&w.log, nil)), Node: "test"}
}

// witness starts `labwarden witness` with TLS and returns where it is.
func (w *watched) witness() (url, key, ca string) {
	w.t.Helper()
	tls := filepath.Join(w.dir, "tls")
	authority, err := demo.NewCA(time.Now(), 24*time.Hour)
	check(w.t, err)
	check(w.t, authority.Write(tls, "witness"))
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, os.Args[0], "witness", "--listen", "127.0.0.1:0", "--folder", filepath.Join(w.dir, "witness"),
		"--log-key", filepath.Join(w.dir, "lab.pub"), "--name", "witness.example/second", "--tls-certificate", filepath.Join(tls, "witness.pem"),
		"--tls-key", filepath.Join(tls, "witness.key"))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	check(w.t, err)
	check(w.t, cmd.Start())
	w.t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	s := bufio.NewScanner(out)
	for s.Scan() {
		if k, ok := strings.CutPrefix(s.Text(), "key "); ok {
			key = k
		}
		if u, ok := strings.CutPrefix(s.Text(), "ready "); ok {
			return u, key, filepath.Join(tls, "ca.pem")
		}
	}
	w.t.Fatalf("the witness did not start: %v", s.Err())
	return
}

func (w *watched) open() {
	w.t.Helper()
	var err error
	w.hub, err = app.Open(w.t.Context(), w.conf, w.seals, w.deps())
	check(w.t, err)
}

func (w *watched) start() {
	w.t.Helper()
	w.open()
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel, w.done = cancel, make(chan error, 1)
	ready := make(chan struct{})
	hub, conf := w.hub, w.conf
	go func() { w.done <- hub.Serve(ctx, conf, func(map[string]string) { close(ready) }) }()
	select {
	case <-ready:
	case err := <-w.done:
		w.t.Fatal(err)
	}
}

func (w *watched) stop() {
	w.t.Helper()
	w.cancel()
	if err := <-w.done; err != nil && !errors.Is(err, context.Canceled) {
		w.t.Fatal(err)
	}
	check(w.t, w.hub.Close())
}

// take presents n new messages, each of which must be acknowledged.
func (w *watched) take(n int) {
	w.t.Helper()
	for range n {
		w.n++
		msg := fmt.Appendf(nil, "MSH|^~\\&|LIS|LAB|HUB|CLINIC|20260301090000||ORU^R01|W%d|P|2.5.1\rPID|1||T-1\rOBR|1|P1|F1|GLU|||||||||||||1^X^^^^^^^NPI\rOBX|1|NM|1||5\r", w.n)
		r, err := w.hub.Results.Intake("lis").Handle(w.t.Context(), channel.Peer{Proof: "network"}, msg)
		check(w.t, err)
		if h, err := hl7.Parse(r.Body); err != nil {
			w.t.Fatal(err)
		} else if code, err := h.Get("MSA-1"); err != nil || code != "AA" {
			w.t.Fatalf("answered %s", r.Body)
		}
	}
}

func (w *watched) until(what string, is func(app.WitnessStatus) bool) app.WitnessStatus {
	w.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); ; {
		st, ok := w.hub.Witnesses()
		if ok && is(st) {
			return st
		}
		if time.Now().After(end) {
			w.t.Fatalf("not in time: %s: %+v\n%s", what, st, w.log.String())
		}
		<-tick.C
	}
}

// confirmed waits until both witnesses know all that was taken.
func (w *watched) confirmed() {
	w.t.Helper()
	head, err := w.hub.Log.Head(w.t.Context())
	check(w.t, err)
	st := w.until("both confirm", func(st app.WitnessStatus) bool {
		return st.Witnesses[0].Size == head.Size && st.Witnesses[1].Size == head.Size
	})
	if st.Closed != "" || len(st.Alarms) > 0 {
		w.t.Fatalf("alarm without a cause: %+v", st)
	}
}

func (w *watched) show() error {
	w.t.Helper()
	list, err := w.hub.Results.List(w.t.Context(), results.Page{Limit: 1})
	check(w.t, err)
	_, _, err = w.hub.Results.Message(w.t.Context(), list[0].ID)
	return err
}

// yesterday remembers the database as it is now; what it returns puts it back.
// The hub must be stopped for both.
func (w *watched) yesterday() (back func()) {
	w.t.Helper()
	if w.conf.Node.Database.Engine != "postgres" {
		copyFiles := func(from, to string) {
			old, err := filepath.Glob(filepath.Join(to, "labwarden.db*"))
			check(w.t, err)
			for _, f := range old {
				check(w.t, os.Remove(f))
			}
			files, err := filepath.Glob(filepath.Join(from, "labwarden.db*"))
			check(w.t, err)
			for _, f := range files {
				b, err := os.ReadFile(f)
				check(w.t, err)
				check(w.t, os.WriteFile(filepath.Join(to, filepath.Base(f)), b, 0o600))
			}
		}
		kept, data := w.t.TempDir(), filepath.Join(w.dir, "data")
		copyFiles(data, kept)
		return func() { copyFiles(kept, data) }
	}
	w.open()
	head, err := w.hub.Log.Head(w.t.Context())
	check(w.t, err)
	check(w.t, w.hub.Close())
	return func() {
		w.open()
		w.hub.DB.SetHook(nil)
		check(w.t, w.hub.DB.Do(w.t.Context(), func(ctx context.Context, tx *store.Tx) error {
			for q, args := range map[string][]any{
				"DELETE FROM ledger_groups WHERE first >= $1":          {head.Size},
				"DELETE FROM ledger_checkpoints WHERE size > $1":       {head.Size},
				"DELETE FROM results_controls WHERE last >= $1":        {head.Size},
				"DELETE FROM results_deliveries WHERE seq >= 256 * $1": {head.Size},
				"UPDATE ledger_head SET size = $1, edge = $2":          {head.Size, head.EdgeBytes()},
			} {
				if _, err := tx.Exec(ctx, q, args...); err != nil {
					return err
				}
			}
			_, err := tx.Exec(ctx, "DELETE FROM results_messages WHERE leaf >= $1", head.Size)
			return err
		}))
		check(w.t, w.hub.Close())
	}
}

func TestRolledBackDatabaseIsNoticedAtTheNextStart(t *testing.T) {
	eachWatched(t, func(t *testing.T, w *watched) {
		w.start()
		w.take(5)
		w.confirmed()
		check(t, w.show())
		w.stop()
		back := w.yesterday()
		w.start()
		w.take(7)
		w.confirmed()
		w.stop()
		back()

		w.start()
		st := w.until("both witnesses object", func(st app.WitnessStatus) bool { return len(st.Alarms) == 2 })
		for i, name := range []string{"second-site", "stick"} {
			if !strings.Contains(strings.Join(st.Alarms, "\n"), "witness "+name) || !strings.Contains(st.Alarms[i], "7 are missing") {
				t.Errorf("alarms %q", st.Alarms)
			}
		}
		if err := w.show(); !errors.Is(err, results.ErrViewsClosed) {
			t.Errorf("a message is shown while the store is in doubt: %v", err)
		}
		w.n += 100
		w.take(2) // results keep coming in
		if err := w.hub.DecideAlarm(t.Context(), "", "x"); !errors.Is(err, app.ErrNoDecision) {
			t.Errorf("decided by nobody: %v", err)
		}
		check(t, w.hub.DecideAlarm(t.Context(), "anna", "restored-after-disk-failure"))
		check(t, w.show())
		if st, _ := w.hub.Witnesses(); st.Closed != "" || len(st.Alarms) != 0 {
			t.Errorf("after the decision: %+v", st)
		}
		if err := w.hub.DecideAlarm(t.Context(), "anna", "again"); !errors.Is(err, app.ErrNoAlarm) {
			t.Errorf("decided about nothing: %v", err)
		}
		head, err := w.hub.Log.Head(t.Context())
		check(t, err)
		e, err := w.hub.Log.Event(t.Context(), head.Size-1)
		check(t, err)
		if !bytes.Contains(e, []byte(`"kind":"ledger.alarm_decided"`)) || !bytes.Contains(e, []byte(`"by":"anna"`)) {
			t.Errorf("the ledger's last entry is %s", e)
		}
		w.stop()

		w.start() // decided: a warning, no alarm
		w.until("both were asked", func(st app.WitnessStatus) bool {
			return st.Witnesses[0].Problem != "" && st.Witnesses[1].Problem != "" && st.Closed == ""
		})
		if st, _ := w.hub.Witnesses(); len(st.Alarms) != 0 {
			t.Errorf("alarm after the decision: %+v", st)
		}
		check(t, w.show())
		w.stop()
		if !strings.Contains(w.log.String(), "ALARM: The ledger has") {
			t.Error("nothing loud in the log")
		}
	})
}

func TestRewrittenHistoryIsNoticed(t *testing.T) {
	eachWatched(t, func(t *testing.T, w *watched) {
		w.start()
		w.take(3)
		w.confirmed()
		w.stop()
		back := w.yesterday()
		w.start()
		w.take(2)
		w.confirmed()
		w.stop()
		back()
		w.open() // another past is written, longer than what witnesses remember
		set, err := w.hub.Offline(w.conf)
		check(t, err)
		w.hub.Results.Apply(set)
		w.n += 100
		w.take(9)
		check(t, w.hub.Close())

		w.start()
		st := w.until("both witnesses object", func(st app.WitnessStatus) bool { return len(st.Alarms) == 2 })
		for _, a := range st.Alarms {
			if !strings.Contains(a, "the past was changed") {
				t.Errorf("alarm %q", a)
			}
		}
		if err := w.show(); !errors.Is(err, results.ErrViewsClosed) {
			t.Errorf("a message is shown while the store is in doubt: %v", err)
		}
		w.stop()
	})
}

func TestWitnessThatIsDownDoesNotStopResults(t *testing.T) {
	w := newWatched(t, "")
	w.conf.Witnesses[1].URL = "https://127.0.0.1:1"
	check(t, os.Remove(filepath.Join(w.dir, "stick")))
	w.start()
	w.take(5)
	w.until("both are late", func(st app.WitnessStatus) bool {
		return st.Witnesses[0].Late && st.Witnesses[1].Late && st.Closed == "" && len(st.Alarms) == 0
	})
	w.take(5)
	check(t, w.show())
	check(t, os.Mkdir(filepath.Join(w.dir, "stick"), 0o700))
	w.until("the stick is back", func(st app.WitnessStatus) bool { return st.Witnesses[0].Size > 0 && !st.Witnesses[0].Late })
	w.stop()
	if !strings.Contains(w.log.String(), "ALARM: a witness has not confirmed") {
		t.Error("nothing loud in the log")
	}
}
