package resultsui

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

const (
	noAlarm    = "There is no alarm of this number."
	mostAlarms = 200
	// laterStored is said when something was done and is not on disk yet.
	laterStored = " The store does not take it at this moment; it is written as soon as it does."
)

func alarmPath(n int64) string { return "/alarms/" + strconv.FormatInt(n, 10) }

func alarmRoutes(d Deps) []web.Route {
	return append([]web.Route{
		{Pattern: "GET /alarms", Needs: authz.AlarmsSee, Handle: d.alarmList},
		{Pattern: "GET /alarms/{number}", Needs: authz.AlarmsSee, Handle: d.alarm},
		{Pattern: "POST /alarms/test", Needs: authz.AlarmsAct, Handle: d.alarmTest},
		{Pattern: "POST /alarms/{number}/accept", Needs: authz.AlarmsAct, Handle: d.alarmAct(false)},
		{Pattern: "POST /alarms/{number}/close", Needs: authz.AlarmsAct, Handle: d.alarmAct(true)},
	}, alarmOps(d)...)
}

func (d Deps) desk() (*alarm.Desk, error) {
	if d.Alarms == nil {
		return nil, &web.Error{Kind: web.KindUnavailable, Message: "This hub keeps no alarms."}
	}
	return d.Alarms, nil
}

func severityState(a *alarm.Record) (kit.State, string) {
	switch {
	case a.State == alarm.Ended, a.State == alarm.Closed:
		return kit.Fine, a.State.String()
	case a.State == alarm.Accepted:
		return kit.Warn, "accepted by " + a.By
	case !a.Quiet.IsZero():
		return kit.Unknown, "it is gone; waiting whether it returns"
	case a.Severity == alarm.Urgent:
		return kit.Stopped, "urgent"
	}
	return kit.Warn, a.Severity.String()
}

// alarmList is what lives, or all.
func (d Deps) alarmList(w http.ResponseWriter, r *http.Request) error {
	desk, err := d.desk()
	if err != nil {
		return err
	}
	now := d.clock(r)
	view := kit.ReadView(r.URL, mostAlarms)
	all := view.Get("show") == "all"
	list, err := desk.List(r.Context(), all, mostAlarms)
	if err != nil {
		return err
	}
	open, accepted := 0, 0
	for i := range list {
		switch {
		case !list[i].Live() || !list[i].Quiet.IsZero():
		case list[i].State == alarm.Open:
			open++
		default:
			accepted++
		}
	}
	lead, rest := "No alarm is open.", ""
	if open > 0 {
		lead = kit.Many(open, "alarm waits for somebody.", "alarms wait for somebody.")
	}
	if accepted > 0 {
		rest = kit.Many(accepted, "is accepted and not over yet.", "are accepted and not over yet.")
	}
	t := kit.Table{
		Caption: "Alarms", View: view, Total: len(list), Empty: "No alarm is open.",
		Columns: []kit.Column{{Name: "What"}, {Name: "State"}, {Name: "Since", Num: true}, {Name: "Noticed", Num: true, Label: "times noticed"}},
	}
	for i := range list {
		a := &list[i]
		state, word := severityState(a)
		t.Rows = append(t.Rows, kit.Row{Key: strconv.FormatInt(a.Number, 10), At: a.State == alarm.Open && a.Quiet.IsZero() && a.Severity == alarm.Urgent, Cells: []kit.Cell{
			{Text: kit.Here(a.Sentence, now), Sub: fmt.Sprintf("alarm %d", a.Number), Href: alarmPath(a.Number)},
			kit.CState(state, "", word), kit.CMono(kit.Clock(a.Since, now)), kit.CNum(int(a.Times)),
		}})
	}
	beside := waysSheet(desk.Ways(), now)
	if len(desk.Ways()) > 0 && mayHere(r, authz.AlarmsAct, authz.Object{}) {
		beside = templ.Join(beside, kit.Sheet(kit.SheetOpts{Title: "Try it", Body: kit.Empty("A marked test goes to everybody over every way.",
			&kit.Action{Text: "Send a test", Href: "/alarms/test", Post: true, Icon: "test"})}))
	}
	return web.Render(w, r, kit.Page{
		Title: "Alarms", Lead: lead, Rest: rest, Nav: "/alarms", Live: []string{"alarms"},
		Body: kit.Columns(templ.Join(
			kit.Tabs("Which alarms", []kit.Tab{{Name: "Not over", Href: "/alarms", Current: !all}, {Name: "All", Href: "/alarms?show=all", Current: all}}),
			kit.Sheet(kit.SheetOpts{Title: "Alarms", Sub: "most severe first", Body: kit.DataTable(t)}),
		), beside),
	})
}

// alarmTest sends a test to everybody on call and shows what came of it.
func (d Deps) alarmTest(w http.ResponseWriter, r *http.Request) error {
	desk, err := d.desk()
	if err != nil {
		return err
	}
	tried, err := desk.Try(r.Context(), as(r, "").Person)
	if err != nil {
		return err
	}
	var items []kit.Check
	bad := 0
	for _, x := range tried {
		c := kit.Check{State: kit.Fine, Word: "Taken", Title: x.Person + ", by " + x.Way, Text: "The other side took it. Ask them whether they have read it."}
		if !x.OK {
			c.State, c.Word, c.Text = kit.Stopped, "Not taken", upperFirst(strings.TrimSuffix(x.Answer, "."))+"."
			bad++
		}
		items = append(items, c)
	}
	lead := "Every way took the test."
	if bad > 0 {
		lead = kit.Many(bad, "way did not take the test.", "ways did not take the test.")
	}
	return web.Render(w, r, kit.Page{
		Title: "Test of the alarms", Lead: lead, Rest: "That it was read, only they can say.", Nav: "/alarms",
		Crumbs: []kit.Crumb{{Name: "Alarms", Href: "/alarms"}, {Name: "Test"}},
		Body:   kit.Columns(kit.Sheet(kit.SheetOpts{Title: "What came of it", Body: templ.Join(kit.Checks(items), kit.Acts(kit.Action{Text: "Back to alarms", Href: "/alarms", Primary: true}))}), nil),
	})
}

// waysSheet is who is told, and whether the ways work.
func waysSheet(ways []alarm.WayState, now time.Time) templ.Component {
	o := kit.SheetOpts{Title: "Who is told", Sub: "in this order"}
	if len(ways) == 0 {
		o.Body = kit.Foot(kit.Warn, "Nobody is on the on-call list (alarms.on_call in the configuration): alarms are shown here and in the log only.")
		return kit.Sheet(o)
	}
	var items []kit.Check
	for _, x := range ways {
		c := kit.Check{State: kit.Unknown, Word: "Not tried yet", Title: x.Person + ", by " + x.Way, Text: "Not used since the hub started."}
		switch {
		case !x.Since.IsZero():
			c.State, c.Word, c.Text = kit.Stopped, "Does not work", "Does not work since "+kit.Clock(x.Since, now)+": "+x.Problem+"."
		case !x.OK.IsZero():
			c.State, c.Word, c.Text = kit.Fine, "Works", "The other side last took a message "+kit.Clock(x.OK, now)+"."
		}
		items = append(items, c)
	}
	o.Body = kit.Checks(items)
	return kit.Sheet(o)
}

func alarmNumber(r *http.Request) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue("number"), 10, 64)
	if err != nil || n < 1 {
		return 0, web.NotFound(noAlarm)
	}
	return n, nil
}

// alarm is one alarm: where the link in a mail leads. Whoever may, accepts it
// with one press.
func (d Deps) alarm(w http.ResponseWriter, r *http.Request) error {
	n, err := alarmNumber(r)
	if err != nil {
		return err
	}
	return d.showAlarm(w, r, n, "")
}

func (d Deps) showAlarm(w http.ResponseWriter, r *http.Request, number int64, wrong string) error {
	desk, err := d.desk()
	if err != nil {
		return err
	}
	now := d.clock(r)
	a, notices, err := desk.Show(r.Context(), number)
	if err != nil {
		return err
	}
	state, word := severityState(&a)
	facts := []kit.KV{
		{Key: "Alarm", Value: strconv.FormatInt(a.Number, 10)},
		{Key: "How urgent", Value: a.Severity.String()},
		{Key: "Since", Value: kit.Clock(a.Since, now)},
		{Key: "Last noticed", Value: kit.Clock(a.Last, now) + ", " + kit.Many(int(a.Times), "time", "times") + " in all"},
	}
	if a.Owner != "" {
		facts = append(facts, kit.KV{Key: "Belongs to", Value: a.Owner})
	}
	if a.By != "" {
		what := "Accepted by"
		if a.State == alarm.Closed {
			what = "Closed by"
		}
		facts = append(facts, kit.KV{Key: what, Value: a.By + ", " + kit.Clock(a.Changed, now)})
	}
	if a.Reason != "" {
		facts = append(facts, kit.KV{Key: "They wrote", Value: a.Reason})
	}
	var parts []templ.Component
	if a.Live() && mayHere(r, authz.AlarmsAct, authz.Object{}) {
		parts = append(parts, alarmForms(&a, wrong, r.PostFormValue("reason")))
	}
	p := kit.Page{
		Title: "Alarm " + strconv.FormatInt(a.Number, 10), Lead: kit.Here(a.Sentence, now), Nav: "/alarms",
		Crumbs: []kit.Crumb{{Name: "Alarms", Href: "/alarms"}, {Name: "Alarm " + strconv.FormatInt(a.Number, 10)}},
		Body: templ.Join(kit.Verdict(state, upperFirst(word), a.Advice, nil),
			kit.Columns(templ.Join(append(parts, toldSheet(notices, now))...), kit.Sheet(kit.SheetOpts{Title: "Facts", Body: kit.KeyValues(facts)}))),
	}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	} else if r.Method == http.MethodGet {
		p.Live = []string{"alarms"}
	}
	return web.Render(w, r, p)
}

// alarmForms are accept, with one press, and close.
func alarmForms(a *alarm.Record, wrong, reason string) templ.Component {
	var out []templ.Component
	if a.State == alarm.Open {
		out = append(out, kit.Sheet(kit.SheetOpts{Title: "Accept", Sub: "nobody else is called then", Pad: true, Body: kit.Form(kit.FormOpts{
			Action: alarmPath(a.Number) + "/accept", Submit: "I take this on",
			Fields: []kit.Field{{Name: "reason", ID: "f-note", Label: "Note", Optional: true, Max: 200, Spell: true, Hint: "What you are going to do. Write no patient's name."}},
		})}))
	}
	o := kit.SheetOpts{Title: "Close"}
	if !a.Once && a.Quiet.IsZero() {
		o.Body = kit.Empty("The condition still stands. It ends by itself when its cause is mended; until then it can be accepted.", nil)
	} else {
		f := kit.ReasonField(reason, wrong)
		f.Max = 200
		o.Pad, o.Body = true, kit.Form(kit.FormOpts{Action: alarmPath(a.Number) + "/close", Submit: "Close the alarm", Fields: []kit.Field{f}})
	}
	return templ.Join(append(out, kit.Sheet(o))...)
}

// toldSheet is who was told of an alarm and what came of it.
func toldSheet(notices []alarm.Told, now time.Time) templ.Component {
	o := kit.SheetOpts{Title: "Who was told"}
	if len(notices) == 0 {
		o.Body = kit.UnknownState("Nobody was told of it: nobody is on the on-call list, or the alarm ended before it was anybody's turn.")
		return kit.Sheet(o)
	}
	var items []kit.Check
	for _, n := range notices {
		c := kit.Check{State: kit.Unknown, Word: "Under way", Title: n.Person + ", by " + n.Way, Text: "On its way since " + kit.Clock(n.Made, now) + ", " + kit.Many(int(n.Tries), "try", "tries") + "."}
		switch {
		case n.Sent:
			c.State, c.Word, c.Text = kit.Fine, "Taken", "The other side took it "+kit.Clock(n.Done, now)+". Whether it was read is not known."
		case !n.Done.IsZero():
			c.State, c.Word, c.Text = kit.Unknown, "Not sent", upperFirst(strings.TrimSuffix(n.Outcome, "."))+"."
		case n.Outcome != "":
			c.State, c.Word, c.Text = kit.Warn, "Not taken yet", "Tried "+kit.Many(int(n.Tries), "time", "times")+": "+n.Outcome+"."
		}
		items = append(items, c)
	}
	o.Body = kit.Checks(items)
	return kit.Sheet(o)
}

// alarmAct accepts or closes in the name of who is signed in.
func (d Deps) alarmAct(end bool) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		n, err := alarmNumber(r)
		if err != nil {
			return err
		}
		_, text, err := d.actOnAlarm(r, n, end, strings.TrimSpace(r.PostFormValue("reason")))
		if errors.Is(err, alarm.ErrReason) {
			return d.showAlarm(w, r, n, "Say why it is over, in a few words.")
		}
		if err != nil {
			return err
		}
		return web.Done(w, r, alarmPath(n), text)
	}
}

func (d Deps) actOnAlarm(r *http.Request, n int64, end bool, reason string) (a alarm.Record, text string, err error) {
	desk, err := d.desk()
	if err != nil {
		return a, "", err
	}
	if len(reason) > 200 {
		return a, "", web.Invalid("Write at most 200 characters.")
	}
	by := as(r, reason)
	text = fmt.Sprintf("You have taken alarm %d on.", n)
	if end {
		a, err = desk.Close(r.Context(), n, by.Person, reason)
		text = fmt.Sprintf("Alarm %d is closed.", n)
	} else {
		a, err = desk.Accept(r.Context(), n, by.Person, reason)
	}
	if errors.Is(err, alarm.ErrNotStored) {
		err, text = nil, text+laterStored
	}
	if err == nil {
		web.Say(r, "alarms")
	}
	return a, text, err
}
