package access

import (
	"context"
	"fmt"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// OneHand says whether two accounts count as one hand where an act takes two
// people: one let the other in, gave them a role of weight, or made a link they came
// in by, at one or more removes, and nobody else has confirmed that since. Whoever
// two people were both brought in by joins them too: they may both be that person.
func (s *Service) OneHand(ctx context.Context, q store.Queryer, a, b string) (bool, error) {
	if a == b {
		return true, nil
	}
	pairs, err := s.brought(ctx, q)
	if err != nil {
		return false, fmt.Errorf("find by whose hand people came in: %w", err)
	}
	next := map[string][]string{}
	for _, p := range pairs {
		next[p[0]], next[p[1]] = append(next[p[0]], p[1]), append(next[p[1]], p[0])
	}
	seen, todo := map[string]bool{a: true}, []string{a}
	for len(todo) > 0 {
		x := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, y := range next[x] {
			if y == b {
				return true, nil
			}
			if !seen[y] {
				seen[y], todo = true, append(todo, y)
			}
		}
	}
	return false, nil
}

// twoHands is OneHand as a refusal.
func (s *Service) twoHands(ctx context.Context, q store.Queryer, a, b string) error {
	one, err := s.OneHand(ctx, q, a, b)
	if err == nil && one {
		err = ErrOneHand
	}
	return err
}

// brought lists whose account was brought in by whose, as far as nobody else has
// confirmed it since. Who holds no role of weight counts only while there is a doubt:
// everybody is added by somebody.
func (s *Service) brought(ctx context.Context, q store.Queryer) ([][2]string, error) {
	hands, err := s.hands(ctx, q)
	if err != nil {
		return nil, err
	}
	type somebody struct {
		account, by, subject string
		made                 int64
		weighs               bool
	}
	people, known := map[event.ID]*somebody{}, map[string]bool{}
	err = q.Query(ctx, "SELECT id, account, made_by, made_at, origin, external FROM access_people", nil, func(row store.Scanner) error {
		var id []byte
		var origin, external string
		x := &somebody{}
		if err := row.Scan(&id, &x.account, &x.by, &x.made, &origin, &external); err != nil {
			return err
		}
		if origin == OriginOIDC {
			_, x.subject, _ = strings.Cut(external, " ")
		}
		person, err := event.IDFromBytes(id)
		people[person], known[x.account] = x, true
		return err
	})
	if err != nil {
		return nil, err
	}
	var out [][2]string
	join := func(person event.ID, by string, at int64) {
		if x := people[person]; x != nil && known[by] && at > micro(hands[person].sure) {
			out = append(out, [2]string{x.account, by})
		}
	}
	err = q.Query(ctx, grantColumns+"WHERE ended_at = 0", nil, func(row store.Scanner) error {
		g, err := scanGrant(row)
		if err != nil || !weighty(g.Role) {
			return err
		}
		if x := people[g.Person]; x != nil {
			x.weighs = true
		}
		join(g.Person, g.GivenBy, micro(g.GivenAt))
		return nil
	})
	if err != nil {
		return nil, err
	}
	for id, x := range people {
		if x.weighs {
			join(id, x.by, x.made)
		}
		if h := hands[id]; !h.doubt.IsZero() && known[h.doubtBy] {
			out = append(out, [2]string{x.account, h.doubtBy})
		}
	}
	err = q.Query(ctx, "SELECT person, made_by, made_at FROM access_links WHERE used_at > 0", nil, func(row store.Scanner) error {
		var id []byte
		var by string
		var at int64
		if err := row.Scan(&id, &by, &at); err != nil || len(id) != len(event.ID{}) {
			return err
		}
		person, err := event.IDFromBytes(id)
		if x := people[person]; err == nil && x != nil && x.weighs {
			join(person, by, at)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	// A rule for one subject of the provider names its person; one for a group does
	// not: who is in it, the provider's administrators say.
	err = q.Query(ctx, "SELECT word, made_by, made_at FROM access_rules WHERE origin = $1", []any{OriginOIDC}, func(row store.Scanner) error {
		var word, by string
		var at int64
		err := row.Scan(&word, &by, &at)
		if subject, ok := strings.CutPrefix(word, ruleSubject); ok && err == nil {
			for id, x := range people {
				if x.weighs && x.subject == subject {
					join(id, by, at)
				}
			}
		}
		return err
	})
	return out, err
}
