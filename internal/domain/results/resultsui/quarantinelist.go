package resultsui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

const noApart = "There is no such message in quarantine."

// quarantineRoutes are the pages about what was not taken.
func quarantineRoutes(d Deps) []web.Route {
	q := &quarantine{Deps: d, runs: d.runs}
	return []web.Route{
		{Pattern: "GET /quarantine", Needs: authz.QuarantineSee, Handle: q.page},
		{Pattern: "GET /quarantine/{id}", Needs: authz.QuarantineSee, Handle: q.item},
		{Pattern: "POST /quarantine/{id}/message", Needs: authz.QuarantineRead, Handle: q.read},
		{Pattern: "GET /quarantine/{id}/message", Needs: authz.QuarantineSee, Handle: toApart},
		{Pattern: "GET /quarantine/{id}/replay", Needs: authz.QuarantineAct, Handle: q.ask(apartReplay)},
		{Pattern: "POST /quarantine/{id}/replay", Needs: authz.QuarantineAct, Handle: q.do(apartReplay)},
		{Pattern: "GET /quarantine/{id}/take", Needs: authz.QuarantineAct, Handle: q.ask(apartTake)},
		{Pattern: "POST /quarantine/{id}/take", Needs: authz.QuarantineAct, Handle: q.do(apartTake)},
		{Pattern: "GET /quarantine/{id}/refuse", Needs: authz.QuarantineAct, Handle: q.ask(apartRefuse)},
		{Pattern: "POST /quarantine/{id}/refuse", Needs: authz.QuarantineAct, Handle: q.do(apartRefuse)},
		{Pattern: "GET /quarantine/replay", Needs: authz.QuarantineAct, Handle: q.askAll},
		{Pattern: "POST /quarantine/replay", Needs: authz.QuarantineAct, Handle: q.startAll},
		{Pattern: "GET /quarantine-replays/{run}", Needs: authz.QuarantineSee, Handle: q.progress},
	}
}

type quarantine struct {
	Deps
	runs *replays
}

// laboratory asks for p over the whole laboratory: a grant narrowed to a partner
// or site does not reach it.
func laboratory(r *http.Request, p authz.Permission) error { return web.May(r, p, authz.Object{}) }

// apartAt asks for p over what was not taken at some site, or at all of them. It
// belongs to no partner yet, so a grant narrowed to one does not reach it.
func apartAt(r *http.Request, p authz.Permission) (sees func(site string) bool, err error) {
	scope := web.Scope(r, p)
	if scope.All {
		return nil, web.May(r, p, authz.Object{})
	}
	for _, g := range scope.Grants {
		if len(g.Partners) == 0 && len(g.Sites) > 0 {
			return atSites(scope), web.May(r, p, authz.Object{Site: g.Sites[0]})
		}
	}
	return nil, web.May(r, p, authz.Object{})
}

// ofApart is whose a quarantined message is.
func ofApart(a *results.Apart) authz.Object { return authz.Object{Site: a.Site} }

// apartGroups are the groups within the caller's sites.
func (q *quarantine) apartGroups(r *http.Request) ([]results.ApartGroup, error) {
	groups, err := q.Results.ApartGroups(r.Context())
	scope := web.Scope(r, authz.QuarantineSee)
	return slices.DeleteFunc(groups, func(g results.ApartGroup) bool { return !scope.Holds(authz.Object{Site: g.Site}) }), err
}

// apart finds what the address names.
func (q *quarantine) apart(r *http.Request) (results.Apart, error) {
	id, err := event.ParseID(r.PathValue("id"))
	if err != nil {
		return results.Apart{}, web.NotFound(noApart)
	}
	a, err := q.Results.ShowQuarantined(r.Context(), id)
	if err != nil {
		return a, missing(err, noApart)
	}
	return a, near(r, authz.QuarantineSee, ofApart(&a), noApart)
}

func toApart(w http.ResponseWriter, r *http.Request) error {
	return web.Done(w, r, "/quarantine/"+r.PathValue("id"), "")
}

func (q *quarantine) page(w http.ResponseWriter, r *http.Request) error {
	sees, err := apartAt(r, authz.QuarantineSee)
	if err != nil {
		return err
	}
	now := q.clock(r)
	v := r.URL.Query()
	groups, err := q.apartGroups(r)
	if err != nil {
		return err
	}
	f := results.ApartFilter{Source: v.Get("source"), Cause: v.Get("cause"), Decided: v.Get("decided") == "yes", Limit: listSize, Sees: sees}
	if n, err := strconv.ParseInt(v.Get("before"), 10, 64); err == nil && n > 0 {
		f.Before = n
	}
	list, err := q.Results.QuarantinePage(r.Context(), f)
	if err != nil {
		return err
	}
	if kit.WantsCSV(r.URL) {
		return apartCSV(w, list.Messages)
	}
	open := int64(0)
	for _, g := range groups {
		open += g.Count
	}
	p := kit.Page{Title: "Quarantine", Nav: "/quarantine", Eyebrow: now.Format("Monday 2 January"), Live: []string{"quarantine", "results"}}
	switch {
	case open == 0:
		p.Lead = "Nothing is in quarantine."
	case open >= results.CountLimit:
		p.Lead, p.Rest = "At least "+kit.Count(int(open))+" messages wait for a person.", "They were not taken."
	default:
		p.Lead, p.Rest = kit.Many(int(open), "message waits for a person.", "messages wait for a person."), "Not taken, and kept."
	}
	body := []templ.Component{}
	if len(groups) > 0 {
		body = append(body, kit.Sheet(kit.SheetOpts{Title: "Why", Sub: "by source and cause", Body: kit.Todo(q.groups(r, groups, now))}))
	}
	sub := "newest first"
	if f.Source != "" || f.Cause != "" {
		sub = "chosen by source and cause, newest first"
	}
	body = append(body, tabs(r.URL, f.Decided), kit.Sheet(kit.SheetOpts{Title: "Messages", Sub: sub, Body: kit.DataTable(apartTable(r, &list, now))}))
	if list.Next > 0 {
		older := cloned(v)
		older.Set("before", numbered(list.Next))
		body = append(body, kit.Acts(kit.Action{Text: "Older messages", Href: "/quarantine?" + older.Encode(), Icon: "next"}))
	}
	p.Body = stack(body...)
	return web.Render(w, r, p)
}

func tabs(u *url.URL, decided bool) templ.Component {
	open, done := cloned(u.Query()), cloned(u.Query())
	for _, v := range []url.Values{open, done} {
		v.Del("before")
		v.Del("format")
	}
	open.Del("decided")
	done.Set("decided", "yes")
	href := "/quarantine"
	if len(open) > 0 {
		href += "?" + open.Encode()
	}
	return kit.Tabs("Quarantined messages", []kit.Tab{
		{Name: "Waiting for a person", Href: href, Current: !decided},
		{Name: "Decided", Href: "/quarantine?" + done.Encode(), Current: decided},
	})
}

func (q *quarantine) groups(r *http.Request, groups []results.ApartGroup, now time.Time) []kit.TodoItem {
	var out []kit.TodoItem
	for _, g := range groups {
		c := wordsOf(g.Cause)
		at := url.Values{"source": {g.Source}, "cause": {g.Cause}}.Encode()
		it := kit.TodoItem{
			State: kit.Warn, Title: c.Short + ": " + kit.Many(int(g.Count), "message", "messages") + " from " + results.Printable(g.Source, 60),
			Text: c.Why + " The oldest came at " + kit.Clock(g.Oldest, now) + ".", Action: &kit.Action{Text: "Show them", Href: "/quarantine?" + at},
		}
		if mayHere(r, authz.QuarantineAct, authz.Object{Site: g.Site}) && canReplay(g.Cause) {
			it.Action = &kit.Action{Text: "Replay all", Href: "/quarantine/replay?" + at}
		}
		out = append(out, it)
	}
	return out
}

// canReplay: a replay helps where our own configuration was the cause.
func canReplay(cause string) bool {
	switch cause {
	case results.CauseUnknownSender, results.CauseNoRoute, results.CauseRule, results.CauseTooManyKeys, results.CauseUnparsable:
		return true
	}
	return false
}

func apartTable(r *http.Request, list *results.ApartPage, now time.Time) kit.Table {
	view := kit.ReadView(r.URL, listSize)
	view.Values.Del("before")
	t := kit.Table{
		Caption: "Quarantined messages, newest first", View: view, CSV: true, Empty: "No message is here.",
		Columns: []kit.Column{{Name: "Cause"}, {Name: "Came in"}, {Name: "From", Wide: true}, {Name: "Presented", Num: true}, {Name: "Where it stands"}},
	}
	for i := range list.Messages {
		a := &list.Messages[i]
		state := kit.Warn
		if a.State != "open" {
			state = kit.Unknown
		}
		word := apartState(a.State)
		if a.DecidedBy != "" {
			word += " by " + a.DecidedBy
		}
		t.Rows = append(t.Rows, kit.Row{Key: a.ID.String(), Cells: []kit.Cell{
			{Text: wordsOf(a.Cause).Short, Href: "/quarantine/" + a.ID.String(), Sub: kit.Many(int(a.Size), "byte", "bytes")},
			kit.CMono(kit.Second(a.ReceivedAt, now)), kit.C(results.Printable(a.Source, 60)), kit.CNum(int(a.Times)), kit.CState(state, "", word),
		}})
	}
	t.Total = len(t.Rows)
	return t
}

func apartCSV(w http.ResponseWriter, list []results.Apart) error {
	kit.CSVHead(w.Header(), "quarantine")
	c, err := kit.NewCSV(w, "message", "received", "last presented", "times", "source", "cause", "bytes", "state", "decided by")
	for i := range list {
		if a := &list[i]; err == nil {
			err = c.Row(a.ID.String(), kit.ISO(a.ReceivedAt), kit.ISO(a.LastAt), numbered(a.Times), a.Source, a.Cause, numbered(a.Size), a.State, a.DecidedBy)
		}
	}
	if err != nil {
		return err
	}
	return c.Close()
}
