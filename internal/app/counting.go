package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/fhirhttp"
	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/event"
)

const (
	countEvery = time.Minute
	// countAgain is when a partner whose count failed is tried again.
	countAgain = time.Hour
	// countSettled: what was delivered within this time is not counted yet.
	countSettled = 24 * time.Hour
	// countLimit bounds one partner's count.
	countLimit = time.Hour
	// maxCountFile bounds a partner's list.
	maxCountFile = 64 << 20
)

// errNoList: the partner has put no new list into its box.
var errNoList = fmt.Errorf("no list has come since the last count: %w", results.ErrConflict)

// countedBy is how a partner is counted in this configuration; empty: it is not
// countable.
func countedBy(p *config.Partner) results.Way {
	d := &p.Destination
	switch {
	case p.Count != nil && p.Box != nil:
		return results.ByList
	case d.FHIR != nil && d.FHIR.Count != nil:
		return results.BySearch
	case d.Box != nil, d.Portal != nil, d.FHIRPull != nil, pickedUpWithin(*d) > 0:
		return results.ByPickup
	}
	return ""
}

// countWays are the partners that are counted, and how.
func (h *Hub) countWays() map[string]results.Way {
	out := map[string]results.Way{}
	if c := h.inForce(); c != nil {
		for key, p := range c.Partners {
			if way := countedBy(&p); way != "" {
				out[key] = way
			}
		}
	}
	return out
}

// countNow counts one partner.
func (h *Hub) countNow(ctx context.Context, partner string, by results.Named) (results.Counted, error) {
	c := h.inForce()
	if c == nil {
		return results.Counted{}, fmt.Errorf("the hub is starting: %w", results.ErrConflict)
	}
	p, ok := c.Partners[partner]
	if !ok {
		return results.Counted{}, fmt.Errorf("partner %s: %w", partner, results.ErrNotFound)
	}
	now := h.now().Local()
	q := results.Counting{Partner: partner, Until: now.Add(-countSettled), Zone: now.Location(), Way: countedBy(&p)}
	q.Since = q.Until.AddDate(0, 0, -c.Counts.Days)
	var err error
	switch q.Way {
	case "":
		return results.Counted{}, fmt.Errorf("partner %s is not countable: it gives no list, fetches nothing from here and has no server that may be asked: %w", partner, results.ErrConflict)
	case results.ByList:
		q.List, err = h.newestList(ctx, partner, p.Count.List)
	case results.BySearch:
		q.Has, err = h.asker(partner, p.Destination.FHIR.Count.Search)
	}
	if err != nil {
		return results.Counted{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, countLimit)
	defer cancel()
	return h.Results.Count(ctx, q, by)
}

// newestList reads the newest list in a partner's inbox. One that was there at
// the last count says nothing new.
func (h *Hub) newestList(ctx context.Context, partner, pattern string) ([]byte, error) {
	latest, err := h.Results.LatestCounts(ctx)
	if err != nil {
		return nil, err
	}
	var newest boxes.File
	for after := (event.ID{}); ; {
		list, more, err := h.rooms.boxes.List(ctx, partner, channel.BoxInbox, after, listed)
		if err != nil {
			return nil, err
		}
		for _, f := range list {
			after = f.ID
			if fits, _ := path.Match(pattern, f.Name); fits && f.State == boxes.There && f.Made.After(newest.Made) {
				newest = f
			}
		}
		if !more {
			break
		}
	}
	if c := latest[partner]; newest.Name == "" || c.Way == results.ByList && !newest.Made.After(c.AddedAt) {
		return nil, errNoList
	}
	if newest.Size > maxCountFile {
		return nil, fmt.Errorf("%w: the list is longer than %d MiB", results.ErrInvalid, maxCountFile>>20)
	}
	r, err := h.rooms.boxes.Open(ctx, partner, channel.BoxInbox, newest.Name, boxes.Via{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close(ctx) }()
	b, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if err != nil {
		return nil, fmt.Errorf("read the partner's list: %w", err)
	}
	return b, nil
}

// asker asks a partner's FHIR server for each thing of the kind that was sent.
func (h *Hub) asker(partner, kind string) (func(context.Context, []byte) (bool, error), error) {
	h.applying.Lock()
	defer h.applying.Unlock()
	if h.running == nil {
		return nil, fmt.Errorf("the hub is starting: %w", results.ErrConflict)
	}
	s, ok := h.running.senders[partner].Sender.(*fhirhttp.Sender)
	if !ok {
		return nil, fmt.Errorf("partner %s has no FHIR server that can be asked: %w", partner, results.ErrConflict)
	}
	return func(ctx context.Context, sent []byte) (bool, error) {
		tokens, err := fhirhttp.Tokens(sent, kind)
		if err != nil {
			return false, err
		}
		for _, t := range tokens {
			if has, err := s.Search(ctx, kind, t); err != nil || !has {
				return false, err
			}
		}
		return len(tokens) > 0, nil
	}, nil
}

// nightCounts counts every partner once after the hour of each day; on the node
// with the lease. A list that comes later is counted when it has come.
func (h *Hub) nightCounts(ctx context.Context) error {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	failed := map[string]time.Time{}
	for {
		h.countDue(ctx, failed)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (h *Hub) countDue(ctx context.Context, failed map[string]time.Time) {
	c := h.inForce()
	if c == nil {
		return
	}
	now := h.now().Local()
	due := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location()).Add(c.Counts.Time())
	if now.Before(due) {
		due = due.AddDate(0, 0, -1)
	}
	for _, key := range sorted(c.Partners) {
		p := c.Partners[key]
		if countedBy(&p) == "" || now.Before(failed[key].Add(countAgain)) {
			continue
		}
		last, err := h.Results.LastNightly(ctx, key)
		if err == nil && !last.Before(due) {
			continue
		}
		if err == nil {
			_, err = h.countNow(ctx, key, results.Nightly())
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			delete(failed, key)
		case errors.Is(err, errNoList): // looked for again in a minute; Today says when none came for long
		default:
			failed[key] = now
			h.slog.Warn("a partner could not be counted; it is tried again in an hour", "partner", key, "error", err)
		}
	}
}
