package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// setupPort is what domain/setup needs of the hub: configuration, and what of it
// only the laboratory director decides.
type setupPort struct{ h *Hub }

// readDraft reads a draft from a page as the hub would take it, but for one
// thing: who writes a draft must not learn what stands in any file of this
// machine, so that a program is only read from a file that is named like one.
func (p setupPort) readDraft(source []byte) (*config.Config, config.Problems) {
	opts := ParseOptions()
	opts.Now = p.h.now()
	opts.ReadFile = func(path string) ([]byte, error) {
		if filepath.Ext(path) != ".star" {
			return nil, errors.New("a program stands in a file whose name ends in .star")
		}
		return os.ReadFile(path)
	}
	return config.Parse("labwarden.yaml", source, opts)
}

func (p setupPort) target(t setup.Target) (desk.Target, error) {
	if t.Number == 0 {
		c, problems := p.readDraft(t.Source)
		if c == nil {
			return desk.Target{}, &desk.Invalid{Err: problems.Err()}
		}
		if t.Hash == "" {
			t.Hash = c.Revision()
		}
	}
	return desk.Target{Number: t.Number, Source: t.Source, Hash: t.Hash}, nil
}

func (p setupPort) History(ctx context.Context) ([]setup.Revision, error) {
	all, err := p.h.History(ctx)
	out := make([]setup.Revision, len(all))
	for i, r := range all {
		out[i] = setup.Revision(r)
	}
	return out, err
}

func (p setupPort) Revision(ctx context.Context, number int64) (setup.Text, error) {
	t, err := p.h.Desk("").Revision(ctx, number)
	return setup.Text{Revision: setup.Revision(t.Revision), Source: t.Source}, err
}

func (p setupPort) Compare(ctx context.Context, from int64, to setup.Target) (setup.Comparison, error) {
	t, err := p.target(to)
	if err != nil {
		return setup.Comparison{}, err
	}
	c, err := p.h.Desk("").Compare(ctx, from, t)
	return setup.Comparison{From: setup.Revision(c.From), Changes: c.Changes, NeedApproval: c.NeedApproval, Missing: c.Missing}, err
}

func (p setupPort) Apply(ctx context.Context, to setup.Target, why setup.Why) (setup.Outcome, error) {
	t, err := p.target(to)
	if err != nil {
		return setup.Outcome{}, err
	}
	o, err := p.h.Desk(why.By).Apply(ctx, t, desk.Why{Reason: why.Reason, ApprovedBy: why.ApprovedBy})
	return setup.Outcome{
		Revision: setup.Revision(o.Revision), Running: o.Running, Taken: o.Taken.Taken, Restart: o.Restart, FileProblem: o.File.Problem,
	}, err
}

// Steps are the routes of a target that the director must let carry.
func (p setupPort) Steps(ctx context.Context, to setup.Target) ([]setup.Step, error) {
	var out []setup.Step
	err := p.eachStep(ctx, to, func(c results.Candidate, words string) error {
		s := setup.Step{Route: c.Route, Words: words, OldPath: c.OldPath != ""}
		var err error
		if s.Missing, err = p.h.Results.Unproven(ctx, c); err != nil {
			return err
		}
		all, err := p.h.Results.Approvals(ctx, c.Route)
		for _, a := range all {
			if a.EndedAt.IsZero() && a.Config == c.Config && a.NoOldPath == (c.OldPath == "") {
				s.Approved = a.Director
			}
		}
		out = append(out, s)
		return err
	})
	return out, err
}

// Approve records the director's decision about one route of a target.
func (p setupPort) Approve(ctx context.Context, to setup.Target, s setup.Step, noOldPath bool, by, reason string) error {
	found := false
	err := p.eachStep(ctx, to, func(c results.Candidate, _ string) error {
		if c.Route != s.Route {
			return nil
		}
		found = true
		_, err := p.h.ApproveRoute(ctx, c.Route, &c, by, noOldPath, results.By{Who: by, Reason: reason})
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("route %s needs nobody's approval: %w", s.Route, results.ErrConflict)
	}
	return err
}

func (p setupPort) eachStep(ctx context.Context, to setup.Target, each func(results.Candidate, string) error) error {
	t, err := p.target(to)
	if err != nil {
		return err
	}
	c, _, err := p.h.target(ctx, t)
	if err != nil {
		return err
	}
	var old *config.Config
	switch cur, err := p.h.Current(ctx); {
	case err == nil:
		old = cur.Config
	case !errors.Is(err, ErrNoRevision):
		return err
	}
	for _, n := range needs(old, c) {
		if err := each(Candidate(c, n.route), n.words); err != nil {
			return err
		}
	}
	return nil
}

// neverAlone reads changes.alone of the configuration in force.
func (p setupPort) neverAlone(ctx context.Context) (bool, error) {
	cur, err := p.h.Current(ctx)
	if errors.Is(err, ErrNoRevision) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return cur.Config.Changes != nil && cur.Config.Changes.Alone == "never", nil
}

// Replay runs a day's messages through a target; places are shown, never values.
func (p setupPort) Replay(ctx context.Context, ask setup.ReplayAsk, each func(setup.Difference) error, progress func(int64)) (setup.Replayed, error) {
	t, err := p.target(ask.To)
	if err != nil {
		return setup.Replayed{}, err
	}
	if !ask.Reveal {
		reads, err := p.Reads(ctx, ask.To)
		if err != nil {
			return setup.Replayed{}, err
		}
		if len(reads) > 0 {
			return setup.Replayed{}, setup.ErrReads
		}
	}
	sum, err := p.h.Desk(ask.By).Replay(ctx, desk.ReplayRequest{Day: ask.Day, Draft: t}, func(d results.Difference) error {
		out := setup.Difference{
			Message: d.Message.String(), Source: d.Source, ReceivedAt: d.ReceivedAt, Kind: d.Kind, Partner: d.Partner, Was: d.Was, Becomes: d.Becomes,
		}
		for _, x := range d.Paths {
			out.Places = append(out.Places, x.Path)
		}
		return each(out)
	}, progress)
	return setup.Replayed{Messages: sum.Messages, Changed: sum.Changed, Unreadable: sum.Unreadable, Kinds: sum.Kinds}, err
}
