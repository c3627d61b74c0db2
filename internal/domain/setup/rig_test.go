package setup_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/domain/setup/setuptest"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

var (
	ann = approval.Person{ID: event.ID{1}, Account: "ann"}
	bob = approval.Person{ID: event.ID{2}, Account: "bob"}
	dir = approval.Person{ID: event.ID{3}, Account: "dr-lee"}
)

// rig is a service on a store with a configuration in memory.
type rig struct {
	t       *testing.T
	db      *store.DB
	log     *bus.Log
	vault   *vault.Vault
	lab     *setuptest.Lab
	desk    *approval.Desk
	service *setup.Service
	deps    setup.Deps
	now     time.Time
}

func newRig(t *testing.T, open storetest.Opener) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2026, 5, 4, 6, 52, 0, 0, time.UTC), vault: vaulttest.New(t)}
	r.db = open(store.Options{})
	r.must(r.db.Migrate(t.Context(), bus.Migrations(), approval.Migrations(), setup.Migrations()))
	var err error
	r.log, err = bus.New("test")
	r.must(err)
	r.log.Attach(r.db)
	r.must(r.vault.EnsurePurpose(t.Context(), vault.PurposeConfig, r.now))
	r.lab = &setuptest.Lab{Approved: map[string]string{}, Holding: map[authz.Permission][]approval.Person{
		authz.ConfigApply: {ann, bob}, authz.RoutesApprove: {dir},
	}}
	_, err = r.lab.Apply(t.Context(), setup.Target{Source: []byte(setuptest.First)}, setup.Why{By: "init", Reason: "first"})
	r.must(err)
	clock := func() time.Time { return r.now }
	r.desk = approval.New(r.db, r.vault, clock)
	r.deps = setup.Deps{
		DB: r.db, Vault: r.vault, Approvals: r.desk, Config: r.lab, Read: setuptest.Read, Directing: r.lab, Replayer: r.lab, People: r.lab,
		NeverAlone: func(context.Context) (bool, error) { return r.lab.Never, nil },
		Now:        clock, Log: slog.New(slog.DiscardHandler),
	}
	r.service = setup.New(r.deps)
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) want(err, is error) {
	r.t.Helper()
	if !errors.Is(err, is) {
		r.t.Fatalf("got %v, want %v", err, is)
	}
}

// draft begins one whose text is what edit makes of the one in force.
func (r *rig) draft(by approval.Person, old, new string) setup.Draft {
	r.t.Helper()
	d, err := r.service.Begin(r.t.Context(), "a test", by)
	r.must(err)
	return r.edit(d, by, old, new)
}

func (r *rig) edit(d setup.Draft, by approval.Person, old, new string) setup.Draft {
	r.t.Helper()
	if !strings.Contains(string(d.Source), old) {
		r.t.Fatalf("the draft does not have %q", old)
	}
	d, err := r.service.Save(r.t.Context(), d.Number, d.Version, d.Title, []byte(strings.Replace(string(d.Source), old, new, 1)), by)
	r.must(err)
	return d
}

func (r *rig) look(d setup.Draft) *setup.Look {
	r.t.Helper()
	l, err := r.service.Look(r.t.Context(), d.Number)
	r.must(err)
	return l
}

func (r *rig) fits() {
	r.t.Helper()
	r.must(r.service.Audit(r.t.Context(), func(table, row, what string) { r.t.Errorf("%s %s: %s", table, row, what) }))
	r.must(r.desk.Audit(r.t.Context(), func(table, row, what string) { r.t.Errorf("%s %s: %s", table, row, what) }))
}

func (r *rig) exec(query string) {
	r.t.Helper()
	r.must(r.db.Do(r.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, query)
		return err
	}))
}
