package results

import (
	"context"
	"fmt"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// pageRead is how many messages are read at once.
const pageRead = 50

// source of a list: the messages before a leaf, newest first, and where to go
// on (0: nothing is left).
type pager func(ctx context.Context, before int64) ([]Summary, int64, error)

const summaryCols = `leaf, id, source, received_at, size, flags, CASE WHEN body IS NULL THEN 1 ELSE 0 END`

// scan reads the list of messages down to lo.
func (s *Service) scan(_ Query, lo int64) pager {
	return func(ctx context.Context, before int64) ([]Summary, int64, error) {
		var out []Summary
		err := s.db.Query(ctx, "SELECT "+summaryCols+" FROM results_messages WHERE leaf < $1 AND leaf >= $2 ORDER BY leaf DESC LIMIT $3",
			[]any{before, lo, int64(pageRead)}, func(row store.Scanner) error {
				m, err := scanSummary(row)
				out = append(out, m)
				return err
			})
		if err != nil {
			return nil, 0, fmt.Errorf("list results: %w", err)
		}
		return out, goOn(out), nil
	}
}

func goOn(page []Summary) int64 {
	if len(page) < pageRead {
		return 0
	}
	return page[len(page)-1].Leaf
}

// listed reads the messages at the leaves, which stand newest first.
func (s *Service) listed(leaves []int64, lo int64) pager {
	return func(ctx context.Context, before int64) ([]Summary, int64, error) {
		var some []int64
		for _, leaf := range leaves {
			if leaf < before && leaf >= lo && len(some) < pageRead {
				some = append(some, leaf)
			}
		}
		out, err := s.atLeaves(ctx, some)
		if err != nil || len(some) < pageRead {
			return out, 0, err
		}
		return out, some[len(some)-1], nil
	}
}

// stopped reads the messages of held deliveries and of those that need a person.
func (s *Service) stopped(q Query, lo int64) pager {
	return func(ctx context.Context, before int64) ([]Summary, int64, error) {
		return s.open(ctx, "state IN (1, 2)", q.Partner, before, lo)
	}
}

// fewWait says whether so little is open for a partner that all of it may be
// read.
func (s *Service) fewWait(ctx context.Context, partner string) (bool, error) {
	var n int64
	err := s.db.QueryRow(ctx, "SELECT count(*) FROM (SELECT seq FROM results_deliveries WHERE partner = $1 AND state < 3 ORDER BY seq LIMIT $2) AS counted",
		partner, int64(CountLimit)).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("count what is open: %w", err)
	}
	return n < CountLimit, nil
}

// waiting reads the messages that wait for a partner.
func (s *Service) waiting(q Query, lo int64) pager {
	return func(ctx context.Context, before int64) ([]Summary, int64, error) {
		return s.open(ctx, "state < 3 AND state = 0", q.Partner, before, lo)
	}
}

// open reads the messages with a delivery in some open states.
func (s *Service) open(ctx context.Context, states, partner string, before, lo int64) ([]Summary, int64, error) {
	query, args := `SELECT DISTINCT message FROM results_deliveries WHERE `+states+` AND message < $1 AND message >= $2 ORDER BY message DESC LIMIT $3`,
		[]any{before, lo, int64(pageRead)}
	if partner != "" {
		query = strings.Replace(query, "WHERE", "WHERE partner = $4 AND", 1)
		args = append(args, partner)
	}
	var leaves []int64
	err := s.db.Query(ctx, query, args, func(row store.Scanner) error {
		var leaf int64
		err := row.Scan(&leaf)
		leaves = append(leaves, leaf)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list stopped results: %w", err)
	}
	out, err := s.atLeaves(ctx, leaves)
	if err != nil || len(leaves) < pageRead {
		return out, 0, err
	}
	return out, leaves[len(leaves)-1], nil
}

// atLeaves reads messages by their numbers, at most pageRead of them.
func (s *Service) atLeaves(ctx context.Context, leaves []int64) ([]Summary, error) {
	if len(leaves) == 0 {
		return nil, nil
	}
	in, args := leafList(leaves)
	var out []Summary
	err := s.db.Query(ctx, "SELECT "+summaryCols+" FROM results_messages WHERE leaf IN ("+in+") ORDER BY leaf DESC", args,
		func(row store.Scanner) error {
			m, err := scanSummary(row)
			out = append(out, m)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	return out, nil
}

// leafList is the list of an IN, always of pageRead parameters: one query text,
// one plan.
func leafList(leaves []int64) (string, []any) {
	args := make([]any, pageRead) // always as many: one query text, one plan
	var in strings.Builder
	for i := range pageRead {
		if i > 0 {
			in.WriteByte(',')
		}
		fmt.Fprintf(&in, "$%d", i+1)
		args[i] = int64(-1)
		if i < len(leaves) {
			args[i] = leaves[i]
		}
	}
	return in.String(), args
}

// dense is how many leaves messages may lie apart to be read by one range.
const dense = 4 * pageRead

// withDeliveries fills in the deliveries of messages that stand newest first:
// in one go where they lie together, as on a page of the list, one by one where
// a search found them far apart.
func (s *Service) withDeliveries(ctx context.Context, page []Summary) ([]Summary, error) {
	for i := range page {
		page[i].Site = s.SiteOf(page[i].Source, page[i].Leaf)
	}
	for i := 0; i < len(page); {
		n := 1
		for i+n < len(page) && page[i].Leaf-page[i+n].Leaf < dense {
			n++
		}
		part := page[i : i+n]
		at := make(map[int64]*Summary, n)
		for k := range part {
			at[part[k].Leaf] = &part[k]
		}
		collect := func(row store.Scanner) error {
			leaf, d, err := scanDelivery(row)
			if m := at[leaf]; m != nil {
				d.Site = m.Site
				m.Deliveries = append(m.Deliveries, d)
			}
			return err
		}
		lo, hi := part[n-1].Leaf, part[0].Leaf
		// Those made at intake: their numbers follow from the leaf.
		err := s.db.Query(ctx, "SELECT "+deliveryCols+" FROM results_deliveries d WHERE d.seq >= $1 AND d.seq < $2 AND d.again = 0 ORDER BY d.seq",
			[]any{lo * maxPlans, (hi + 1) * maxPlans}, collect)
		if err != nil {
			return nil, fmt.Errorf("read deliveries: %w", err)
		}
		// Those a person asked for later.
		err = s.db.Query(ctx, "SELECT "+deliveryCols+" FROM results_deliveries d WHERE d.message >= $1 AND d.message <= $2 AND d.again = 1 ORDER BY d.seq",
			[]any{lo, hi}, collect)
		if err != nil {
			return nil, fmt.Errorf("read repeated deliveries: %w", err)
		}
		i += n
	}
	return page, s.withGates(ctx, page)
}
