package today

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

const (
	// patience is how long a source may take before the page goes on without it.
	patience = 2 * time.Second
	// hangs is after how long a source's own context ends.
	hangs = 30 * time.Second
	// mostItems is how many items of one source are shown.
	mostItems = 40
)

// Board asks sources and checks. Add everything before the first Gather.
type Board struct {
	Log *slog.Logger
	// Patience is how long to wait for one source; 0 is 2 s.
	Patience time.Duration

	sources []*asked[Source, []Item]
	checks  []*asked[Check, Line]
}

// asked is a source with the call that is still under way.
type asked[S, T any] struct {
	is S

	mu   sync.Mutex
	busy bool
}

// Add adds sources.
func (b *Board) Add(sources ...Source) {
	for _, s := range sources {
		if s.Name == "" || s.Look == nil {
			panic("today: a source needs a name and something to look at")
		}
		b.sources = append(b.sources, &asked[Source, []Item]{is: s})
	}
}

// AddChecks adds lines of the panel Protection.
func (b *Board) AddChecks(checks ...Check) {
	for _, c := range checks {
		if c.Name == "" || c.Look == nil {
			panic("today: a check needs a name and something to look at")
		}
		b.checks = append(b.checks, &asked[Check, Line]{is: c})
	}
}

// Gathered is what was found for one person.
type Gathered struct {
	// Items are most urgent first, those that say what could not be looked at among
	// them.
	Items []Item
	Lines []Line
	At    time.Time
	// Failed names what could not be looked at, Skipped counts the sources and
	// checks that are not for this person, Hidden the items that are not.
	Failed  []string
	Skipped int
	Hidden  int
	// More counts items of sources that had too many to show.
	More int
}

// Gather asks everything that is for who, at once, and waits no longer than the
// board's patience.
func (b *Board) Gather(ctx context.Context, who *authz.Subject, now time.Time) Gathered {
	g := Gathered{At: now}
	items, lines := make([]answer[[]Item], len(b.sources)), make([]answer[Line], len(b.checks))
	var wg sync.WaitGroup
	for i, s := range b.sources {
		if s.is.Needs != "" && who.Scope(s.is.Needs, now).Empty() {
			items[i].skipped = true
			continue
		}
		wg.Go(func() {
			items[i].v, items[i].err = s.ask(ctx, b.patience(), func(ctx context.Context) ([]Item, error) { return s.is.Look(ctx, who, now) })
		})
	}
	for i, c := range b.checks {
		if c.is.Needs != "" && who.Scope(c.is.Needs, now).Empty() {
			lines[i].skipped = true
			continue
		}
		wg.Go(func() {
			lines[i].v, lines[i].err = c.ask(ctx, b.patience(), func(ctx context.Context) (Line, error) { return c.is.Look(ctx, now) })
		})
	}
	wg.Wait()
	for i, s := range b.sources {
		if items[i].skipped {
			g.Skipped++
			continue
		}
		g.take(s.is.Name, items[i], who, now, b.Log)
	}
	for i, c := range b.checks {
		switch x := lines[i]; {
		case x.skipped:
			g.Skipped++
		case x.err != nil:
			g.fail(c.is.Name, x.err, b.Log)
			g.Lines = append(g.Lines, Line{State: kit.Unknown, Name: c.is.Name, Value: "not known", Text: "This could not be looked at just now.", At: now})
		default:
			if x.v.At.IsZero() {
				x.v.At = now
			}
			if x.v.May != "" && who.Scope(x.v.May, now).Empty() {
				x.v.Href = ""
			}
			g.Lines = append(g.Lines, x.v)
		}
	}
	slices.SortStableFunc(g.Items, Item.compare)
	return g
}

func (b *Board) patience() time.Duration {
	if b.Patience > 0 {
		return b.Patience
	}
	return patience
}

type answer[T any] struct {
	v       T
	err     error
	skipped bool
}

// take puts a source's items in, those that who may see.
func (g *Gathered) take(name string, a answer[[]Item], who *authz.Subject, now time.Time, log *slog.Logger) {
	if a.err != nil {
		g.fail(name, a.err, log)
		g.Items = append(g.Items, Item{
			State: kit.Unknown, Rank: RankUnknown, Title: upper(name) + " could not be looked at",
			Text:   "Whether something needs you there is not known. It is asked again with the next look at this page.",
			Action: kit.Action{Text: "Look again", Href: "/"},
		})
		return
	}
	n := 0
	for _, it := range a.v {
		switch {
		case it.Needs == "" || !who.Scope(it.Needs, now).Holds(authz.Object{Partner: it.Partner, Site: it.Site}):
			g.Hidden++
		case n == mostItems:
			g.More++
		default:
			n++
			g.Items = append(g.Items, it)
		}
	}
}

func (g *Gathered) fail(name string, err error, log *slog.Logger) {
	g.Failed = append(g.Failed, name)
	if log != nil && !errors.Is(err, context.Canceled) {
		log.Error("something for Today could not be looked at", "what", name, "error", err)
	}
}

var errBusy = errors.New("it was asked before and has not answered yet")

// ask calls look in a goroutine of its own, so that one that does not heed its
// context costs this page its patience and no more.
func (a *asked[S, T]) ask(ctx context.Context, wait time.Duration, look func(context.Context) (T, error)) (T, error) {
	var none T
	a.mu.Lock()
	stuck := a.busy
	a.mu.Unlock()
	if stuck {
		return none, errBusy
	}
	type out struct {
		v   T
		err error
	}
	done := make(chan out, 1)
	own, cancel := context.WithTimeout(ctx, hangs)
	go func() {
		defer cancel()
		defer func() {
			if p := recover(); p != nil {
				done <- out{none, fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
			}
			a.mu.Lock()
			a.busy = false
			a.mu.Unlock()
		}()
		v, err := look(own)
		done <- out{v, err}
	}()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case o := <-done:
		return o.v, o.err
	case <-ctx.Done():
		return none, ctx.Err()
	case <-timer.C:
		a.mu.Lock()
		a.busy = true
		a.mu.Unlock()
		select { // it may have ended in this moment, and would then be busy for good
		case o := <-done:
			a.mu.Lock()
			a.busy = false
			a.mu.Unlock()
			return o.v, o.err
		default:
		}
		return none, fmt.Errorf("no answer within %v", wait)
	}
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
