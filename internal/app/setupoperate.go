package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/domain/setup/setupui"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Keys tells what keys there are.
func (p setupPort) Keys(context.Context) (vault.Status, error) { return p.h.keyStatus() }

// Rotate makes new keys, as the command line does.
func (p setupPort) Rotate(ctx context.Context, what []string, by, reason string) error {
	return desk.Rotation{DB: p.h.DB, Vault: p.h.Vault, Now: p.h.now, Log: p.h.slog, Reload: func(ctx context.Context) error {
		_, err := p.h.Reload(ctx)
		return err
	}}.Rotate(ctx, what, by, reason)
}

// Secrets lists what is stored, without any value.
func (p setupPort) Secrets(ctx context.Context) ([]setupui.Secret, error) {
	all, err := p.h.Secrets(ctx)
	out := make([]setupui.Secret, len(all))
	for i, s := range all {
		out[i] = setupui.Secret(s)
	}
	return out, err
}

// SetSecret stores a value.
func (p setupPort) SetSecret(ctx context.Context, name string, value []byte, by string) error {
	return p.h.SetSecret(ctx, name, value, by)
}

// RemoveSecret forgets a secret.
func (p setupPort) RemoveSecret(ctx context.Context, name, by string) error {
	return p.h.RemoveSecret(ctx, name, by)
}

// Dates are the ends somebody must see to.
func (p setupPort) Dates(ctx context.Context) ([]setupui.Date, error) {
	c := p.h.inForce()
	if c == nil {
		cur, err := p.h.Current(ctx)
		if errors.Is(err, ErrNoRevision) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		c = cur.Config
	}
	now := p.h.now()
	var out []setupui.Date
	for _, d := range p.h.endings(c, now) {
		_, due := d.Threshold(now)
		x := setupui.Date{
			Channel: d.Of, Kind: d.Kind, Ends: d.Ends, Words: d.Words(now), Advice: d.Advice(), Owner: d.Owner, Due: due, Past: !d.Ends.After(now),
			MayExtend: d.Kind != control.DateOurs && d.Ends.Sub(now) <= extendFrom && hasChannel(c, d.Of),
		}
		if d.Extended != nil {
			x.Extended = d.Extended.Until
		}
		out = append(out, x)
	}
	return out, nil
}

// Extend lets a channel keep its state for 72 h.
func (p setupPort) Extend(ctx context.Context, channel, by, reason string) (time.Time, error) {
	x, err := p.h.Extend(ctx, channel, by, reason)
	return x.Until, err
}

// Witnesses tell how the ledger stands with them.
func (p setupPort) Witnesses(ctx context.Context) (setupui.Witnessed, error) {
	st, ok := p.h.Witnesses()
	out := setupui.Witnessed{Closed: st.Closed, Alarms: st.Alarms, Signed: st.Signed}
	if !ok {
		out.Closed = p.h.Results.ViewsClosed()
		if s, err := p.h.lease.State(ctx); err == nil && s.Live {
			out.Elsewhere = s.Node
		}
	}
	for _, w := range st.Witnesses {
		out.Witnesses = append(out.Witnesses, setupui.Witness{Name: w.Name, Kind: w.Kind, Confirmed: w.Size, At: w.At, Late: w.Late, Problem: w.Problem})
	}
	return out, nil
}

// Decide records a person's decision about the ledger's alarms.
func (p setupPort) Decide(ctx context.Context, by, reason string) error {
	return p.h.decide(ctx, by, reason)
}

var (
	_ setupui.Keys       = setupPort{}
	_ setupui.Secrets    = setupPort{}
	_ setupui.Dates      = setupPort{}
	_ setupui.Witnessing = setupPort{}
)

// setupPages is what the pages of configuration and set-up work with.
func (h *Hub) setupPages() setupui.Deps {
	p := setupPort{h}
	return setupui.Deps{
		Setup: h.rooms.setup, Config: p, Facts: p.Facts, FactsLately: setup.Lately(p.Facts, time.Minute, h.now), Keys: p, Secrets: p, Dates: p, Witnessing: p,
		Bundles: &setup.BundleJob{Make: p.bundle, Done: func() { h.live.Say("support") }, Now: h.now, Log: h.slog},
		Zone:    func() *time.Location { return time.Local },
		Missing: func(kind string) string { return missingDoor(h.inForce(), kind) },
		Sites: func() (out []kit.Option) {
			c := h.inForce()
			if c == nil {
				return nil
			}
			for _, key := range sorted(c.Sites) {
				out = append(out, kit.Option{Value: key, Text: c.Sites[key].Name})
			}
			return out
		},
	}
}

// runSetup looks at maintenance windows and at approvals that expire: done by the
// node with the lease.
func (h *Hub) runSetup(ctx context.Context) error { return h.rooms.setup.RunWindows(ctx) }

// runReplays works off the replays that were asked for on this node's pages.
func (h *Hub) runReplays(ctx context.Context) error {
	h.rooms.setup.OnReplay(func(int64) { h.live.Say("config") })
	return h.rooms.setup.Run(ctx)
}

// Tell writes to a partner's contact, by the mail server of the alarms.
func (p setupPort) Tell(ctx context.Context, partner, subject, text string) (string, error) {
	c := p.h.inForce()
	if c == nil {
		return "", errors.New("no configuration runs here")
	}
	x := c.Partners[partner].Contact
	if x == nil || x.Mail == "" {
		return "", setup.ErrNoContact
	}
	way, err := p.h.way(ctx, c.Alarms, config.Way{Kind: "mail", To: x.Mail})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	m := alarm.Message{ID: event.NewID().String(), What: "maintenance", Lab: c.Lab.Name, Person: x.Name, At: p.h.now().UTC(), Subject: subject}
	alarm.Finish(&m, strings.Split(text, "\n"))
	return way.Send(ctx, m)
}

// tellTime bounds a mail to a partner's contact.
const tellTime = 20 * time.Second
