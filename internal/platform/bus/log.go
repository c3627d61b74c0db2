// Package bus writes facts and hands them on. Publish adds an event to the
// ledger in the caller's transaction; after the commit a subscriber sees every
// event in order. The ledger's rows are the outbox: a subscriber keeps the
// position it has read up to in the transaction of its own effect, so effects
// happen once.
package bus

import (
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is the schema of the ledger and of the subscribers' positions.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return store.Migrations{Domain: "bus", Files: sub}
}

// Log is the ledger in the database. Make it with New and make it the store's
// hook with Attach once the store is open and migrated.
type Log struct {
	node  string
	codec *ledger.Codec
	db    *store.DB
	keys  Keys
	tags  *Tags
	*ledger.Reader

	// OnCommit, when set before the first write, is told by the writer after each
	// transaction of this node that made the ledger grow: its size before and
	// after. The next transaction has not begun yet.
	OnCommit func(from, to int64)

	// Of the running transaction; only the writer goroutine touches them.
	head  ledger.Head
	wrote int64

	mu    sync.Mutex
	grown chan struct{} // closed and replaced when events were committed
}

// New returns a log whose rows name the node.
func New(node string) (*Log, error) {
	codec, err := ledger.NewCodec()
	if err != nil {
		return nil, fmt.Errorf("prepare ledger: %w", err)
	}
	l := &Log{node: node, codec: codec, grown: make(chan struct{})}
	l.Reader = ledger.NewReader(groups{l}, codec)
	return l, nil
}

// Attach makes the log take part in the store's transactions.
func (l *Log) Attach(db *store.DB) {
	l.db = db
	db.SetHook(l)
}

// Bind makes the log tag what no hash covers: which node wrote a row, when a
// checkpoint was kept and who cosigned it, what a person decided. Call it
// before the first transaction; without it these rows carry no tags, and
// AuditRows cannot look at them.
func (l *Log) Bind(keys Keys) { l.keys, l.tags = keys, NewTags(keys) }

// nodeTagSize is the length of a node's tag in characters: 36 bits.
const nodeTagSize = 6

func nodeTags(first int64, name string, index func(string, ...[]byte) [][16]byte) []string {
	xs := index("ledger node", strconv.AppendInt(nil, first, 10), []byte(name))
	out := make([]string, len(xs))
	for i := range xs {
		out[i] = base64.RawURLEncoding.EncodeToString(xs[i][:])[:nodeTagSize]
	}
	return out
}

// signedNode is the node's name with a tag over it and the row.
func (l *Log) signedNode(first int64) string {
	if l.keys == nil {
		return l.node
	}
	one := func(domain string, parts ...[]byte) [][16]byte { return [][16]byte{l.keys.Index(domain, parts...)} }
	return l.node + "~" + nodeTags(first, l.node, one)[0]
}

// nodeFits checks what signedNode wrote.
func (l *Log) nodeFits(first int64, stored string) bool {
	if l.keys == nil {
		return true
	}
	name, tag, ok := cutLast(stored, "~")
	return ok && slices.Contains(nodeTags(first, name, l.keys.IndexVersions), tag)
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// Begin implements store.Hook: it reads the head.
func (l *Log) Begin(tx *store.Tx) error {
	l.wrote, l.head = 0, ledger.Head{}
	return tx.QueueRow(context.Background(), "SELECT size, edge FROM ledger_head WHERE id = 1", nil, func(s store.Scanner) error {
		var size int64
		var edge []byte
		switch err := s.Scan(&size, &edge); {
		case errors.Is(err, store.ErrNoRows):
			tx.SetBase(0)
			return nil
		case err != nil:
			return fmt.Errorf("read ledger head: %w", err)
		}
		head, err := ledger.NewHead(size, edge)
		if err != nil {
			return err
		}
		l.head = head
		tx.SetBase(size)
		return nil
	})
}

// Commit implements store.Hook: it writes the row of this transaction.
func (l *Log) Commit(tx *store.Tx) error {
	events := tx.Emitted()
	if len(events) == 0 {
		return nil
	}
	ctx := context.Background()
	head := l.head
	for len(events) > 0 {
		n := min(len(events), ledger.MaxGroup)
		g, next, err := ledger.Append(head, events[:n])
		if err != nil {
			return err
		}
		l.codec.Pack(&g)
		err = tx.Queue(ctx, `INSERT INTO ledger_groups (first, count, first_hash, hashes, events, at, node)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`, g.First, g.Count, g.FirstHash, g.Hashes, g.Events, g.At, l.signedNode(g.First))
		if err != nil {
			return fmt.Errorf("write ledger row: %w", err)
		}
		events, head = events[n:], next
	}
	l.wrote = head.Size - l.head.Size
	return tx.Queue(ctx, `INSERT INTO ledger_head (id, size, edge) VALUES (1, $1, $2)
		ON CONFLICT (id) DO UPDATE SET size = excluded.size, edge = excluded.edge`, head.Size, head.EdgeBytes())
}

// Done implements store.Hook.
func (l *Log) Done(committed bool) {
	if committed && l.wrote > 0 {
		if l.OnCommit != nil {
			l.OnCommit(l.head.Size, l.head.Size+l.wrote)
		}
		l.mu.Lock()
		close(l.grown)
		l.grown = make(chan struct{})
		l.mu.Unlock()
	}
}

// Grown returns a channel that is closed when events have been committed on
// this node after the call.
func (l *Log) Grown() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.grown
}

// Publish adds e to the ledger within tx and returns its leaf index.
func Publish(ctx context.Context, tx *store.Tx, e ledger.Event) (int64, error) {
	b, err := e.Encode()
	if err != nil {
		return 0, fmt.Errorf("publish %s: %w", e.Kind, err)
	}
	return tx.Emit(ctx, b)
}

// Head returns the committed head.
func (l *Log) Head(ctx context.Context) (ledger.Head, error) {
	var size int64
	var edge []byte
	err := l.db.QueryRow(ctx, "SELECT size, edge FROM ledger_head WHERE id = 1").Scan(&size, &edge)
	if errors.Is(err, store.ErrNoRows) {
		return ledger.Head{}, nil
	}
	if err != nil {
		return ledger.Head{}, fmt.Errorf("read ledger head: %w", err)
	}
	return ledger.NewHead(size, edge)
}

// Audit recomputes the whole ledger and names the damages. It returns the first
// too, nil when there is none.
func (l *Log) Audit(ctx context.Context, from int64) (ledger.Audited, *ledger.Damage, error) {
	head, err := l.Head(ctx)
	if err != nil {
		return ledger.Audited{}, nil, err
	}
	return l.AuditTo(ctx, from, head, nil)
}

// groups is the ledger's view of the table.
type groups struct{ l *Log }

func (g groups) read(ctx context.Context, where string, arg int64) (ledger.Group, error) {
	var r ledger.Group
	err := g.l.db.QueryRow(ctx, "SELECT first, count, first_hash, hashes, events, at, node FROM ledger_groups "+where, arg).
		Scan(&r.First, &r.Count, &r.FirstHash, &r.Hashes, &r.Events, &r.At, &r.Node)
	if errors.Is(err, store.ErrNoRows) {
		return r, ledger.ErrNotFound
	}
	if err != nil {
		return r, fmt.Errorf("read ledger row: %w", err)
	}
	return r, nil
}

// ByLeaf implements ledger.Groups.
func (g groups) ByLeaf(ctx context.Context, leaf int64) (ledger.Group, error) {
	return g.read(ctx, "WHERE first <= $1 ORDER BY first DESC LIMIT 1", leaf)
}

// ByHash implements ledger.Groups.
func (g groups) ByHash(ctx context.Context, index int64) (ledger.Group, error) {
	return g.read(ctx, "WHERE first_hash <= $1 ORDER BY first_hash DESC LIMIT 1", index)
}
