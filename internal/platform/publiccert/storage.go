package publiccert

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Storage keeps what the ACME client needs in the hub's database. It implements
// certmagic.Storage.
type Storage struct {
	db    *store.DB
	vault *vault.Vault
	tags  *bus.Tags
	now   func() time.Time
	held  held
}

// NewStorage returns the storage. node names this process in locks: each process
// needs its own.
func NewStorage(db *store.DB, v *vault.Vault, node string, now func() time.Time) *Storage {
	return &Storage{db: db, vault: v, tags: bus.NewTags(v), now: now, held: held{node: node, all: map[string]func(){}}}
}

// Store implements certmagic.Storage.
func (s *Storage) Store(ctx context.Context, key string, value []byte) error {
	sealed, err := s.vault.Seal(vault.PurposeSecrets, where(key), nil, value)
	if err != nil {
		return fmt.Errorf("seal %s: %w", key, err)
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO acme_items (path, changed_at, content) VALUES ($1, $2, $3)
			ON CONFLICT (path) DO UPDATE SET changed_at = excluded.changed_at, content = excluded.content`, key, s.now().UnixMicro(), sealed); err != nil {
			return err
		}
		return s.tags.Put(ctx, tx, tagged, key)
	})
	if err != nil {
		return fmt.Errorf("keep %s: %w", key, err)
	}
	return nil
}

// Load implements certmagic.Storage.
func (s *Storage) Load(ctx context.Context, key string) ([]byte, error) {
	if ctx == nil { // of a handshake that was built by hand
		ctx = context.Background()
	}
	var sealed []byte
	err := s.db.QueryRow(ctx, "SELECT content FROM acme_items WHERE path = $1", key).Scan(&sealed)
	if errors.Is(err, store.ErrNoRows) {
		return nil, fmt.Errorf("load %s: %w", key, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", key, err)
	}
	plain, err := s.vault.Unseal(vault.PurposeSecrets, where(key), nil, sealed)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", key, err)
	}
	return plain, nil
}

// Delete implements certmagic.Storage: the key, or all below it.
func (s *Storage) Delete(ctx context.Context, key string) error {
	all, err := s.List(ctx, key, true)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	all = append(all, key)
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, k := range all {
			n, err := tx.Exec(ctx, "DELETE FROM acme_items WHERE path = $1", k)
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			if err := s.tags.Drop(ctx, tx, tagged, k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove %s: %w", key, err)
	}
	return nil
}

// Exists implements certmagic.Storage.
func (s *Storage) Exists(ctx context.Context, key string) bool {
	_, err := s.Stat(ctx, key)
	return err == nil
}

// List implements certmagic.Storage. What is kept is a few rows for each name.
func (s *Storage) List(ctx context.Context, prefix string, recursive bool) ([]string, error) {
	var out []string
	err := s.db.Query(ctx, "SELECT path FROM acme_items ORDER BY path", nil, func(row store.Scanner) error {
		var p string
		if err := row.Scan(&p); err != nil {
			return err
		}
		rest := p
		if prefix != "" {
			var below bool
			if rest, below = strings.CutPrefix(p, strings.TrimSuffix(prefix, "/")+"/"); !below {
				return nil
			}
		}
		if first, _, deeper := strings.Cut(rest, "/"); deeper && !recursive {
			p = path.Join(prefix, first)
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("list %s: %w", prefix, fs.ErrNotExist)
	}
	return out, nil
}

// Stat implements certmagic.Storage.
func (s *Storage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	info := certmagic.KeyInfo{Key: key}
	var at int64
	err := s.db.QueryRow(ctx, "SELECT changed_at FROM acme_items WHERE path = $1", key).Scan(&at)
	if err == nil {
		info.Modified, info.IsTerminal = time.UnixMicro(at).UTC(), true
		return info, nil
	}
	if !errors.Is(err, store.ErrNoRows) {
		return info, fmt.Errorf("look at %s: %w", key, err)
	}
	_, err = s.List(ctx, key, false)
	return info, err
}

var _ certmagic.Storage = (*Storage)(nil)
