// Package storetest gives tests a real, empty database on each engine.
package storetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// Opener opens the same test database each time it is called, so that a test
// can close and reopen it.
type Opener func(opts store.Options) *store.DB

// Each runs the test on SQLite and on PostgreSQL. PostgreSQL needs
// LABWARDEN_TEST_POSTGRES (make test sets it); without it that half is skipped
// loudly, or fails when LABWARDEN_REQUIRE_POSTGRES is 1.
func Each(t *testing.T, run func(t *testing.T, open Opener)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "test.db")
		run(t, func(opts store.Options) *store.DB {
			db, err := store.OpenSQLite(t.Context(), path, opts)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			return db
		})
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := PostgresDSN(t)
		run(t, func(opts store.Options) *store.DB {
			db, err := store.OpenPostgres(t.Context(), dsn, opts)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			return db
		})
	})
}

// PostgresDSN makes an empty schema on the test server and returns the address
// that uses it.
func PostgresDSN(t testing.TB) string {
	t.Helper()
	dsn := os.Getenv("LABWARDEN_TEST_POSTGRES")
	if dsn == "" {
		if os.Getenv("LABWARDEN_REQUIRE_POSTGRES") == "1" {
			t.Fatal("LABWARDEN_TEST_POSTGRES is not set: run `make test`")
		}
		t.Skip("SKIPPED THE POSTGRESQL HALF: LABWARDEN_TEST_POSTGRES is not set; `make test` starts a server for it")
	}
	var b [8]byte
	_, _ = rand.Read(b[:])
	schema := "t" + hex.EncodeToString(b[:])
	admin, err := store.OpenPostgres(t.Context(), dsn, store.Options{Readers: 1})
	if err != nil {
		t.Fatalf("reach the test PostgreSQL: %v", err)
	}
	create := func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, "CREATE SCHEMA "+schema)
		return err
	}
	if err := admin.Do(t.Context(), create); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = admin.Do(context.Background(), func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, "DROP SCHEMA "+schema+" CASCADE")
			return err
		})
		_ = admin.Close()
	})
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatalf("LABWARDEN_TEST_POSTGRES must be a postgres:// address: %v", err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}
