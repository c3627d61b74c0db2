package lease

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// term is one time of holding the lease.
type term struct {
	epoch int64
	now   func() time.Time
	last  atomic.Pointer[time.Time] // up to when it holds, by this node's clocks
	lost  func(error)
}

type termKey struct{}

// Live says whether what runs under ctx may still act in the outside world. It
// asks no database and is meant for the last moment before a message leaves. A
// context without a term is always live.
func Live(ctx context.Context) bool {
	t, ok := ctx.Value(termKey{}).(*term)
	return !ok || t.live() && ctx.Err() == nil
}

// live compares both clocks: the monotonic one stands still while the machine
// sleeps, the wall clock may be put.
func (t *term) live() bool {
	now, last := t.now(), *t.last.Load()
	return now.Before(last) && now.Round(0).Before(last.Round(0))
}

func (t *term) extend(to time.Time) { t.last.Store(&to) }

// fence asks, once a transaction, whether the epoch is still ours.
func (t *term) fence(ctx context.Context, tx *store.Tx) error {
	return tx.QueueOnce(ctx, t, "SELECT epoch FROM lease_holder WHERE id = 1", nil, func(row store.Scanner) error {
		var epoch int64
		if err := row.Scan(&epoch); err != nil {
			return err
		}
		if epoch != t.epoch {
			t.lost(ErrLost)
			return ErrLost
		}
		return nil
	})
}
