package tunnels

import (
	"context"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// KindIdentity is the fact that the hub got the key by which far ends know it.
const KindIdentity = "tunnel.identity_made"

func identityPlace() vault.Where {
	return vault.Where{Table: "tunnels_identity", Column: "key", Row: []byte{1}}
}

// Identity is the hub's certificate and key towards far ends; fresh makes them
// once.
func (b *Book) Identity(ctx context.Context, fresh func() (certificate, key []byte, err error)) (certificate, key []byte, err error) {
	var sealed []byte
	err = b.db.QueryRow(ctx, "SELECT certificate, key FROM tunnels_identity WHERE id = 1").Scan(&certificate, &sealed)
	if err == nil {
		if key, err = b.vault.Unseal(vault.PurposeSecrets, identityPlace(), nil, sealed); err != nil {
			return nil, nil, fmt.Errorf("open the hub's key for tunnels: %w", err)
		}
		return certificate, key, nil
	}
	if !errors.Is(err, store.ErrNoRows) {
		return nil, nil, fmt.Errorf("read the hub's key for tunnels: %w", err)
	}
	if certificate, key, err = fresh(); err != nil {
		return nil, nil, err
	}
	if sealed, err = b.vault.Seal(vault.PurposeSecrets, identityPlace(), nil, key); err != nil {
		return nil, nil, fmt.Errorf("seal the hub's key for tunnels: %w", err)
	}
	made := false
	err = b.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		at := b.now().UnixMicro()
		n, err := tx.Exec(ctx, "INSERT INTO tunnels_identity (id, made_at, certificate, key) VALUES (1, $1, $2, $3) ON CONFLICT (id) DO NOTHING", at, certificate, sealed)
		if made = n > 0; err != nil || !made {
			return err
		}
		if err := b.tags.Put(ctx, tx, taggedIdentity, int64(1)); err != nil {
			return err
		}
		_, err = bus.Publish(ctx, tx, ledger.Event{Kind: KindIdentity, At: at, IDs: ledger.Pairs{{K: "by", V: ledger.Program}}})
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("keep the hub's key for tunnels: %w", err)
	}
	if !made { // another node was quicker: then it is that one
		return b.Identity(ctx, fresh)
	}
	return certificate, key, nil
}
