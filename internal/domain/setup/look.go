package setup

import (
	"context"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// Look is all there is to say about a draft before it is applied.
type Look struct {
	Draft
	// Problems of the text; with an error among them the rest stays empty.
	Problems config.Problems
	// Current is the revision in force; Moved, that it is not the draft's base.
	Current Revision
	Moved   bool
	// Comparison is the step from the revision in force, Hunks the same in lines.
	Comparison
	Hunks []Hunk
	// Steps are the routes that the director must let carry.
	Steps []Step
	// Seen is the hash a second person approves.
	Seen approval.Hash
	// Apply and Director are the newest requests for approval; zero where there is
	// none.
	Apply, Director approval.Request

	meaning string
}

// Ready says that the text can be applied as far as the text goes.
func (l *Look) Ready() bool {
	return l.State == DraftOpen && len(l.Problems.Errors()) == 0 && !l.Moved && len(l.Changes) > 0
}

// NeedsDirector says that something of it only the laboratory director decides.
func (l *Look) NeedsDirector() bool { return len(l.NeedApproval) > 0 }

// Directed says that the director, or a delegate, has said yes to exactly this.
func (l *Look) Directed() bool {
	return !l.NeedsDirector() || l.Director.State == approval.Approved && l.Director.Hash == l.Seen
}

// Asked says that a second person is asked for exactly this, and may still say
// yes or has.
func (l *Look) Asked() bool {
	return (l.Apply.State == approval.Open || l.Apply.State == approval.Approved) && l.Apply.Hash == l.Seen && l.Apply.ID != [16]byte{}
}

// Look reads a draft against the revision in force. It changes nothing.
func (s *Service) Look(ctx context.Context, number int64) (*Look, error) {
	d, err := s.Draft(ctx, number)
	if err != nil {
		return nil, err
	}
	return s.look(ctx, d)
}

func (s *Service) look(ctx context.Context, d Draft) (*Look, error) {
	l := &Look{Draft: d}
	for act, to := range map[string]*approval.Request{ActApply: &l.Apply, ActDirector: &l.Director} {
		r, err := s.approvals.Of(ctx, act, object(d.Number))
		if err != nil && !errors.Is(err, approval.ErrNotFound) {
			return nil, err
		}
		if err == nil {
			*to = r
		}
	}
	if d.State != DraftOpen {
		return l, nil
	}
	cur, err := s.conf.Revision(ctx, 0)
	if err != nil {
		return nil, err
	}
	l.Current, l.Moved = cur.Revision, cur.Number != d.Base
	l.Hunks = TextDiff(cur.Source, string(d.Source))
	if d.Of == 0 {
		var c *config.Config
		if c, l.Problems = s.read(d.Source); c == nil {
			return l, nil
		}
		l.meaning = c.Revision()
	} else {
		old, err := s.conf.Revision(ctx, d.Of)
		if err != nil {
			return nil, err
		}
		l.meaning = old.Hash
	}
	l.Seen = d.Hash(l.meaning)
	if l.Comparison, err = s.conf.Compare(ctx, 0, d.target(l.meaning)); err != nil {
		return nil, fmt.Errorf("compare draft %d: %w", d.Number, err)
	}
	if l.NeedsDirector() {
		if l.Steps, err = s.directing.Steps(ctx, d.target(l.meaning)); err != nil {
			return nil, fmt.Errorf("look what of draft %d is the director's: %w", d.Number, err)
		}
	}
	return l, nil
}

// Others are the people besides those who wrote the draft (and by) who hold a
// permission.
func (s *Service) Others(ctx context.Context, d Draft, by approval.Person, p authz.Permission) ([]approval.Person, error) {
	all, err := s.people.Holders(ctx, p)
	if err != nil {
		return nil, err
	}
	var out []approval.Person
	for _, x := range all {
		if !d.Wrote(x) && !by.Same(x) {
			out = append(out, x)
		}
	}
	return out, nil
}

// Waiting is a request about a draft that waits for somebody, or was approved and
// has not been used.
type Waiting struct {
	approval.Request
	Draft int64
	Title string
}

// Asked lists what waits for somebody. Of a draft that the director has to decide
// about first, only that question is listed.
func (s *Service) Asked(ctx context.Context) ([]Waiting, error) {
	all, err := s.approvals.List(ctx)
	if err != nil {
		return nil, err
	}
	directed := map[string]bool{}
	for _, r := range all {
		if r.Kind == ActDirector && r.State == approval.Open {
			directed[r.Object] = true
		}
	}
	var out []Waiting
	for _, r := range all {
		var n int64
		if _, err := fmt.Sscanf(r.Object, "draft-%d", &n); err != nil {
			continue // another domain's
		}
		if r.Kind == ActApply && directed[r.Object] || r.Kind == ActDirector && r.State != approval.Open || r.Kind != ActApply && r.Kind != ActDirector {
			continue
		}
		d, err := s.Draft(ctx, n)
		if err != nil {
			return nil, err
		}
		out = append(out, Waiting{r, n, d.Title})
	}
	return out, nil
}
