package tunnels

import (
	"context"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is the schema of the book.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return store.Migrations{Domain: "tunnels", Files: sub}
}

// Book keeps tunnels.
type Book struct {
	db    *store.DB
	vault *vault.Vault
	tags  *bus.Tags
	now   func() time.Time
}

// New makes a book over an open store.
func New(db *store.DB, v *vault.Vault, now func() time.Time) *Book {
	return &Book{db, v, bus.NewTags(v), now}
}

const columns = `SELECT name, kind, standard, number, made_at, made_by, reach, offers, pins, far_public, far_host, joined_at,
	epoch, keys_at, token_until, token, secrets FROM tunnels_tunnels `

// row is a tunnel with what only this package sees.
type row struct {
	Tunnel
	token  string
	sealed []byte
}

func scan(s store.Scanner) (row, error) {
	var r row
	var standard, made, joined, keys, until int64
	var reach, offers, pins, public string
	err := s.Scan(&r.Name, &r.Kind, &standard, &r.Number, &made, &r.MadeBy, &reach, &offers, &pins, &public, &r.Host, &joined,
		&r.Epoch, &keys, &until, &r.token, &r.sealed)
	if err != nil {
		return r, err
	}
	if public != "" {
		if r.Public, err = hex.DecodeString(public); err != nil {
			return r, fmt.Errorf("read tunnel %s: its key is not hex", r.Name)
		}
	}
	r.Standard = standard == 1
	r.MadeAt, r.JoinedAt, r.KeysAt = moment(made), moment(joined), moment(keys)
	if len(r.token) > 0 {
		r.InvitedUntil = moment(until)
	}
	if err := errors.Join(json.Unmarshal([]byte(reach), &r.Reach), json.Unmarshal([]byte(offers), &r.Offers), json.Unmarshal([]byte(pins), &r.Pins)); err != nil {
		return r, fmt.Errorf("read tunnel %s: %w", r.Name, err)
	}
	return r, nil
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func list[T any](v []T) string {
	if v == nil {
		v = []T{}
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings only
	}
	return string(b)
}

func place(name string) vault.Where {
	return vault.Where{Table: "tunnels_tunnels", Column: "secrets", Row: []byte(name)}
}

func (b *Book) seal(name string, s Secrets) ([]byte, error) {
	plain, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write a tunnel's keys: %w", err)
	}
	defer clear(plain)
	sealed, err := b.vault.Seal(vault.PurposeSecrets, place(name), nil, plain)
	if err != nil {
		return nil, fmt.Errorf("seal a tunnel's keys: %w", err)
	}
	return sealed, nil
}

func (b *Book) unseal(r row) (Secrets, error) {
	var s Secrets
	plain, err := b.vault.Unseal(vault.PurposeSecrets, place(r.Name), nil, r.sealed)
	if err != nil {
		return s, fmt.Errorf("open the keys of tunnel %s: %w", r.Name, err)
	}
	defer clear(plain)
	if err := json.Unmarshal(plain, &s); err != nil {
		return s, fmt.Errorf("read the keys of tunnel %s: %w", r.Name, errors.New("not in the form they were written in"))
	}
	return s, nil
}

// List returns all tunnels by name.
func (b *Book) List(ctx context.Context) ([]Tunnel, error) {
	out := []Tunnel{}
	err := b.db.Query(ctx, columns+"ORDER BY name", nil, func(s store.Scanner) error {
		r, err := scan(s)
		out = append(out, r.Tunnel)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list tunnels: %w", err)
	}
	return out, nil
}

func (b *Book) read(ctx context.Context, q store.Queryer, name string) (row, error) {
	r, err := scan(q.QueryRow(ctx, columns+"WHERE name = $1", name))
	if errors.Is(err, store.ErrNoRows) {
		return r, ErrNone
	}
	return r, err
}

// Get returns one.
func (b *Book) Get(ctx context.Context, name string) (Tunnel, error) {
	r, err := b.read(ctx, b.db, name)
	if err != nil {
		return Tunnel{}, fmt.Errorf("tunnel %s: %w", name, err)
	}
	return r.Tunnel, nil
}

// Secrets opens one tunnel's keys.
func (b *Book) Secrets(ctx context.Context, name string) (Secrets, error) {
	r, err := b.read(ctx, b.db, name)
	if err != nil {
		return Secrets{}, fmt.Errorf("tunnel %s: %w", name, err)
	}
	return b.unseal(r)
}

// change runs write on the row of a tunnel and publishes the fact, in one
// transaction.
func (b *Book) change(ctx context.Context, name, kind string, by By, write func(ctx context.Context, tx *store.Tx, r *row) error) error {
	if by.Who == "" {
		return ErrPerson
	}
	err := b.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		r, err := b.read(ctx, tx, name)
		if err != nil {
			return err
		}
		if err := b.tags.Change(ctx, tx, taggedTunnels, name, func() error { return write(ctx, tx, &r) }); err != nil {
			return err
		}
		return b.publish(ctx, tx, kind, &r.Tunnel, by)
	})
	if err != nil {
		return fmt.Errorf("change tunnel %s: %w", name, err)
	}
	return nil
}

func (b *Book) publish(ctx context.Context, tx *store.Tx, kind string, t *Tunnel, by By) error {
	codes := ledger.Pairs{{K: "kind", V: ledger.Code(t.Kind)}}
	if by.Reason != "" {
		codes = append(codes, ledger.Pair{K: "reason", V: ledger.Code(by.Reason)})
	}
	if n := len(t.Pins); n > 0 {
		codes = append(codes, ledger.Pair{K: "certificate", V: ledger.Code(t.Pins[n-1])})
	}
	_, err := bus.Publish(ctx, tx, ledger.Event{
		Kind: kind, At: b.now().UnixMicro(), Codes: codes,
		IDs:     ledger.Pairs{{K: "tunnel", V: ledger.Code(t.Name)}, {K: "by", V: ledger.Code(by.Who)}},
		Numbers: []ledger.Number{{K: "reach", N: int64(len(t.Reach))}, {K: "offers", N: int64(len(t.Offers))}, {K: "key_number", N: t.Epoch}},
	})
	return err
}
