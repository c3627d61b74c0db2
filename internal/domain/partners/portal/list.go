package portal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Item is a result in a practice's portal.
type Item struct {
	ID         event.ID
	Delivery   int64
	Message    event.ID
	Partner    string
	Placed     time.Time
	Label      Label
	Superseded event.ID // zero: it is the latest
	Urgent     bool     // flagged critical by the LIS
	Withheld   string   // the rule that keeps it back; the laboratory alone sees such
	Released   time.Time
	Fresh      bool
	Opened     time.Time
	OpenedBy   event.ID
	OpenedName string
	Fetched    time.Time
	Hidden     time.Time

	only string
}

const itemColumns = `SELECT i.id, i.delivery, i.message, i.partner, i.placed_at, i.label, i.superseded, i.urgent, i.withheld, i.released_at, i.only_for, i.hidden_at,
	i.fresh, i.opened_at, i.opened_by, i.fetched_at, COALESCE(p.name, '') FROM partners_portal_items i LEFT JOIN partners_portal_people p ON p.id = i.opened_by `

func (s *Service) scanItem(row store.Scanner) (Item, error) {
	var x Item
	var id, message, label, superseded, by []byte
	var placed, urgent, released, hidden, fresh, opened, fetched int64
	err := row.Scan(&id, &x.Delivery, &message, &x.Partner, &placed, &label, &superseded, &urgent, &x.Withheld, &released, &x.only, &hidden, &fresh, &opened, &by, &fetched, &x.OpenedName)
	if err != nil {
		return x, err
	}
	x.Placed, x.Urgent, x.Released, x.Hidden, x.Fresh = moment(placed), urgent == 1, moment(released), moment(hidden), fresh == 1
	x.Opened, x.Fetched = moment(opened), moment(fetched)
	var e1, e2, e3, e4 error
	x.ID, e1 = event.IDFromBytes(id)
	x.Message, e2 = event.IDFromBytes(message)
	if superseded != nil {
		x.Superseded, e3 = event.IDFromBytes(superseded)
	}
	if by != nil {
		x.OpenedBy, e4 = event.IDFromBytes(by)
	}
	if err := errors.Join(e1, e2, e3, e4); err != nil {
		return x, err
	}
	x.Label, err = s.label(x.ID, label)
	return x, err
}

func (s *Service) label(id event.ID, sealed []byte) (Label, error) {
	var l Label
	plain, err := s.Vault.Unseal(bodies, labelPlace(id), nil, sealed)
	if err == nil {
		err = json.Unmarshal(plain, &l)
	}
	if err != nil {
		return l, fmt.Errorf("open the label of a result: %w", err)
	}
	return l, nil
}

// place is where it stands among others.
func (x *Item) place() place {
	return place{cmp.Or(x.Label.Order, x.Delivery), x.Delivery}
}

// shown says whether a person of the practice may see an item at all.
func (x *Item) shown(p *Person) bool {
	if x.Withheld != "" && x.Released.IsZero() || !x.Hidden.IsZero() {
		return false
	}
	return x.only == "" || p.Provider != "" && slices.Contains(strings.Fields(x.only), p.Provider)
}

// Ask narrows a list.
type Ask struct {
	// Partner is one practice of the person; empty: all.
	Partner string
	// All lists opened ones too; else what nobody has opened or fetched.
	All bool
	// From and Until bound when it came; zero: no bound.
	From, Until time.Time
	Skip, Limit int
}

// Page is a part of a list.
type Page struct {
	Items []Item
	More  bool
	// Fresh is how many nobody has opened or fetched, in all (at most freshMost).
	Fresh int
}

const (
	listMost  = 100
	freshMost = 1000
)

// shownWhere is what decides in the database what a person may see; shown decides
// once more on each row.
const shownWhere = "(i.withheld = '' OR i.released_at > 0) AND i.hidden_at = 0"

// List is what a person sees: unopened first, urgent before others, newest first. It
// writes that the list was shown.
func (s *Service) List(ctx context.Context, p *Person, a Ask) (Page, error) {
	if a.Limit <= 0 || a.Limit > listMost {
		a.Limit = listMost
	}
	var out Page
	for _, partner := range p.Partners() {
		if a.Partner != "" && a.Partner != partner {
			continue
		}
		n, err := s.fresh(ctx, p, partner)
		if err != nil {
			return out, err
		}
		out.Fresh += n
	}
	if a.Partner != "" {
		if is, _ := p.Of(a.Partner); !is {
			return out, ErrNotFound
		}
	}
	items, err := s.items(ctx, p, a, a.Skip+a.Limit+1)
	if err != nil {
		return out, err
	}
	out.Items = items[min(a.Skip, len(items)):]
	if out.More = len(out.Items) > a.Limit; out.More {
		out.Items = out.Items[:a.Limit]
	}
	return out, s.listed(ctx, p, out.Items)
}

// listed writes that items were shown in a list, before they are.
func (s *Service) listed(ctx context.Context, p *Person, items []Item) error {
	shown := map[string]int64{}
	for i := range items {
		shown[items[i].Partner]++
		if err := s.genuine(ctx, s.DB, taggedItems, items[i].ID[:]); err != nil {
			return err
		}
	}
	if len(shown) == 0 {
		return nil
	}
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		for partner, n := range shown {
			if err := s.fact(ctx, tx, KindListed, ledger.Pairs{pair("person", p.ID), code("partner", partner)}, nil, ledger.Number{K: "results", N: n}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write that a list was shown: %w", err)
	}
	return nil
}

// forWhere narrows to what is for everybody of the practice, and for this ordering
// provider; args are those so far.
func forWhere(p *Person, args []any) (string, []any) {
	if p.Provider == "" {
		return " AND i.only_for = ''", args
	}
	args = append(args, "% "+p.Provider+" %")
	return fmt.Sprintf(" AND (i.only_for = '' OR ' ' || i.only_for || ' ' LIKE $%d)", len(args)), args
}

func (s *Service) fresh(ctx context.Context, p *Person, partner string) (int, error) {
	where, args := forWhere(p, []any{partner, int64(freshMost)})
	var n int64
	err := s.DB.QueryRow(ctx, "SELECT count(*) FROM (SELECT i.id FROM partners_portal_items i WHERE i.partner = $1 AND i.fresh = 1 AND "+shownWhere+where+" LIMIT $2) AS x", args...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count new results: %w", err)
	}
	return int(n), nil
}

// items are those a person may see, in the order of the list, most at the most.
func (s *Service) items(ctx context.Context, p *Person, a Ask, most int) ([]Item, error) {
	var all []Item
	for _, partner := range p.Partners() {
		if a.Partner != "" && a.Partner != partner {
			continue
		}
		where, args := "WHERE i.partner = $1 AND "+shownWhere, []any{partner, int64(most)}
		if !a.All {
			where += " AND i.fresh = 1"
		}
		if !a.From.IsZero() || !a.Until.IsZero() {
			where += " AND i.placed_at >= $3 AND i.placed_at < $4"
			until := a.Until
			if until.IsZero() {
				until = s.Now().Add(time.Hour)
			}
			args = append(args, micro(a.From), micro(until))
		}
		mine, args := forWhere(p, args)
		where += mine
		err := s.DB.Query(ctx, itemColumns+where+" ORDER BY i.fresh DESC, i.urgent DESC, i.placed_at DESC, i.id DESC LIMIT $2", args, func(row store.Scanner) error {
			x, err := s.scanItem(row)
			if err == nil && x.shown(p) {
				all = append(all, x)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("list results: %w", err)
		}
	}
	slices.SortStableFunc(all, func(a, b Item) int {
		if a.Fresh != b.Fresh {
			return int(flag(b.Fresh) - flag(a.Fresh))
		}
		if a.Fresh && a.Urgent != b.Urgent {
			return int(flag(b.Urgent) - flag(a.Urgent))
		}
		return b.Placed.Compare(a.Placed)
	})
	return all[:min(len(all), most)], nil
}

// item is one that a person may see; of anything else they hear that there is none.
func (s *Service) item(ctx context.Context, q store.Queryer, p *Person, id event.ID) (Item, error) {
	x, err := s.scanItem(q.QueryRow(ctx, itemColumns+"WHERE i.id = $1", id[:]))
	if errors.Is(err, store.ErrNoRows) {
		return x, ErrNotFound
	}
	if err != nil {
		return x, fmt.Errorf("read a result of the portal: %w", err)
	}
	if is, _ := p.Of(x.Partner); !is || !x.shown(p) {
		return Item{}, ErrNotFound
	}
	return x, s.genuine(ctx, q, taggedItems, id[:])
}

// Unopened is how many results of a practice nobody has opened or fetched that came
// before a time (at most freshMost), and when the first of them came.
func (s *Service) Unopened(ctx context.Context, partner string, before time.Time) (int, time.Time, error) {
	var n, oldest int64
	err := s.DB.QueryRow(ctx, "SELECT count(*), COALESCE(min(x.placed_at), 0) FROM (SELECT i.placed_at FROM partners_portal_items i WHERE i.partner = $1 AND i.fresh = 1 AND i.placed_at < $2 AND "+shownWhere+" ORDER BY i.placed_at LIMIT $3) AS x",
		partner, micro(before), int64(freshMost)).Scan(&n, &oldest)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("count unopened results: %w", err)
	}
	return int(n), moment(oldest), nil
}
