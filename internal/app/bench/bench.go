// Package bench measures the hub as a laboratory would load it: real
// connections, mutual TLS, acknowledged only when on disk. Rates are compared
// with the bare store in the same run, because machines differ and drift. The
// load comes from a process of its own, so that memory is the hub's alone.
package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing/fstest"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// Options of a run.
type Options struct {
	// Engine is sqlite or postgres; DSN is the address of a PostgreSQL database in
	// which schemas may be made; they are dropped at the end.
	Engine, DSN string
	Conns       int
	Time        time.Duration // of each measurement
	Travel      time.Duration // of taking in and delivering together; 0 leaves it out
	Partners    int           // destinations of each message
	Before      int64         // messages already stored when intake is measured
	Dir         string        // empty: a temporary folder
	Out         io.Writer     // progress
	// Profile starts a processor profile of a part (intake, bare or travel) and
	// returns its end; nil: none is taken.
	Profile func(part string) (stop func() error, err error)
	// Load is the command that runs as the load generator with the arguments of
	// LoadArgs added.
	Load []string

	schemas *[]string // made in this run
}

// Report is what a run found.
type Report struct {
	Engine       string        `json:"engine"`
	CPUs         int           `json:"cpus"`
	Conns        int           `json:"connections"`
	Destinations int           `json:"destinations"`
	Before       int64         `json:"stored_before"`
	Bare         float64       `json:"bare_per_second"`
	BareOne      float64       `json:"bare_one_per_second"`
	Intake       Load          `json:"intake"`
	IntakeRate   float64       `json:"intake_per_second"`
	IntakeOne    float64       `json:"intake_one_per_second"`
	Ratio        float64       `json:"ratio"`
	RatioOne     float64       `json:"ratio_one"`
	DiskPerByte  float64       `json:"disk_per_byte"`
	IntakeCPU    time.Duration `json:"intake_processor_ns"` // the hub's own, a message
	BareCPU      time.Duration `json:"bare_processor_ns"`
	IdleRSS      int64         `json:"idle_rss_bytes"`
	LoadRSS      int64         `json:"load_rss_bytes"`
	Travel       *Travel       `json:"travel,omitempty"`
}

// Run measures the bare store, intake and, when asked, the whole way.
func Run(ctx context.Context, o Options) (*Report, error) {
	dir := o.Dir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "labwarden-bench-"); err != nil {
			return nil, fmt.Errorf("make folder: %w", err)
		}
		defer os.RemoveAll(dir)
	}
	o.schemas = new([]string)
	defer o.tidy()
	r := &Report{Engine: o.Engine, CPUs: runtime.NumCPU(), Conns: o.Conns, Destinations: o.Partners, Before: o.Before}
	if err := intake(ctx, o, filepath.Join(dir, "intake"), r); err != nil {
		return nil, err
	}
	end, err := o.profile("bare")
	if err != nil {
		return nil, err
	}
	spent := processor()
	r.Bare, err = bare(ctx, o, filepath.Join(dir, "bare"), o.Conns)
	spent = processor() - spent
	if err := errors.Join(err, end()); err != nil {
		return nil, fmt.Errorf("bare store: %w", err)
	}
	r.BareCPU = time.Duration(float64(spent) / (r.Bare * o.Time.Seconds()))
	fmt.Fprintf(o.Out, "bare store, %d writers: %.0f/s, %v of processor a message\n", o.Conns, r.Bare, r.BareCPU)
	if r.BareOne, err = bare(ctx, o, filepath.Join(dir, "bare1"), 1); err != nil {
		return nil, fmt.Errorf("bare store: %w", err)
	}
	fmt.Fprintf(o.Out, "bare store, one writer: %.0f/s\n", r.BareOne)
	r.Ratio, r.RatioOne = r.IntakeRate/r.Bare, r.IntakeOne/r.BareOne
	fmt.Fprintf(o.Out, "ratio to the bare store: %.2f with %d connections, %.2f with one\n", r.Ratio, r.Conns, r.RatioOne)
	if o.Travel > 0 {
		if r.Travel, err = travel(ctx, o, filepath.Join(dir, "travel")); err != nil {
			return nil, fmt.Errorf("intake and delivery: %w", err)
		}
	}
	return r, nil
}

// profile starts a profile where one is wanted.
func (o *Options) profile(part string) (stop func() error, err error) {
	if o.Profile == nil {
		return func() error { return nil }, nil
	}
	return o.Profile(part)
}

// bare writes the same bytes into one table with a unique index through the
// same grouping writer.
func bare(ctx context.Context, o Options, dir string, writers int) (float64, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	db, err := openBare(ctx, o, dir)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	table := "bare_" + filepath.Base(dir)
	err = db.Migrate(ctx, store.Migrations{Domain: table, Files: fstest.MapFS{"0001.sql": {Data: []byte(
		"CREATE TABLE " + table + " (n INTEGER PRIMARY KEY, key BLOB NOT NULL, body BLOB NOT NULL);\nCREATE UNIQUE INDEX " + table + "_key ON " + table + " (key);\n")}}})
	if err != nil {
		return 0, err
	}
	var n atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, writers)
	all := make([][]*template, writers)
	for w := range writers {
		all[w] = templates(32, uint64(w))
	}
	begin := time.Now()
	insert := "INSERT INTO " + table + " (n, key, body) VALUES ($1, $2, $3)"
	for w, ts := range all {
		wg.Go(func() {
			for i := 0; time.Since(begin) < o.Time; i++ {
				body := ts[i%len(ts)].append(nil, w, i)
				num := n.Add(1)
				key := keyOf(w, i)
				if errs[w] = db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
					return tx.Queue(ctx, insert, num, key, body)
				}); errs[w] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(n.Load()) / took.Seconds(), nil
}

func openBare(ctx context.Context, o Options, dir string) (*store.DB, error) {
	if o.Engine == "postgres" {
		dsn, err := o.schema(ctx)
		if err != nil {
			return nil, err
		}
		return store.OpenPostgres(ctx, dsn, store.Options{})
	}
	return store.OpenSQLite(ctx, filepath.Join(dir, "bare.db"), store.Options{})
}

// load runs the load generator as a process of its own.
func load(ctx context.Context, o Options, hub, certs string, conns, base int, d time.Duration, count int64) (Load, error) {
	args := append(append([]string{}, o.Load[1:]...), "--hub", hub, "--certs", certs, "--connections", strconv.Itoa(conns),
		"--base", strconv.Itoa(base), "--time", d.String(), "--count", strconv.FormatInt(count, 10))
	cmd := exec.CommandContext(ctx, o.Load[0], args...) //nolint:gosec // this program itself
	cmd.Stderr = o.Out
	out, err := cmd.Output()
	if err != nil {
		return Load{}, fmt.Errorf("load generator: %w", err)
	}
	var l Load
	if err := json.Unmarshal(out, &l); err != nil {
		return l, fmt.Errorf("load generator: %w", err)
	}
	return l, nil
}

func intake(ctx context.Context, o Options, dir string, r *Report) error {
	nobody := make([]string, o.Partners)
	for i := range nobody {
		nobody[i] = "127.0.0.1:1" // nobody listens: what is measured is taking in
	}
	l, err := startLab(ctx, o, dir, nobody, false)
	if err != nil {
		return err
	}
	certs := filepath.Join(dir, "tls")
	runtime.GC()
	r.IdleRSS = rss()
	fmt.Fprintf(o.Out, "memory, idle: %d MB\n", r.IdleRSS>>20)
	var stored int64
	if o.Before > 0 {
		fill, err := load(ctx, o, l.addr, certs, o.Conns, 1<<22, time.Hour, o.Before)
		if err != nil {
			return fmt.Errorf("fill: %w", err)
		}
		stored += fill.Bytes
		fmt.Fprintf(o.Out, "filled with %d messages at %.0f/s\n", fill.Messages, fill.Rate())
	}
	one, err := load(ctx, o, l.addr, certs, 1, 1<<20, o.Time, 0)
	if err != nil {
		return fmt.Errorf("intake, one connection: %w", err)
	}
	r.IntakeOne = one.Rate()
	fmt.Fprintf(o.Out, "intake, one connection: %.0f/s, p50 %v\n", one.Rate(), one.P50)
	end, err := o.profile("intake")
	if err != nil {
		return err
	}
	spent := processor()
	many, err := load(ctx, o, l.addr, certs, o.Conns, 0, o.Time, 0)
	spent = processor() - spent
	if err := errors.Join(err, end()); err != nil {
		return fmt.Errorf("intake: %w", err)
	}
	r.Intake, r.IntakeRate, r.LoadRSS = many, many.Rate(), rss()
	r.IntakeCPU = spent / time.Duration(max(1, many.Messages))
	fmt.Fprintf(o.Out, "intake, %d connections: %.0f/s, p50 %v, p99 %v, %v of processor a message, memory %d MB\n", o.Conns, many.Rate(), many.P50, many.P99, r.IntakeCPU, r.LoadRSS>>20)
	if err := l.stop(); err != nil {
		return err
	}
	if o.Engine == "sqlite" {
		size, err := folderSize(filepath.Join(dir, "data"))
		if err != nil {
			return err
		}
		r.DiskPerByte = float64(size) / float64(many.Bytes+one.Bytes+stored)
		fmt.Fprintf(o.Out, "on disk: %.2f bytes for each byte received\n", r.DiskPerByte)
	}
	return nil
}
