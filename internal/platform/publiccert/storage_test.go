package publiccert_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/bus/bustest"
	"github.com/labwarden/labwarden/internal/platform/publiccert"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

// rig is a database and keys that several nodes share.
type rig struct {
	db *store.DB
	v  *vault.Vault
}

func newRig(t *testing.T, open storetest.Opener) rig {
	t.Helper()
	db := open(store.Options{})
	if err := db.Migrate(t.Context(), bus.Migrations(), publiccert.Migrations()); err != nil {
		t.Fatal(err)
	}
	v := vaulttest.New(t)
	t.Cleanup(v.Close)
	log, err := bus.New("test")
	if err != nil {
		t.Fatal(err)
	}
	log.Bind(v)
	log.Attach(db)
	return rig{db, v}
}

func (r rig) node(name string) *publiccert.Storage {
	return publiccert.NewStorage(r.db, r.v, name, time.Now)
}

func TestStorageKeepsWhatItWasGiven(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r, ctx := newRig(t, open), t.Context()
		s := r.node("a")
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range []string{"acme/ca/users/it/it.key", "certificates/ca/lab.example/lab.example.key", "certificates/ca/lab.example/lab.example.crt", "certificates/caa"} {
			must(s.Store(ctx, k, []byte("secret of "+k)))
		}
		must(s.Store(ctx, "certificates/caa", []byte("again")))
		if b, err := r.node("b").Load(ctx, "certificates/caa"); err != nil || string(b) != "again" {
			t.Fatalf("%q %v", b, err)
		}
		if got, err := s.List(ctx, "certificates", false); err != nil || fmt.Sprint(got) != "[certificates/ca certificates/caa]" {
			t.Error(got, err)
		}
		if got, err := s.List(ctx, "certificates/ca", true); err != nil || len(got) != 2 {
			t.Error(got, err)
		}
		if i, err := s.Stat(ctx, "certificates/ca"); err != nil || i.IsTerminal {
			t.Error("a folder:", i, err)
		}
		if i, err := s.Stat(ctx, "certificates/caa"); err != nil || !i.IsTerminal || i.Modified.IsZero() {
			t.Error("a file:", i, err)
		}
		must(s.Delete(ctx, "certificates/ca"))
		must(s.Delete(ctx, "certificates/ca")) // nothing there is no error
		if s.Exists(ctx, "certificates/ca/lab.example/lab.example.key") || !s.Exists(ctx, "certificates/caa") {
			t.Error("more or less was removed than what stands below the name")
		}
		for _, gone := range []func() error{
			func() error { _, err := s.Load(ctx, "certificates/ca"); return err },
			func() error { _, err := s.Stat(ctx, "certificates/ca"); return err },
			func() error { _, err := s.List(ctx, "certificates/ca", true); return err },
		} {
			if err := gone(); !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
		}

		// Nothing of it lies open in the database, and a row that was moved is found.
		audit := func() (found []string) {
			t.Helper()
			must(s.Audit(ctx, func(_, row, _ string) { found = append(found, row) }))
			return found
		}
		if found := audit(); len(found) > 0 {
			t.Error(found)
		}
		var raw []byte
		must(r.db.QueryRow(ctx, "SELECT content FROM acme_items WHERE path = $1", "certificates/caa").Scan(&raw))
		if slices.Contains([]string{"again"}, string(raw)) {
			t.Error("the content is not sealed")
		}
		must(r.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE acme_items SET content = $1 WHERE path = $2", raw, "acme/ca/users/it/it.key")
			return err
		}))
		if found := audit(); !slices.Contains(found, "acme/ca/users/it/it.key") {
			t.Error("a content that was moved is not found:", found)
		}
		if _, err := s.Load(ctx, "acme/ca/users/it/it.key"); err == nil {
			t.Error("a content that was moved opens")
		}
	})
}

// A thief who edits the database is found, whatever he edits.
func TestEveryColumnIsBound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		s := r.node("a")
		for _, k := range []string{"acme/ca/users/it/it.key", "certificates/ca/lab.example/lab.example.key"} {
			if err := s.Store(t.Context(), k, []byte("secret of "+k)); err != nil {
				t.Fatal(err)
			}
		}
		bustest.EveryColumn(t, r.db, "acme_", map[string]string{"acme_locks.*": "it changes with each try; a forged lock ends a node's turn for a minute at most"}, s.Audit)
	})
}

// One node asks at a time; the lock of one that died, or a forged one, is taken.
func TestOneNodeAtATime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r, ctx := newRig(t, open), t.Context()
		a, b := r.node("a"), r.node("b")
		if err := a.Lock(ctx, "lab.example"); err != nil {
			t.Fatal(err)
		}
		if err := a.Lock(ctx, "other.example"); err != nil {
			t.Error("another name waits:", err)
		}
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if err := b.Lock(short, "lab.example"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error("two have one lock:", err)
		}
		if err := a.Unlock(ctx, "lab.example"); err != nil {
			t.Fatal(err)
		}
		if err := b.Lock(ctx, "lab.example"); err != nil {
			t.Fatal(err)
		}
		if err := a.Unlock(ctx, "lab.example"); err == nil {
			t.Error("another's lock was freed")
		}
		for _, until := range []time.Time{time.Now().Add(-time.Second), time.Now().AddDate(100, 0, 0)} {
			if err := r.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.Exec(ctx, "UPDATE acme_locks SET holder = 'dead', until = $1 WHERE name = 'lab.example'", until.UnixMicro())
				return err
			}); err != nil {
				t.Fatal(err)
			}
			short, cancel := context.WithTimeout(ctx, 5*time.Second)
			if err := a.Lock(short, "lab.example"); err != nil {
				t.Error(until, err)
			} else if err := a.Unlock(ctx, "lab.example"); err != nil {
				t.Error(err)
			}
			cancel()
			if err := r.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO acme_locks (name, holder, until) VALUES ('lab.example', 'x', 0)")
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
	})
}
