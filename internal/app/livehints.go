package app

import (
	"context"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/web"
)

// liveEvery is the shortest time between two hints to open pages: a busy
// laboratory must not have them drawn more often than anybody can read.
const liveEvery = 900 * time.Millisecond

// liveTopics are what a new fact of the ledger may have changed. A page that asks
// again for nothing costs little; one that shows an old state could hurt.
var liveTopics = []web.Topic{"results", "alarms", "quarantine", "accounts", "certificates", "config", "keys", "maintenance", "people", "review", "vendors", "witnesses"}

// hintPages tells open pages that something was written, until ctx ends. On
// PostgreSQL what other nodes write is seen by the head of the ledger.
func (h *Hub) hintPages(ctx context.Context) error {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	size := int64(-1)
	for {
		grown := h.Log.Grown()
		select {
		case <-ctx.Done():
			return nil
		case <-grown:
		case <-look.C:
		}
		if h.live.Open() == 0 {
			size = -1
			continue
		}
		head, err := h.Log.Head(ctx)
		if err != nil || head.Size == size {
			continue // what cannot be seen now is looked at again in a second
		}
		topics := slices.Clone(liveTopics)
		if c := h.inForce(); c != nil {
			for key := range c.Partners {
				topics = append(topics, web.Topic("partner:"+key))
			}
		}
		if size = head.Size; ctx.Err() == nil {
			h.live.Say(topics...)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(liveEvery):
		}
	}
}
