package approval

import (
	"context"
	"embed"
	"encoding/json"
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

// Migrations is the schema of requests.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return store.Migrations{Domain: "approval", Files: sub}
}

var tagged = &bus.Tagged{Table: "approval_requests", Key: "id", Columns: []string{
	"kind", "object", "hash", "author", "author_id", "barred", "reason", "made_at", "expires_at", "state",
	"by_whom", "by_id", "decided_at", "why", "ended_at", "leaf",
}}

// TaggedTables are the tables of this package; all of their rows carry tags.
func TaggedTables() []string { return []string{tagged.Table} }

// Audit names the requests that were changed, exchanged, added or removed by
// somebody without the key.
func (d *Desk) Audit(ctx context.Context, found func(table, row, what string)) error {
	return d.tags.Audit(ctx, d.db, tagged, func(row, what string) { found(tagged.Table, row, what) })
}

const columns = `SELECT id, kind, object, hash, author, author_id, barred, reason, made_at, expires_at, state, by_whom, by_id,
	decided_at, why, ended_at, leaf FROM approval_requests `

func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// other is how a barred person is kept.
type other struct {
	ID      string `json:"id"`
	Account string `json:"account"`
}

func scan(row store.Scanner) (r Request, err error) {
	var id, hash, author, by []byte
	var barred string
	var made, expires, decided, ended, state int64
	err = row.Scan(&id, &r.Kind, &r.Object, &hash, &r.Author.Account, &author, &barred, &r.Reason, &made, &expires, &state,
		&r.By.Account, &by, &decided, &r.Why, &ended, &r.Leaf)
	if err != nil {
		return r, err
	}
	var others []other
	if err := errors.Join(into(&r.ID, id), into(&r.Author.ID, author), into(&r.By.ID, by), json.Unmarshal([]byte(barred), &others)); err != nil {
		return r, fmt.Errorf("read request for approval: %w", err)
	}
	if len(hash) != len(r.Hash) {
		return r, errors.New("read request for approval: its hash is not one")
	}
	copy(r.Hash[:], hash)
	for _, o := range others {
		p := Person{Account: o.Account}
		if p.ID, err = event.ParseID(o.ID); err != nil {
			return r, fmt.Errorf("read request for approval: %w", err)
		}
		r.Barred = append(r.Barred, p)
	}
	r.State, r.MadeAt, r.Expires, r.DecidedAt, r.EndedAt = State(state), moment(made), moment(expires), moment(decided), moment(ended)
	return r, nil
}

func into(id *event.ID, b []byte) (err error) {
	*id, err = event.IDFromBytes(b)
	return err
}

func barred(ps []Person) string {
	out := make([]other, 0, len(ps))
	for _, p := range ps {
		out = append(out, other{p.ID.String(), p.Account})
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic(err) // two texts
	}
	return string(b)
}

// Get returns one request; ErrNotFound where there is none.
func (d *Desk) Get(ctx context.Context, id event.ID) (Request, error) { return get(ctx, d.db, id) }

func get(ctx context.Context, q store.Queryer, id event.ID) (Request, error) {
	return one(q.QueryRow(ctx, columns+"WHERE id = $1", id[:]))
}

func one(row store.Scanner) (Request, error) {
	r, err := scan(row)
	if errors.Is(err, store.ErrNoRows) {
		return r, ErrNotFound
	}
	if err != nil {
		return r, fmt.Errorf("read request for approval: %w", err)
	}
	return r, nil
}

// Live returns the request for an object that waits or was approved, within the
// caller's transaction; ErrNotFound where there is none.
func (d *Desk) Live(ctx context.Context, tx *store.Tx, kind, object string) (Request, error) {
	return live(ctx, tx, kind, object)
}

// Of returns the newest request for an object; ErrNotFound where there is none.
func (d *Desk) Of(ctx context.Context, kind, object string) (Request, error) {
	return one(d.db.QueryRow(ctx, columns+"WHERE kind = $1 AND object = $2 ORDER BY id DESC LIMIT 1", kind, object))
}

// All lists every request for an object, the newest first.
func (d *Desk) All(ctx context.Context, kind, object string) ([]Request, error) {
	return d.list(ctx, "WHERE kind = $1 AND object = $2 ORDER BY id DESC", kind, object)
}

// List returns what waits or may still be used, the oldest first.
func (d *Desk) List(ctx context.Context) ([]Request, error) {
	all, err := d.list(ctx, "WHERE state < 2 ORDER BY id")
	now := d.now()
	out := all[:0]
	for _, r := range all {
		if r.Live(now) {
			out = append(out, r)
		}
	}
	return out, err
}

func (d *Desk) list(ctx context.Context, where string, args ...any) ([]Request, error) {
	out := []Request{}
	err := d.db.Query(ctx, columns+where, args, func(row store.Scanner) error {
		r, err := scan(row)
		out = append(out, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list requests for approval: %w", err)
	}
	return out, nil
}
