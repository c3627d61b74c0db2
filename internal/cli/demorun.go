package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/demo"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/proof"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// demoRun is one laboratory in a temporary folder: the hub in this process, the
// laboratory's system and the three practices in processes of their own, each
// with its own list.
type demoRun struct {
	dir   string
	self  string // this program
	out   io.Writer
	pace  time.Duration
	hub   *app.Hub
	procs []*exec.Cmd
	tally demo.Tally
	proof int
}

// demoPatience bounds the whole run: a demo that hangs is a failed demo.
const demoPatience = 3 * time.Minute

func runDemo(ctx context.Context, out io.Writer, pace time.Duration, keep bool, watch func(context.Context, *results.Service)) (_ demo.Tally, proofs int, err error) {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return demo.Tally{}, 0, fmt.Errorf("find this program: %w", err)
	}
	dir, err := os.MkdirTemp("", "labwarden-demo-")
	if err != nil {
		return demo.Tally{}, 0, fmt.Errorf("make folder: %w", err)
	}
	d := &demoRun{dir: dir, self: self, out: out, pace: pace}
	defer func() {
		d.stop()
		if keep {
			fmt.Fprintf(out, "The demo's folder stays: %s\n", dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	err = d.run(ctx, watch)
	return d.tally, d.proof, err
}

func (d *demoRun) path(elem ...string) string {
	return filepath.Join(append([]string{d.dir}, elem...)...)
}

func (d *demoRun) run(ctx context.Context, watch func(context.Context, *results.Service)) error {
	ca, err := demo.NewCA(time.Now(), 90*24*time.Hour) // further off than what alarms
	if err != nil {
		return err
	}
	if err := ca.Write(d.path("tls"), "hub", "lis", demo.Riverside, demo.StBrigid); err != nil {
		return err
	}
	if err := os.Mkdir(d.path("northgate"), 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	addrs := map[string]string{}
	for _, p := range demo.Practices() {
		args := []string{"demo-clinic", "--kind", p.Kind, "--name", p.Partner, "--certs", d.path("tls"), "--list", d.path(p.Partner + ".list")}
		if p.Kind == demo.KindFolder {
			args = append(args, "--folder", d.path("northgate"), "--identity", d.path("northgate.age"))
		}
		if addrs[p.Partner], err = d.start(ctx, args...); err != nil {
			return fmt.Errorf("start %s: %w", p.Partner, err)
		}
	}
	recipient, err := os.ReadFile(d.path("northgate.age.pub"))
	if err != nil {
		return fmt.Errorf("read the practice's key: %w", err)
	}
	src := demoConfiguration(d.dir, addrs, strings.TrimSpace(string(recipient)))
	if err := os.WriteFile(d.path("labwarden.yaml"), []byte(src), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	c, problems := config.Parse("labwarden.yaml", []byte(src), config.Options{Now: time.Now(), Validators: app.Validators()})
	if c == nil {
		return fmt.Errorf("the demo's configuration is wrong: %w", problems.Err())
	}
	stop, door, err := d.serve(ctx, c)
	if err != nil {
		return err
	}
	defer stop()
	if watch != nil {
		watching, end := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() { watch(watching, d.hub.Results) })
		defer wg.Wait()
		defer end()
	}
	lis := exec.CommandContext(ctx, d.self, "demo-lis", "--hub", door, "--certs", d.path("tls"), //nolint:gosec // this program itself
		"--list", d.path("lis.list"), "--pace", d.pace.String(), "--attempts", "20")
	lis.Stderr = d.out
	if err := lis.Run(); err != nil {
		return fmt.Errorf("the simulated laboratory system: %w", err)
	}
	if err := d.settle(ctx); err != nil {
		return err
	}
	return d.count(ctx)
}

// start runs a counterpart and waits for its line "ready ADDRESS".
func (d *demoRun) start(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, d.self, args...) //nolint:gosec // this program itself
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Stderr = d.out
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	d.procs = append(d.procs, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("it did not become ready: %w", err)
	}
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if !ok {
		return "", fmt.Errorf("it said %q instead of being ready", strings.TrimSpace(line))
	}
	return addr, nil
}

func (d *demoRun) stop() {
	for _, p := range d.procs {
		_ = p.Process.Signal(syscall.SIGTERM) // gone already is as good
	}
	for _, p := range d.procs {
		_ = p.Wait() // a counterpart that ends by the signal is what was asked for
	}
}

// serve creates the laboratory and runs the hub.
func (d *demoRun) serve(ctx context.Context, c *config.Config) (stop func(), door string, err error) {
	key := d.path("root.key")
	if err := vault.CreateKeyFile(key, rand.Reader); err != nil {
		return nil, "", err
	}
	seals := []vault.Seal{vault.KeyFile(key)}
	log, err := os.Create(d.path("hub.log"))
	if err != nil {
		return nil, "", fmt.Errorf("write log: %w", err)
	}
	deps := app.Deps{Now: time.Now, Log: slog.New(slog.NewTextHandler(log, nil)), Node: "demo"}
	if err := app.MakeBypassKey(&c.Node); err != nil {
		return nil, "", err
	}
	if _, err := app.Create(ctx, c, seals, 0, 0, deps); err != nil {
		return nil, "", err
	}
	if d.hub, err = app.Open(ctx, c, seals, deps); err != nil {
		return nil, "", err
	}
	if c, err = d.first(ctx, c); err != nil {
		return nil, "", errors.Join(err, d.hub.Close(), log.Close())
	}
	serving, cancel := context.WithCancel(ctx)
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- d.hub.Serve(serving, c, func(a map[string]string) { ready <- a["lis"] }) }()
	stop = func() {
		cancel()
		if err := errors.Join(<-done, d.hub.Close(), log.Close()); err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintf(d.out, "stopping the hub: %v\n", err)
		}
	}
	select {
	case door := <-ready:
		return stop, door, nil
	case err := <-done:
		cancel()
		return nil, "", fmt.Errorf("start the hub: %w", errors.Join(err, d.hub.Close(), log.Close()))
	}
}

// first is what a new laboratory does once: its director states that there is
// no old path to compare with, and the configuration becomes revision 1.
func (d *demoRun) first(ctx context.Context, c *config.Config) (*config.Config, error) {
	by := results.By{Who: "demo", Reason: "a-new-laboratory"}
	if err := d.hub.StateNoOldPath(ctx, c, "Dr. A. Hollow", by); err != nil {
		return nil, err
	}
	start, err := d.hub.Begin(ctx, c.Node, c, nil, by.Who)
	if err != nil {
		return nil, err
	}
	return start.Config, nil
}

// settle waits until nothing waits any more and the folder has been emptied of
// what the practice has not looked at.
func (d *demoRun) settle(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		partners, err := d.hub.Results.Partners(ctx)
		if err != nil {
			return err
		}
		var waiting int64
		for _, p := range partners {
			waiting += p.Waiting
		}
		if waiting == 0 && d.foldersRead() {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d results still wait after %v; the hub's log is %s", waiting, demoPatience, d.path("hub.log"))
		case <-tick.C:
		}
	}
}

// foldersRead compares how many files lie in the folder with the practice's own
// list.
func (d *demoRun) foldersRead() bool {
	files, err := filepath.Glob(d.path("northgate", "*.age"))
	if err != nil {
		return false
	}
	lines, err := demo.ReadClinic(d.path(demo.Northgate + ".list"))
	return err == nil && len(lines) >= len(files)
}

// count compares the counterparts' lists and verifies a proof of every delivery.
func (d *demoRun) count(ctx context.Context) error {
	books := demo.Books{}
	var err error
	if books.LIS, err = demo.ReadLIS(d.path("lis.list")); err != nil {
		return err
	}
	for _, p := range demo.Practices() {
		lines, err := demo.ReadClinic(d.path(p.Partner + ".list"))
		if err != nil {
			return err
		}
		books.Clinics = append(books.Clinics, demo.ClinicList{Partner: p.Partner, Kind: p.Kind, Lines: lines})
	}
	if books.Expect, err = demo.Expectations(); err != nil {
		return err
	}
	if books.Hub, err = d.hubSay(ctx); err != nil {
		return err
	}
	d.tally = demo.Count(books)
	return d.prove(ctx)
}

func (d *demoRun) hubSay(ctx context.Context) (demo.HubSay, error) {
	var say demo.HubSay
	apart, err := d.hub.Results.Quarantine(ctx, false, 1000)
	if err != nil {
		return say, err
	}
	for _, a := range apart {
		sum, err := d.hub.Results.QuarantinedSum(ctx, a.ID)
		if err != nil {
			return say, err
		}
		say.Quarantined = append(say.Quarantined, demo.Item{SHA256: hex.EncodeToString(sum[:])})
	}
	return say, nil
}

// prove makes the proof of every completed delivery and checks it with the
// lab's public key alone.
func (d *demoRun) prove(ctx context.Context) error {
	a, err := d.hub.Results.Audit(ctx, nil)
	if err != nil {
		return err
	}
	if len(a.Findings) > 0 {
		return fmt.Errorf("stored rows do not fit the ledger: %v", a.Findings)
	}
	key := d.hub.Vault.VerifierKey()
	return d.hub.Results.EachDelivered(ctx, func(seq int64, body []byte) error {
		p, err := d.hub.Results.Proof(ctx, seq)
		if err != nil {
			return fmt.Errorf("proof of delivery %d: %w", seq, err)
		}
		r := proof.Verify(p, body, key)
		if !r.Holds() {
			return fmt.Errorf("the proof of delivery %d does not hold:\n%s", seq, r.Text())
		}
		d.proof++
		return nil
	})
}
