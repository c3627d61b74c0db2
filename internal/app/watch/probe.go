package watch

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is the schema of the test write.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return store.Migrations{Domain: "watch", Files: sub}
}

// ErrSlow means that a test write was begun and has not come back in time.
var ErrSlow = errors.New("a test write has not come back yet")

// Checked is the outcome of a test write.
type Checked struct {
	At   time.Time // when it was begun
	Took time.Duration
	Err  error // nil: one row was written and flushed
}

// Probe finds out whether the store takes writes by writing: one row, through
// the same committer and flush as results.
type Probe struct {
	DB  *store.DB
	Now func() time.Time
	// Every is the shortest time between two writes; in between the last outcome
	// is given with its time. 0 means 5 s.
	Every time.Duration
	// Patience is how long an answer waits for a write; 0 means 3 s.
	Patience time.Duration

	mu      sync.Mutex
	last    Checked
	running chan struct{} // closed when the write under way has ended
	began   time.Time
}

// Check gives the last outcome, at most Every old, or makes a new one. It
// returns within Patience even if the disk hangs.
func (p *Probe) Check(ctx context.Context) Checked {
	every, patience := p.Every, p.Patience
	if every <= 0 {
		every = 5 * time.Second
	}
	if patience <= 0 {
		patience = 3 * time.Second
	}
	p.mu.Lock()
	now := p.Now()
	if p.running == nil {
		if !p.last.At.IsZero() && now.Sub(p.last.At) < every && now.Sub(p.last.At) >= 0 {
			defer p.mu.Unlock()
			return p.last
		}
		p.running, p.began = make(chan struct{}), now
		go p.write(now, p.running)
	}
	running, began := p.running, p.began
	p.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-running:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.last
	case <-timer.C:
	case <-ctx.Done():
	}
	return Checked{At: began, Took: p.Now().Sub(began), Err: ErrSlow}
}

func (p *Probe) write(at time.Time, done chan struct{}) {
	err := p.DB.Do(context.Background(), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO watch_probe (id, at) VALUES (1, $1)
			ON CONFLICT (id) DO UPDATE SET at = excluded.at`, at.UnixMicro())
		return err
	})
	p.mu.Lock()
	p.last, p.running = Checked{At: at, Took: p.Now().Sub(at), Err: err}, nil
	p.mu.Unlock()
	close(done)
}
