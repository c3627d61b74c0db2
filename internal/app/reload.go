package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// Reload takes over what changed outside: keys that another process changed,
// certificates, authorities, secrets and witnesses' files renewed on disk. What
// did not change is left alone, connections included; what is under way on the
// others ends first. If anything new cannot be used, everything stays as it is.
func (h *Hub) Reload(ctx context.Context) (out desk.Reloaded, err error) {
	if err := h.Vault.Reload(ctx); err != nil {
		return out, err
	}
	renewed, err := h.restage(ctx)
	if err != nil {
		return out, &desk.Invalid{Err: fmt.Errorf("nothing but keys was taken over: %w", err)}
	}
	out.Taken.Taken = append([]string{"keys"}, renewed...)
	c := h.inForce()
	if c != nil && c.Node.Web != nil {
		h.applying.Lock()
		another, err := h.takeBreached(c)
		h.applying.Unlock()
		if err != nil {
			return out, &desk.Invalid{Err: err}
		}
		if another {
			out.Taken.Taken = append(out.Taken.Taken, "list of stolen passwords")
		}
	}
	out.Restart = h.nodeChanges(c)
	out.Pending = h.pending(c)
	return out, nil
}

// restage builds what runs anew where its files or secrets have changed, and
// names it.
func (h *Hub) restage(ctx context.Context) ([]string, error) {
	h.applying.Lock()
	defer h.applying.Unlock()
	return h.renew(ctx)
}

// renew is restage for who holds applying.
func (h *Hub) renew(ctx context.Context) ([]string, error) {
	if h.running == nil {
		return nil, nil
	}
	st, err := h.running.stage(ctx, h.running.conf, true)
	if err != nil {
		return nil, err
	}
	renewed := st.renewed()
	if len(renewed) == 0 {
		return nil, st.undo()
	}
	h.slog.Info("what was renewed on disk is taken over", "what", renewed)
	return renewed, st.commit()
}

// renewed names what is built anew.
func (st *staged) renewed() []string {
	if st.r == nil {
		return nil
	}
	var out []string
	for key, s := range st.senders {
		if old, ok := st.r.senders[key]; !ok || old.Sender != s.Sender {
			out = append(out, "partner "+key)
		}
	}
	for source, d := range st.doors {
		if st.r.doors[source] != d {
			out = append(out, "source "+source)
		}
	}
	for _, w := range st.witnesses.fresh {
		out = append(out, "witness "+w.state.Name)
	}
	slices.Sort(out)
	return out
}

// pending is what the configuration file says differently from what runs.
func (h *Hub) pending(c *config.Config) []string {
	if h.file == "" || c == nil {
		return nil
	}
	src, err := os.ReadFile(h.file)
	if err != nil {
		return []string{"the configuration file cannot be read: " + err.Error()}
	}
	opts := ParseOptions()
	file, problems := config.Parse(filepath.Base(h.file), src, opts)
	if file == nil {
		return []string{"the configuration file has errors: " + problems.Err().Error()}
	}
	var out []string
	for _, x := range Differences(c, file) {
		out = append(out, x.Words)
	}
	return out
}
