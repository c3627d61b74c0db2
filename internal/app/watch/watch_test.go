package watch_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/app/watch"
	"github.com/labwarden/labwarden/internal/domain/partners/gate"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/lease"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// lab is a results domain of made-up figures.
type lab struct {
	asked atomic.Int64
	err   error
}

func (l *lab) Counts() results.Counts { return results.Counts{Received: 7, Failed: 2} }
func (l *lab) Partners(context.Context) ([]results.PartnerStatus, error) {
	l.asked.Add(1)
	return []results.PartnerStatus{
		{Partner: "riverside", Waiting: 14, Oldest: start.Add(-90 * time.Second), DownSince: start.Add(-time.Minute), Why: "unreachable"},
		{Partner: "hillside", Held: 1, Stopped: 3},
	}, l.err
}
func (l *lab) OpenQuarantine(context.Context) (int64, error) { return 4, nil }
func (l *lab) Head(context.Context) (ledger.Head, error)     { return ledger.Head{Size: 99}, nil }

var start = time.Date(2026, 5, 4, 6, 52, 0, 0, time.UTC)

// clock is a clock a test moves.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return start.Add(time.Duration(c.at.Load())) }
func (c *clock) forward(d time.Duration) { c.at.Add(int64(d)) }

func hub(t *testing.T, db *store.DB, l *lab, c *clock) watch.Hub {
	t.Helper()
	if err := db.Migrate(t.Context(), watch.Migrations()); err != nil {
		t.Fatal(err)
	}
	return watch.Hub{
		Results: l, Ledger: l, DB: db, Probe: &watch.Probe{DB: db, Now: c.now}, Now: c.now, Version: "1.2.3",
		Dates: func() []watch.Date {
			return []watch.Date{
				{Of: "partner x", Kind: "their certificate", Ends: start.Add(48 * time.Hour)},
				{Of: "partner x", Kind: "their certificate", Ends: start.Add(24 * time.Hour)},
				{Of: "node", Kind: "our certificate", Ends: start.Add(24 * time.Hour)},
			}
		},
		Doors: func() map[string]string { return map[string]string{"lis": "127.0.0.1:2575"} },
		Log:   slog.New(slog.DiscardHandler),
		Gate:  func() gate.Counts { return gate.Counts{Passed: 3} },
		Node:  "north",
		Lease: func(context.Context) (lease.State, error) {
			return lease.State{Epoch: 3, Node: "south", Since: start.Add(-time.Hour), Live: true}, nil
		},
	}
}

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	b, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(b)
}

func TestMetricsSayWhatIs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		db := open(store.Options{})
		l, c := &lab{}, &clock{}
		h, err := watch.Handler(hub(t, db, l, c))
		if err != nil {
			t.Fatal(err)
		}
		code, text := get(t, h, "/metrics")
		if code != http.StatusOK {
			t.Fatalf("status %d: %s", code, text)
		}
		for _, want := range []string{
			"labwarden_results_received_total 7\n", "labwarden_results_failed_total 2\n", "labwarden_quarantine_open 4\n",
			`labwarden_deliveries_waiting{partner="riverside"} 14`, `labwarden_deliveries_needing_a_person{partner="hillside"} 3`,
			`labwarden_oldest_waiting_seconds{partner="riverside"} 90`, `labwarden_oldest_waiting_seconds{partner="hillside"} 0`,
			`labwarden_partner_up{partner="riverside"} 0`, `labwarden_partner_up{partner="hillside"} 1`,
			"labwarden_ledger_leaves 99\n", "labwarden_store_writable 1\n", `version="1.2.3"`, "go_goroutines", "process_open_fds",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in the metrics", want)
			}
		}
		get(t, h, "/metrics")
		if n := l.asked.Load(); n != 1 {
			t.Errorf("two scrapes at once read the queues %d times", n)
		}
		c.forward(6 * time.Second)
		l.err = errors.New("no")
		if _, text = get(t, h, "/metrics"); strings.Contains(text, "labwarden_deliveries_waiting{") || !strings.Contains(text, "labwarden_results_received_total 7") {
			t.Error("figures that could not be read are shown, or the others are not")
		}
		if n := l.asked.Load(); n != 2 {
			t.Errorf("after six seconds the queues were read %d times in all, want 2", n)
		}
	})
}

// TestPageNamesEveryMetric compares the committed page with the registry.
func TestPageNamesEveryMetric(t *testing.T) {
	page, err := os.ReadFile("../../../docs/operate/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != watch.Page() {
		t.Error("docs/operate/metrics.md is not current; run go generate ./internal/app/watch")
	}
	db, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "a.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := watch.Registry(hub(t, db, &lab{}, &clock{}))
	if err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "labwarden_") {
			have = append(have, f.GetName())
			if !strings.Contains(string(page), "| `"+f.GetName()+"` |") {
				t.Errorf("%s is not on the page", f.GetName())
			}
		}
	}
	if lines := strings.Count(string(page), "| `labwarden_"); lines != len(have) {
		t.Errorf("the page has %d metrics, the registry %d: %v", lines, len(have), slices.Sorted(slices.Values(have)))
	}
}

func TestReadyNeedsAWriteThatReachesTheStore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		db := open(store.Options{})
		c := &clock{}
		h, err := watch.Handler(hub(t, db, &lab{}, c))
		if err != nil {
			t.Fatal(err)
		}
		var a struct {
			Ready     bool      `json:"ready"`
			Why       string    `json:"why"`
			CheckedAt time.Time `json:"checked_at"`
		}
		ask := func() int {
			code, text := get(t, h, "/readyz")
			if err := json.Unmarshal([]byte(text), &a); err != nil {
				t.Fatal(err)
			}
			return code
		}
		if code := ask(); code != http.StatusOK || !a.Ready || !a.CheckedAt.Equal(start) {
			t.Fatalf("status %d, %+v", code, a)
		}
		var at int64
		if err := db.QueryRow(t.Context(), "SELECT at FROM watch_probe WHERE id = 1").Scan(&at); err != nil || at != start.UnixMicro() {
			t.Fatalf("the test write is not in the store: %d, %v", at, err)
		}
		c.forward(time.Second)
		if ask(); !a.CheckedAt.Equal(start) {
			t.Error("a second check within five seconds wrote again, or hides how old it is")
		}
		err = db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, "DROP TABLE watch_probe")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		c.forward(5 * time.Second)
		if code := ask(); code != http.StatusServiceUnavailable || a.Ready || a.Why == "" || !a.CheckedAt.Equal(c.now()) {
			t.Errorf("the store takes no writes, yet status %d, %+v", code, a)
		}
	})
}

func TestAHangingStoreDoesNotHangTheAnswer(t *testing.T) {
	db, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "a.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c := &clock{}
	h := hub(t, db, &lab{}, c)
	h.Probe.Patience = 10 * time.Millisecond
	hang, entered, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- db.Do(context.Background(), func(context.Context, *store.Tx) error {
			close(entered)
			<-hang
			return nil
		})
	}()
	<-entered
	if got := h.Probe.Check(t.Context()); !errors.Is(got.Err, watch.ErrSlow) {
		t.Errorf("a store that hangs is said to be fine: %+v", got)
	}
	close(hang)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	h.Probe.Patience = 10 * time.Second
	if got := h.Probe.Check(t.Context()); got.Err != nil {
		t.Errorf("the store works again, yet: %v", got.Err)
	}
}

// Health and metrics say which node delivers and since when, and a node that
// cannot load the configuration is not ready.
func TestHealthNamesTheHolderOfTheLease(t *testing.T) {
	db, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "a.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	x := hub(t, db, &lab{}, &clock{})
	trouble := ""
	x.Trouble = func() string { return trouble }
	h, err := watch.Handler(x)
	if err != nil {
		t.Fatal(err)
	}
	code, text := get(t, h, "/readyz")
	if code != http.StatusOK || !strings.Contains(text, `"node":"north"`) || !strings.Contains(text, `"lease":{"epoch":3,"node":"south","since":"2026-05-04T05:52:00Z","live":true,"mine":false}`) {
		t.Errorf("%d %s", code, text)
	}
	_, text = get(t, h, "/metrics")
	for _, want := range []string{
		"labwarden_lease_held 0", "labwarden_lease_epoch 3", `labwarden_lease_since_timestamp_seconds{node="south"} 1.77787392e+09`, "labwarden_node_working 1",
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
	trouble = "Revision 7 cannot be put in force"
	if code, text = get(t, h, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "cannot load the configuration") {
		t.Errorf("with trouble: %d %s", code, text)
	}
	if _, text = get(t, h, "/metrics"); !strings.Contains(text, "labwarden_node_working 0\n") {
		t.Error("the metric says that it works")
	}
}
