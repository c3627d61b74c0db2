package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// stages of a route, in their order.
var stages = [...]string{"shadow", "parallel", "carry"}

// mayCarry refuses (ErrNeedsApproval) what only the director may decide and has
// not, or what the comparison does not bear out yet: the error says what is
// missing and until when. It returns whose approvals let it pass.
func (h *Hub) mayCarry(ctx context.Context, old, new *config.Config) (directors string, err error) {
	var lacking, by []string
	for _, n := range needs(old, new) {
		c := Candidate(new, n.route)
		missing, err := h.Results.Missing(ctx, c)
		if err != nil {
			return "", err
		}
		if len(missing) > 0 {
			lacking = append(lacking, n.words+", but "+strings.Join(missing, "; "))
			continue
		}
		all, err := h.Results.Approvals(ctx, c.Route)
		if err != nil {
			return "", err
		}
		for _, a := range all {
			if a.EndedAt.IsZero() && a.Config == c.Config && !slices.Contains(by, a.Director) {
				by = append(by, a.Director)
			}
		}
	}
	if len(lacking) > 0 {
		return "", fmt.Errorf("%w: %s", ErrNeedsApproval, strings.Join(lacking, ". Further, "))
	}
	return strings.Join(by, ", "), nil
}

// MayCarry says in sentences what the routes of c lack that only the director
// may let carry; none when c may be applied as far as that goes.
func (h *Hub) MayCarry(ctx context.Context, c *config.Config) ([]string, error) {
	var old *config.Config
	switch cur, err := h.Current(ctx); {
	case err == nil:
		old = cur.Config
	case !errors.Is(err, ErrNoRevision):
		return nil, err
	}
	_, err := h.mayCarry(ctx, old, c)
	if errors.Is(err, ErrNeedsApproval) {
		return []string{err.Error()}, nil
	}
	return nil, err
}

// endApprovals voids, with the revision that does it, the approvals of routes
// that are changed, removed or taken back.
func (h *Hub) endApprovals(ctx context.Context, tx *store.Tx, old, new *config.Config) error {
	if old == nil {
		return nil
	}
	is := map[string]config.Route{}
	for _, r := range new.Routes {
		is[r.Name] = r
	}
	for _, was := range old.Routes {
		r, there := is[was.Name]
		keep := ""
		switch {
		case there && was.Stage == "carry" && r.Stage != "carry":
		case there:
			keep = routeHash(new, r)
		}
		if err := h.Results.EndApprovals(ctx, tx, was.Name, keep, h.now()); err != nil {
			return err
		}
	}
	return nil
}

// Moved is a route that went one stage.
type Moved struct {
	Route    string   `json:"route"`
	From     string   `json:"from"`
	To       string   `json:"to"`
	Revision Revision `json:"revision"`
	TookMS   int64    `json:"took_ms"`
}

// MoveRoute takes a route one stage forward or back, as a new revision. Back
// needs nobody's approval. Forward names the director; to carry it needs what
// Missing says.
func (h *Hub) MoveRoute(ctx context.Context, name string, forward bool, director, who, reason string) (Moved, error) {
	h.applying.Lock()
	defer h.applying.Unlock()
	began := time.Now()
	cur, err := h.Current(ctx)
	if err != nil {
		return Moved{}, err
	}
	i := slices.IndexFunc(cur.Config.Routes, func(r config.Route) bool { return r.Name == name })
	if i < 0 {
		return Moved{}, fmt.Errorf("the applied configuration has no route %q: %w", name, results.ErrNotFound)
	}
	r := &cur.Config.Routes[i]
	at := slices.Index(stages[:], r.Stage)
	switch {
	case forward && at == len(stages)-1:
		return Moved{}, fmt.Errorf("route %s carries already: %w", name, results.ErrConflict)
	case !forward && at <= 0:
		return Moved{}, fmt.Errorf("route %s is in shadow and sends nothing: it cannot go further back: %w", name, results.ErrConflict)
	case forward && strings.TrimSpace(director) == "":
		return Moved{}, fmt.Errorf("%w: a step forward is the laboratory director's decision: name who took it", results.ErrInvalid)
	}
	m := Moved{Route: name, From: r.Stage}
	p := Proposal{Config: cur.Config, Who: who, Reason: reason}
	if forward {
		m.To, p.ApprovedBy = stages[at+1], director
	} else {
		m.To = stages[at-1]
	}
	r.Stage = m.To
	// The text keeps its comments; where it cannot be edited the step must not fail.
	if p.Source, err = config.SetPath(cur.Source, fmt.Sprintf("routes[%d].stage", i), m.To); err != nil {
		p.Source = nil
	}
	out, err := h.apply(ctx, p)
	if err != nil {
		return Moved{}, err
	}
	m.Revision = out.Revision
	m.TookMS = time.Since(began).Milliseconds()
	return m, nil
}

// ApproveRoute records the director's approval. c is the route as it would run;
// nil means as the applied revision has it.
func (h *Hub) ApproveRoute(ctx context.Context, name string, c *results.Candidate, director string, noOldPath bool, by results.By) (results.Approval, error) {
	if c == nil {
		cur, err := h.Current(ctx)
		if err != nil {
			return results.Approval{}, err
		}
		i := slices.IndexFunc(cur.Config.Routes, func(r config.Route) bool { return r.Name == name })
		if i < 0 {
			return results.Approval{}, fmt.Errorf("the applied configuration has no route %q: %w", name, results.ErrNotFound)
		}
		x := Candidate(cur.Config, cur.Config.Routes[i])
		c = &x
	}
	return h.Results.Approve(ctx, *c, director, noOldPath, by)
}

// StateNoOldPath records, for every route of c that is to carry, the director's
// statement that there is no old path: what a new laboratory does once.
func (h *Hub) StateNoOldPath(ctx context.Context, c *config.Config, director string, by results.By) error {
	for _, r := range c.Routes {
		if r.Stage != "carry" {
			continue
		}
		x := Candidate(c, r)
		if _, err := h.ApproveRoute(ctx, r.Name, &x, director, true, by); err != nil {
			return err
		}
	}
	return nil
}
