package results

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// residentMB is the process's resident memory.
func residentMB(t testing.TB) int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("SKIPPED: no /proc/self/statm to read the memory from")
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	must(t, err)
	return pages * int64(os.Getpagesize()) >> 20
}

// p95 runs f 200 times.
func p95(f func(i int)) time.Duration {
	took := make([]time.Duration, 200)
	for i := range took {
		at := time.Now()
		f(i)
		took[i] = time.Since(at)
	}
	slices.Sort(took)
	return took[190]
}

// TestBarAtScale: LABWARDEN_BARS=whole holds the goals with a million messages
// waiting; otherwise 8,000 of them and room for a machine that is busy.
func TestBarAtScale(t *testing.T) {
	n, slack := 8_000, 5
	switch os.Getenv("LABWARDEN_BARS") {
	case "small":
	case "whole":
		n, slack = 1_000_000, 1
	default:
		t.Skip("SKIPPED A BAR: LABWARDEN_BARS is not set; `make bars` runs it small, `make soak` whole")
	}
	page := "# Soak: a million messages\n\nWritten by `make soak` (internal/domain/results). Commit " + headCommit(t) + ", " + strconv.Itoa(runtime.NumCPU()) +
		" processors. Every message waits for one partner that does not answer.\n"
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		page += "\n## " + t.Name()[strings.LastIndex(t.Name(), "/")+1:] + "\n\n| what | measured | goal |\n|---|---|---|\n"
		l := newLab(t, open)
		set := l.standard()
		set.Routes[0].To = []string{"north"}
		l.Apply(set)
		at := time.Now()
		l.load(0, n)
		t.Logf("filled with %d messages: %v", n, time.Since(at))
		at = time.Now()
		l.indexNow()
		t.Logf("indexed: %v", time.Since(at))
		l.close()
		debug.FreeOSMemory()

		at = time.Now()
		l.start()
		l.attach()
		l.Apply(set)
		l.boxes["north"].set(fails(channel.Unreachable, ""))
		l.run()
		l.until("first try", func() bool { return l.boxes["north"].tried() > 0 })
		ready := time.Since(at)
		bar := func(what string, got, goal time.Duration) {
			t.Logf("%s: %v (goal %v)", what, got, goal)
			page += fmt.Sprintf("| %s | %v | %v |\n", what, got.Round(100*time.Microsecond), goal)
			if got > goal*time.Duration(slack) {
				t.Errorf("%s took %v, the goal is %v", what, got, goal)
			}
		}
		bar("open to first try", ready, time.Second)
		const goal = 20 * time.Millisecond
		must := func(err error) {
			if err != nil {
				t.Error(err)
			}
		}
		list, err := l.List(t.Context(), Page{})
		must(err)
		bar("list", p95(func(i int) {
			_, err := l.List(t.Context(), Page{Before: list[0].Leaf - int64(i*n/300)})
			must(err)
		}), goal)
		bar("search by order", p95(func(i int) {
			h, err := l.Search(t.Context(), Query{Order: "P" + strconv.Itoa(i*(n/200))}, Page{})
			if err != nil || len(h.Messages) != 1 {
				t.Errorf("order %d: %d found, %v", i, len(h.Messages), err)
			}
		}), goal)
		bar("search by patient", p95(func(i int) {
			h, err := l.Search(t.Context(), Query{PatientID: "M" + strconv.Itoa(i*(n/1600)), Authority: "HOLLOWFEN"}, Page{})
			if err != nil || len(h.Messages) != 8 {
				t.Errorf("patient %d: %d found, %v", i, len(h.Messages), err)
			}
		}), goal)
		bar("search by time and partner", p95(func(i int) {
			_, err := l.Search(t.Context(), Query{Partner: "north", To: list[0].ReceivedAt.Add(time.Second)}, Page{})
			must(err)
		}), goal)
		bar("partners", p95(func(int) {
			ps, err := l.Partners(t.Context())
			if err != nil || ps[0].Waiting != int64(min(n, CountLimit)) {
				t.Errorf("%+v, %v", ps, err)
			}
		}), goal)
		bar("show", p95(func(i int) {
			_, err := l.Show(t.Context(), list[i%len(list)].ID)
			must(err)
		}), goal)
		runtime.GC()
		mb := residentMB(t)
		t.Logf("resident with %d waiting: %d MB (goal 300)", n, mb)
		page += fmt.Sprintf("| resident, all waiting | %d MB | 300 MB |\n", mb)
		if mb > 300 {
			t.Errorf("%d MB", mb)
		}
	})
	if n == 1_000_000 {
		must(t, os.WriteFile(filepath.Join("..", "..", "..", "docs", "operate", "soak", "scale.md"), []byte(page), 0o644))
	}
}

func headCommit(t *testing.T) string {
	out, err := exec.CommandContext(t.Context(), "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
