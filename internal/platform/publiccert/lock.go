package publiccert

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

const (
	// LockTime is how long a node that died keeps the others from asking.
	LockTime             = time.Minute
	lockRenew, lockAgain = LockTime / 4, time.Second
)

// held are the locks of this process, with what stops their renewal.
type held struct {
	node string
	mu   sync.Mutex
	all  map[string]func()
}

// Lock implements certmagic.Locker: it waits until nobody else has the lock, or
// who had it was silent for LockTime.
func (s *Storage) Lock(ctx context.Context, name string) error {
	holder := s.held.node + " " + rand.Text()
	for {
		got, err := s.take(ctx, name, holder)
		if err != nil {
			return err
		}
		if got {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for lock %s: %w", name, ctx.Err())
		case <-time.After(lockAgain):
		}
	}
	renew, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.renew(renew, name, holder)
	}()
	s.held.mu.Lock()
	s.held.all[name] = func() {
		stop()
		<-done
		// Only ours: another may have taken it when we were thought dead.
		_ = s.db.Do(context.WithoutCancel(ctx), func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, "DELETE FROM acme_locks WHERE name = $1 AND holder = $2", name, holder)
			return err
		})
	}
	s.held.mu.Unlock()
	return nil
}

// take takes the lock where it is free. One that claims to last longer than a
// lock lasts is nobody's.
func (s *Storage) take(ctx context.Context, name, holder string) (bool, error) {
	var got bool
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		now := s.now()
		n, err := tx.Exec(ctx, `INSERT INTO acme_locks (name, holder, until) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
			WHERE acme_locks.until < $4 OR acme_locks.until > $5`,
			name, holder, now.Add(LockTime).UnixMicro(), now.UnixMicro(), now.Add(2*LockTime).UnixMicro())
		got = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("take lock %s: %w", name, err)
	}
	return got, nil
}

func (s *Storage) renew(ctx context.Context, name, holder string) {
	tick := time.NewTicker(lockRenew)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// What fails is tried again; after LockTime the lock is another's to take.
		_ = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE acme_locks SET until = $1 WHERE name = $2 AND holder = $3", s.now().Add(LockTime).UnixMicro(), name, holder)
			return err
		})
	}
}

// Unlock implements certmagic.Locker.
func (s *Storage) Unlock(_ context.Context, name string) error {
	s.held.mu.Lock()
	free := s.held.all[name]
	delete(s.held.all, name)
	s.held.mu.Unlock()
	if free == nil {
		return fmt.Errorf("free lock %s: it is not held here", name)
	}
	free()
	return nil
}
