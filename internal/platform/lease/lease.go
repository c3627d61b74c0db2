package lease

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is the schema of the lease.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return store.Migrations{Domain: "lease", Files: sub}
}

// ErrLost: another node has taken the lease, or could have.
var ErrLost = errors.New("this node no longer holds the lease")

// Options of New. Zero durations take their defaults.
type Options struct {
	Node string // this node's name, for people
	// Folder names what only one process can have at a time, such as a locked data
	// folder: a lease of its earlier process, dead for certain, is taken over at
	// once, by the first look. Empty: never.
	Folder string
	// TTL is how long a holder that is not heard of keeps the lease; 5 s.
	TTL time.Duration
	// Renew is how often the holder renews it; 1 s.
	Renew time.Duration
	// Try is how often another looks whether it is free; 500 ms.
	Try time.Duration
	// Margin is how much earlier the holder itself stops than others may begin; 1 s.
	Margin time.Duration
	// Now is the node's clock, with its monotonic reading.
	Now func() time.Time
	// Taken runs in the transaction that takes the lease: the fact belongs in
	// the ledger. nil for none.
	Taken func(ctx context.Context, tx *store.Tx, s State) error
	Log   *slog.Logger
}

func (o *Options) defaults() {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.TTL, 5*time.Second)
	def(&o.Renew, time.Second)
	def(&o.Try, 500*time.Millisecond)
	if o.Margin == 0 {
		o.Margin = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// State is who holds the lease.
type State struct {
	Epoch int64     `json:"epoch"` // 0: nobody ever held it
	Node  string    `json:"node"`
	Since time.Time `json:"since"` // in the database's time
	// Live says that its time has not run out; false: nobody holds it now.
	Live bool `json:"live"`
	// Mine says that it is this process.
	Mine bool `json:"mine"`

	instance string
	until    int64
}

// Lease is one node's side of it.
type Lease struct {
	db       *store.DB
	o        Options
	instance string // tells processes apart
	fresh    bool   // it has not looked yet; Run's
	began    time.Time
	poke     chan struct{}

	mu       sync.Mutex
	withheld string
	end      context.CancelCauseFunc // of the running term
	mine     State                   // while a term runs
}

// New returns the node's side of the lease in db, which must be migrated.
func New(db *store.DB, o Options) *Lease {
	o.defaults()
	return &Lease{db: db, o: o, instance: o.Folder + "/" + rand.Text(), fresh: o.Folder != "", began: o.Now(), poke: make(chan struct{}, 1)}
}

// Poke makes a node that waits for the lease look now.
func (l *Lease) Poke() {
	select {
	case l.poke <- struct{}{}:
	default:
	}
}

// Withhold keeps this node from holding the lease for the reason given, and
// ends its term if it has one; an empty reason lets it stand again. On SQLite,
// where nobody else could, it does nothing.
func (l *Lease) Withhold(reason string) {
	if l.db.Engine() == store.SQLite {
		return
	}
	l.mu.Lock()
	l.withheld = reason
	end := l.end
	l.mu.Unlock()
	if reason != "" && end != nil {
		end(errWithheld)
	}
	if reason == "" {
		l.Poke()
	}
}

var errWithheld = errors.New("this node does not stand for the lease now")

// Mine is the lease as this process knows it without asking: whether a term runs here.
func (l *Lease) Mine() (State, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mine, l.mine.Mine
}

// State reads who holds the lease.
func (l *Lease) State(ctx context.Context) (State, error) {
	if l.db.Engine() == store.SQLite {
		return State{Epoch: 1, Node: l.o.Node, Since: l.began.UTC(), Live: true, Mine: true}, nil
	}
	s, now := State{}, int64(0)
	var since int64
	err := l.db.QueryRow(ctx, `SELECT epoch, node, instance, since, until, CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)
		FROM lease_holder WHERE id = 1`).Scan(&s.Epoch, &s.Node, &s.instance, &since, &s.until, &now)
	if errors.Is(err, store.ErrNoRows) {
		return State{}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("read lease: %w", err)
	}
	s.Since = time.UnixMicro(since).UTC()
	s.Live = !l.free(s.until, now)
	s.Mine = s.Live && s.instance == l.instance
	return s, nil
}

// free says that a lease up to until may be taken at now. One that reaches
// further than any lease may was written before the database's clock was put back.
func (l *Lease) free(until, now int64) bool {
	return until <= now || until > now+2*l.o.TTL.Microseconds()
}

// heir says that the lease of that instance is this node's to take: its own, or
// that of the process before it. Only at the first look, so that two copies of
// one folder do not take it from each other for ever.
func (l *Lease) heir(instance string) bool {
	return instance == l.instance || l.fresh && strings.HasPrefix(instance, l.o.Folder+"/")
}

// take takes the lease if it is free. began is when this node asked: its own
// time counts from there.
func (l *Lease) take(ctx context.Context) (s State, began time.Time, err error) {
	began = l.o.Now()
	err = l.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		s = State{}
		now, err := tx.Clock(ctx)
		if err != nil {
			return err
		}
		var epoch, until int64
		var holder string
		err = tx.QueryRow(ctx, "SELECT epoch, instance, until FROM lease_holder WHERE id = 1").Scan(&epoch, &holder, &until)
		switch {
		case errors.Is(err, store.ErrNoRows):
		case err != nil:
			return err
		case !l.free(until, now) && !l.heir(holder):
			return nil
		}
		s = State{Epoch: epoch + 1, Node: l.o.Node, Since: time.UnixMicro(now).UTC(), Live: true, Mine: true, instance: l.instance}
		s.until = now + l.o.TTL.Microseconds()
		err = tx.Queue(ctx, `INSERT INTO lease_holder (id, epoch, node, instance, since, until) VALUES (1, $1, $2, $3, $4, $5)
			ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, node = excluded.node, instance = excluded.instance,
			since = excluded.since, until = excluded.until`, s.Epoch, s.Node, s.instance, now, s.until)
		if err != nil || l.o.Taken == nil {
			return err
		}
		return l.o.Taken(ctx, tx, s)
	})
	if err != nil {
		return State{}, began, fmt.Errorf("take lease: %w", err)
	}
	return s, began, nil
}

// renew moves the end of the lease; ErrLost where another has taken it.
func (l *Lease) renew(ctx context.Context, epoch int64, ttl time.Duration) error {
	return l.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		now, err := tx.Clock(ctx)
		if err != nil {
			return err
		}
		until := int64(0) // given back
		if ttl > 0 {
			until = now + ttl.Microseconds()
		}
		n, err := tx.Exec(ctx, "UPDATE lease_holder SET until = $1 WHERE id = 1 AND epoch = $2", until, epoch)
		if err == nil && n == 0 {
			err = ErrLost
		}
		return err
	})
}
