package resultsui

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

const (
	noCall    = "There is no such phone task, or it is not yours to see."
	mostCalls = 200
)

func callRoutes(d Deps) []web.Route {
	return append([]web.Route{
		{Pattern: "GET /calls", Needs: authz.CallsSee, Handle: d.callList},
		{Pattern: "GET /calls/{id}", Needs: authz.CallsSee, Handle: d.call},
		{Pattern: "POST /calls/{id}/show", Needs: authz.CallsAct, Handle: d.callShow},
		{Pattern: "POST /calls/{id}/take", Needs: authz.CallsAct, Handle: d.callTake},
		{Pattern: "POST /calls/{id}/log", Needs: authz.CallsAct, Handle: d.callLog},
		{Pattern: "POST /calls/{id}/close", Needs: authz.CallsAct, Handle: d.callClose},
	}, callOps(d)...)
}

// calls are the tasks this caller may see, most urgent first.
func (d Deps) calls(r *http.Request, all bool) ([]results.Call, error) {
	list, err := d.Results.Calls(r.Context(), all, mostCalls)
	if err != nil {
		return nil, err
	}
	out := []results.Call{}
	for _, c := range list {
		if mayHere(r, authz.CallsSee, ofCall(&c)) {
			out = append(out, c)
		}
	}
	return out, nil
}

// callList is who must be telephoned.
func (d Deps) callList(w http.ResponseWriter, r *http.Request) error {
	now := d.clock(r)
	view := kit.ReadView(r.URL, mostCalls)
	all := view.Get("show") == "all"
	list, err := d.calls(r, all)
	if err != nil {
		return err
	}
	open, overdue := 0, 0
	for i := range list {
		if list[i].State != "closed" {
			open++
		}
		if list[i].Overdue {
			overdue++
		}
	}
	lead, rest := "Nobody has to be telephoned.", ""
	if open > 0 {
		lead = kit.Many(open, "phone task is open.", "phone tasks are open.")
		rest = "None is overdue."
	}
	if overdue > 0 {
		rest = kit.Many(overdue, "is overdue.", "are overdue.")
	}
	t := kit.Table{
		Caption: "Phone tasks", View: view, Total: len(list), Empty: "Nobody has to be telephoned.",
		Columns: []kit.Column{{Name: "Why"}, {Name: "State"}, {Name: "Came in", Num: true}, {Name: "Due", Num: true}, {Name: "With"}},
	}
	for i := range list {
		c := &list[i]
		state, word := callState(c)
		due := kit.C("—")
		if !c.DueAt.IsZero() && c.State != "closed" {
			due = kit.CMono(kit.Clock(c.DueAt, now))
			due.Bad = c.Overdue
		}
		t.Rows = append(t.Rows, kit.Row{Key: c.ID.String(), At: c.Overdue, Cells: []kit.Cell{
			{Text: callWhy(c.Why), Sub: d.callTo(c), Href: callPath(c.ID)},
			kit.CState(state, "", word), kit.CMono(kit.Clock(c.CameAt, now)), due, kit.C(orNone(c.Owner, "nobody yet")),
		}})
	}
	return web.Render(w, r, kit.Page{
		Title: "Phone tasks", Lead: lead, Rest: rest, Nav: "/calls", Live: []string{"results"},
		Body: stack(
			kit.Tabs("Which phone tasks", []kit.Tab{{Name: "Open", Href: "/calls", Current: !all}, {Name: "All", Href: "/calls?show=all", Current: all}}),
			kit.Sheet(kit.SheetOpts{Title: "Phone tasks", Sub: "overdue first", Body: kit.DataTable(t)}),
		),
	})
}

func callPath(id event.ID) string { return "/calls/" + id.String() }

func callWhy(w results.CallReason) string {
	switch w {
	case results.CallCritical:
		return "A critical result is not acknowledged"
	case results.CallNotTaken:
		return "A message that may be critical was not taken"
	case results.CallCorrection:
		return "A correction waits behind its original"
	case results.CallUpload:
		return "A partner's file that may be critical did not come through"
	}
	return "A result needs a call"
}

func (d Deps) callTo(c *results.Call) string {
	switch {
	case c.Why == results.CallUpload:
		return "from " + d.name(c.Partner) + "; ask them for the result"
	case c.Partner == "":
		return "from " + c.Source + "; ask the LIS whom it is for"
	}
	return "to " + d.name(c.Partner)
}

func callState(c *results.Call) (kit.State, string) {
	switch {
	case c.State == "closed":
		return kit.Fine, "closed"
	case c.Overdue:
		return kit.Stopped, "overdue"
	case c.State == "taken":
		return kit.Warn, "taken"
	}
	return kit.Warn, "open"
}

// findCall is one task as this caller may act on it.
func (d Deps) findCall(r *http.Request, p authz.Permission) (results.Call, error) {
	id, err := event.ParseID(r.PathValue("id"))
	if err != nil {
		return results.Call{}, web.NotFound(noCall)
	}
	c, err := d.Results.ShowCall(r.Context(), id)
	if errors.Is(err, results.ErrNotFound) {
		return c, web.NotFound(noCall)
	}
	if err != nil {
		return c, err
	}
	if err := near(r, authz.CallsSee, ofCall(&c), noCall); err != nil {
		return results.Call{}, err
	}
	if err := web.May(r, p, ofCall(&c)); err != nil {
		return results.Call{}, err
	}
	return c, nil
}

func (d Deps) call(w http.ResponseWriter, r *http.Request) error {
	c, err := d.findCall(r, authz.CallsSee)
	if err != nil {
		return err
	}
	return d.showCall(w, r, &c, nil, callForm{})
}

// callForm is what was typed about a call, and what is wrong with it.
type callForm struct {
	whom, outcome, next, note string
	readBack                  bool
	errs                      map[string]string
	wrong                     string
}

// showCall draws a task; view holds what was revealed, nil for nothing.
func (d Deps) showCall(w http.ResponseWriter, r *http.Request, c *results.Call, view *results.CallView, form callForm) error {
	now := d.clock(r)
	state, word := callState(c)
	var parts []templ.Component
	acts := mayHere(r, authz.CallsAct, ofCall(c))
	if c.State != "closed" || view != nil {
		parts = append(parts, d.callNumbers(c, view, acts))
	}
	if acts && c.State != "closed" {
		parts = append(parts, callForms(c, form))
	}
	steps := c.Steps
	if view != nil {
		steps = view.Steps
	}
	facts := d.callFacts(c, now)
	p := kit.Page{
		Title: "Phone task", Lead: callWhy(c.Why) + ".", Nav: "/calls", Crumbs: []kit.Crumb{{Name: "Phone tasks", Href: "/calls"}, {Name: "Phone task"}},
		Body: templ.Join(kit.Verdict(state, upperFirst(word)+": "+callText(c, now), d.callDo(c, now), nil),
			kit.Columns(templ.Join(append(parts, stepsSheet(steps, now))...), kit.Sheet(kit.SheetOpts{Title: "Facts", Body: kit.KeyValues(facts)}))),
	}
	if len(form.errs) > 0 || form.wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	} else if r.Method == http.MethodGet {
		p.Live = []string{"results"}
	}
	return web.Render(w, r, p)
}

// callFacts are what is known of a task, and where to look further.
func (d Deps) callFacts(c *results.Call, now time.Time) []kit.KV {
	facts := []kit.KV{
		{Key: "Came in", Value: kit.Clock(c.CameAt, now) + " from " + c.Source},
		{Key: "To", Value: orNone(c.Partner, "not known: it was not taken")},
		{Key: "When it was opened", Value: orNone(c.Stopped, "not known")},
		{Key: "Now", Value: orNone(c.Now, "not known")},
		{Key: "With", Value: orNone(c.Owner, "nobody yet")},
	}
	switch {
	case c.Why == results.CallUpload:
		facts[0].Value = kit.Clock(c.CameAt, now) + " from " + d.name(c.Partner)
		facts[1] = kit.KV{Key: "Call", Value: d.callContact(c.Partner)}
		return append(facts, kit.KV{Key: "File", Value: c.Message.String(), Mono: true})
	case c.Partner != "":
		facts[1].Value = d.name(c.Partner)
		return append(facts, kit.KV{Key: "Result", Body: kit.Button(kit.Action{Text: "Its journey", Href: "/results/" + c.Message.String()})})
	}
	return append(facts, kit.KV{Key: "Message", Body: kit.Button(kit.Action{Text: "In quarantine", Href: "/quarantine/" + c.Message.String()})})
}

// callContact is who is called at a partner whose file did not come through.
func (d Deps) callContact(partner string) string {
	if at := d.conf().Partners[partner].Contact; at != nil && at.Phone != "" {
		return strings.TrimPrefix(at.Name+", "+at.Phone, ", ")
	}
	return d.name(partner) + "; the configuration knows no number (partners." + partner + ".contact.phone)"
}

func callText(c *results.Call, now time.Time) string {
	switch {
	case c.State == "closed":
		return "nothing is to be done"
	case c.Acknowledged:
		if c.Why == results.CallUpload {
			return "a person has let the file through meanwhile"
		}
		return "their system has acknowledged it meanwhile"
	case c.DueAt.IsZero():
		return "somebody was reached"
	case c.Overdue:
		return "due since " + kit.Clock(c.DueAt, now)
	}
	return "due by " + kit.Clock(c.DueAt, now)
}

// callDo says what to do (SAFETY.md 10).
func (d Deps) callDo(c *results.Call, now time.Time) string {
	switch {
	case c.State == "closed":
		return "Who called, whom and when stands below and in the ledger."
	case c.Why == results.CallUpload && c.Acknowledged:
		return "The file is in the inbox. Close it when somebody has seen to what is in it, or telephone all the same if the director's policy says so."
	case c.Why == results.CallUpload:
		return "Telephone " + d.callContact(c.Partner) + ". Say that the file they sent at " + kit.Clock(c.CameAt, now) +
			" did not come through and why, ask for its critical result by phone, read it back to them, see that it reaches who ordered it, and write it down here. Ask them to send the file again."
	case c.Acknowledged:
		return "Close it, or telephone all the same if the director's policy says so. An acknowledgement says that their system took it, not that a clinician saw it."
	}
	return "Telephone the ordering provider, have the value read back, and write it down here. A click in a portal does not replace the call."
}

// callNumbers are the order numbers by which the LIS finds the result: shown
// after the look is recorded.
func (d Deps) callNumbers(c *results.Call, view *results.CallView, acts bool) templ.Component {
	o := kit.SheetOpts{Title: "Which result"}
	upload := c.Why == results.CallUpload
	if upload {
		o.Title = "Which file"
	}
	switch {
	case view == nil && !acts:
		o.Body = kit.UnknownState("The order numbers are shown to whoever may make the call.")
	case view == nil && upload:
		o.Body = kit.Empty("The name of the file and the order numbers in it may identify a patient. Showing them is recorded in your name.",
			&kit.Action{Text: "Show name and numbers (recorded)", Href: callPath(c.ID) + "/show", Post: true, Icon: "show"})
	case view == nil:
		o.Body = kit.Empty("The order and accession numbers by which the LIS finds it identify a patient. Showing them is recorded in your name.",
			&kit.Action{Text: "Show the numbers (recorded)", Href: callPath(c.ID) + "/show", Post: true, Icon: "show"})
	case view.Unreadable != "":
		o.Body = kit.UnknownState(upperFirst(view.Unreadable) + ".")
	case len(view.Orders) == 0 && view.File == "":
		o.Body = kit.UnknownState("The message names no order or accession number.")
	default:
		var items []kit.KV
		if view.File != "" {
			items = append(items, kit.KV{Key: "File", Value: view.File, Mono: true})
		}
		for i, n := range view.Orders {
			items = append(items, kit.KV{Key: fmt.Sprintf("Number %d", i+1), Value: n, Mono: true})
		}
		o.Sub = "recorded as seen by you"
		o.Body = kit.KeyValues(items)
	}
	return kit.Sheet(o)
}

// stepsSheet is what was done, in order.
func stepsSheet(steps []results.CallStep, now time.Time) templ.Component {
	var items []kit.Step
	for _, s := range steps {
		x := kit.Step{Time: kit.Clock(s.At, now), State: kit.Fine, Title: upperFirst(s.Kind) + " by " + s.Who}
		switch s.Outcome {
		case results.Reached:
			x.Title, x.Text = s.Who+" reached somebody", "The value was not read back."
			x.State = kit.Warn
			if s.ReadBack {
				x.State, x.Text = kit.Fine, "The value was read back."
			}
		case results.NotReached:
			x.State, x.Title, x.Text = kit.Warn, s.Who+" reached nobody", "The next try is at "+kit.Clock(s.NextAt, now)+"."
		case results.HandedOver:
			x.Title = s.Who + " handed it over"
		case "without_call":
			x.State, x.Title, x.Text = kit.Warn, "Closed by "+s.Who+" without a call", "Reason: "+s.Reason+"."
		case "acknowledged":
			x.Title, x.Text = "Closed by "+s.Who, "Their system had acknowledged the result."
		case "let_through":
			x.Title, x.Text = "Closed by "+s.Who, "A person had let the file through."
		}
		if s.Kind == "opened" {
			x.State, x.Title = kit.Unknown, "Opened"
			x.Word = "Opened"
		}
		if s.Whom != "" {
			x.Text += " Whom: " + s.Whom + "."
		}
		if s.Note != "" {
			x.Text += " Note: " + s.Note
		}
		items = append(items, x)
	}
	return kit.Sheet(kit.SheetOpts{Title: "What was done", Body: kit.Journey(items)})
}
