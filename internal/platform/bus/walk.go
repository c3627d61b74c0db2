package bus

import (
	"context"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// walkRows is how many ledger rows Walk reads at a time: some 100 kB each at
// most in use, far less as a rule.
const walkRows = 32

// Walk calls each with every stored row of events from the row that starts at
// or after leaf from to before leaf to, in order. events is nil where a row
// cannot be read (Audit names it); otherwise nothing is verified. Rows that are
// missing are not noticed here.
func (l *Log) Walk(ctx context.Context, from, to int64, each func(first int64, events [][]byte) error) error {
	type row struct {
		first  int64
		packed []byte
	}
	for from < to {
		rows := make([]row, 0, walkRows)
		err := l.db.Query(ctx, "SELECT first, events FROM ledger_groups WHERE first >= $1 AND first < $2 ORDER BY first LIMIT $3",
			[]any{from, to, int64(walkRows)}, func(s store.Scanner) error {
				var r row
				err := s.Scan(&r.first, &r.packed)
				rows = append(rows, r)
				return err
			})
		if err != nil {
			return fmt.Errorf("read ledger rows: %w", err)
		}
		for _, r := range rows {
			events, err := l.codec.Unpack(r.packed)
			if err != nil {
				events = nil
			}
			if err := each(r.first, events); err != nil {
				return err
			}
			from = r.first + 1
		}
		if len(rows) < walkRows {
			return nil
		}
	}
	return nil
}

// Events returns all events of the row that holds leaf, and the first leaf of
// that row. They are not verified.
func (l *Log) Events(ctx context.Context, leaf int64) (first int64, events [][]byte, err error) {
	g, err := groups{l}.ByLeaf(ctx, leaf)
	if err != nil {
		return 0, nil, err
	}
	if leaf >= g.First+g.Count {
		return 0, nil, ledger.ErrNotFound
	}
	events, err = l.codec.Unpack(g.Events)
	return g.First, events, err
}

// AuditTo recomputes the ledger from leaf from (the start of a row; 0 for all)
// up to head, which may have grown since it was read, and names the damages;
// the first is returned too. progress, if not nil, is called after each row.
func (l *Log) AuditTo(ctx context.Context, from int64, head ledger.Head, progress func(leaves int64) error) (ledger.Audited, *ledger.Damage, error) {
	rows := until{groups{l}, head.Size, &ledger.Audited{}}
	done, first, err := ledger.Audit(ctx, rows, l.codec, from, head, progress)
	if err != nil {
		return done, nil, err
	}
	for _, d := range rows.nodes.Damages {
		done.Damages = append(done.Damages, d)
		done.Damaged++
	}
	// One statement sees one state: rows after the head are none of the ledger's.
	err = l.db.Query(ctx, `SELECT first FROM ledger_groups WHERE first < 0 OR first >= COALESCE((SELECT size FROM ledger_head WHERE id = 1), 0)
		ORDER BY first LIMIT 20`, nil, func(s store.Scanner) error {
		var orphan int64
		err := s.Scan(&orphan)
		done.Damages = append(done.Damages, ledger.Damage{Row: orphan, Leaf: max(orphan, 0), What: "there is a row after the stored head"})
		done.Damaged++
		return err
	})
	if err != nil {
		return done, nil, fmt.Errorf("audit ledger: %w", err)
	}
	if first == nil && len(done.Damages) > 0 {
		first = &done.Damages[0]
	}
	return done, first, nil
}

// AuditHead returns the head for an audit. Where the stored one is missing or
// cannot be read, problem says so, and the head is the one the rows lead to.
func (l *Log) AuditHead(ctx context.Context) (head ledger.Head, problem string, err error) {
	var size, rows int64
	var edge []byte
	err = l.db.QueryRow(ctx, `SELECT h.size, h.edge, (SELECT count(*) FROM (SELECT 1 FROM ledger_groups LIMIT 1) AS g)
		FROM (SELECT 1 AS one) AS x LEFT JOIN ledger_head h ON h.id = 1`).Scan(&maybe{&size}, &edge, &rows)
	if err != nil {
		return head, "", fmt.Errorf("read ledger head: %w", err)
	}
	switch {
	case edge == nil && size == 0 && rows == 0:
		return head, "", nil
	case edge == nil && size == 0:
		problem = "it is missing"
	default:
		if head, err = ledger.NewHead(size, edge); err == nil {
			return head, "", nil
		}
		problem = "its size and its hashes do not belong together"
	}
	var last, count int64
	err = l.db.QueryRow(ctx, "SELECT first, count FROM ledger_groups ORDER BY first DESC LIMIT 1").Scan(&last, &count)
	if err != nil {
		return ledger.Head{}, problem, nil //nolint:nilerr // no rows either: an audit of nothing, with its finding
	}
	if head, err = l.HeadAt(ctx, last+count); err != nil {
		return ledger.Head{}, problem + ", nor can it be made from the rows", nil //nolint:nilerr // that is the finding
	}
	return head, problem, nil
}

// maybe scans a number that may be NULL.
type maybe struct{ n *int64 }

// Scan implements sql.Scanner; pgx knows it too.
func (m *maybe) Scan(v any) error {
	if n, ok := v.(int64); ok {
		*m.n = n
	}
	return nil
}

// until hides the rows that were added after an audit began, and looks at the
// nodes of those it shows.
type until struct {
	groups
	size  int64
	nodes *ledger.Audited
}

func (u until) ByLeaf(ctx context.Context, leaf int64) (ledger.Group, error) {
	g, err := u.read(ctx, "WHERE first <= $1 ORDER BY first DESC LIMIT 1", min(leaf, max(u.size-1, 0)))
	if err == nil && g.First == leaf && !u.l.nodeFits(g.First, g.Node) {
		d := ledger.Damage{Row: g.First, Leaf: g.First, What: "the name of the node that wrote it was changed"}
		if have := u.nodes.Damages; len(have) < ledger.MaxDamages && (len(have) == 0 || have[len(have)-1] != d) {
			u.nodes.Damages = append(u.nodes.Damages, d)
		}
	}
	return g, err
}

// The tables that Bind tags.
var (
	taggedCheckpoints = &Tagged{Table: "ledger_checkpoints", Key: "size", Columns: []string{"at", "note", "witnesses"}}
	taggedDecisions   = &Tagged{Table: "ledger_decisions", Key: "witness", Columns: []string{"verdict", "decided_at", "by_whom", "leaf"}}
)

// TaggedTables are those of this package.
func TaggedTables() []string { return []string{taggedCheckpoints.Table, taggedDecisions.Table} }

// AuditRows holds the checkpoints and decisions against their tags.
func (l *Log) AuditRows(ctx context.Context, found func(table, row, what string)) error {
	if l.tags == nil {
		return nil
	}
	for _, d := range []*Tagged{taggedCheckpoints, taggedDecisions} {
		if err := l.tags.Audit(ctx, l.db, d, func(row, what string) { found(d.Table, row, what) }); err != nil {
			return err
		}
	}
	return nil
}

// tag writes the tag of a row, where the log has keys.
func (l *Log) tag(ctx context.Context, tx *store.Tx, d *Tagged, key any) error {
	if l.tags == nil {
		return nil
	}
	return l.tags.Put(ctx, tx, d, key)
}
