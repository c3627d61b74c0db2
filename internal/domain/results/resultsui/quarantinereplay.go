package resultsui

import (
	"context"
	"crypto/rand"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

const (
	// replayTime bounds a replay of many; started again it goes on.
	replayTime = time.Hour
	keptRuns   = 50
)

// replay is one replay of a cause, under way or ended.
type replay struct {
	id, cause, source, by string
	whole                 bool // of every site; else of those of who started it
	began, ended          time.Time
	so                    results.Replayed
	err                   bool
}

// replays are those of this node since it started.
type replays struct {
	mu   sync.Mutex
	runs []*replay // oldest first
}

func newReplays() *replays { return &replays{} }

// begin registers a run; fresh is false where one of the same is under way.
func (x *replays) begin(cause, source, by string, whole bool, now time.Time) (run *replay, fresh bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range x.runs {
		if r.cause == cause && r.source == source && r.whole == whole && (whole || r.by == by) && r.ended.IsZero() {
			return r, false
		}
	}
	run = &replay{id: rand.Text(), cause: cause, source: source, by: by, whole: whole, began: now}
	x.runs = append(x.runs, run)
	if i := slices.IndexFunc(x.runs, func(r *replay) bool { return !r.ended.IsZero() }); len(x.runs) > keptRuns && i >= 0 {
		x.runs = slices.Delete(x.runs, i, i+1)
	}
	return run, true
}

func (x *replays) get(id string) (replay, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range x.runs {
		if r.id == id {
			out := *r
			out.so.Still = maps.Clone(r.so.Still)
			return out, true
		}
	}
	return replay{}, false
}

func (x *replays) change(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f()
}

// group reads which group the request is about.
func group(v url.Values) (cause, source string, err error) {
	cause, source = v.Get("cause"), v.Get("source")
	return cause, source, mendable(cause, source)
}

// mendable refuses a group that a replay does not help.
func mendable(cause, source string) error {
	if !canReplay(cause) || len(source) > 200 {
		return web.Invalid("Choose a cause that a replay can mend; the quarantine lists them.")
	}
	return nil
}

func (q *quarantine) askAll(w http.ResponseWriter, r *http.Request) error {
	if _, err := apartAt(r, authz.QuarantineAct); err != nil {
		return err
	}
	cause, source, err := group(r.URL.Query())
	if err != nil {
		return err
	}
	return q.drawAskAll(w, r, cause, source, "", "")
}

func (q *quarantine) drawAskAll(w http.ResponseWriter, r *http.Request, cause, source, value, wrong string) error {
	n, err := q.waiting(r, cause, source)
	if err != nil {
		return err
	}
	from := results.Printable(source, 100)
	if source == "" {
		from = "every source"
	}
	p := kit.Page{Title: "Replay all", Lead: "Present " + kit.Many(int(n), "message", "messages") + " again?", Nav: "/quarantine", Crumbs: []kit.Crumb{{Name: "Quarantine", Href: "/quarantine"}}}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	p.Body = kit.Confirm(kit.ConfirmOpts{
		Title: "Replay all of this cause", Text: "Each is judged by the configuration in force, oldest first. Those whose cause is mended are taken and go to whom the routes say; the others stay. What has been sent cannot be called back.",
		Facts:  []kit.KV{{Key: "Cause", Value: wordsOf(cause).Short}, {Key: "From", Value: from}, {Key: "Messages", Value: kit.Count(int(n))}},
		Action: "/quarantine/replay", Button: "Replay all", Cancel: "/quarantine", Hidden: map[string]string{"cause": cause, "source": source},
		Reason: true, ReasonValue: value, ReasonError: wrong,
	})
	return web.Render(w, r, p)
}

// waiting counts the messages of a group; a conflict where there are none.
func (q *quarantine) waiting(r *http.Request, cause, source string) (n int64, err error) {
	groups, err := q.apartGroups(r)
	if err != nil {
		return 0, err
	}
	for _, g := range groups {
		if g.Cause == cause && mayHere(r, authz.QuarantineAct, authz.Object{Site: g.Site}) && (source == "" || g.Source == source) {
			n += g.Count
		}
	}
	if n == 0 {
		return 0, web.Conflict("No message of this cause waits any more.")
	}
	return n, nil
}

func (q *quarantine) startAll(w http.ResponseWriter, r *http.Request) error {
	sees, err := apartAt(r, authz.QuarantineAct)
	if err != nil {
		return err
	}
	reason, wrong := reasonOf(r)
	cause, source, err := group(r.PostForm)
	if err != nil {
		return err
	}
	if wrong != "" || r.PostFormValue("confirm") != "yes" {
		return q.drawAskAll(w, r, cause, source, reason, wrong)
	}
	run := q.start(r, results.ApartFilter{Cause: cause, Source: source, Sees: sees}, as(r, reason).By)
	return web.Done(w, r, "/quarantine-replays/"+run.id, "")
}

// start runs a replay beyond the request that asked for it.
func (q *quarantine) start(r *http.Request, f results.ApartFilter, by results.By) *replay {
	run, fresh := q.runs.begin(f.Cause, f.Source, by.Who, f.Sees == nil, web.Now(r))
	if !fresh {
		return run
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), replayTime)
	go func() {
		defer cancel()
		ended := false
		defer func() { // a panic ends the process elsewhere; here the run must not look alive
			if !ended {
				q.runs.change(func() { run.ended, run.err = web.Now(r), true })
			}
		}()
		_, err := q.Results.ReplaySeen(ctx, f, by, func(so results.Replayed) {
			so.Still = maps.Clone(so.Still)
			q.runs.change(func() { run.so = so })
			if so.Done%50 == 0 {
				web.Say(r, web.Topic("replay:"+run.id))
			}
		})
		ended = true
		q.runs.change(func() { run.ended, run.err = web.Now(r), err != nil })
		web.Say(r, web.Topic("replay:"+run.id), "quarantine", "results", "today")
	}()
	return run
}

func (q *quarantine) progress(w http.ResponseWriter, r *http.Request) error {
	sees, err := apartAt(r, authz.QuarantineSee)
	if err != nil {
		return err
	}
	run, ok := q.runs.get(r.PathValue("run"))
	if !ok || sees != nil && (run.whole || run.by != web.Who(r).Account) {
		return web.NotFound("There is no such replay. Those of before the last start are not listed; the quarantine shows what is left.")
	}
	now := q.clock(r)
	so := &run.so
	p := kit.Page{
		Title: "Replay", Nav: "/quarantine", Crumbs: []kit.Crumb{{Name: "Quarantine", Href: "/quarantine"}}, Live: []string{"replay:" + run.id},
		Lead: kit.Count(int(so.Done)) + " of " + kit.Count(int(so.Of)) + " are looked at.", Rest: "It goes on without you.",
	}
	state := kit.Unknown
	if !run.ended.IsZero() {
		p.Lead, p.Rest, state = kit.Many(int(so.Taken), "message was taken.", "messages were taken."), "", kit.Fine
		if left := so.Done - so.Taken; left > 0 {
			p.Rest, state = kit.Many(int(left), "is still refused.", "are still refused."), kit.Warn
		}
		if run.err {
			p.Rest, state = "It ended early; start it again and it goes on with what is left.", kit.Warn
		}
	}
	rows := []kit.KV{
		{Key: "Cause", Value: wordsOf(run.cause).Short},
		{Key: "Started", Value: kit.Second(run.began, now) + " by " + run.by},
		{Key: "Taken", Value: kit.Count(int(so.Taken))},
	}
	for _, cause := range slices.Sorted(maps.Keys(so.Still)) {
		name := wordsOf(cause).Short
		if cause == "not_replayable" {
			name = "Decided meanwhile, or too large"
		}
		rows = append(rows, kit.KV{Key: "Still: " + name, Value: kit.Count(int(so.Still[cause]))})
	}
	words := kit.Count(int(so.Done)) + " of " + kit.Count(int(so.Of)) + " done"
	acts := []kit.Action{{Text: "Quarantine", Href: "/quarantine"}}
	if run.ended.IsZero() {
		acts = append([]kit.Action{{Text: "Look again", Href: "/quarantine-replays/" + run.id, Icon: "check"}}, acts...)
	}
	p.Body = kit.Sheet(kit.SheetOpts{Title: "Replay of a cause", Sub: words, Pad: true, Body: templ.Join(kit.Tag(state, words), kit.Progress(int(so.Done), int(so.Of), words), kit.KeyValues(rows), kit.Acts(acts...))})
	return web.Render(w, r, p)
}
