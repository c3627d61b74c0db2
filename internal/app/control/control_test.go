package control_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

func kind(t *testing.T, err error, want control.Kind) {
	t.Helper()
	var e *control.Error
	if !errors.As(err, &e) || e.Kind != want {
		t.Errorf("error %v, want kind %s", err, want)
	}
}

// last reads the newest fact of the ledger.
func (r *rig) last() ledger.Event {
	r.t.Helper()
	raw, err := r.log.Event(r.t.Context(), r.leaves()-1)
	check(r.t, err)
	e, err := ledger.ParseEvent(raw)
	check(r.t, err)
	return e
}

func TestALookIsRecordedWithTheCallersName(t *testing.T) {
	r := newRig(t, nil)
	list, err := r.client.Results(t.Context(), control.Filter{})
	check(t, err)
	if len(list.Results) != 2 {
		t.Fatalf("%d results", len(list.Results))
	}
	before := r.leaves()
	b, err := r.client.View(t.Context(), list.Results[0].ID, "complaint 12")
	check(t, err)
	if string(b.Body) != strings.ReplaceAll(message, "%", "A2") {
		t.Errorf("body %q", b.Body)
	}
	me, err := user.Current()
	check(t, err)
	e := r.last()
	if r.leaves() != before+1 || e.Kind != "result.viewed" || e.IDs.Get("by") != ledger.Code(me.Username) ||
		e.IDs.Get("message") != list.Results[0].ID || e.Codes.Get("reason") != "complaint-12" {
		t.Errorf("recorded %+v", e)
	}
	_, err = r.client.Export(t.Context(), list.Results[0].ID, "audit")
	check(t, err)
	if e := r.last(); e.Kind != "result.exported" {
		t.Errorf("recorded %+v", e)
	}
	_, err = r.client.View(t.Context(), list.Results[0].ID, " ")
	kind(t, err, control.Invalid)
}

// hook makes every transaction that writes a fact fail.
type hook struct{ store.Hook }

func (hook) Commit(*store.Tx) error { return errors.New("the disk is full, says /dev/secret") }

func TestNoBodyWithoutARecord(t *testing.T) {
	r := newRig(t, nil)
	r.take("MSH|^~\\&|LIS|LAB|EHR|CLINIC|20260504065200||ORU^R01|A1|P|2.5.1\rPID|1||9\rOBR|1\r", "AE") // A1 again, other body
	list, err := r.client.Results(t.Context(), control.Filter{})
	check(t, err)
	q, err := r.client.Quarantine(t.Context(), false, 10)
	check(t, err)
	if len(q.Quarantine) != 1 {
		t.Fatalf("quarantine %+v", q)
	}
	before := r.leaves()
	r.db.SetHook(hook{r.log})
	id := list.Results[0].ID
	b, err := r.client.View(t.Context(), id, "look")
	kind(t, err, control.Internal)
	if len(b.Body) > 0 {
		t.Error("a body was given out that nobody recorded")
	}
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "reference") {
		t.Errorf("an inner error shows: %v", err)
	}
	x, err := r.client.ViewQuarantined(t.Context(), q.Quarantine[0].ID, "look")
	kind(t, err, control.Internal)
	if len(x.Body) > 0 || r.leaves() != before {
		t.Error("a quarantined body was given out that nobody recorded")
	}
	r.db.SetHook(r.log)
	x, err = r.client.ViewQuarantined(t.Context(), q.Quarantine[0].ID, "look")
	check(t, err)
	if !strings.Contains(string(x.Body), "PID|1||9") || r.last().Kind != "quarantine.shown" {
		t.Errorf("%+v, recorded %+v", x, r.last())
	}
}

func TestActsAndTheirRefusals(t *testing.T) {
	r := newRig(t, nil)
	list, err := r.client.Results(t.Context(), control.Filter{Partner: "riverside", State: "waiting", Limit: 1})
	check(t, err)
	if len(list.Results) != 1 || list.Next == 0 {
		t.Fatalf("%+v", list)
	}
	n := list.Results[0].Deliveries[0].Number
	_, err = r.client.Act(t.Context(), "hold", n, 1, "wrong unit")
	check(t, err)
	if e := r.last(); e.Kind != "result.held" || e.Codes.Get("reason") != "wrong-unit" {
		t.Errorf("recorded %+v", e)
	}
	_, err = r.client.Act(t.Context(), "hold", n, 1, "again")
	kind(t, err, control.Conflict)
	_, err = r.client.Act(t.Context(), "resend", n, 1, "again")
	kind(t, err, control.Conflict)
	_, err = r.client.Act(t.Context(), "release", 1<<40, 1, "x")
	kind(t, err, control.NotFound)
	_, err = r.client.Act(t.Context(), "release", n, 1, "")
	kind(t, err, control.Invalid)
	_, err = r.client.Act(t.Context(), "explode", n, 1, "x")
	kind(t, err, control.NotFound)
	_, err = r.client.Result(t.Context(), "nonsense")
	kind(t, err, control.Invalid)
	_, err = r.client.Results(t.Context(), control.Filter{State: "gone"})
	kind(t, err, control.Invalid)
	_, err = r.client.Reload(t.Context())
	kind(t, err, control.Unavailable)
	a, err := r.client.Act(t.Context(), "refuse", n, 1, "wrong unit")
	check(t, err)
	if a.By == "" {
		t.Error("nobody did it")
	}
	again, err := r.client.Act(t.Context(), "resend", n, 1, "after all")
	check(t, err)
	if again.New == 0 || again.New == n {
		t.Errorf("%+v", again)
	}
}

func TestAuditFindsAChangedLedger(t *testing.T) {
	r := newRig(t, nil)
	a, err := r.client.Audit(t.Context())
	check(t, err)
	if !a.Sound || a.Leaves != 2 || r.last().Codes.Get("outcome") != "sound" {
		t.Fatalf("%+v, %+v", a, r.last())
	}
	check(t, r.db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE ledger_groups SET hashes = zeroblob(length(hashes)) WHERE first = 1")
		return err
	}))
	a, err = r.client.Audit(t.Context())
	check(t, err)
	if a.Sound || a.Leaf == nil || *a.Leaf != 1 || a.Damage == "" {
		t.Errorf("%+v", a)
	}
}

func TestRotationIsRecordedFirst(t *testing.T) {
	r := newRig(t, nil)
	st, err := r.client.Keys(t.Context())
	check(t, err)
	r.db.SetHook(hook{r.log})
	_, err = r.client.Rotate(t.Context(), []string{"bodies"}, "yearly")
	kind(t, err, control.Internal)
	if now, err := r.client.Keys(t.Context()); err != nil || len(now.Keys) != len(st.Keys) {
		t.Errorf("a rotation that could not be recorded happened: %v", err)
	}
	r.db.SetHook(r.log)
	got, err := r.client.Rotate(t.Context(), []string{"bodies", "signer"}, "yearly")
	check(t, err)
	if len(got.Keys.Keys) != len(st.Keys)+1 || len(got.Keys.Signers) != 2 || r.last().IDs.Get("key") != "signer" {
		t.Errorf("%+v", got)
	}
	_, err = r.client.Rotate(t.Context(), []string{"index"}, "yearly")
	kind(t, err, control.Conflict)
	_, err = r.client.Rotate(t.Context(), []string{"nonsense"}, "yearly")
	kind(t, err, control.Invalid)
}

// TestOtherUsersAreRefused calls from a process of another user, as the kernel
// sees it.
func TestOtherUsersAreRefused(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: only root can start a process as another user")
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("SKIPPED: curl is not here to call as another user")
	}
	r := newRig(t, nil)
	ask := func(hub, caller int) string {
		dir, err := os.MkdirTemp("", "labwarden-control-") //nolint:usetesting // another user must get into the folder
		check(t, err)
		defer os.RemoveAll(dir)
		check(t, os.Chmod(dir, 0o700))
		path := filepath.Join(dir, "hub.sock")
		ln, err := control.Listen(t.Context(), path)
		check(t, err)
		server := *r.server
		server.UID = hub
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- server.Serve(ctx, ln) }()
		defer func() { cancel(); check(t, <-done) }()
		// What keeps others out before the check of the peer is taken away.
		check(t, os.Chmod(dir, 0o755))
		check(t, os.Chmod(path, 0o666))
		c := exec.CommandContext(t.Context(), curl, "-s", "--unix-socket", path, "http://hub/v1/status")
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(caller), Gid: uint32(caller)}}
		c.Dir = "/"
		out, err := c.Output()
		check(t, err)
		return string(out)
	}
	const nobody, service = 65534, 4242
	if out := ask(service, nobody); !strings.Contains(out, `"kind":"denied"`) || strings.Contains(out, "riverside") {
		t.Errorf("another user was answered: %s", out)
	}
	if out := ask(0, nobody); !strings.Contains(out, `"kind":"denied"`) {
		t.Errorf("another user was answered by a hub of root: %s", out)
	}
	if out := ask(service, 0); !strings.Contains(out, `"state":`) {
		t.Errorf("root was refused: %s", out)
	}
	if out := ask(service, service); !strings.Contains(out, `"state":`) {
		t.Errorf("the hub's own user was refused: %s", out)
	}
}

func TestOversizeAndBadRequests(t *testing.T) {
	r := newRig(t, nil)
	_, err := r.client.Act(t.Context(), "hold", 0, 1, strings.Repeat("x", 70<<10))
	kind(t, err, control.Invalid)
	for _, body := range []string{"", "{", `{"reason":"a"}{`, `{"reason":"a","other":1}`, "[]"} {
		c := r.raw()
		_, err := io.WriteString(c, "POST /v1/deliveries/0/hold HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nContent-Length: "+
			itoa(len(body))+"\r\n\r\n"+body)
		check(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		check(t, err)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: status %d", body, resp.StatusCode)
		}
	}
}

func itoa(n int) string { return string([]byte{byte('0' + n/10), byte('0' + n%10)}) }

func TestASlowClientIsLetGoAndHurtsNobody(t *testing.T) {
	r := newRig(t, func(s *control.Server) {
		s.Limits = control.Limits{Header: 50 * time.Millisecond, Read: 100 * time.Millisecond}
	})
	slow := r.raw()
	_, err := io.WriteString(slow, "GET /v1/sta")
	check(t, err)
	if _, err := r.client.Status(t.Context()); err != nil {
		t.Errorf("another client is kept waiting: %v", err)
	}
	check(t, slow.SetReadDeadline(time.Now().Add(10*time.Second)))
	if _, err := io.ReadAll(slow); err != nil {
		t.Errorf("the slow client is still connected: %v", err)
	}
	c := r.raw()
	_, err = io.WriteString(c, "POST /v1/deliveries/0/hold HTTP/1.1\r\nHost: hub\r\nContent-Length: 20\r\n\r\n{")
	check(t, err)
	check(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	if b, err := io.ReadAll(c); err != nil || !strings.Contains(string(b), "400") {
		t.Errorf("the client with half a body got %q, %v", b, err)
	}
}

func TestTheSocketOfADeadProcessIsReplacedAndALiveOneIsNot(t *testing.T) {
	dir := t.TempDir()
	check(t, os.Chmod(dir, 0o700))
	path := filepath.Join(dir, "hub.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	check(t, err)
	dead.SetUnlinkOnClose(false)
	check(t, dead.Close()) // as after kill -9: the file stays
	ln, err := control.Listen(t.Context(), path)
	check(t, err)
	st, err := os.Stat(path)
	check(t, err)
	if st.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", st.Mode().Perm())
	}
	if _, err := control.Listen(t.Context(), path); err == nil || !strings.Contains(err.Error(), "another process answers") {
		t.Errorf("a live socket was replaced: %v", err)
	}
	check(t, ln.Close())
	check(t, os.WriteFile(path, []byte("precious"), 0o600))
	if _, err := control.Listen(t.Context(), path); err == nil || !strings.Contains(err.Error(), "is not a socket") {
		t.Errorf("a file was replaced: %v", err)
	}
	check(t, os.Chmod(dir, 0o777))
	if _, err := control.Listen(t.Context(), filepath.Join(dir, "other.sock")); err == nil || !strings.Contains(err.Error(), "others may write") {
		t.Errorf("a folder that others may write is used: %v", err)
	}
	if _, err := control.Listen(t.Context(), filepath.Join(dir, strings.Repeat("x", 120))); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a path that is too long: %v", err)
	}
	made := filepath.Join(t.TempDir(), "run", "hub.sock")
	ln, err = control.Listen(t.Context(), made)
	check(t, err)
	defer ln.Close()
	if st, err := os.Stat(filepath.Dir(made)); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", st, err)
	}
}

func TestAStoppedHubIsNoHub(t *testing.T) {
	r := newRig(t, nil)
	_, err := r.client.Status(t.Context())
	check(t, err)
	r.client.Close()
	check(t, r.stop())
	if _, err := r.client.Status(t.Context()); !errors.Is(err, control.ErrNoHub) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(r.socket); !errors.Is(err, os.ErrNotExist) {
		t.Error("the socket is still there")
	}
}
