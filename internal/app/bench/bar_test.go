package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestBarSpeed measures intake and the whole way. Small, in CI, it only holds
// what a busy machine must reach too; whole it runs as the goals say and writes
// docs/operate/soak/speed.md.
func TestBarSpeed(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	whole := false
	switch os.Getenv("LABWARDEN_BARS") {
	case "small":
	case "whole":
		whole = true
	default:
		t.Skip("SKIPPED A BAR: LABWARDEN_BARS is not set; `make bars` runs it small, `make soak` whole")
	}
	run := func(o Options) *Report {
		t.Helper()
		o.Conns, o.Dir, o.Out, o.Load = 64, t.TempDir(), t.Output(), []string{self, "bench-load"}
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if !whole {
		r := run(Options{Engine: "sqlite", Partners: 1, Time: 3 * time.Second, Travel: 3 * time.Second})
		if r.Ratio < 0.15 || r.RatioOne < 0.15 || r.DiskPerByte > 1.3 || r.IdleRSS > 80<<20 {
			t.Errorf("far from the goals: %+v", r)
		}
		if r.Travel.Delivered < r.Travel.In.Messages {
			t.Errorf("%d messages were acknowledged, %d arrived", r.Travel.In.Messages, r.Travel.Delivered)
		}
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Soak: how fast\n\nWritten by `make soak` (internal/app/bench). Commit %s, %d processors. Rates are messages of about 1.9 kB a second over mutual TLS, "+
		"each acknowledged after the flush; the load generator is a process of its own on the same machine. The ratio is to the bare store in the same run.\n\n"+
		"| what | intake, 64 connections | ratio | one connection | ratio | bare | p50, p99 | disk a byte | memory idle, load |\n|---|---|---|---|---|---|---|---|---|\n", commit(t), runtime.NumCPU())
	row := func(what string, o Options) *Report {
		t.Helper()
		r := run(o)
		disk := "–"
		if r.DiskPerByte > 0 {
			disk = fmt.Sprintf("%.2f", r.DiskPerByte)
		}
		fmt.Fprintf(&b, "| %s | %.0f/s | %.2f | %.0f/s | %.2f | %.0f/s | %v, %v | %s | %d MB, %d MB |\n", what, r.IntakeRate, r.Ratio, r.IntakeOne, r.RatioOne, r.Bare,
			r.Intake.P50.Round(10*time.Microsecond), r.Intake.P99.Round(10*time.Microsecond), disk, r.IdleRSS>>20, r.LoadRSS>>20)
		return r
	}
	const long = 10 * time.Second
	r := row("SQLite, one destination", Options{Engine: "sqlite", Partners: 1, Time: long, Travel: time.Minute})
	travel := *r.Travel
	row("SQLite, four destinations", Options{Engine: "sqlite", Partners: 4, Time: long})
	row("SQLite, a million messages there before", Options{Engine: "sqlite", Partners: 1, Time: long, Before: 1_000_000})
	if dsn := os.Getenv("LABWARDEN_TEST_POSTGRES"); dsn != "" {
		row("PostgreSQL, one destination", Options{Engine: "postgres", DSN: dsn, Partners: 1, Time: long})
		row("PostgreSQL, four destinations", Options{Engine: "postgres", DSN: dsn, Partners: 4, Time: long})
	} else {
		t.Error("LABWARDEN_TEST_POSTGRES is not set: nothing measured on PostgreSQL")
	}
	fmt.Fprintf(&b, "\nIntake and delivery together for a minute, four partners, each message to one: %.0f/s in, %.0f/s out, %d delivered of %d. Waiting, looked at twenty times: %v; "+
		"the last gone %s after the load ended. Memory at most %d MB, the four receivers included.\n", travel.InRate, travel.OutRate, travel.Delivered, travel.In.Messages, travel.Queue, travel.Drained, travel.RSS>>20)
	if travel.Delivered < travel.In.Messages {
		t.Errorf("%d messages were acknowledged, %d arrived", travel.In.Messages, travel.Delivered)
	}
	if err := os.WriteFile(filepath.Join(root(t), "docs", "operate", "soak", "speed.md"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func root(t *testing.T) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("where is this file?")
	}
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

func commit(t *testing.T) string {
	t.Helper()
	git := exec.Command("git", "rev-parse", "--short=12", "HEAD")
	git.Dir = root(t)
	out, err := git.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
