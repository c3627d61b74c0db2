package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/demo"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// lab is a hub of its own for a measurement.
type lab struct {
	hub  *app.Hub
	addr string
	stop func() error
}

// makeCerts writes the certificates of a measurement.
func makeCerts(dir string) (string, error) {
	ca, err := demo.NewCA(time.Now(), 400*24*time.Hour)
	if err != nil {
		return "", err
	}
	certs := filepath.Join(dir, "tls")
	return certs, ca.Write(certs, "hub", "lis", "p0", "p1", "p2", "p3")
}

// startLab runs a hub whose messages go to the partners at the addresses: to
// all of them, or with turns each to one of them.
func startLab(ctx context.Context, o Options, dir string, partners []string, turns bool) (*lab, error) {
	if o.Engine == "postgres" {
		dsn, err := o.schema(ctx)
		if err != nil {
			return nil, err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make folder: %w", err)
		}
		// It may hold a password, so it does not stand in the configuration.
		if err := os.WriteFile(filepath.Join(dir, "dsn"), []byte(dsn), 0o600); err != nil {
			return nil, fmt.Errorf("write database address: %w", err)
		}
	}
	certs := filepath.Join(dir, "tls")
	if _, err := os.Stat(certs); err != nil {
		if certs, err = makeCerts(dir); err != nil {
			return nil, err
		}
	}
	c, problems := config.Parse("bench.yaml", []byte(configuration(o, dir, certs, partners, turns)), config.Options{Validators: app.Validators()})
	if c == nil {
		return nil, problems.Err()
	}
	key := filepath.Join(dir, "root.key")
	if err := vault.CreateKeyFile(key, rand.Reader); err != nil {
		return nil, err
	}
	seals := []vault.Seal{vault.KeyFile(key)}
	deps := app.Deps{Now: time.Now, Log: slog.New(slog.NewTextHandler(o.Out, &slog.HandlerOptions{Level: slog.LevelError})), Node: "bench"}
	if err := app.MakeBypassKey(&c.Node); err != nil {
		return nil, err
	}
	if _, err := app.Create(ctx, c, seals, 0, 0, deps); err != nil {
		return nil, err
	}
	h, err := app.Open(ctx, c, seals, deps)
	if err != nil {
		return nil, err
	}
	if c, err = first(ctx, h, c); err != nil {
		return nil, errors.Join(err, h.Close())
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

// first makes the configuration revision 1, with the statement that lets its
// routes carry.
func first(ctx context.Context, h *app.Hub, c *config.Config) (*config.Config, error) {
	by := results.By{Who: "bench", Reason: "a-measurement"}
	if err := h.StateNoOldPath(ctx, c, "bench", by); err != nil {
		return nil, err
	}
	start, err := h.Begin(ctx, c.Node, c, nil, by.Who)
	if err != nil {
		return nil, err
	}
	return start.Config, nil
}

// schema makes an empty schema and returns the address that uses it. Run drops
// it at the end.
func (o *Options) schema(ctx context.Context) (string, error) {
	name := fmt.Sprintf("labwarden_bench_%x", time.Now().UnixNano())
	if err := o.sql(ctx, "CREATE SCHEMA "+name); err != nil {
		return "", fmt.Errorf("make a schema: %w", err)
	}
	*o.schemas = append(*o.schemas, name)
	u, err := url.Parse(o.DSN)
	if err != nil {
		return "", fmt.Errorf("read the database address: %w", err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func (o *Options) sql(ctx context.Context, statements ...string) error {
	db, err := store.OpenPostgres(ctx, o.DSN, store.Options{Readers: 1})
	if err != nil {
		return err
	}
	defer db.Close()
	for _, q := range statements {
		if err := db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, q)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// tidy drops what schema made.
func (o *Options) tidy() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, name := range *o.schemas {
		if err := o.sql(ctx, "DROP SCHEMA "+name+" CASCADE"); err != nil {
			fmt.Fprintf(o.Out, "schema %s could not be dropped: %v\n", name, err)
		}
	}
}

func configuration(o Options, dir, certs string, partners []string, turns bool) string {
	db := "{engine: sqlite}"
	if o.Engine == "postgres" {
		db = fmt.Sprintf("{engine: postgres, dsn_file: %q}", filepath.Join(dir, "dsn"))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `lab: {name: Bench, id: bench}
node:
  data: %s
  database: %s
  seals: [{kind: keyfile, path: %s}]
  control: {socket: %s}
  bypass: {key: %s}
  metrics: {listen: "127.0.0.1:0"}
  tls: {certificate: %s, key: %s}
sources:
  lis:
    mllp: {listen: "127.0.0.1:0", tls: {client_ca: %s}}
    max_connections: 1000
partners:
`, filepath.Join(dir, "data"), db, filepath.Join(dir, "root.key"), filepath.Join(dir, "hub.sock"), filepath.Join(dir, "bypass.key"),
		filepath.Join(certs, "hub.pem"), filepath.Join(certs, "hub.key"), filepath.Join(certs, "ca.pem"))
	keys := make([]string, len(partners))
	for i, addr := range partners {
		keys[i] = fmt.Sprintf("p%d", i)
		tls := ""
		if turns {
			tls = fmt.Sprintf(", connections: 8, tls: {ca: %s, server_name: p%d}", filepath.Join(certs, "ca.pem"), i)
		}
		fmt.Fprintf(&b, "  p%d: {name: P%d, destination: {mllp: {address: %q%s}}}\n", i, i, addr, tls)
	}
	b.WriteString("routes:\n")
	if !turns {
		fmt.Fprintf(&b, "  - {name: all, from: lis, to: [%s], stage: carry, check: none, check_reason: a measurement}\n", strings.Join(keys, ", "))
		return b.String()
	}
	for i, k := range keys {
		fmt.Fprintf(&b, "  - {name: r%d, from: lis, to: [%s], stage: carry, when: 'msh.receiving_app == \"P%d\"', check: none, check_reason: a measurement}\n", i, k, i)
	}
	return b.String()
}
