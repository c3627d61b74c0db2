package control_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/app/watch"
	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

const message = "MSH|^~\\&|LIS|LAB|EHR|CLINIC|20260504065200||ORU^R01|%|P|2.5.1\rPID|1||12345^^^LAB^MR||Doe^Jane\rOBR|1||F%|GLU\rOBX|1|NM|GLU||5.4|mmol/L\r"

// keysOnly knows the keys; the whole desk is tested where the hub is (internal/app).
type keysOnly struct {
	desk.Desk
	vault *vault.Vault
}

func (k keysOnly) Keys(context.Context) (vault.Status, error) { return k.vault.Status() }

// rig is a results domain with a control server on a socket.
type rig struct {
	t      *testing.T
	db     *store.DB
	log    *bus.Log
	vault  *vault.Vault
	svc    *results.Service
	server *control.Server
	socket string
	client *control.Client
	stop   func() error
}

// newRig has two results that wait for riverside, whose courier does not run.
func newRig(t *testing.T, change func(*control.Server)) *rig {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := store.OpenSQLite(t.Context(), filepath.Join(dir, "a.db"), store.Options{})
	check(t, err)
	t.Cleanup(func() { _ = db.Close() })
	check(t, db.Migrate(t.Context(), bus.Migrations(), results.Migrations(), watch.Migrations()))
	log, err := bus.New("test")
	check(t, err)
	log.Attach(db)
	v := vaulttest.New(t)
	quiet := slog.New(slog.DiscardHandler)
	svc, err := results.New(t.Context(), db, log, v, time.Now, quiet)
	check(t, err)
	svc.Apply(&results.Settings{
		Revision: strings.Repeat("0", 64),
		Sources:  map[string]results.Source{"lis": {Name: "lis", Window: time.Hour}},
		Partners: map[string]*results.Partner{"riverside": {Key: "riverside", Name: "Riverside"}},
		Routes:   []results.Route{{Name: "all", To: []string{"riverside"}, Stage: results.Carry}},
	})
	r := &rig{t: t, db: db, log: log, vault: v, svc: svc, socket: filepath.Join(dir, "hub.sock")}
	for _, id := range []string{"A1", "A2"} {
		r.take(strings.ReplaceAll(message, "%", id), "AA")
	}
	r.server = &control.Server{
		Results: svc, Log: log, DB: db, Vault: v, Probe: &watch.Probe{DB: db, Now: time.Now}, UID: os.Getuid(), Now: time.Now, Slog: quiet,
		Facts: func() control.Facts {
			return control.Facts{Names: map[string]string{"riverside": "Riverside"}, Started: time.Now()}
		},
		Operate: func(string) desk.Desk { return keysOnly{vault: v} },
	}
	if change != nil {
		change(r.server)
	}
	ln, err := control.Listen(t.Context(), r.socket)
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.server.Serve(ctx, ln) }()
	stopped := false
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() { _ = r.stop() })
	r.client = control.NewClient(r.socket)
	t.Cleanup(r.client.Close)
	return r
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) take(body, want string) {
	r.t.Helper()
	a, err := r.svc.Intake("lis").Handle(r.t.Context(), channel.Peer{Name: "lis"}, []byte(body))
	check(r.t, err)
	if !strings.Contains(string(a.Body), "MSA|"+want) {
		r.t.Fatalf("answered %q, want %s", a.Body, want)
	}
}

// leaves is how many facts the ledger holds.
func (r *rig) leaves() int64 {
	r.t.Helper()
	h, err := r.log.Head(r.t.Context())
	check(r.t, err)
	return h.Size
}

// raw opens a connection to the socket.
func (r *rig) raw() net.Conn {
	r.t.Helper()
	c, err := (&net.Dialer{}).DialContext(r.t.Context(), "unix", r.socket)
	check(r.t, err)
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}
