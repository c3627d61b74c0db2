package crash

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/demo"
)

const postgresBin = "/usr/lib/postgresql/15/bin"

// server is a PostgreSQL of the test's own, run as the user postgres where we
// are root: initdb refuses root.
type server struct {
	t    *testing.T
	dir  string
	port string
	cred *syscall.Credential
	cmd  *exec.Cmd
	done chan error
}

func newServer(t *testing.T) *server {
	t.Helper()
	if _, err := os.Stat(filepath.Join(postgresBin, "initdb")); err != nil {
		t.Skip("SKIPPED: PostgreSQL 15 is not installed; `make test` installs it: stopping it was not tried")
	}
	// Not t.TempDir: its parents are closed to the other user.
	dir, err := os.MkdirTemp("", "labwarden-crash-pg-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &server{t: t, dir: dir}
	_, s.port, err = net.SplitHostPort(port(t))
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Skipf("SKIPPED: root without a user postgres: %v", err)
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		s.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	init := s.command("initdb", "-D", filepath.Join(dir, "data"), "-U", "labwarden", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s.begin()
	t.Cleanup(func() { s.end(syscall.SIGINT) })
	return s
}

func (s *server) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(postgresBin, name), args...)
	c.Dir = s.dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	return c
}

func (s *server) dsn() string {
	return fmt.Sprintf("postgres://labwarden@127.0.0.1:%s/postgres?sslmode=disable", s.port)
}

func (s *server) begin() {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.cmd = s.command("postgres", "-D", filepath.Join(s.dir, "data"), "-k", s.dir, "-p", s.port, "-c", "listen_addresses=127.0.0.1")
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan error, 1)
	s.done = done
	cmd := s.cmd
	go func() { done <- cmd.Wait() }()
	until(s.t, 30*time.Second, "PostgreSQL answers", func() bool {
		return s.command("pg_isready", "-q", "-h", "127.0.0.1", "-p", s.port).Run() == nil
	})
}

// end stops the server: SIGINT disconnects everybody, SIGQUIT is a crash.
func (s *server) end(sig syscall.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(sig) // gone already is as good
	<-s.done
	s.cmd = nil
}

// dump is the content of the database, without the random keys that newer
// pg_dump versions put around it.
func (s *server) dump() []byte {
	s.t.Helper()
	out, err := s.command("pg_dump", "-h", "127.0.0.1", "-p", s.port, "-U", "labwarden", "postgres").Output()
	if err != nil {
		s.t.Fatal(err)
	}
	var kept [][]byte
	for _, l := range bytes.Split(out, []byte("\n")) {
		if !bytes.HasPrefix(l, []byte(`\restrict`)) && !bytes.HasPrefix(l, []byte(`\unrestrict`)) {
			kept = append(kept, l)
		}
	}
	return bytes.Join(kept, []byte("\n"))
}

// PostgreSQL is stopped and started, and crashed and started, under load: the
// LIS is refused meanwhile, the same hub process goes on by itself, and nothing
// acknowledged is lost.
func TestPostgresStoppedAndStarted(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"stopped": syscall.SIGINT, "crashed": syscall.SIGQUIT} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			l := newLab(t, layout{dsn: s.dsn()})
			l.beginClinics()
			l.begin()
			pid := l.hub.cmd.Process.Pid
			const n = 1000
			lis := l.beginLIS(n, faultSeed, "--pace", "5ms")
			until(t, time.Minute, "something is taken", func() bool { yes, _ := l.replies(); return yes > 100 })
			l.clinic[demo.Riverside].kill() // so that results wait meanwhile
			pause(200 * time.Millisecond)
			s.end(sig)
			until(t, time.Minute, "the LIS is refused", func() bool { _, no := l.replies(); return no > 20 })
			lis.kill()
			l.roomAgain(pid, n, func() {
				s.begin()
				l.beginClinic(demo.Riverside, "")
			})
		})
	}
}
