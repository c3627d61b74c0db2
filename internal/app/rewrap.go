package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/domain/partners/entry"
	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/domain/results/resultsfhir"
	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/domain/tunnels"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/publiccert"
	"github.com/labwarden/labwarden/internal/platform/rewrap"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// KindKeyDestroyed is written before a key that nothing uses is destroyed.
const KindKeyDestroyed = "keys.destruction_ordered"

const (
	// rewrapEvery is how often the hub looks for values under old keys, and takes
	// over what another process did to the book.
	rewrapEvery = time.Minute
	// destroyAfter is how long nothing must have been found under an old key, by
	// the clock that does not jump, before it is destroyed: what was sealed in the
	// moment of the rotation is long on disk then, and every other process has
	// taken the new key over many times.
	destroyAfter = time.Hour
)

// sealedColumns are all columns that hold sealed values. One that is missing
// here keeps its old key for ever (rewrap.InUse finds it), it is never lost.
func sealedColumns() []rewrap.Column {
	all := append(slices.Concat(results.SealedColumns(), signin.SealedColumns(), setup.SealedColumns(), tunnels.SealedColumns(), boxes.SealedColumns(), entry.SealedColumns(), certificates.SealedColumns(), resultsfhir.SealedColumns(), portal.SealedColumns(), publiccert.SealedColumns()),
		rewrap.Column{
			Purpose: vault.PurposeSecrets, Table: "hub_secrets", Key: "name", Name: "value", Row: "name",
			Place: func(row any) []byte { s, _ := row.(string); return []byte(s) },
		},
		rewrap.Column{
			Purpose: vault.PurposeConfig, Table: "hub_revisions", Key: "number", Name: "source", Row: "number",
			Place: func(row any) []byte { n, _ := row.(int64); return strconv.AppendInt(nil, n, 10) },
		},
		rewrap.Column{
			Purpose: vault.PurposeConfig, Table: "hub_views", Key: "id", Name: "closed", Row: "epoch",
			Place: func(row any) []byte { n, _ := row.(int64); return viewsWhere(n).Row },
		},
		rewrap.Column{
			Purpose: vault.PurposeSecrets, Table: "hub_pages", Key: "id", Name: "authority", Row: "id",
			Place: func(any) []byte { return pagesWhere().Row },
		},
	)
	// One purpose after the other, so that what is told of each is one number.
	slices.SortStableFunc(all, func(a, b rewrap.Column) int {
		return slices.Index(purposes, a.Purpose) - slices.Index(purposes, b.Purpose)
	})
	return all
}

// rewrapper carries sealed values over to current keys.
type rewrapper struct {
	h     *Hub
	pause func() error
	// clean is since when nothing was found under each old key.
	clean map[vault.KeyID]time.Time
	// idle is how long the clock that does not jump says since a moment.
	since func(time.Time) time.Duration
}

func (h *Hub) rewraps(ctx context.Context) error {
	rest := restful(ctx)
	w := &rewrapper{h: h, pause: func() error { return rest(0, 0) }, clean: map[vault.KeyID]time.Time{}, since: time.Since}
	tick := time.NewTicker(rewrapEvery)
	defer tick.Stop()
	for {
		if err := w.round(ctx); err != nil && ctx.Err() == nil {
			h.slog.Error("values under old keys could not be carried over; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// round looks once. With no old key in the book it costs nothing.
func (w *rewrapper) round(ctx context.Context) error {
	if err := w.h.Vault.Reload(ctx); err != nil {
		return err
	}
	st, err := w.h.Vault.Status()
	if err != nil {
		return err
	}
	old := map[vault.Purpose][]vault.KeyID{}
	for _, k := range st.Keys {
		// The index key stays: see docs/develop/decisions/index-key.md.
		if !k.Current && k.Purpose != vault.PurposeIndex {
			old[k.Purpose] = append(old[k.Purpose], k.ID)
		}
	}
	if len(old) == 0 {
		w.h.rewrapping.Store(nil)
		return nil
	}
	progress := map[vault.Purpose]*vault.RewrapStatus{}
	columns := sealedColumns()
	for i := range columns {
		c := &columns[i]
		if old[c.Purpose] == nil {
			continue
		}
		n, err := rewrap.Count(ctx, w.h.DB, w.h.Vault, c)
		if err != nil {
			return err
		}
		p := progress[c.Purpose]
		if p == nil {
			p = &vault.RewrapStatus{Purpose: c.Purpose}
			progress[c.Purpose] = p
		}
		p.Left += n
	}
	w.tell(progress)
	for i := range columns {
		c := &columns[i]
		p := progress[c.Purpose]
		if p == nil {
			continue
		}
		done, err := rewrap.Pass(ctx, w.h.DB, w.h.Vault, c, w.pause, func(n int64) {
			p.Done += n
			p.Left = max(p.Left-n, 0)
			w.tell(progress)
		})
		if err != nil {
			return err
		}
		if done.Carried > 0 {
			w.h.slog.Info("values were carried over to the current key", "table", c.Table, "values", done.Carried)
		}
		p.Stuck += done.Left
	}
	w.tell(progress)
	for _, ids := range old {
		for _, id := range ids {
			if err := w.retire(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// retire destroys an old key once nothing has used it for long enough.
func (w *rewrapper) retire(ctx context.Context, id vault.KeyID) error {
	where, err := rewrap.InUse(ctx, w.h.DB, id)
	if err != nil {
		return err
	}
	if where != "" {
		delete(w.clean, id)
		return nil
	}
	from, ok := w.clean[id]
	if !ok {
		w.clean[id] = time.Now()
		return nil
	}
	if w.since(from) < destroyAfter {
		return nil
	}
	err = w.h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := bus.Publish(ctx, tx, ledger.Event{
			Kind: KindKeyDestroyed, At: w.h.now().UnixMicro(),
			IDs: ledger.Pairs{{K: "by", V: ledger.Program}, {K: "key", V: id.String()}},
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("write down that a key is destroyed: %w", err)
	}
	if err := w.h.Vault.Destroy(ctx, id, w.h.now()); err != nil && !errors.Is(err, vault.ErrUnknownKey) {
		return err
	}
	delete(w.clean, id)
	w.h.slog.Info("an old key that nothing uses was destroyed", "key", id.String())
	return nil
}

func (w *rewrapper) tell(progress map[vault.Purpose]*vault.RewrapStatus) {
	var out []vault.RewrapStatus
	for _, c := range sealedColumns() {
		if p := progress[c.Purpose]; p != nil {
			out = append(out, *p)
		}
	}
	// One line for each purpose, though it may have several columns.
	lines := out[:0]
	for _, x := range out {
		if len(lines) == 0 || lines[len(lines)-1].Purpose != x.Purpose {
			lines = append(lines, x)
		}
	}
	w.h.rewrapping.Store(&lines)
}

// keyStatus is what `keys status` shows.
func (h *Hub) keyStatus() (vault.Status, error) {
	st, err := h.Vault.Status()
	if p := h.rewrapping.Load(); p != nil && err == nil {
		st.Rewrap = *p
	}
	return st, err
}
