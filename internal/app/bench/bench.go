// Package bench measures the hub as a laboratory would load it: real
// connections, mutual TLS, acknowledged only when on disk. Rates are compared
// with the bare store in the same run, because machines differ and drift.
package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing/fstest"
	"time"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/demo"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Options of a run.
type Options struct {
	// Engine is sqlite or postgres; DSN is the address of an empty PostgreSQL
	// database or schema.
	Engine, DSN string
	Conns       int
	Time        time.Duration // of each measurement
	Partners    int           // destinations of each message
	Dir         string        // empty: a temporary folder
	Out         io.Writer     // progress
}

// Report is what a run found.
type Report struct {
	Engine      string  `json:"engine"`
	CPUs        int     `json:"cpus"`
	Conns       int     `json:"connections"`
	Bare        float64 `json:"bare_per_second"`
	BareOne     float64 `json:"bare_one_per_second"`
	Intake      float64 `json:"intake_per_second"`
	IntakeOne   float64 `json:"intake_one_per_second"`
	P50, P99    time.Duration
	Ratio       float64 `json:"ratio"`
	RatioOne    float64 `json:"ratio_one"`
	DiskPerByte float64 `json:"disk_per_byte"`
	RSS         int64   `json:"rss_bytes"`
}

// Run measures bare store and intake in turns and reports both.
func Run(ctx context.Context, o Options) (*Report, error) {
	dir := o.Dir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "labwarden-bench-"); err != nil {
			return nil, fmt.Errorf("make folder: %w", err)
		}
		defer os.RemoveAll(dir)
	}
	r := &Report{Engine: o.Engine, CPUs: runtime.NumCPU(), Conns: o.Conns}
	var err error
	if r.Bare, err = bare(ctx, o, filepath.Join(dir, "bare"), o.Conns); err != nil {
		return nil, fmt.Errorf("bare store: %w", err)
	}
	fmt.Fprintf(o.Out, "bare store, %d writers: %.0f/s\n", o.Conns, r.Bare)
	if r.BareOne, err = bare(ctx, o, filepath.Join(dir, "bare1"), 1); err != nil {
		return nil, fmt.Errorf("bare store: %w", err)
	}
	fmt.Fprintf(o.Out, "bare store, one writer: %.0f/s\n", r.BareOne)
	if err := intake(ctx, o, dir, r); err != nil {
		return nil, err
	}
	r.Ratio, r.RatioOne = r.Intake/r.Bare, r.IntakeOne/r.BareOne
	return r, nil
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
	begin := time.Now()
	insert := "INSERT INTO " + table + " (n, key, body) VALUES ($1, $2, $3)"
	for w := range writers {
		ts := templates(32, uint64(w))
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
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(n.Load()) / time.Since(begin).Seconds(), nil
}

func openBare(ctx context.Context, o Options, dir string) (*store.DB, error) {
	if o.Engine == "postgres" {
		return store.OpenPostgres(ctx, o.DSN, store.Options{})
	}
	return store.OpenSQLite(ctx, filepath.Join(dir, "bare.db"), store.Options{})
}

// lab is a hub of its own for a measurement.
type lab struct {
	hub  *app.Hub
	addr string
	stop func() error
}

func intake(ctx context.Context, o Options, dir string, r *Report) error {
	l, err := startLab(ctx, o, dir)
	if err != nil {
		return err
	}
	conf, err := demo.ClientTLS(filepath.Join(dir, "tls"), "lis", "hub")
	if err != nil {
		return err
	}
	one, err := send(ctx, l.addr, conf, 1, 1<<20, o.Time)
	if err != nil {
		return fmt.Errorf("intake, one connection: %w", err)
	}
	r.IntakeOne = one.Rate()
	fmt.Fprintf(o.Out, "intake, one connection: %.0f/s, p50 %v\n", one.Rate(), one.P50)
	load, err := send(ctx, l.addr, conf, o.Conns, 0, o.Time)
	if err != nil {
		return fmt.Errorf("intake: %w", err)
	}
	r.Intake, r.P50, r.P99, r.RSS = load.Rate(), load.P50, load.P99, rss()
	fmt.Fprintf(o.Out, "intake, %d connections: %.0f/s, p50 %v, p99 %v, memory %d MB (load generator included)\n", o.Conns, load.Rate(), load.P50, load.P99, r.RSS>>20)
	if err := l.stop(); err != nil {
		return err
	}
	if o.Engine == "sqlite" {
		size, err := folderSize(filepath.Join(dir, "data"))
		if err != nil {
			return err
		}
		r.DiskPerByte = float64(size) / float64(load.Bytes+one.Bytes)
		fmt.Fprintf(o.Out, "on disk: %.2f bytes for each byte received\n", r.DiskPerByte)
	}
	return nil
}

func startLab(ctx context.Context, o Options, dir string) (*lab, error) {
	ca, err := demo.NewCA(time.Now(), 24*time.Hour)
	if err != nil {
		return nil, err
	}
	certs := filepath.Join(dir, "tls")
	if err := ca.Write(certs, "hub", "lis"); err != nil {
		return nil, err
	}
	src := benchConfig(o, dir, certs)
	c, problems := config.Parse("bench.yaml", []byte(src), config.Options{Validators: app.Validators()})
	if c == nil {
		return nil, problems.Err()
	}
	key := filepath.Join(dir, "root.key")
	if err := vault.CreateKeyFile(key, rand.Reader); err != nil {
		return nil, err
	}
	seals := []vault.Seal{vault.KeyFile(key)}
	deps := app.Deps{Now: time.Now, Log: slog.New(slog.NewTextHandler(o.Out, &slog.HandlerOptions{Level: slog.LevelError})), Node: "bench"}
	if _, err := app.Create(ctx, c, seals, 0, 0, deps); err != nil {
		return nil, err
	}
	h, err := app.Open(ctx, c, seals, deps)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- h.Serve(ctx, c, func(a map[string]string) { ready <- a["lis"] }) }()
	stop := func() error {
		cancel()
		err := <-done
		if cerr := h.Close(); err == nil {
			err = cerr
		}
		return err
	}
	select {
	case addr := <-ready:
		return &lab{h, addr, stop}, nil
	case err := <-done:
		cancel()
		return nil, fmt.Errorf("start: %w", err)
	}
}

func benchConfig(o Options, dir, certs string) string {
	db := "{engine: sqlite}"
	if o.Engine == "postgres" {
		db = fmt.Sprintf("{engine: postgres, url: %q}", o.DSN)
	}
	s := fmt.Sprintf(`lab: {name: Bench, id: bench}
node:
  data: %s
  database: %s
  seals: [{kind: keyfile, path: %s}]
  tls: {certificate: %s, key: %s}
sources:
  lis:
    mllp: {listen: "127.0.0.1:0", tls: {client_ca: %s}}
    max_connections: 1000
partners:
`, filepath.Join(dir, "data"), db, filepath.Join(dir, "root.key"),
		filepath.Join(certs, "hub.pem"), filepath.Join(certs, "hub.key"), filepath.Join(certs, "ca.pem"))
	to := ""
	for i := range o.Partners {
		// Nobody listens there: what is measured is taking in.
		s += fmt.Sprintf("  p%d: {name: P%d, destination: {mllp: {address: \"127.0.0.1:1\"}}}\n", i, i)
		to += fmt.Sprintf("p%d, ", i)
	}
	return s + fmt.Sprintf("routes:\n  - {name: all, from: lis, to: [%s], stage: carry, check: none, check_reason: a measurement}\n", to[:len(to)-2])
}
