package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

const (
	// followEvery is how often a node looks for what was changed on another.
	followEvery = time.Second
	// followTries is how often a revision is tried before the node stops working.
	followTries = 2
	// settleTime is how long a start waits until it is known who delivers.
	settleTime = 3 * time.Second
)

// shared is what nodes have in common and follow, as far as it shows whether
// something changed.
type shared struct {
	revision   int64
	secrets    string // and extensions of dates
	keys       string
	failed     int   // tries in a row
	failedWhat int64 // of that revision
}

// follow takes over what was changed by way of another node until ctx ends.
func (h *Hub) follow(ctx context.Context, settled func()) {
	if h.DB.Engine() == store.SQLite {
		return
	}
	var known shared
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	trim := time.NewTicker(retainEvery)
	defer trim.Stop()
	for {
		if err := h.catchUp(ctx, &known); err != nil && ctx.Err() == nil {
			h.slog.Warn("it could not be seen what other nodes changed", "error", err)
		}
		if err := h.followViews(ctx); err != nil && ctx.Err() == nil {
			h.slog.Warn("it could not be seen what the witnesses say", "error", err)
		} else if s, err := h.lease.State(ctx); err == nil && s.Live && !s.Mine {
			settled()
		}
		select {
		case <-ctx.Done():
			return
		case <-trim.C:
			if err := h.Results.Trim(ctx); err != nil && ctx.Err() == nil {
				h.slog.Warn("old control ids stay in memory", "error", err)
			}
		case <-tick.C:
		}
	}
}

// catchUp compares what is shared with what runs here. Its error says that the
// database could not be asked.
func (h *Hub) catchUp(ctx context.Context, known *shared) error {
	var now shared
	err := h.DB.QueryRow(ctx, `SELECT COALESCE((SELECT MAX(number) FROM hub_revisions), 0),
		(SELECT count(*) || ' ' || COALESCE(MAX(set_at), 0) FROM hub_secrets) || ' ' || (SELECT COALESCE(MAX(made_at), 0) FROM hub_extensions),
		COALESCE((SELECT md5(book) FROM hub_book WHERE id = 1), '')`).Scan(&now.revision, &now.secrets, &now.keys)
	if err != nil {
		return fmt.Errorf("look at revision, secrets, extensions and keys: %w", err)
	}
	if now.keys != known.keys {
		if err := h.Vault.Reload(ctx); err != nil {
			return err // tried again; until then what is sealed with new keys waits
		}
		known.keys = now.keys
	}
	h.applying.Lock()
	defer h.applying.Unlock()
	if h.running == nil {
		return nil
	}
	if now.secrets != known.secrets {
		if err := h.dates.load(ctx, h.DB); err != nil {
			return err
		}
	}
	switch {
	case now.revision > h.revision || h.Trouble() != "":
		if known.failedWhat != now.revision {
			known.failed, known.failedWhat = 0, now.revision
		}
		if err := h.takeOver(ctx); err != nil {
			if known.failed++; known.failed >= followTries {
				h.standDown(now.revision, err)
			}
			return nil
		}
		known.secrets = now.secrets
	case now.secrets != known.secrets:
		first := known.secrets == ""
		known.secrets = now.secrets
		if first {
			return nil // what was built at the start took them
		}
		switch renewed, err := h.renew(ctx); {
		case err != nil:
			h.slog.Error("a changed secret cannot be used; what runs keeps the one it has", "error", err)
		case len(renewed) > 0:
			h.writeBypassCard(ctx, h.running.conf)
		}
	}
	return nil
}

// takeOver puts the latest revision in force here. The caller holds applying.
func (h *Hub) takeOver(ctx context.Context) error {
	cur, err := h.Current(ctx)
	if errors.Is(err, ErrNoRevision) {
		return nil
	}
	if err != nil {
		return err
	}
	cur.Config.Node = h.running.conf.Node
	if err := h.Results.LoadSites(ctx); err != nil {
		return err
	}
	st, err := h.prepare(ctx, cur.Config)
	if err != nil {
		return err
	}
	if err := st.commit(); err != nil {
		h.slog.Warn("an old listener did not close cleanly", "error", err)
	}
	before := h.revision
	h.revision = cur.Number
	h.followFile(ctx, before, cur)
	h.writeBypassCard(ctx, h.running.conf)
	h.slog.Info("configuration taken over from another node", "revision", cur.Number, "hash", cur.Hash, "by", cur.AppliedBy)
	if h.Trouble() != "" {
		h.slog.Info("this node works again", "revision", cur.Number)
		h.trouble.Store(nil)
		h.lease.Withhold("")
	}
	return nil
}

// followFile makes this node's file say what runs, as Apply does on the node
// where it was applied. Each file keeps its own node section.
func (h *Hub) followFile(ctx context.Context, before int64, cur *Applied) {
	if h.file == "" {
		return
	}
	var applied []byte
	if old, err := h.Show(ctx, before); err == nil {
		applied = old.Source
	}
	if f := ReplaceFile(h.file, cur.Source, applied); f.Problem != "" {
		h.slog.Warn("the configuration file could not be written; the revision stands", "file", f.Path, "problem", f.Problem)
	}
}

// standDown ends this node's work: a node that cannot load what was decided
// must neither take results in nor deliver them by what was decided before. It
// goes on trying. The caller holds applying.
func (h *Hub) standDown(revision int64, why error) {
	text := fmt.Sprintf("Revision %d of the configuration, applied on another node, cannot be put in force on this node: %v.", revision, why)
	old := h.trouble.Swap(&text)
	if old != nil && *old == text {
		return
	}
	h.slog.Error("ALARM: this node stops taking results in and delivering: the configuration in force cannot be loaded here", "revision", revision, "error", why)
	h.lease.Withhold(text)
	if err := h.running.shut(); err != nil {
		h.slog.Warn("a listener did not close cleanly", "error", err)
	}
}

// shut closes every door; what is being handled is finished and answered.
func (r *reconciler) shut() error {
	var err error
	for _, d := range r.doors {
		d.close()
	}
	for _, p := range r.ports {
		err = errors.Join(err, p.close())
	}
	r.doors, r.ports = map[string]*door{}, map[string]*port{}
	r.showDoors()
	return err
}

// showDoors keeps the open doors' addresses where they can be read at any time.
func (r *reconciler) showDoors() {
	out := map[string]string{}
	for source, d := range r.doors {
		if d.watcher != nil {
			out[source] = d.path
			continue
		}
		out[source] = r.ports[d.port].ln.Addr().String()
	}
	r.h.doors.Store(&out)
}
