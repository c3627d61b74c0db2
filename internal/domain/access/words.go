package access

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

var taggedWords = &bus.Tagged{Table: "access_words", Key: "person", Columns: []string{"words", "at"}}

// keepWords writes which role words SCIM gives somebody.
func (s *Service) keepWords(ctx context.Context, tx *store.Tx, person event.ID, words []string) error {
	_, err := s.tags.Exec(ctx, tx, taggedWords, person[:], "INSERT INTO access_words (person, words, at) VALUES ($1, $2, $3) ON CONFLICT (person) DO UPDATE SET words = excluded.words, at = excluded.at",
		person[:], list(words), micro(s.now()))
	if err != nil {
		return fmt.Errorf("write role words: %w", err)
	}
	return nil
}

// Words are the role words that SCIM gave somebody last. Of somebody it gave them
// before they were kept, they are those whose rules give the roles they have from
// it.
func (s *Service) Words(ctx context.Context, p Person) ([]string, error) {
	var text string
	err := s.db.QueryRow(ctx, "SELECT words FROM access_words WHERE person = $1", p.ID[:]).Scan(&text)
	if err == nil {
		if err := s.genuine(ctx, s.db, taggedWords, p.ID[:]); err != nil {
			return nil, err
		}
		return unlist(text)
	}
	if !errors.Is(err, store.ErrNoRows) {
		return nil, fmt.Errorf("read role words: %w", err)
	}
	all, err := rules(ctx, s.db)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, r := range all {
		held := slices.ContainsFunc(p.Grants, func(g Grant) bool {
			return g.Origin == OriginSCIM && r.Origin == OriginSCIM && g.Role == r.Role && slices.Equal(g.Partners, r.Partners) && slices.Equal(g.Sites, r.Sites)
		})
		if held && !slices.Contains(out, r.Word) {
			out = append(out, r.Word)
		}
	}
	return out, nil
}
