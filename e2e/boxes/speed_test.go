package boxes

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/labwarden/labwarden/internal/platform/soak"
)

// peer is OpenSSH's own server with internal-sftp, for the same key.
type peer struct {
	port string
	pid  int
}

func (l *lab) openSSH() peer {
	l.t.Helper()
	tool(l.t, "sftp")
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		if sshd = "/usr/sbin/sshd"; !exists(sshd) {
			l.t.Skip("SKIPPED: openssh-server is not installed: tools/setup.sh test installs it")
		}
	}
	_ = os.MkdirAll("/run/sshd", 0o755)
	_, port, _ := net.SplitHostPort(free(l.t))
	l.must(exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(l.dir, "peer_key")).Run())
	pub, err := exec.Command("ssh-keygen", "-y", "-f", filepath.Join(l.dir, "id_riverside")).Output()
	l.must(err)
	l.file("authorized", pub)
	l.file("sshd.conf", fmt.Appendf(nil, "Port %s\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\nSubsystem sftp internal-sftp\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\nMaxStartups 100\nMaxSessions 100\n",
		port, filepath.Join(l.dir, "peer_key"), filepath.Join(l.dir, "authorized")))
	c := exec.Command(sshd, "-D", "-f", filepath.Join(l.dir, "sshd.conf"))
	l.must(c.Start())
	l.t.Cleanup(func() { l.kill(c) })
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if nc, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			nc.Close()
			break
		}
	}
	l.must(os.MkdirAll(filepath.Join(l.dir, "peer"), 0o700))
	return peer{port, c.Process.Pid}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// batch runs OpenSSH's sftp with the lines, and returns how long it took and what
// the servers' processors did for it.
func (l *lab) batch(args []string, lines string, pids ...int) (wall, used time.Duration) {
	l.t.Helper()
	before := time.Duration(0)
	for _, pid := range pids {
		before += cpu(l.t, pid)
	}
	c := exec.Command("sftp", args...)
	c.Dir, c.Stdin = l.dir, strings.NewReader(lines)
	began := time.Now()
	if out, err := c.CombinedOutput(); err != nil {
		l.t.Fatalf("sftp: %v\n%s", err, tail(out))
	}
	wall = time.Since(began)
	<-time.After(150 * time.Millisecond) // sshd counts its child once that has ended
	for _, pid := range pids {
		used += cpu(l.t, pid)
	}
	return wall, used - before
}

func (l *lab) ours() []string {
	_, port, _ := net.SplitHostPort(l.sftp)
	return append(l.sshArgs("riverside"), "-P", port, "-b", "-", "riverside@127.0.0.1")
}

func (l *lab) theirs(p peer) []string {
	return append([]string{"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"}, append(l.sshArgs("riverside"), "-P", p.port, "-b", "-", "root@127.0.0.1")...)
}

// sealed is an age file of about n bytes.
func sealed(t *testing.T, n int) []byte {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := age.Encrypt(&b, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 1<<20)
	for b.Len() < n {
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// TestBarSFTPBesideOpenSSH: a large file up (sealed at rest) and down, and many
// small ones that are each durable before "ok", beside OpenSSH's internal-sftp,
// which writes plaintext and flushes nothing. Interleaved; the servers' processor
// time first. The large file is encrypted to somebody: the content gate sees that
// and looks no further; the small ones it reads.
func TestBarSFTPBesideOpenSSH(t *testing.T) {
	whole := bars(t)
	size, rounds, files := 32<<20, 3, 200
	if whole {
		size, rounds, files = 256<<20, 5, 2000
	}
	l := newLab(t)
	p := l.openSSH()
	l.file("big.age", sealed(t, size))
	var up, down, peerUp, peerDown, wallUp, wallDown, peerWallUp, peerWallDown []time.Duration
	for i := range rounds {
		w, c := l.batch(l.ours(), fmt.Sprintf("put big.age /inbox/big%d.age\n", i), l.hub.Process.Pid, l.front.Process.Pid)
		up, wallUp = append(up, c), append(wallUp, w)
		w, c = l.batch(l.theirs(p), fmt.Sprintf("put big.age %s/peer/big.age\n", l.dir), p.pid)
		peerUp, peerWallUp = append(peerUp, c), append(peerWallUp, w)
		w, c = l.batch(l.ours(), fmt.Sprintf("get /inbox/big%d.age back.age\nrm /inbox/big%d.age\n", i, i), l.hub.Process.Pid, l.front.Process.Pid)
		down, wallDown = append(down, c), append(wallDown, w)
		w, c = l.batch(l.theirs(p), fmt.Sprintf("get %s/peer/big.age back2.age\n", l.dir), p.pid)
		peerDown, peerWallDown = append(peerDown, c), append(peerWallDown, w)
	}
	same(t, filepath.Join(l.dir, "big.age"), filepath.Join(l.dir, "back.age"))
	ratio := func(a, b []time.Duration) float64 { return float64(median(a)) / float64(median(b)) }
	var said []string
	note := func(format string, a ...any) {
		said = append(said, fmt.Sprintf(format, a...))
		t.Log(said[len(said)-1])
	}
	note("%d MiB up, median of %d: %v processor, %v wall; OpenSSH %v, %v; ratio %.2f (goal 1.1 at most): %s", size>>20, rounds, median(up), median(wallUp).Round(time.Millisecond), median(peerUp), median(peerWallUp).Round(time.Millisecond), ratio(up, peerUp), soak.Met(ratio(up, peerUp), 1.1))
	note("%d MiB down, median of %d: %v processor, %v wall; OpenSSH %v, %v; ratio %.2f (goal 1.5 at most): %s", size>>20, rounds, median(down), median(wallDown).Round(time.Millisecond), median(peerDown), median(peerWallDown).Round(time.Millisecond), ratio(down, peerDown), soak.Met(ratio(down, peerDown), 1.5))
	// Small files: how many a second, one session and eight.
	l.must(os.MkdirAll(filepath.Join(l.dir, "small"), 0o700))
	for i := range files {
		l.file(fmt.Sprintf("small/f%d.csv", i), csv(4096))
	}
	rate := func(args []string, to string, sessions int, tag string) float64 {
		var wg sync.WaitGroup
		began := time.Now()
		for s := range sessions {
			var lines strings.Builder
			for i := s; i < files; i += sessions {
				fmt.Fprintf(&lines, "put small/f%d.csv %s%s-%d.csv\n", i, to, tag, i)
			}
			wg.Go(func() {
				c := exec.Command("sftp", args...)
				c.Dir, c.Stdin = l.dir, strings.NewReader(lines.String())
				if out, err := c.CombinedOutput(); err != nil {
					t.Errorf("sftp: %v\n%s", err, tail(out))
				}
			})
		}
		wg.Wait()
		return float64(files) / time.Since(began).Seconds()
	}
	for _, sessions := range []int{1, 8} {
		var a, b []float64
		for i := range rounds {
			tag := strconv.Itoa(sessions) + "r" + strconv.Itoa(i)
			a = append(a, rate(l.ours(), "/inbox/", sessions, tag))
			b = append(b, rate(l.theirs(p), l.dir+"/peer/", sessions, tag))
		}
		slices.Sort(a)
		slices.Sort(b)
		goal := map[int]float64{1: 0.8, 8: 1.0}[sessions]
		note("%d files of 4 KiB, sessions at once: %d: %.0f a second, OpenSSH without a flush %.0f; ratio %.2f (goal %.1f at least): %s", files, sessions, a[rounds/2], b[rounds/2], a[rounds/2]/b[rounds/2], goal, soak.MetFrom(a[rounds/2]/b[rounds/2], goal))
	}
	if whole && !t.Failed() {
		page.Write(t, "SFTP beside OpenSSH", said...)
	}
}

func same(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil || !bytes.Equal(x, y) {
		t.Errorf("%s came back as another file: %v", filepath.Base(a), err)
	}
}

// TestBarIdleSessions: what a partner that only waits costs.
func TestBarIdleSessions(t *testing.T) {
	whole := bars(t)
	n := 100
	if whole {
		n = 500
	}
	l := newLab(t)
	warm := l.mustFiles("riverside")
	_, err := warm.ReadDir("/inbox")
	l.must(err)
	<-time.After(time.Second)
	before := resident(t, l.hub.Process.Pid) + resident(t, l.front.Process.Pid)
	var ends []func()
	for i := range n {
		f, done, err := l.files(t.Context(), []string{"riverside", "northgate"}[i%2])
		if err != nil {
			t.Fatalf("session %d: %v", i, err)
		}
		ends = append(ends, done)
		if _, err := f.ReadDir("/inbox"); err != nil {
			t.Fatal(err)
		}
	}
	<-time.After(2 * time.Second)
	each := (resident(t, l.hub.Process.Pid) + resident(t, l.front.Process.Pid) - before) / int64(n)
	said := fmt.Sprintf("%d idle sessions: %d kB each, hub and front together (goal 60 at most): %s", n, each/1000, soak.Met(float64(each)/1000, 60))
	t.Log(said)
	if whole {
		page.Write(t, "Idle sessions", said)
	}
	for _, done := range ends {
		done()
	}
}

// TestBarFlood: connections that never sign in, while one partner sends. It keeps
// at least 80 % of its speed; where the bar is small, an upload takes part of a
// second and says less, half of it.
func TestBarFlood(t *testing.T) {
	whole := bars(t)
	conns, size, least := 500, 8<<20, 0.5
	if whole {
		conns, size, least = 5000, 64<<20, 0.8
	}
	l := newLab(t)
	l.file("big.csv", csv(size))
	send := func(name string) time.Duration {
		w, _ := l.batch(l.ours(), "put big.csv /inbox/"+name+".csv\n", l.hub.Process.Pid)
		return w
	}
	send("warm")
	var quiet, flooded []time.Duration
	for i := range 3 {
		quiet = append(quiet, send("quiet"+strconv.Itoa(i)))
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var opened sync.Map
	var count atomic.Int64
	for k := range 50 {
		wg.Go(func() {
			for range conns / 50 {
				select {
				case <-stop:
					return
				default:
				}
				// From other addresses of this machine: one address has a limit of its own.
				d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(k+1))}, Timeout: 2 * time.Second}
				c, err := d.Dial("tcp", l.sftp)
				if err != nil {
					continue
				}
				opened.Store(c, true)
				count.Add(1)
				_, _ = c.Write([]byte("SSH-2.0-flood\r\n"))
			}
		})
	}
	wg.Wait()
	for i := range 3 {
		flooded = append(flooded, send("flood"+strconv.Itoa(i)))
	}
	close(stop)
	opened.Range(func(k, _ any) bool {
		if c, ok := k.(io.Closer); ok {
			c.Close()
		}
		return true
	})
	share := float64(median(quiet)) / float64(median(flooded))
	said := fmt.Sprintf("%d connections that never sign in: a partner's upload of %d MiB takes %v, %v without them (medians of 3); it keeps %.0f %% (goal 80 at least): %s",
		count.Load(), size>>20, median(flooded).Round(time.Millisecond), median(quiet).Round(time.Millisecond), 100*share, soak.MetFrom(share, 0.8))
	t.Log(said)
	if whole {
		page.Write(t, "Flood", said)
	}
	if int(count.Load()) < conns*9/10 {
		t.Errorf("%d connections were opened of %d: that is no flood", count.Load(), conns)
	}
	if share < least {
		t.Errorf("a partner keeps %.0f %% of its speed in a flood", 100*share)
	}
}
