package signin

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// TestBarParallelSignInsStayBelow512MiB: a thousand at once (a tenth of them in CI),
// with the hashes as they are in production, in a process of its own so that its
// peak is theirs.
func TestBarParallelSignInsStayBelow512MiB(t *testing.T) {
	if os.Getenv("LABWARDEN_SIGNIN_LOAD") != "" {
		signInAtOnce(t)
		return
	}
	if os.Getenv("LABWARDEN_BARS") == "" {
		t.Skip("SKIPPED A BAR: LABWARDEN_BARS is not set; `make bars` runs it small, `make soak` whole")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBarParallelSignInsStayBelow512MiB$", "-test.v")
	cmd.Env = append(os.Environ(), "LABWARDEN_SIGNIN_LOAD=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found := regexp.MustCompile(`peak (\d+) kB`).FindSubmatch(out)
	if found == nil {
		t.Fatalf("%s", out)
	}
	peak, err := strconv.Atoi(string(found[1]))
	if err != nil || peak > 512<<10 {
		t.Fatalf("%d kB at the peak, %v", peak, err)
	}
	t.Logf("%s", out)
}

func signInAtOnce(t *testing.T) {
	n := 100
	if os.Getenv("LABWARDEN_BARS") == "whole" {
		n = 1000
	}
	path := filepath.Join(t.TempDir(), "test.db")
	open := func(opts store.Options) *store.DB {
		db, err := store.OpenSQLite(t.Context(), path, opts)
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	// Patience for a machine that does other things besides.
	r := newRig(t, open, HasherOptions{Patient: 10 * time.Minute})
	p := r.person("p0")
	row, err := r.password(t.Context(), r.db, p.ID)
	r.must(err)
	for i := 1; i < n; i++ {
		x := p
		x.Account = fmt.Sprint("p", i)
		r.people.set(x)
	}
	began := time.Now()
	got := together(n, func(i int) Reason {
		_, err := r.Password(t.Context(), desk, fmt.Sprint("p", i), okPassword)
		return reason(err)
	})
	if got[""] != n {
		t.Fatal(got)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this system does not tell a process's peak: ", err)
	}
	peak := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	t.Logf("%d sign-ins at once in %v with %.32s, peak %s kB", n, time.Since(began).Round(time.Millisecond), row.phc, peak[1])
}

// TestAnAnswerTakesAsLongForAStranger: medians of interleaved tries with real
// hashes. The bound is wide for a busy machine; that the work is the same, one hash
// each, TestStrangersReadTheSame holds exactly.
func TestAnAnswerTakesAsLongForAStranger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	open := func(opts store.Options) *store.DB {
		db, err := store.OpenSQLite(t.Context(), path, opts)
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	r := newRig(t, open, HasherOptions{})
	const n = 15
	took := map[string][]time.Duration{}
	for i := range n {
		account := fmt.Sprint("known", i)
		r.person(account)
		for _, a := range []string{account, fmt.Sprint("nobody", i)} {
			at := time.Now()
			_, err := r.Password(t.Context(), Ask{}, a, "wrong password, this one")
			took[a[:2]] = append(took[a[:2]], time.Since(at))
			r.want(err, NoMatch)
			r.clock.forward(time.Hour)
		}
	}
	median := func(d []time.Duration) time.Duration {
		slices.Sort(d)
		return d[len(d)/2]
	}
	known, nobody := median(took["kn"]), median(took["no"])
	t.Logf("known %v, nobody %v", known, nobody)
	if known > 2*nobody || nobody > 2*known {
		t.Fatalf("known %v, nobody %v", known, nobody)
	}
}
