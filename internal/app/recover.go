package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// KindRecovered is the fact that recovery shares opened the keys.
const KindRecovered = "keys.recovered"

// Recover opens the keys of a stopped hub with recovery shares, makes a key
// file at path and adds it as a seal. by goes into the ledger before the seal
// is added: what cannot be recorded is not done. With too few or wrong shares
// nothing is written at all.
func Recover(ctx context.Context, c *config.Config, shares []vault.Share, path, by string, d Deps) (st vault.Status, err error) {
	lock, err := lockData(&c.Node, "")
	if err != nil {
		return st, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	db, err := openStore(ctx, &c.Node)
	if err != nil {
		return st, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	v, err := vault.Recover(ctx, book{db}, shares)
	if store.IsMissingTable(err) || errors.Is(err, vault.ErrEmpty) {
		return st, ErrNotInitialised
	}
	if err != nil {
		return st, err
	}
	defer v.Close()
	log, err := bus.New(d.Node)
	if err != nil {
		return st, err
	}
	log.Attach(db)
	if err := vault.CreateKeyFile(path, rand.Reader); err != nil {
		return st, err
	}
	err = db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := bus.Publish(ctx, tx, ledger.Event{
			Kind: KindRecovered, At: d.Now().UnixMicro(),
			IDs: ledger.Pairs{{K: "by", V: ledger.Code(by)}}, Numbers: []ledger.Number{{K: "shares", N: int64(len(shares))}},
		})
		return err
	})
	if err != nil {
		return st, fmt.Errorf("record the recovery (the new key file opens nothing yet): %w", err)
	}
	if err := v.AddSeal(ctx, vault.KeyFile(path), d.Now()); err != nil {
		return st, err
	}
	return v.Status()
}
