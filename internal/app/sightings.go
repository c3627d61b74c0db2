package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/posture"
	"github.com/labwarden/labwarden/internal/platform/store"
)

const (
	// sightingsEvery is how late something new is stored at most; the page has it
	// at once.
	sightingsEvery = 5 * time.Second
	// sightingsAgain is how old the stored time may be of what stays the same.
	sightingsAgain = time.Hour
	// maxSightings bounds what is remembered; ways come from the configuration.
	maxSightings = 4096
)

var taggedSightings = &bus.Tagged{Table: "hub_sightings", Key: "way", Columns: []string{"secured", "seen_at"}}

// sightings remember what the connections of each way negotiated last. Every
// channel tells them at the one place where its connections pass.
type sightings struct {
	db   *store.DB
	tags *bus.Tags
	now  func() time.Time

	mu    sync.Mutex
	all   map[string]posture.Seen
	kept  map[string]posture.Seen // as stored by this node
	dirty map[string]bool
}

func newSightings(db *store.DB, tags *bus.Tags, now func() time.Time) *sightings {
	return &sightings{db: db, tags: tags, now: now, all: map[string]posture.Seen{}, kept: map[string]posture.Seen{}, dirty: map[string]bool{}}
}

// saw notes what a connection negotiated: channel.Peer.TLS. It does not block.
func (s *sightings) saw(way, secured string) {
	at := s.now().UTC()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.all[way]; !known && len(s.all) >= maxSightings {
		return
	}
	s.all[way] = posture.Seen{Secured: secured, At: at}
	if k, ok := s.kept[way]; !ok || k.Secured != secured || at.Sub(k.At) >= sightingsAgain {
		s.dirty[way] = true
	}
}

// list is what is known on all nodes.
func (s *sightings) list(ctx context.Context) (map[string]posture.Seen, error) {
	out := map[string]posture.Seen{}
	err := s.db.Query(ctx, "SELECT way, secured, seen_at FROM hub_sightings", nil, func(row store.Scanner) error {
		var way string
		var x posture.Seen
		var at int64
		if err := row.Scan(&way, &x.Secured, &at); err != nil {
			return err
		}
		x.At = time.UnixMicro(at).UTC()
		out[way] = x
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what was negotiated: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for way, x := range s.all {
		if x.At.After(out[way].At) {
			out[way] = x
		}
	}
	return out, nil
}

// keep stores what is new.
func (s *sightings) keep(ctx context.Context) error {
	s.mu.Lock()
	due := map[string]posture.Seen{}
	for way := range s.dirty {
		due[way] = s.all[way]
	}
	clear(s.dirty)
	s.mu.Unlock()
	if len(due) == 0 {
		return nil
	}
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, way := range sorted(due) {
			n, err := tx.Exec(ctx, `INSERT INTO hub_sightings (way, secured, seen_at) VALUES ($1, $2, $3)
				ON CONFLICT (way) DO UPDATE SET secured = excluded.secured, seen_at = excluded.seen_at
				WHERE hub_sightings.seen_at < excluded.seen_at`, way, due[way].Secured, due[way].At.UnixMicro())
			if err != nil {
				return err
			}
			if n == 0 {
				continue // another node saw it later
			}
			if err := s.tags.Put(ctx, tx, taggedSightings, way); err != nil {
				return err
			}
		}
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for way, x := range due {
		if err != nil {
			s.dirty[way] = true
		} else {
			s.kept[way] = x
		}
	}
	if err != nil {
		return fmt.Errorf("keep what was negotiated: %w", err)
	}
	return nil
}

// runSightings stores them, and looks what the tunnels' links negotiated.
func (h *Hub) runSightings(ctx context.Context) error {
	tick := time.NewTicker(sightingsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = h.rooms.sightings.keep(last) // best effort: a connection shows it again
			return nil
		case <-tick.C:
		}
		h.seeTunnels(ctx)
		if err := h.rooms.sightings.keep(ctx); err != nil && ctx.Err() == nil {
			h.slog.Warn("what connections negotiated is not stored yet", "error", err)
		}
	}
}

// The ways. A channel's own is its name as dates and alarms have it.
const (
	wayPages  = "pages"
	wayPortal = "portal"
	// The doors that have certificates of their own, beside these two.
	wayFHIR = "fhir"
	wayFTPS = "ftps"
)

func wayBox(partner, protocol string) string { return "box " + protocol + " " + partner }

// noticed tells what a partner's connections negotiated. Two of the same sender
// are equal: results compares senders to learn whether a way was replaced.
type noticed struct {
	channel.Sender
	to  *sightings
	way string
}

func (n noticed) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	r, err := n.Sender.Send(ctx, m)
	var e *channel.Error
	switch {
	case err == nil:
		n.to.saw(n.way, r.Peer.TLS)
	case errors.As(err, &e) && e.Peer.TLS != "": // it refused, and was reached all the same
		n.to.saw(n.way, e.Peer.TLS)
	}
	return r, err
}

// noticing is a partner's sender with somebody who looks. What partners fetch
// here has connections of its own, that are looked at where they come in.
func (h *Hub) noticing(partner string, s channel.Sender, d config.Destination) results.Sender {
	if d.Box != nil || d.Portal != nil || d.FHIRPull != nil || d.Folder != nil {
		return s
	}
	return noticed{s, h.rooms.sightings, "partner " + partner}
}

// noticedIn tells what the connections negotiated by which a source's files were
// fetched.
type noticedIn struct {
	handler
	saw func(secured string)
}

func (n noticedIn) Present(ctx context.Context, from channel.Peer, body []byte) (ack []byte, taken, again bool) {
	n.saw(from.TLS)
	return n.handler.Present(ctx, from, body)
}

func wayNotices(partner, endpoint string) string { return "notices " + partner + " " + endpoint }

// noticedTrip tells what the connections negotiated by which a partner's program
// is told that something is there.
type noticedTrip struct {
	http.RoundTripper
	saw func(secured string)
}

func (n noticedTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := n.RoundTripper.RoundTrip(r)
	if err == nil && resp.TLS != nil {
		n.saw(channel.Secured(*resp.TLS))
	}
	return resp, err
}

// noticingWeb tells what browsers negotiated.
func (h *Hub) noticingWeb(way string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil {
			h.rooms.sightings.saw(way, channel.Secured(*r.TLS))
		}
		next.ServeHTTP(w, r)
	})
}
