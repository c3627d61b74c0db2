package resultsui

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// fill writes n results of the last 14 days, the last open of them open, beside
// the service: what Today reads does not depend on how they came in.
func (l *bench) fill(partners []string, n, open int) {
	l.t.Helper()
	body := make([]byte, 1200)
	if _, err := rand.Read(body); err != nil {
		l.t.Fatal(err)
	}
	end := l.now().UnixMicro()
	step := int64(14*24*time.Hour/time.Microsecond) / int64(n)
	const batch = 2000
	for at := 0; at < n; at += batch {
		must(l.t, l.db.Do(context.Background(), func(ctx context.Context, tx *store.Tx) error {
			for i := at; i < min(at+batch, n); i++ {
				id := event.NewID()
				binary.BigEndian.PutUint64(id[8:], uint64(i)) // in order, as they come
				when := end - int64(n-i)*step
				err := tx.Queue(ctx, "INSERT INTO results_messages (leaf, id, source, received_at, size, flags, control, body) VALUES ($1, $2, 'lis', $3, 1200, 0, $4, $5)",
					int64(i), id[:], when, int64(i)+1, body)
				if err != nil {
					return err
				}
				state, level, receipt := int64(3), any(int64(3)), any(body[:200])
				if i >= n-open {
					state, level, receipt = 0, nil, nil
				}
				if err := tx.Queue(ctx, `INSERT INTO results_deliveries (seq, message, partner, route, state, lanes, changed_at, level, code, done_leaf, receipt)
					VALUES ($1, $2, $3, 'all', $4, $5, $6, $7, 'AA', $2, $8)`, int64(i)*256, int64(i), partners[i%len(partners)], state, body[:32], when, level, receipt); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

// TestBarToday: LABWARDEN_BARS=whole holds the goal with a million results and 50
// partners; otherwise 20,000 and room for a machine that is busy.
func TestBarToday(t *testing.T) {
	n, slack := 20_000, 5
	switch os.Getenv("LABWARDEN_BARS") {
	case "small":
	case "whole":
		n, slack = 1_000_000, 1
	default:
		t.Skip("SKIPPED A BAR: LABWARDEN_BARS is not set; `make bars` runs it small, `make soak` whole")
	}
	const goal = 30 * time.Millisecond
	var partners []string
	for i := range 50 {
		partners = append(partners, fmt.Sprintf("partner%02d", i))
	}
	page := "# Soak: Today\n\nWritten by `make soak` (internal/domain/results/resultsui). Commit " + headCommit(t) + ", " + strconv.Itoa(runtime.NumCPU()) +
		" processors. A million results of 14 days, 50 partners, 300 results open.\n\n| database | 14 days counted after a start | median | p95 | goal |\n|---|---|---|---|---|\n"
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := benchOn(t, open(store.Options{Readers: 8}), partners...)
		at := time.Now()
		l.fill(partners, n, 300)
		t.Logf("filled with %d results: %v", n, time.Since(at))
		admin := l.as(authz.Administrator)
		at = time.Now()
		w := admin.do("GET", "/", "", "")
		t.Logf("the first page after a start: %v, status %d, %d bytes", time.Since(at), w.Code, w.Body.Len())
		at = time.Now()
		var f results.Flows
		for !f.Known() || !f.Arrivals || f.Partners[0].Days == nil {
			var err error
			f, err = l.svc.Flows(t.Context(), time.Local)
			must(t, err)
		}
		counted := time.Since(at)
		t.Logf("14 days counted: %v", counted)
		sum := int64(0)
		for _, p := range f.Partners {
			for _, d := range p.Days {
				sum += d.Acknowledged
			}
			sum += p.Waiting
		}
		if sum < int64(n)*94/100 || f.Unaccounted != 0 { // the days begin at midnight: not all of 14 times 24 hours
			t.Errorf("%d of %d counted, %d unaccounted for", sum, n, f.Unaccounted)
		}
		took := make([]time.Duration, 200)
		for i := range took {
			at := time.Now()
			if w := admin.do("GET", "/", "", ""); w.Code != 200 {
				t.Fatal(w.Code)
			}
			took[i] = time.Since(at)
		}
		slices.Sort(took)
		t.Logf("Today: median %v, p95 %v, slowest %v (goal %v)", took[100], took[190], took[199], goal)
		page += fmt.Sprintf("| %s | %v | %v | %v | 30ms |\n", t.Name()[strings.LastIndex(t.Name(), "/")+1:], counted.Round(10*time.Millisecond), took[100].Round(100*time.Microsecond), took[190].Round(100*time.Microsecond))
		if took[190] > goal*time.Duration(slack) {
			t.Errorf("Today took %v at p95, the goal is %v", took[190], goal)
		}
		has(t, text(w.Body.String()), "Today")
	})
	if n == 1_000_000 {
		must(t, os.WriteFile(filepath.Join("..", "..", "..", "..", "docs", "operate", "soak", "today.md"), []byte(page), 0o644))
	}
}

func headCommit(t *testing.T) string {
	out, err := exec.CommandContext(t.Context(), "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
