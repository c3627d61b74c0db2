package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/node/bypass"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// bypassed is what the hub has to say about its bypass.
type bypassed struct {
	reading sync.Mutex // one reading of logs at a time

	mu    sync.Mutex
	card  string            // why there is no card; empty when there is one
	stops string            // which stops are on it
	logs  map[string]string // what is wrong with logs, by name
	notes []string          // what was read in since the start
}

// MakeBypassKey makes the bypass key of a new laboratory; one that is there stays.
func MakeBypassKey(n *config.Node) error {
	path := string(n.Bypass.Key)
	if path == "" {
		return nil
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make folder of the bypass key: %w", err)
	}
	return vault.CreateKeyFile(path, rand.Reader)
}

// writeBypassCard puts what the bypass needs into the data folder. Results do
// not depend on it, so a failure is said loudly and stops nothing.
func (h *Hub) writeBypassCard(ctx context.Context, c *config.Config) {
	stops, err := h.bypassCard(ctx, c)
	h.bypassed.mu.Lock()
	defer h.bypassed.mu.Unlock()
	said := h.bypassed.card
	h.bypassed.card, h.bypassed.stops = "", stops
	if err != nil {
		h.bypassed.card = err.Error()
		if said != h.bypassed.card {
			h.slog.Error("no bypass could be opened if this hub failed now, or it would be with an old card", "error", err)
		}
	}
}

// cardEvery is how soon a stop that is placed or lifted is on the bypass's card.
const cardEvery = time.Second

// keepBypassCard writes the card again when the stops or keys change, on any node.
func (h *Hub) keepBypassCard(ctx context.Context) error {
	tick := time.NewTicker(cardEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		h.freshBypassCard(ctx)
	}
}

func (h *Hub) freshBypassCard(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second) // a database that hangs must not keep others from applying
	defer cancel()
	c := h.inForce()
	if c == nil {
		return
	}
	now, err := h.cardMark(ctx, c)
	if err != nil {
		return // the store is away, which is said elsewhere; the card stays
	}
	h.bypassed.mu.Lock()
	same := h.bypassed.stops == now
	h.bypassed.mu.Unlock()
	if same {
		return
	}
	h.applying.Lock()
	defer h.applying.Unlock()
	if h.running != nil && ctx.Err() == nil {
		h.writeBypassCard(ctx, h.running.conf)
	}
}

// cardMark changes with what is on the card besides the configuration: the stops
// that stand, and the partners' keys in use.
func (h *Hub) cardMark(ctx context.Context, c *config.Config) (string, error) {
	stops, err := h.Results.StandingNow(ctx)
	if err != nil {
		return "", err
	}
	_, mark, err := h.cardKeys(ctx, c)
	if err != nil || mark == "" {
		return stops, err
	}
	return stops + " " + mark, nil
}

// bypassCard writes the card and names the stops that are on it.
func (h *Hub) bypassCard(ctx context.Context, c *config.Config) (stops string, err error) {
	if stops, err = h.cardMark(ctx, c); err != nil || c.Node.Bypass.Key == "" {
		return stops, err
	}
	if err = h.newBypassCard(ctx, c); err != nil {
		stops = "" // tried again
	}
	return stops, err
}

func (h *Hub) newBypassCard(ctx context.Context, c *config.Config) error {
	key, err := bypass.ReadKey(string(c.Node.Bypass.Key))
	if err != nil {
		return err
	}
	card := bypass.Card{Made: h.now().UTC(), Lab: c.Lab.Name, Revision: c.Revision(), Text: string(c.Canonical()), Node: c.Node, Secrets: map[string][]byte{}}
	cur, err := h.Current(ctx)
	switch {
	case err == nil && cur.Hash == card.Revision:
		card.Number = cur.Number
	case err != nil && !errors.Is(err, ErrNoRevision):
		return err
	}
	if card.Base, err = os.Getwd(); err != nil {
		return fmt.Errorf("find this folder: %w", err)
	}
	for _, name := range secretsOf(c) {
		if card.Secrets[name], err = h.secret(ctx, config.Secret("vault:"+name)); err != nil {
			return err
		}
	}
	if card.Keys, _, err = h.cardKeys(ctx, c); err != nil {
		return err
	}
	standing, unknown, err := h.Results.CarriedStops(ctx)
	if err != nil {
		return err
	}
	card.Unknown = unknown
	for _, x := range standing {
		b, err := json.Marshal(x)
		if err != nil {
			return fmt.Errorf("write bypass card: %w", err)
		}
		card.Stops = append(card.Stops, b)
	}
	return bypass.WriteCard(bypass.Folder(string(c.Node.Data)), key, card)
}

// bypassAlarms are what about the bypass needs a person.
func (h *Hub) bypassAlarms() []string {
	h.bypassed.mu.Lock()
	defer h.bypassed.mu.Unlock()
	var out []string
	if h.bypassed.card != "" {
		out = append(out, "No bypass could be opened if this hub failed now: "+h.bypassed.card+". See docs/operate/bypass.md.")
	}
	for _, name := range sorted(h.bypassed.logs) {
		out = append(out, "What travelled in bypass is not all in the ledger: log "+name+": "+h.bypassed.logs[name]+". Keep the file; see docs/operate/bypass.md.")
	}
	return out
}

func (h *Hub) bypassNotes() []string {
	h.bypassed.mu.Lock()
	defer h.bypassed.mu.Unlock()
	return append([]string(nil), h.bypassed.notes...)
}
