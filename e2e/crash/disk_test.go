package crash

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/demo"
)

// small mounts a file system of so many bytes for the data folder. It needs
// root and a kernel that lets us.
func small(t *testing.T, options string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("labwarden-crash", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("SKIPPED: a small file system cannot be mounted here (%v): the full disk was not tried", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// replies counts the hub's answers to the LIS.
func (l *lab) replies() (yes, no int) {
	l.t.Helper()
	lines, err := demo.ReadLIS(l.list("lis"))
	if err != nil {
		l.t.Fatal(err)
	}
	for _, x := range lines {
		switch {
		case x.Event != demo.Replied:
		case x.Code == "AA":
			yes++
		default:
			no++
		}
	}
	return yes, no
}

// missing counts by the lists what a LIS got AA for and no clinic has.
func (l *lab) missing(path string) int {
	l.t.Helper()
	lines, err := demo.ReadLIS(path)
	if err != nil {
		l.t.Fatal(err)
	}
	l.arrived()
	missing := 0
	for _, x := range lines {
		if x.Event != demo.Replied || x.Code != "AA" {
			continue
		}
		if !slices.ContainsFunc(demo.Practices(), func(p demo.Practice) bool { return l.tails[p.Partner].got[x.SHA256] > 0 }) {
			missing++
		}
	}
	return missing
}

// The disk fills up under load: the LIS is refused, not cut off; nothing
// acknowledged is lost; when there is room again the hub goes on by itself.
func TestDiskFull(t *testing.T) {
	data := small(t, "size=6m,mode=700")
	l := newLab(t, layout{data: data})
	l.beginClinics()
	l.begin()
	pid := l.hub.cmd.Process.Pid
	const n = 6000
	lis := l.beginLIS(n, faultSeed)
	until(t, time.Minute, "the LIS is refused", func() bool { _, no := l.replies(); return no > 50 })
	select {
	case <-l.hub.ended:
		t.Fatalf("the hub ended: %v\n%s", l.hub.err, l.hub.tail())
	default:
	}
	lis.kill()
	l.roomAgain(pid, n, func() {
		if err := syscall.Mount("labwarden-crash", data, "tmpfs", syscall.MS_REMOUNT, "size=256m,mode=700"); err != nil {
			t.Fatal(err)
		}
	})
}

// roomAgain mends the fault and presents everything once more: the very hub
// that refused must take and deliver all of it, without being restarted. (The
// order is not judged: the LIS went on after a refusal, so the first to be taken
// were not the first presented.)
func (l *lab) roomAgain(pid, n int, mend func()) {
	l.t.Helper()
	yes, no := l.replies()
	l.t.Logf("while it lasted: %d acknowledged, %d refused", yes, no)
	mend()
	before := filepath.Join(l.dir, "lis-before.jsonl")
	if err := os.Rename(l.list("lis"), before); err != nil {
		l.t.Fatal(err)
	}
	at := time.Now()
	if !within(15*time.Second, func() bool { return l.missing(before) == 0 }) {
		l.t.Errorf("15 s after the fault was mended %d acknowledged results still wait", l.missing(before))
	}
	l.t.Logf("what waited had arrived %v after the fault was mended", time.Since(at).Round(time.Millisecond))
	at = time.Now()
	lis := l.beginLIS(n, faultSeed)
	until(l.t, time.Minute, "the hub takes results again", func() bool { yes, _ := l.replies(); return yes > 0 })
	l.t.Logf("took results again %v after they were presented", time.Since(at).Round(time.Millisecond))
	if _, err := lis.says("done", 2*time.Minute); err != nil {
		l.t.Fatal(err)
	}
	if !within(2*time.Minute, func() bool { return l.arrived() >= n }) {
		l.t.Errorf("the clinics have %d of %d", l.arrived(), n)
	}
	if n := l.missing(before); n > 0 {
		l.t.Errorf("LOST: %d messages were acknowledged and never arrived", n)
	}
	if l.hub.cmd.Process.Pid != pid {
		l.t.Error("the hub is another process")
	}
	l.drain(n, time.Minute)
	tally := demo.Count(l.books(demo.ExpectationsOf(demo.Synthetic(n, faultSeed))))
	if tally.Lost != 0 || tally.Delivered != n {
		l.t.Errorf("%s", brief(tally))
	}
	l.audit(n)
}

// The database file becomes read-only while the hub runs (a file system that
// the kernel remounts after an error does that).
func TestFileReadOnly(t *testing.T) {
	data := small(t, "size=64m,mode=700")
	l := newLab(t, layout{data: data})
	l.beginClinics()
	l.begin()
	pid := l.hub.cmd.Process.Pid
	const n = 2000
	lis := l.beginLIS(n, faultSeed, "--pace", "5ms")
	until(t, time.Minute, "something is taken", func() bool { yes, _ := l.replies(); return yes > 100 })
	// The kernel refuses to remount while files are open for writing; the
	// immutable flag stops new writes only to new opens. What a dying disk does
	// is an error on write: a limit on the file's size gives one, to this process
	// alone.
	if err := limitFiles(pid, 1); err != nil {
		t.Skipf("SKIPPED: writing cannot be stopped here: %v", err)
	}
	until(t, time.Minute, "the LIS is refused", func() bool { _, no := l.replies(); return no > 20 })
	lis.kill()
	l.roomAgain(pid, n, func() {
		if err := limitFiles(pid, ^uint64(0)); err != nil {
			t.Fatal(err)
		}
	})
}

// A file that is read-only from the start: the hub says so and does not run.
func TestStartOnReadOnlyFolder(t *testing.T) {
	data := small(t, "size=64m,mode=700")
	l := newLab(t, layout{data: data})
	if err := syscall.Mount("labwarden-crash", data, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=64m,mode=700"); err != nil {
		t.Skipf("SKIPPED: cannot remount read-only: %v", err)
	}
	l.launch()
	if err := l.hub.wait(20 * time.Second); err != nil {
		t.Fatal("it runs on a read-only folder")
	}
	if l.hub.err == nil {
		t.Error("it ended without an error")
	}
	t.Logf("it said: %s", l.hub.tail())
	if err := syscall.Mount("labwarden-crash", data, "tmpfs", syscall.MS_REMOUNT, "size=64m,mode=700"); err != nil {
		t.Fatal(err)
	}
	l.begin()
	l.hub.stop(t)
}
