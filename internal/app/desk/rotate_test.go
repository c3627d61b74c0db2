package desk_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

// full is a ledger on a disk without room.
type full struct{ store.Hook }

func (full) Commit(*store.Tx) error { return errors.New("the disk is full") }

// TestRotation: what was asked for and nothing else, the record first, and the
// witnesses told of a new signing key.
func TestRotation(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		db := open(store.Options{})
		must(t, db.Migrate(t.Context(), bus.Migrations()))
		log, err := bus.New("test")
		must(t, err)
		log.Attach(db)
		v := vaulttest.New(t)
		for _, p := range []vault.Purpose{vault.PurposeConfig, vault.PurposeIndex} {
			must(t, v.EnsurePurpose(t.Context(), p, time.Now()))
		}
		told := 0
		turn := desk.Rotation{DB: db, Vault: v, Now: time.Now, Log: slog.New(slog.DiscardHandler), Reload: func(context.Context) error {
			told++
			return errors.New("a witness does not answer")
		}}
		keys := func() int {
			st, err := v.Status()
			must(t, err)
			return len(st.Keys) + len(st.Signers)
		}
		before := keys()
		var invalid *desk.Invalid
		for _, what := range [][]string{nil, {"nonsense"}, {"config", "nonsense"}, slices.Repeat([]string{"config"}, 9)} {
			if err := turn.Rotate(t.Context(), what, "ann", "yearly"); !errors.As(err, &invalid) {
				t.Errorf("%v: %v", what, err)
			}
		}
		if err := turn.Rotate(t.Context(), []string{"config"}, "ann", " "); !errors.As(err, &invalid) {
			t.Error(err)
		}
		if err := turn.Rotate(t.Context(), []string{"config", "index"}, "ann", "yearly"); !errors.Is(err, desk.ErrIndexKey) {
			t.Error(err)
		}
		if keys() != before || told != 0 {
			t.Error("a refused rotation made a key")
		}
		db.SetHook(full{log})
		if err := turn.Rotate(t.Context(), []string{"config"}, "ann", "yearly"); err == nil || keys() != before {
			t.Errorf("a rotation that could not be recorded happened: %v", err)
		}
		db.SetHook(log)
		must(t, turn.Rotate(t.Context(), []string{"config"}, "ann", "yearly"))
		if keys() != before+1 || told != 0 {
			t.Error(keys(), told)
		}
		must(t, turn.Rotate(t.Context(), []string{desk.Signer}, "ann", "yearly"))
		if keys() != before+2 || told != 1 {
			t.Error(keys(), told)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
