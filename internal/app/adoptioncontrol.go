package app

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// adoption is the hub as the control socket asks it about routes.
type adoption struct{ h *Hub }

func (a adoption) Move(ctx context.Context, route string, forward bool, director, who, reason string) (control.Moved, error) {
	m, err := a.h.MoveRoute(ctx, route, forward, director, who, reason)
	return control.Moved{
		Route: m.Route, From: m.From, To: m.To, Revision: m.Revision.Number, Hash: m.Revision.Hash, TookMS: m.TookMS,
	}, told(err)
}

func (a adoption) Approve(ctx context.Context, route string, c *results.Candidate, director string, noOldPath bool, by results.By) (results.Approval, error) {
	if err := a.h.delegated(ctx, director, authz.RoutesApprove); err != nil {
		return results.Approval{}, err
	}
	ap, err := a.h.ApproveRoute(ctx, route, c, director, noOldPath, by)
	return ap, told(err)
}

func (a adoption) MayCarry(ctx context.Context, carry []results.Candidate) ([]string, error) {
	cur, err := a.h.Current(ctx)
	if err != nil {
		return nil, told(err)
	}
	var out []string
	for _, c := range carry {
		carries := slices.ContainsFunc(cur.Config.Routes, func(r config.Route) bool {
			return r.Name == c.Route && r.Stage == "carry" && routeHash(cur.Config, r) == c.Config
		})
		if carries {
			continue
		}
		missing, err := a.h.Results.Missing(ctx, c)
		if err != nil {
			return nil, err
		}
		if len(missing) > 0 {
			out = append(out, "route "+c.Route+" would carry, but "+strings.Join(missing, "; "))
		}
	}
	return out, nil
}

// told gives refusals their kind at the socket.
func told(err error) error {
	if errors.Is(err, ErrNeedsApproval) || errors.Is(err, ErrUnchanged) || errors.Is(err, ErrOvertaken) || errors.Is(err, ErrNoRevision) {
		return &control.Error{Kind: control.Conflict, Message: err.Error()}
	}
	return err
}
