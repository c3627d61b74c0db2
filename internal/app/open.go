package app

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/app/watch"
	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/domain/partners/entry"
	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/domain/results/resultsfhir"
	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/domain/tunnels"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/lease"
	"github.com/labwarden/labwarden/internal/platform/publiccert"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/web"
)

//go:embed migrations/*.sql
var files embed.FS

func migrations() []store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return []store.Migrations{
		{Domain: "hub", Files: sub},
		bus.Migrations(), lease.Migrations(), results.Migrations(), resultsfhir.Migrations(), watch.Migrations(), alarm.Migrations(),
		access.Migrations(), signin.Migrations(), accounts.Migrations(), record.Migrations(), approval.Migrations(), setup.Migrations(),
		boxes.Migrations(), entry.Migrations(),
		keys.Migrations(), certificates.Migrations(),
		keys.Migrations(),
		tunnels.Migrations(),
		certificates.Migrations(), portal.Migrations(), publiccert.Migrations(),
	}
}

// purposes are the keys the hub needs besides those every vault has.
var purposes = []vault.Purpose{"bodies", "receipts", "secrets", vault.PurposeConfig, boxes.Purpose}

// Hub is an opened laboratory: store, keys, ledger and the domains on them.
type Hub struct {
	DB      *store.DB
	Log     *bus.Log
	Vault   *vault.Vault
	Results *results.Service
	Alarms  *alarm.Desk
	Access  *access.Service

	rooms   rooms
	gateway gateway

	now           func() time.Time
	slog          *slog.Logger
	lock          *folderLock
	node, version string
	file          string // the configuration file; empty where there is none

	applying  sync.Mutex // one configuration change at a time
	running   *reconciler
	revision  int64                 // the number of the one that runs here; under applying
	guard     atomic.Pointer[guard] // while this node holds the lease
	probe     *watch.Probe
	lastAudit atomic.Pointer[auditLast]
	// rewrapping is how far old keys are; nil when there are none.
	rewrapping atomic.Pointer[[]vault.RewrapStatus]
	bypassed   bypassed
	dates      *dates
	cuts       cuts // of revoked certificates

	boxRefusals boxRefusals

	lease   *lease.Lease
	trouble atomic.Pointer[string]            // why this node does no work; nil while it does
	doors   atomic.Pointer[map[string]string] // open doors' addresses; nil while nothing runs
	live    *web.Live                         // tells open pages what has changed
	conf    atomic.Pointer[config.Config]     // what runs, never changed in place; nil while nothing does
	data    string                            // the data folder
	front   atomic.Pointer[frontDoor]         // nil while partners have none
}

// Deps are the inputs from outside.
type Deps struct {
	Now  func() time.Time
	Log  *slog.Logger
	Node string // this node's name in ledger rows
	// Version is the program's, for status and metrics.
	Version string
	// File is this node's configuration file, which Apply keeps the same as what
	// runs; empty for none.
	File string

	folder string // what tells the data folder, which this process holds, from others
	data   string // the data folder
}

// ErrNotInitialised: there is no laboratory in this data folder yet.
var ErrNotInitialised = errors.New("there is no laboratory here yet: run `labwarden init` first")

// openStore opens the configured database without changing anything in it.
func openStore(ctx context.Context, n *config.Node) (*store.DB, error) {
	if n.Database.Engine == "postgres" {
		dsn := n.Database.URL
		if n.Database.DSNFile != "" {
			b, err := os.ReadFile(string(n.Database.DSNFile))
			if err != nil {
				return nil, fmt.Errorf("read the database address: %w", err)
			}
			dsn = strings.TrimSpace(string(b))
		}
		return store.OpenPostgres(ctx, dsn, store.Options{Readers: 8})
	}
	if err := os.MkdirAll(string(n.Data), 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	return store.OpenSQLite(ctx, filepath.Join(string(n.Data), "labwarden.db"), store.Options{})
}

// TryPostgres connects to the database whose connection string stands in the
// file, and changes nothing.
func TryPostgres(ctx context.Context, dsnFile string) error {
	db, err := openStore(ctx, &config.Node{Database: config.Database{Engine: "postgres", DSNFile: config.Path(dsnFile)}})
	if err != nil {
		return err
	}
	return db.Close()
}

// Create makes a new laboratory: schema and keys. The shares are shown once
// and stored nowhere.
func Create(ctx context.Context, c *config.Config, seals []vault.Seal, shares, threshold int, d Deps) ([]vault.Share, error) {
	lock, err := lockData(&c.Node, "")
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	db, err := openStore(ctx, &c.Node)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if err := db.Migrate(ctx, migrations()...); err != nil {
		return nil, err
	}
	v, made, err := vault.Create(ctx, book{db}, rand.Reader, vault.CreateOptions{
		Lab: c.Lab.ID, Seals: seals, Shares: shares, Threshold: threshold, Now: d.Now(),
	})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	for _, p := range purposes {
		if err := v.EnsurePurpose(ctx, p, d.Now()); err != nil {
			return nil, fmt.Errorf("make key for %s: %w", p, err)
		}
	}
	return made, nil
}

// Open opens an existing laboratory. The keys are tried before anything is
// written: with a wrong key the database stays as it is.
func Open(ctx context.Context, c *config.Config, seals []vault.Seal, d Deps) (*Hub, error) {
	lock, err := lockData(&c.Node, "")
	if err != nil {
		return nil, err
	}
	db, err := openStore(ctx, &c.Node)
	if err != nil {
		lock.Close()
		return nil, err
	}
	d.data = string(c.Node.Data)
	if db.Engine() != store.SQLite {
		if d.folder, err = folderName(&c.Node); err != nil {
			return nil, errors.Join(err, db.Close(), lock.Close())
		}
	}
	h, err := open(ctx, db, seals, d)
	if err != nil {
		return nil, errors.Join(err, db.Close(), lock.Close())
	}
	h.lock = lock
	return h, nil
}

func open(ctx context.Context, db *store.DB, seals []vault.Seal, d Deps) (*Hub, error) {
	v, err := vault.Open(ctx, book{db}, seals...)
	if store.IsMissingTable(err) || errors.Is(err, vault.ErrEmpty) {
		return nil, ErrNotInitialised
	}
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, migrations()...); err != nil {
		v.Close()
		return nil, err
	}
	log, err := bus.New(d.Node)
	if err != nil {
		v.Close()
		return nil, err
	}
	log.Bind(v)
	log.Attach(db)
	svc, err := results.New(ctx, db, log, v, d.Now, d.Log)
	if err != nil {
		v.Close()
		return nil, err
	}
	alarms, err := alarm.New(ctx, db, v, d.Now, d.Log)
	if err != nil {
		v.Close()
		return nil, err
	}
	ends := newDates()
	if err := ends.load(ctx, db); err != nil {
		v.Close()
		return nil, err
	}
	people := access.New(access.Deps{DB: db, Ledger: log, Keys: v, Now: d.Now, Log: d.Log, Raise: alarms})
	h := &Hub{
		Access: people, live: web.NewLive(), DB: db, Log: log, Vault: v, Results: svc, Alarms: alarms, now: d.Now, slog: d.Log, node: d.Node, version: d.Version, file: d.File,
		probe: &watch.Probe{DB: db, Now: d.Now}, dates: ends, lease: newLease(db, d), data: d.data,
	}
	h.furnish()
	if err := h.rooms.certificates.Load(ctx); err != nil {
		v.Close()
		return nil, err
	}
	return h, nil
}

// Close ends the hub; what Serve started must have ended before.
func (h *Hub) Close() error {
	err := h.DB.Close()
	h.Vault.Close()
	if h.lock != nil {
		err = errors.Join(err, h.lock.Close())
	}
	return err
}

// Seals makes the seals of the configuration. ask is called for a passphrase;
// nil leaves passphrase seals out, so that an unattended start goes by the others.
func Seals(n *config.Node, ask func() (string, error)) ([]vault.Seal, error) {
	var out []vault.Seal
	for _, s := range n.Seals {
		switch s.Kind {
		case "keyfile":
			out = append(out, vault.KeyFile(string(s.Path)))
		case "systemd":
			out = append(out, vault.Credential(os.Getenv("CREDENTIALS_DIRECTORY"), s.Name))
		case "passphrase":
			if ask == nil {
				continue
			}
			p, err := ask()
			if err != nil {
				return nil, fmt.Errorf("read passphrase: %w", err)
			}
			out = append(out, vault.Passphrase(p))
		}
	}
	return out, nil
}
