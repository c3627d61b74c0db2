package app

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/rewrap"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// keysOf are the ids of the keys of a purpose, the current one last.
func keysOf(t *testing.T, h *Hub, p vault.Purpose) (ids []vault.KeyID) {
	t.Helper()
	st, err := h.Vault.Status()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range st.Keys {
		if k.Purpose == p {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

// After a rotation everything is carried over to the new key in the background,
// also when it is stopped in the middle; the old key goes when nothing uses it,
// not before; and every record still opens and fits the ledger.
func TestRotatedKeysAreCarriedOverAndDestroyed(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ctx, h := t.Context(), fullHub(t, s)
		purposes := []vault.Purpose{vault.PurposeBodies, vault.PurposeReceipts, vault.PurposeSecrets, vault.PurposeConfig, vault.PurposeIdentifiers}
		old := map[vault.Purpose]vault.KeyID{}
		for _, p := range purposes {
			old[p] = keysOf(t, h, p)[0]
			if err := h.Vault.Rotate(ctx, p, h.now()); err != nil {
				t.Fatal(err)
			}
		}
		where, err := rewrap.InUse(ctx, h.DB, old[vault.PurposeBodies])
		if err != nil || where == "" {
			t.Fatalf("the old key of the bodies is not in use: %q %v", where, err)
		}
		idle := time.Duration(0)
		w := &rewrapper{h: h, pause: func() error { return nil }, clean: map[vault.KeyID]time.Time{}, since: func(time.Time) time.Duration { return idle }}
		// Stopped after the first batch, as by a crash: nothing is remembered.
		stopped := &rewrapper{h: h, pause: func() error { return context.Canceled }, clean: map[vault.KeyID]time.Time{}, since: w.since}
		if err := stopped.round(ctx); err == nil {
			t.Fatal("it was not stopped")
		}
		if st, err := h.keyStatus(); err != nil || len(st.Rewrap) != 4 || st.Rewrap[0].Done == 0 {
			t.Errorf("%v %+v", err, st.Rewrap)
		}
		for range 3 { // it is clean from the second round on; the hour is not over
			if err := w.round(ctx); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range purposes {
			if where, err := rewrap.InUse(ctx, h.DB, old[p]); err != nil || where != "" {
				t.Errorf("%s: still used in %s, %v", p, where, err)
			}
			if n := len(keysOf(t, h, p)); n != 2 {
				t.Errorf("%s: %d keys before the hour is over", p, n)
			}
		}
		if st, _ := h.keyStatus(); len(st.Rewrap) != 4 || st.Rewrap[0].Left != 0 {
			t.Errorf("%+v", st.Rewrap)
		}
		idle = destroyAfter
		for range 2 {
			if err := w.round(ctx); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range purposes {
			if ids := keysOf(t, h, p); len(ids) != 1 || ids[0] == old[p] {
				t.Errorf("%s: keys %v, the old one was %v", p, ids, old[p])
			}
		}
		if a, err := h.Audit(ctx, nil); err != nil || len(a.Findings) > 0 {
			t.Errorf("%v %v", err, a.Findings)
		}
		if st, _ := h.keyStatus(); st.Rewrap != nil {
			t.Errorf("%+v", st.Rewrap)
		}
	})
}

// A value that does not open keeps its key: damage must stay recoverable from a
// backup of the row.
func TestDamagedRecordKeepsItsOldKey(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ctx, h := t.Context(), fullHub(t, s)
		r := &raw{t: t, h: h}
		var leaf int64
		var id, body []byte
		if err := h.DB.QueryRow(ctx, "SELECT leaf, id, body FROM results_messages ORDER BY leaf LIMIT 1").Scan(&leaf, &id, &body); err != nil {
			t.Fatal(err)
		}
		good := append([]byte(nil), body...)
		body[len(body)-1] ^= 1
		r.must("UPDATE results_messages SET body = $1 WHERE leaf = $2", body, leaf)
		old := keysOf(t, h, vault.PurposeBodies)[0]
		if err := h.Vault.Rotate(ctx, vault.PurposeBodies, h.now()); err != nil {
			t.Fatal(err)
		}
		w := &rewrapper{h: h, pause: func() error { return nil }, clean: map[vault.KeyID]time.Time{}, since: func(time.Time) time.Duration { return 2 * destroyAfter }}
		for range 4 {
			if err := w.round(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if ids := keysOf(t, h, vault.PurposeBodies); len(ids) != 2 || ids[0] != old {
			t.Fatalf("the key of a damaged record was destroyed: %v", ids)
		}
		if st, _ := h.keyStatus(); len(st.Rewrap) != 1 || st.Rewrap[0].Stuck != 1 || st.Rewrap[0].Left != 1 {
			t.Errorf("%+v", st.Rewrap)
		}
		r.must("UPDATE results_messages SET body = $1 WHERE leaf = $2", good, leaf) // from the backup
		for range 4 {
			if err := w.round(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if ids := keysOf(t, h, vault.PurposeBodies); len(ids) != 1 {
			t.Errorf("keys %v", ids)
		}
		mid, err := event.IDFromBytes(id)
		if err != nil {
			t.Fatal(err)
		}
		if _, b, err := h.Results.Message(ctx, mid); err != nil || !strings.Contains(string(b), "MSH|") {
			t.Errorf("%v", err)
		}
	})
}
