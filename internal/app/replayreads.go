package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// What is on record of a replay before it runs.
const (
	KindReplayed     = "config.replayed"
	KindReplayListed = "result.replay_listed" // which messages fit rules that read the patient's
)

// replayReads says in words what the rules that differ between two configurations
// read of a message that may be the patient's. Whoever runs a replay of such rules
// learns which messages fit them, or how many: a draft is a question to all stored
// results. What both configurations have was let pass before and asks nothing.
func replayReads(old, new *config.Config) ([]string, error) {
	before, after := rulesOf(old), rulesOf(new)
	var out []string
	for _, name := range sorted(after) {
		b, a := before[name], after[name]
		if b != nil && b.print == a.print {
			continue
		}
		for _, r := range []*rules{a, b} { // a rule that goes is asked too
			if r == nil {
				continue
			}
			places, err := r.reads()
			if err != nil {
				return nil, err
			}
			for _, p := range places {
				if p = "route " + name + " reads " + p; !slices.Contains(out, p) {
					out = append(out, p)
				}
			}
		}
	}
	for _, name := range sorted(before) {
		if after[name] != nil {
			continue
		}
		places, err := before[name].reads()
		if err != nil {
			return nil, err
		}
		for _, p := range places {
			out = append(out, "route "+name+", which the draft does not have, reads "+p)
		}
	}
	return out, nil
}

// rules are what decides about the messages of a route.
type rules struct {
	route    config.Route
	accounts bool   // its check can ask for accounts
	print    string // of all of it
}

func rulesOf(c *config.Config) map[string]*rules {
	out := map[string]*rules{}
	for _, r := range c.Routes {
		x := &rules{route: r}
		parts := []any{routeHash(c, r)}
		if r.Check != "none" {
			for _, to := range r.To {
				p := c.Partners[to]
				parts = append(parts, to, p.Accounts, p.Providers)
				x.accounts = x.accounts || len(p.Accounts) > 0
			}
		}
		x.print = fingerprint(parts...)
		out[r.Name] = x
	}
	return out
}

func (r *rules) reads() (out []string, err error) {
	if r.route.When != "" {
		if out, err = results.ConditionReads(r.route.When); err != nil {
			return nil, err
		}
	}
	if r.accounts { // results.ByProvider falls back on them
		out = append(out, "the account (PID-18)")
	}
	for _, t := range r.route.Transform {
		what, err := stepReads(t)
		if err != nil {
			return nil, err
		}
		if what != "" {
			out = append(out, what)
		}
	}
	return out, nil
}

// stepReads: a step that compares with something its author chose must read what is
// harmless; one that only moves or empties may touch more.
func stepReads(t config.Transform) (string, error) {
	path := func(s string, fine func(hl7.Path) bool) (string, error) {
		p, err := hl7.ParsePath(s)
		if err != nil {
			return "", fmt.Errorf("a step of the transformation: %w", err)
		}
		if fine(p) {
			return "", nil
		}
		return s, nil
	}
	switch {
	case t.Set != nil:
		return path(t.Set.Path, results.Harmless)
	case t.Map != nil:
		return path(t.Map.Path, results.Harmless)
	case t.Remove != "":
		return path(t.Remove, results.Plain)
	case t.Copy != nil:
		if what, err := path(t.Copy.To, results.Plain); what != "" || err != nil {
			return what, err
		}
		to, err := hl7.ParsePath(t.Copy.To)
		if err != nil {
			return "", err
		}
		if results.Harmless(to) { // where a later step may ask for it
			return path(t.Copy.From, results.Harmless)
		}
		return path(t.Copy.From, results.Plain)
	}
	return "what its program asks for", nil
}

// recordReplay writes down who runs which configuration over a day's messages. A
// replay that cannot be recorded does not run.
func (h *Hub) recordReplay(ctx context.Context, who, day, revision string, reads []string, reveal bool) error {
	if who == "" {
		return fmt.Errorf("nobody is named who asks")
	}
	by := ledger.Pairs{{K: "by", V: ledger.Code(who)}}
	about := func() ledger.Pairs { return ledger.Pairs{{K: "day", V: day}, {K: "revision", V: revision}} }
	kinds := []string{KindReplayed}
	switch {
	case reveal:
		kinds = append(kinds, "result.replay_revealed")
	case len(reads) > 0:
		kinds = append(kinds, KindReplayListed)
	}
	return h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, kind := range kinds {
			if _, err := bus.Publish(ctx, tx, ledger.Event{Kind: kind, At: h.now().UnixMicro(), IDs: by, Codes: about()}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Reads says what of the patient's the rules read that a target changes.
func (p setupPort) Reads(ctx context.Context, to setup.Target) ([]string, error) {
	t, err := p.target(to)
	if err != nil {
		return nil, err
	}
	c, _, err := p.h.target(ctx, t)
	if err != nil {
		return nil, err
	}
	old := &config.Config{}
	switch cur, err := p.h.Current(ctx); {
	case err == nil:
		old = cur.Config
	case !errors.Is(err, ErrNoRevision):
		return nil, err
	}
	return replayReads(old, c)
}
