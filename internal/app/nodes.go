package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/lease"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// KindLeaseTaken is the fact that a node began to deliver and to run the jobs.
const KindLeaseTaken = "node.lease_taken"

func newLease(db *store.DB, d Deps) *lease.Lease {
	return lease.New(db, lease.Options{Node: d.Node, Folder: d.folder, Now: d.Now, Log: d.Log, Taken: func(ctx context.Context, tx *store.Tx, s lease.State) error {
		_, err := bus.Publish(ctx, tx, ledger.Event{
			Kind: KindLeaseTaken, At: d.Now().UnixMicro(),
			IDs: ledger.Pairs{{K: "node", V: ledger.Code(s.Node)}}, Numbers: []ledger.Number{{K: "epoch", N: s.Epoch}},
		})
		return err
	}})
}

// act is what only the holder of the lease does; it ends with its term.
func (h *Hub) act(ctx context.Context, settled func()) error {
	if h.DB.Engine() != store.SQLite {
		if err := h.Alarms.Reload(ctx); err != nil { // another node may have told people since
			h.slog.Error("the alarms could not be read; those that stand are found again", "error", err)
		}
	}
	t, err := h.beginTerm(ctx)
	if t == nil {
		return err
	}
	settled()
	g, ctx, guard := t.g, t.ctx, t.guard
	g.Go(func() error { return h.Results.Run(ctx) })
	g.Go(func() error { return guard.run(ctx) })
	g.Go(func() error { return h.Results.RunIndex(ctx) })
	g.Go(func() error { return h.Results.RunClinical(ctx) })
	g.Go(func() error { return h.Results.RunCompare(ctx) })
	g.Go(func() error { return h.keep(ctx) })
	g.Go(func() error { return h.Alarms.Run(ctx) })
	g.Go(func() error { return newLookout(h).run(ctx) })
	g.Go(func() error { return h.audits(ctx) })
	g.Go(func() error { return h.watchClock(ctx) })
	g.Go(func() error { return h.rewraps(ctx) })
	for _, job := range h.jobs() {
		g.Go(func() error { return job(ctx) })
	}
	return g.Wait()
}

// term is the time in which this node holds the lease. A change of the
// configuration reaches what runs in it; Hub.applying guards it.
type term struct {
	ctx   context.Context
	g     *errgroup.Group
	guard *guard
}

// beginTerm begins what of the configuration only the holder runs: its witnesses
// are brought checkpoints, its folders are taken from. nil when the hub stops.
func (h *Hub) beginTerm(ctx context.Context) (*term, error) {
	h.applying.Lock()
	defer h.applying.Unlock()
	r := h.running
	if r == nil {
		return nil, nil
	}
	guard := newGuard(h)
	witnesses, err := guard.stage(ctx, r.conf)
	if err != nil {
		return nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	t := &term{ctx, g, guard}
	guard.waiting = len(r.conf.Witnesses) > 0
	guard.views()
	h.guard.Store(guard)
	r.term = t
	guard.take(ctx, g, witnesses)
	g.Go(func() error { return newPickups(h).run(ctx) })
	for _, d := range r.doors {
		if d.watcher != nil {
			d.stop = t.takeFrom(d.watcher)
		}
	}
	g.Go(func() error { // nothing is added to g once it may have ended
		<-ctx.Done()
		h.applying.Lock()
		defer h.applying.Unlock()
		r.term = nil
		h.guard.Store(nil)
		return nil
	})
	return t, nil
}

// taking is what takes files from a folder, here or at a file server.
type taking interface {
	Serve(ctx context.Context) error
}

// takeFrom takes files from a folder until the term or stop ends it. One node
// does, as a folder may be on a share; that the messages of a former holder are
// refused, its transactions are fenced for.
func (t *term) takeFrom(w taking) (stop context.CancelFunc) {
	ctx, stop := context.WithCancel(t.ctx)
	t.g.Go(func() error {
		defer stop()
		return w.Serve(ctx)
	})
	return stop
}

// Words between nodes, each followed by a partner's key.
const (
	wordWork    = "work:"
	wordChanged = "changed:"
)

// words gathers what other nodes are to be told and sends it beside the
// transactions: a word that is lost costs a second, one that is waited for would
// cost every message.
type words struct {
	mu   sync.Mutex
	open map[string]bool
	poke chan struct{}
}

func newWords() *words { return &words{open: map[string]bool{}, poke: make(chan struct{}, 1)} }

func (w *words) say(partner string, changed bool) {
	word := wordWork + partner
	if changed {
		word = wordChanged + partner
	}
	w.mu.Lock()
	w.open[word] = true
	w.mu.Unlock()
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// wordPause is how long words gather.
const wordPause = 5 * time.Millisecond

func (w *words) run(ctx context.Context, db *store.DB) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.poke:
		}
		w.mu.Lock()
		list := sorted(w.open)
		clear(w.open)
		w.mu.Unlock()
		_ = db.Hint(ctx, list...) // the other node finds out by looking
		select {
		case <-ctx.Done():
			return
		case <-time.After(wordPause):
		}
	}
}

// hear passes on what other nodes say until ctx ends.
func (h *Hub) hear(ctx context.Context) {
	hearing := func(yes bool) {
		h.Results.SetHearing(yes)
		if yes { // what was said before may have been missed
			h.Results.Told("", true)
			h.lease.Poke()
		}
	}
	h.DB.Hints(ctx, hearing, func(word string) {
		switch {
		case word == lease.Hint:
			h.lease.Poke()
		case word == access.Hint:
			h.Access.Poke()
		case strings.HasPrefix(word, wordWork):
			h.Results.Told(word[len(wordWork):], false)
		case strings.HasPrefix(word, wordChanged):
			h.Results.Told(word[len(wordChanged):], true)
		}
	})
}

// Lease tells which node delivers and runs the jobs.
func (h *Hub) Lease(ctx context.Context) (lease.State, error) { return h.lease.State(ctx) }

// Trouble is why this node does no work, in words; empty while it does.
func (h *Hub) Trouble() string {
	if t := h.trouble.Load(); t != nil {
		return *t
	}
	return ""
}

// tellViews keeps what the guard knows where the other nodes see it.
func (g *guard) tellViews(ctx context.Context) {
	s, ok := g.h.lease.Mine()
	if !ok || g.h.DB.Engine() == store.SQLite {
		return
	}
	for {
		var reason string
		select {
		case <-ctx.Done():
			return
		case reason = <-g.closed:
		}
		for g.keepViews(ctx, s.Epoch, reason) != nil && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case reason = <-g.closed:
			case <-time.After(time.Second):
			}
		}
	}
}

// viewsWhere binds what is said about views to the term in which it was said:
// nobody without the keys can say it, or say it again later.
func viewsWhere(epoch int64) vault.Where {
	return vault.Where{Table: "hub_views", Column: "closed", Row: strconv.AppendInt(nil, epoch, 10)}
}

func (g *guard) keepViews(ctx context.Context, epoch int64, reason string) error {
	sealed, err := g.h.Vault.Seal(vault.PurposeConfig, viewsWhere(epoch), nil, []byte(reason))
	if err != nil {
		return fmt.Errorf("seal what is known of the witnesses: %w", err)
	}
	return g.h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		return tx.Queue(ctx, `INSERT INTO hub_views (id, epoch, closed) VALUES (1, $1, $2)
			ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, closed = excluded.closed`, epoch, sealed)
	})
}

const (
	viewsNobody  = "no node holds the lease now, so nobody has asked the witnesses what they remember"
	viewsForged  = "what the node that holds the lease said about the witnesses was changed in the database"
	viewsUnknown = "the node that holds the lease has not said yet what the witnesses remember"
)

// followViews closes and opens this node's views by what the holder found. A
// word of an earlier epoch counts for nothing: the database may have been put
// back to a time when all was well.
func (h *Hub) followViews(ctx context.Context) error {
	s, err := h.lease.State(ctx)
	if err != nil {
		return err
	}
	reason := viewsNobody
	if s.Live {
		var epoch int64
		var sealed []byte
		err := h.DB.QueryRow(ctx, "SELECT epoch, closed FROM hub_views WHERE id = 1").Scan(&epoch, &sealed)
		if err != nil && !errors.Is(err, store.ErrNoRows) {
			return err
		}
		reason = viewsUnknown
		if err == nil && epoch == s.Epoch {
			plain, err := h.Vault.Unseal(vault.PurposeConfig, viewsWhere(epoch), nil, sealed)
			if reason = string(plain); err != nil {
				reason = viewsForged
			}
		}
	}
	if h.guard.Load() == nil { // else this node's own guard says
		h.Results.SetViewsClosed(reason)
	}
	return nil
}

// nodes is what `labwarden status` asks about nodes; nil where there is one only.
func (h *Hub) nodes() func(ctx context.Context) (control.Nodes, error) {
	if h.DB.Engine() == store.SQLite {
		return nil
	}
	return func(ctx context.Context) (control.Nodes, error) {
		s, err := h.lease.State(ctx)
		return control.Nodes{Lease: s, Trouble: h.Trouble()}, err
	}
}
