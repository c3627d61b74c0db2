package keys

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is the schema of partners' keys.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return store.Migrations{Domain: "partners_keys", Files: sub}
}

var tagged = &bus.Tagged{Table: "partners_keys", Key: "id", Columns: []string{
	"partner", "kind", "fingerprint", "material", "name", "strength", "weak", "ends_at", "state", "added_at", "added_by",
	"compared_at", "compared_by", "compared_with", "compared_how", "compared_number", "from_at", "until_at", "used_at", "used_by",
	"ended_at", "ended_by", "reason", "leaf",
}}

// TaggedTables are the tables of this package; all of their rows carry tags.
func TaggedTables() []string { return []string{tagged.Table} }

// Audit names the rows that were changed, exchanged, added or removed by somebody
// without the key.
func (s *Service) Audit(ctx context.Context, found func(table, row, what string)) error {
	return s.tags.Audit(ctx, s.db, tagged, func(row, what string) { found(tagged.Table, row, what) })
}

const columns = `SELECT id, partner, kind, fingerprint, material, name, strength, weak, ends_at, state, added_at, added_by,
	compared_at, compared_by, compared_with, compared_how, compared_number, from_at, until_at, used_at, used_by,
	ended_at, ended_by, reason, leaf FROM partners_keys `

func scan(row store.Scanner) (Key, error) {
	var k Key
	var id []byte
	var ends, state, added, compared, from, until, used, ended int64
	err := row.Scan(&id, &k.Partner, &k.Kind, &k.Fingerprint, &k.Bytes, &k.Name, &k.Strength, &k.WeakReason, &ends, &state, &added, &k.AddedBy,
		&compared, &k.Comparison.By, &k.Comparison.With, &k.Comparison.How, &k.Comparison.Number, &from, &until, &used, &k.UsedBy,
		&ended, &k.EndedBy, &k.Reason, &k.Leaf)
	if err != nil {
		return k, err
	}
	k.State, k.Weak = State(state), k.WeakReason != ""
	k.Ends, k.AddedAt, k.Comparison.At = moment(ends), moment(added), moment(compared)
	k.From, k.Until, k.UsedAt, k.EndedAt = moment(from), moment(until), moment(used), moment(ended)
	k.ID, err = event.IDFromBytes(id)
	return k, err
}

// values are the columns as Tags reads them.
func (k *Key) values() []any {
	return []any{
		k.Partner, k.Kind, k.Fingerprint, k.Bytes, k.Name, k.Strength, k.WeakReason, micro(k.Ends), int64(k.State), micro(k.AddedAt), k.AddedBy,
		micro(k.Comparison.At), k.Comparison.By, k.Comparison.With, k.Comparison.How, k.Comparison.Number, micro(k.From), micro(k.Until),
		micro(k.UsedAt), k.UsedBy, micro(k.EndedAt), k.EndedBy, k.Reason, k.Leaf,
	}
}

func (s *Service) list(ctx context.Context, q store.Queryer, where string, args ...any) ([]Key, error) {
	out := []Key{}
	err := q.Query(ctx, columns+where+" ORDER BY added_at DESC, id DESC", args, func(row store.Scanner) error {
		k, err := scan(row)
		out = append(out, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return out, nil
}

// Of lists a partner's keys, the newest first.
func (s *Service) Of(ctx context.Context, partner string) ([]Key, error) {
	return s.list(ctx, s.db, "WHERE partner = $1", partner)
}

// All lists the keys of every partner.
func (s *Service) All(ctx context.Context) ([]Key, error) { return s.list(ctx, s.db, "") }

// Key returns one.
func (s *Service) Key(ctx context.Context, id event.ID) (Key, error) { return get(ctx, s.db, id) }

func get(ctx context.Context, q store.Queryer, id event.ID) (Key, error) {
	k, err := scan(q.QueryRow(ctx, columns+"WHERE id = $1", id[:]))
	if errors.Is(err, store.ErrNoRows) {
		return k, ErrNotFound
	}
	if err != nil {
		return k, fmt.Errorf("read key: %w", err)
	}
	return k, nil
}

// genuine refuses a row that somebody without the key has changed.
func (s *Service) genuine(ctx context.Context, q store.Queryer, k *Key) error {
	damaged := false
	if err := s.tags.Row(ctx, q, tagged, k.ID[:], func(string, string) { damaged = true }); err != nil {
		return err
	}
	if damaged {
		return ErrDamaged
	}
	return nil
}

func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(n int64) time.Time {
	if n <= 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
