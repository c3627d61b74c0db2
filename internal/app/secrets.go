package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Secret is one stored secret without its value.
type Secret = desk.Secret

// maxSecret bounds a secret: the longest are private keys.
const maxSecret = 64 << 10

var secretName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$`)

// Errors about secrets and revisions that a caller can act on.
var (
	ErrNoSecret   = desk.ErrNoSecret
	ErrSecretUsed = desk.ErrSecretUsed
)

func secretWhere(name string) vault.Where {
	return vault.Where{Table: "hub_secrets", Column: "value", Row: []byte(name)}
}

// SetSecret stores a value under name, sealed; it replaces an earlier one. What
// already runs keeps the old value until the next Reload, Apply or start; where
// several nodes may share the database (PostgreSQL) all take it within seconds.
func (h *Hub) SetSecret(ctx context.Context, name string, value []byte, who string) error {
	switch {
	case !secretName.MatchString(name):
		return desk.Refuse("a secret's name has letters, digits, - _ and ., at most 64 of them, and begins with a letter or digit")
	case len(value) == 0:
		return desk.Refuse("the secret is empty")
	case len(value) > maxSecret:
		return desk.Refuse(fmt.Sprintf("the secret is longer than %d bytes", maxSecret))
	}
	sealed, err := h.Vault.Seal(vault.PurposeSecrets, secretWhere(name), nil, value)
	if err != nil {
		return fmt.Errorf("seal secret: %w", err)
	}
	return h.secretChange(ctx, "secret.set", name, who, func(ctx context.Context, tx *store.Tx, at int64) error {
		_, err := tx.Exec(ctx, `INSERT INTO hub_secrets (name, set_at, set_by, value) VALUES ($1, $2, $3, $4)
			ON CONFLICT (name) DO UPDATE SET set_at = excluded.set_at, set_by = excluded.set_by, value = excluded.value`, name, at, who, sealed)
		if err != nil {
			return err
		}
		return bus.NewTags(h.Vault).Put(ctx, tx, taggedSecrets, name)
	})
}

// RemoveSecret forgets a secret. It is refused while the applied revision names it.
func (h *Hub) RemoveSecret(ctx context.Context, name, who string) error {
	h.applying.Lock() // no revision that names it may come in between
	defer h.applying.Unlock()
	c, err := h.Current(ctx)
	if err != nil && !errors.Is(err, ErrNoRevision) {
		return err
	}
	if c != nil && slices.Contains(secretsOf(c.Config), name) {
		return fmt.Errorf("remove secret %s: %w (revision %d)", name, ErrSecretUsed, c.Number)
	}
	return h.secretChange(ctx, "secret.removed", name, who, func(ctx context.Context, tx *store.Tx, _ int64) error {
		n, err := tx.Exec(ctx, "DELETE FROM hub_secrets WHERE name = $1", name)
		if err == nil && n == 0 {
			err = ErrNoSecret
		}
		if err != nil {
			return err
		}
		return bus.NewTags(h.Vault).Drop(ctx, tx, taggedSecrets, name)
	})
}

func (h *Hub) secretChange(ctx context.Context, kind, name, who string, write func(context.Context, *store.Tx, int64) error) error {
	if who == "" {
		return errors.New("change secret: nobody is named who does it")
	}
	err := h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		at := h.now().UnixMicro()
		if err := write(ctx, tx, at); err != nil {
			return err
		}
		_, err := bus.Publish(ctx, tx, ledger.Event{Kind: kind, At: at, IDs: ledger.Pairs{{K: "secret", V: ledger.Code(name)}, {K: "by", V: ledger.Code(who)}}})
		return err
	})
	if err != nil {
		return fmt.Errorf("change secret %s: %w", name, err)
	}
	return nil
}

// Secrets lists what is stored, by name, without any value.
func (h *Hub) Secrets(ctx context.Context) ([]Secret, error) {
	var used []string
	switch c, err := h.Current(ctx); {
	case err == nil:
		used = secretsOf(c.Config)
	case !errors.Is(err, ErrNoRevision):
		return nil, err
	}
	out := []Secret{}
	err := h.DB.Query(ctx, "SELECT name, set_at, set_by FROM hub_secrets ORDER BY name", nil, func(row store.Scanner) error {
		var s Secret
		var at int64
		if err := row.Scan(&s.Name, &at, &s.SetBy); err != nil {
			return err
		}
		s.SetAt, s.Used = time.UnixMicro(at).UTC(), slices.Contains(used, s.Name)
		out = append(out, s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list secrets: %w", err)
	}
	return out, nil
}

// secret resolves a reference when something that needs it is built. Its
// errors name the reference, never the value. nil for an empty reference.
func (h *Hub) secret(ctx context.Context, s config.Secret) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	if s.File() != "" {
		return readSecretFile(s)
	}
	var sealed []byte
	err := h.DB.QueryRow(ctx, "SELECT value FROM hub_secrets WHERE name = $1", s.Vault()).Scan(&sealed)
	if errors.Is(err, store.ErrNoRows) {
		return nil, fmt.Errorf("%w: %s; store it with `labwarden secret set %s`", ErrNoSecret, s, s.Vault())
	}
	if err != nil {
		return nil, fmt.Errorf("read secret %s: %w", s, err)
	}
	b, err := h.Vault.Unseal(vault.PurposeSecrets, secretWhere(s.Vault()), nil, sealed)
	if err != nil {
		return nil, fmt.Errorf("read secret %s: %w", s, err)
	}
	return b, nil
}

// readSecretFile reads a secret that stands in a file of its own.
func readSecretFile(s config.Secret) ([]byte, error) {
	f, err := os.Open(s.File())
	if err != nil {
		return nil, fmt.Errorf("read secret %s: %w", s, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return nil, fmt.Errorf("read secret %s: %w", s, err)
	}
	if len(b) == 0 || len(b) > maxSecret {
		return nil, fmt.Errorf("read secret %s: it has %d bytes, want 1 to %d", s, len(b), maxSecret)
	}
	return b, nil
}

// secretsOf are the names of the vault's secrets that c refers to.
func secretsOf(c *config.Config) []string {
	var out []string
	walk(reflect.ValueOf(c), func(v any) {
		if s, ok := v.(config.Secret); ok && s.Vault() != "" {
			out = append(out, s.Vault())
		}
	})
	return out
}

// walk calls f for every value of a named text type in v.
func walk(v reflect.Value, f func(any)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), f)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			walk(v.MapIndex(k), f)
		}
	case reflect.String:
		if v.CanInterface() {
			f(v.Interface())
		}
	}
}
