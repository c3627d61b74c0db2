package app

import (
	"context"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
)

const (
	// kindNotPickedUp is the alarm of files that a partner has not fetched in time.
	kindNotPickedUp = "partner.not_picked_up"
	// pickupsEvery is how often partners' directories are looked at.
	pickupsEvery = time.Minute
	// pickupsLimit bounds one look at one directory.
	pickupsLimit = 2 * time.Minute
	pickupsPage  = 500
)

// shelf is a sender whose files are fetched from where it places them.
type shelf interface {
	Names(ctx context.Context) (map[string]bool, error)
}

// shelves are the partners whose pick-ups are looked for, by key.
func (h *Hub) shelves() map[string]shelf {
	h.applying.Lock()
	defer h.applying.Unlock()
	out := map[string]shelf{}
	if h.running == nil {
		return out
	}
	for key, s := range h.running.senders {
		if at, ok := bottom(s.Sender).(shelf); ok && pickedUpWithin(h.running.conf.Partners[key].Destination) > 0 {
			out[key] = at
		}
	}
	return out
}

// pickups notices what partners have fetched, until ctx ends. One node does.
type pickups struct {
	h *Hub
	// missed are deliveries whose files were not there at the last look: only what
	// is missing twice has gone. A directory whose disk is away for a moment is no
	// pick-up.
	missed map[int64]bool
	said   map[string]string
}

func newPickups(h *Hub) *pickups {
	return &pickups{h: h, missed: map[int64]bool{}, said: map[string]string{}}
}

func (p *pickups) run(ctx context.Context) error {
	timer := time.NewTicker(pickupsEvery)
	defer timer.Stop()
	for {
		p.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
	}
}

// look looks at every directory once. What cannot be looked at stays as it is.
func (p *pickups) look(ctx context.Context) {
	missed := map[int64]bool{}
	for key, at := range p.h.shelves() {
		limited, cancel := context.WithTimeout(ctx, pickupsLimit)
		err := p.at(limited, key, at, missed)
		cancel()
		if ctx.Err() != nil {
			return
		}
		text := ""
		if err != nil {
			if text = err.Error(); text != p.said[key] {
				p.h.slog.Warn("a partner's directory cannot be looked at for what was picked up; it is tried again", "partner", key, "error", err)
			}
		}
		p.said[key] = text
	}
	p.missed = missed
}

func (p *pickups) at(ctx context.Context, partner string, at shelf, missed map[int64]bool) error {
	waiting, err := p.h.Results.AwaitPickup(ctx, partner, -1, pickupsPage)
	if err != nil || len(waiting) == 0 {
		return err
	}
	// What is placed from now on may be missing from the list without having been
	// fetched: it is read after the first page, and only pages of what was placed
	// before are held against it.
	began := p.h.now()
	names, err := at.Names(ctx)
	if err != nil {
		return err
	}
	for len(waiting) > 0 {
		for _, w := range waiting {
			switch {
			case names[w.Name] || !w.PlacedAt.Before(began):
			case !p.missed[w.Seq]:
				missed[w.Seq] = true
			default:
				if err := p.h.Results.PickedUp(ctx, w.Seq, p.h.now(), results.PickupGone); err != nil {
					return err
				}
			}
		}
		if waiting, err = p.h.Results.AwaitPickup(ctx, partner, waiting[len(waiting)-1].Seq, pickupsPage); err != nil {
			return err
		}
	}
	return nil
}

// fetched: what partners have left lying.
func (l *lookout) fetched(ctx context.Context, c *config.Config) ([]string, []alarm.Alarm, error) {
	kinds := []string{kindNotPickedUp}
	var out []alarm.Alarm
	for _, key := range sorted(c.Partners) {
		conf := c.Partners[key]
		within := pickedUpWithin(conf.Destination)
		if within == 0 {
			continue
		}
		waits := l.h.Results.NotPickedUp
		if conf.Destination.FHIRPull != nil {
			waits = l.h.rooms.fhir.NotPickedUp // it knows which reports a newer one has replaced
		}
		n, oldest, err := waits(ctx, key, l.h.now().Add(-within))
		if err != nil {
			return nil, nil, err
		}
		if n > 0 {
			out = append(out, alarm.Alarm{
				Key: alarm.Key{Kind: kindNotPickedUp, About: key}, Severity: alarm.Urgent,
				Sentence: conf.Name + " has not picked up " + several(n, "result", "results") + " that were placed for them, the oldest at " + when(oldest) + ".",
				Advice:   "Call them: their program that fetches may stand still. Critical results must be told by phone meanwhile. It is over by itself once they have been fetched.",
			})
		}
	}
	return kinds, out, nil
}

// kindNotTold is the alarm of a partner's program that asked to be told of
// results and cannot be.
const kindNotTold = "partner.not_told"

// told: programs whose subscriptions ended in error. They learn of nothing new
// unless they look by themselves.
func (l *lookout) told(ctx context.Context, c *config.Config) ([]string, []alarm.Alarm, error) {
	kinds := []string{kindNotTold}
	failed, err := l.h.rooms.fhir.FailedSubscriptions(ctx)
	if err != nil {
		return nil, nil, err
	}
	var out []alarm.Alarm
	for _, f := range failed {
		conf, known := c.Partners[f.Partner]
		if !known || conf.Destination.FHIRPull == nil || conf.Destination.FHIRPull.ClientID != f.Client {
			continue
		}
		out = append(out, alarm.Alarm{
			Key: alarm.Key{Kind: kindNotTold, About: f.Partner}, Severity: alarm.Urgent,
			Sentence: "The program of " + conf.Name + " is no longer told of new results: " + several(f.Count, "subscription has", "subscriptions have") + " ended in error, the first at " + when(f.Since) + " (" + f.Fault + ").",
			Advice:   "Their results are there and wait to be fetched. Call them: their endpoint must answer again, and their program must PUT its subscription again or DELETE it. It is over by itself then.",
		})
	}
	return kinds, out, nil
}
