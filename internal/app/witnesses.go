package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"

	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/ledger/witness"
)

const (
	// signEvery is how often a checkpoint is signed at most where no witness asks
	// for more.
	signEvery = 10 * time.Minute
	// lateAfter is after how many of its intervals a witness that has not
	// confirmed is an alarm.
	lateAfter = 3
	// firstRound is how long views wait at start for what witnesses say.
	firstRound = 10 * time.Second
	// retryFirst is the first pause after a witness could not be reached; it
	// doubles up to the witness's interval.
	retryFirst = 5 * time.Second
)

// WitnessState is how one witness stands.
type WitnessState struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Size is how many entries it confirmed last, At when; zero for never since
	// the start.
	Size int64     `json:"size"`
	At   time.Time `json:"at"`
	// Late says that it has not confirmed for several of its intervals.
	Late bool `json:"late"`
	// Problem is why it did not confirm the last time, in words; empty when it did.
	Problem string `json:"problem,omitempty"`
}

// watcher brings checkpoints to one witness.
type watcher struct {
	witness.Witness
	mark  string // of the settings and files it was made from
	stop  context.CancelFunc
	every time.Duration
	since time.Time // of the first checkpoint it has not confirmed
	state WitnessState
	asked bool
	// trusted: it confirmed since the start, so no decision about it stands.
	trusted bool
}

// guard signs checkpoints, brings them to the witnesses, and raises the alarm
// where one remembers another ledger than this one.
type guard struct {
	h     *Hub
	begun chan struct{} // closed when our own store was checked
	pace  chan struct{} // asks run to look at every again

	mu      sync.Mutex
	every   time.Duration
	all     []*watcher
	signed  chan struct{} // closed and replaced when a checkpoint was signed
	latest  storedCheckpoint
	alarms  map[string]witness.Alarm // by witness; empty name: our own store
	waiting bool                     // not every witness was asked yet
	checked time.Time                // when the newest checkpoint was known to be kept
	closed  chan string              // why views are closed, for the other nodes; the latest
}

// storedCheckpoint is a signed checkpoint of ours.
type storedCheckpoint struct {
	size int64
	note []byte
}

func newGuard(h *Hub) *guard {
	return &guard{
		h: h, every: signEvery, begun: make(chan struct{}), pace: make(chan struct{}, 1), closed: make(chan string, 1),
		signed: make(chan struct{}), alarms: map[string]witness.Alarm{}, checked: h.now(),
	}
}

// round is the set of witnesses of a configuration.
type round struct {
	all, fresh []*watcher
	every      time.Duration
}

// stage makes ready what the configuration names and keeps the watchers of what
// did not change. A witness that cannot be made ready is one that cannot be
// reached: results do not wait for it.
func (g *guard) stage(ctx context.Context, c *config.Config) (round, error) {
	out := round{every: signEvery}
	var keys []note.Verifier
	for _, k := range g.h.Vault.VerifierKeys() {
		v, err := note.NewVerifier(k)
		if err != nil {
			return out, fmt.Errorf("read the laboratory's key: %w", err)
		}
		keys = append(keys, v)
	}
	g.mu.Lock()
	have := slices.Clone(g.all)
	g.mu.Unlock()
	for i := range c.Witnesses {
		w := &c.Witnesses[i]
		mark, err := g.h.material(ctx, w, g.h.Vault.VerifierKeys())
		old := slices.IndexFunc(have, func(x *watcher) bool { return x.state.Name == w.Name && x.mark == mark && err == nil })
		out.every = min(out.every, w.Every.Std())
		if old >= 0 {
			out.all = append(out.all, have[old])
			continue
		}
		x := &watcher{every: w.Every.Std(), mark: mark, state: WitnessState{Name: w.Name, Kind: w.Kind}}
		switch {
		case err != nil:
		case w.Kind == "folder":
			x.Witness, err = witness.NewFolder(w.Name, string(w.Path), keys...)
		case w.Kind == "http":
			x.Witness, err = g.h.httpWitness(w)
		default:
			err = errors.New("a kind of witness that is not known")
		}
		if err != nil {
			g.h.slog.Error("ALARM: a witness cannot be used as it is configured", "witness", w.Name, "error", err)
			x.Witness = unusable{w.Name, err}
		}
		out.all, out.fresh = append(out.all, x), append(out.fresh, x)
	}
	return out, nil
}

// take puts a round in force. What a witness that is gone has found stays an
// alarm until a person decides.
func (g *guard) take(ctx context.Context, run *errgroup.Group, r round) {
	g.mu.Lock()
	old := g.all
	g.all, g.every = r.all, r.every
	g.mu.Unlock()
	select {
	case g.pace <- struct{}{}:
	default: // it is asked to look already
	}
	for _, w := range old {
		if !slices.Contains(r.all, w) {
			w.stop()
		}
	}
	for _, w := range r.fresh {
		var own context.Context
		own, w.stop = context.WithCancel(ctx)
		run.Go(func() error {
			select {
			case <-g.begun:
				g.watch(own, w)
			case <-own.Done():
			}
			return nil
		})
	}
}

func (h *Hub) httpWitness(w *config.Witness) (witness.Witness, error) {
	key, err := ledger.NewCosignatureVerifier(w.Key)
	if err != nil {
		return nil, err
	}
	ca, err := roots(w.CA)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: ca}, MaxIdleConns: 1,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 15 * time.Second, IdleConnTimeout: time.Minute,
	}
	client := &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if w.Token != "" {
		token, err := h.secret(context.Background(), w.Token)
		if err != nil {
			return nil, err
		}
		client.Transport = bearer{t, "Bearer " + string(token)}
	}
	return witness.NewHTTP(w.Name, string(w.URL), client, key)
}

// unusable stands for a witness whose settings cannot be used.
type unusable struct {
	name string
	err  error
}

func (u unusable) Name() string { return u.name }
func (u unusable) Submit(context.Context, int64, []byte, tlog.TreeProof) ([]note.Signature, error) {
	return nil, u.err
}

// bearer adds the token to each request.
type bearer struct {
	next  http.RoundTripper
	token string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", b.token)
	return b.next.RoundTrip(r)
}

// run works until ctx ends. It never stops results: what fails is logged and
// tried again.
func (g *guard) run(ctx context.Context) error {
	if err := g.checkStore(ctx); err != nil && ctx.Err() == nil {
		g.h.slog.Error("the ledger could not be checked at start", "error", err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { g.tellViews(ctx) })
	close(g.begun)
	first := time.AfterFunc(firstRound, g.answered)
	defer first.Stop()
	tick := time.NewTicker(signEvery)
	defer tick.Stop()
	for {
		if err := g.sign(ctx); err != nil && ctx.Err() == nil {
			g.h.slog.Error("a checkpoint of the ledger could not be signed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-g.pace:
			g.mu.Lock()
			tick.Reset(g.every)
			g.mu.Unlock()
		case <-tick.C:
		}
	}
}

// sign signs and keeps a checkpoint if the ledger has grown.
func (g *guard) sign(ctx context.Context) error {
	head, err := g.h.Log.Head(ctx)
	if err != nil {
		return err
	}
	g.mu.Lock()
	had := g.latest
	if head.Size == had.size && had.note != nil {
		g.checked = g.h.now()
	}
	g.mu.Unlock()
	if head.Size == had.size && had.note != nil {
		return nil
	}
	signer := g.h.Vault.NoteSigner()
	signed, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: signer.Name(), Size: head.Size, Root: head.Root()}, signer)
	if err != nil {
		return err
	}
	if head.Size > 0 {
		if err := g.h.Log.KeepCheckpoint(ctx, head.Size, g.h.now(), signed); err != nil {
			return err
		}
	}
	g.mu.Lock()
	g.latest, g.checked = storedCheckpoint{head.Size, signed}, g.h.now()
	close(g.signed)
	g.signed = make(chan struct{})
	g.mu.Unlock()
	return nil
}

// watch brings each new checkpoint to one witness.
func (g *guard) watch(ctx context.Context, w *watcher) {
	confirmed := int64(-1)
	pause := min(retryFirst, w.every)
	for ctx.Err() == nil {
		g.mu.Lock()
		point, more := g.latest, g.signed
		g.mu.Unlock()
		if point.note == nil || point.size == confirmed {
			select {
			case <-ctx.Done():
			case <-more:
			case <-time.After(w.every):
			}
			continue
		}
		sigs, err := witness.Push(ctx, w, g.h.Log, max(confirmed, 0), point.note, point.size)
		if err == nil {
			err = g.h.Log.KeepCosignatures(ctx, point.size, sigs)
		}
		if ctx.Err() != nil {
			return
		}
		wait := w.every
		if err == nil {
			confirmed, pause = point.size, min(retryFirst, w.every)
		} else {
			wait = pause
			pause = min(2*pause, w.every)
		}
		g.heard(ctx, w, point.size, err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}
