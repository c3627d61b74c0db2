package bus

import (
	"context"
	"fmt"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// leafSteps are how many leaves one statement asks for; a shorter list is filled
// up, so that few different statements are prepared.
var leafSteps = [...]int{4, 32, 256}

// ByLeaves implements ledger.Many: one statement for up to 256 leaves.
func (g groups) ByLeaves(ctx context.Context, leaves []int64, each func(*ledger.Group) error) error {
	last := int64(-1) // a row that two parts of the list share comes once
	for len(leaves) > 0 {
		step := leafSteps[len(leafSteps)-1]
		for _, n := range leafSteps {
			if len(leaves) <= n {
				step = n
				break
			}
		}
		some := leaves[:min(step, len(leaves))]
		leaves = leaves[len(some):]
		args := make([]any, step)
		for i := range args {
			args[i] = int64(-1) // before every row
			if i < len(some) {
				args[i] = some[i]
			}
		}
		before, most := last, last
		err := g.l.db.Query(ctx, manyLeaves(step), args, func(s store.Scanner) error {
			var r ledger.Group
			if err := s.Scan(&r.First, &r.Count, &r.FirstHash, &r.Hashes, &r.Events, &r.At, &r.Node); err != nil {
				return err
			}
			most = max(most, r.First)
			if r.First == before {
				return nil
			}
			return each(&r)
		})
		if err != nil {
			return fmt.Errorf("read ledger rows: %w", err)
		}
		last = most
	}
	return nil
}

// manyLeaves is ByLeaf for n leaves, every row once.
func manyLeaves(n int) string {
	var b strings.Builder
	b.WriteString("SELECT first, count, first_hash, hashes, events, at, node FROM ledger_groups WHERE first IN (SELECT (SELECT max(h.first) FROM ledger_groups h WHERE h.first <= x.column1) FROM (VALUES ")
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "(CAST($%d AS BIGINT))", i+1)
	}
	b.WriteString(") AS x)")
	return b.String()
}
