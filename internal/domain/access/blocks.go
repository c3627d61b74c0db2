package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Kinds of events about blocks.
const (
	KindBlocked   = "grant.blocked"
	KindUnblocked = "grant.unblocked"
)

// Block keeps a role from coming back that a person here took away: a rule for
// another system would give it again at the next sign-in or message, as if nobody
// had decided anything.
type Block struct {
	ID, Person event.ID
	// Origin is the system whose rules it is about.
	Origin string
	// Grant is the role and its places.
	Grant  authz.Grant
	Made   time.Time
	MadeBy string
}

var taggedBlocks = &bus.Tagged{Table: "access_blocks", Key: "id", Columns: []string{"person", "origin", "role", "partners", "sites", "made_at", "made_by", "lifted_at", "lifted_by"}}

// byRule: roles of this origin are given by rules.
func byRule(origin string) bool { return origin == OriginOIDC || origin == OriginSCIM }

// takeByHand ends a grant in tx because a person wants it so. One that a rule gave
// is kept from coming back.
func (s *Service) takeByHand(ctx context.Context, tx *store.Tx, by string, g Grant) error {
	if err := s.take(ctx, tx, by, g); err != nil || !byRule(g.Origin) {
		return err
	}
	standing, err := s.blocks(ctx, tx, g.Person)
	if err != nil {
		return err
	}
	if blocked(standing, g.Origin, g.Grant) {
		return nil
	}
	id := event.NewID()
	_, err = tx.Exec(ctx, `INSERT INTO access_blocks (id, person, origin, role, partners, sites, made_at, made_by, lifted_at, lifted_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, '')`,
		id[:], g.Person[:], g.Origin, string(g.Role), list(g.Partners), list(g.Sites), micro(s.now()), by)
	if err != nil {
		return err
	}
	if err := s.tags.Put(ctx, tx, taggedBlocks, id[:]); err != nil {
		return err
	}
	_, err = s.fact(ctx, tx, KindBlocked, by, ledger.Pairs{idPair("person", g.Person), idPair("block", id)}, ledger.Pairs{{K: "origin", V: ledger.Code(g.Origin)}, {K: "role", V: string(g.Role)}})
	return err
}

// blocked says whether a rule may not give this.
func blocked(standing []Block, origin string, g authz.Grant) bool {
	return slices.ContainsFunc(standing, func(b Block) bool { return b.Origin == origin && samePlace(b.Grant, g) })
}

// blocks reads those of a person that stand, each held against its tag.
func (s *Service) blocks(ctx context.Context, q store.Queryer, person event.ID) ([]Block, error) {
	var out []Block
	err := q.Query(ctx, blockColumns+"WHERE person = $1 AND lifted_at = 0 ORDER BY id", []any{person[:]}, func(row store.Scanner) error {
		b, err := scanBlock(row)
		out = append(out, b)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read blocks of roles: %w", err)
	}
	for _, b := range out {
		if err := s.genuine(ctx, q, taggedBlocks, b.ID[:]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

const blockColumns = "SELECT id, person, origin, role, partners, sites, made_at, made_by FROM access_blocks "

func scanBlock(row store.Scanner) (b Block, err error) {
	var id, person []byte
	var role, partners, sites string
	var made int64
	if err := row.Scan(&id, &person, &b.Origin, &role, &partners, &sites, &made, &b.MadeBy); err != nil {
		return b, err
	}
	b.Grant.Role, b.Made = authz.Role(role), moment(made)
	if b.Grant.Partners, err = unlist(partners); err != nil {
		return b, err
	}
	if b.Grant.Sites, err = unlist(sites); err != nil {
		return b, err
	}
	if b.ID, err = event.IDFromBytes(id); err == nil {
		b.Person, err = event.IDFromBytes(person)
	}
	return b, err
}

// Blocks lists what rules may not give a person again.
func (s *Service) Blocks(ctx context.Context, person event.ID) ([]Block, error) {
	return s.blocks(ctx, s.db, person)
}

// Unblock lets a rule give a role again, from the next sign-in or message of the
// other system on. Needs people.change, and never for oneself.
func (s *Service) Unblock(ctx context.Context, who *authz.Subject, id event.ID) error {
	if err := who.May(authz.PeopleChange, authz.Object{}, s.now()); err != nil {
		return err
	}
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		b, err := scanBlock(tx.QueryRow(ctx, blockColumns+"WHERE id = $1 AND lifted_at = 0", id[:]))
		if errors.Is(err, store.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if b.Person == who.Person {
			return ErrOwn
		}
		if _, err := s.tags.Exec(ctx, tx, taggedBlocks, id[:], "UPDATE access_blocks SET lifted_at = $1, lifted_by = $2 WHERE id = $3", micro(s.now()), who.Account, id[:]); err != nil {
			return err
		}
		_, err = s.fact(ctx, tx, KindUnblocked, who.Account, ledger.Pairs{idPair("person", b.Person), idPair("block", id)}, ledger.Pairs{{K: "origin", V: ledger.Code(b.Origin)}, {K: "role", V: string(b.Grant.Role)}})
		return err
	})
	return wrap("lift a block", err)
}
