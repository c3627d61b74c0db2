package resultsui

import (
	"errors"
	"net/http"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (q *quarantine) item(w http.ResponseWriter, r *http.Request) error {
	a, err := q.apart(r)
	if err != nil {
		return err
	}
	now := q.clock(r)
	c := wordsOf(a.Cause)
	path := "/quarantine/" + a.ID.String()
	p := kit.Page{Title: "A quarantined message", Nav: "/quarantine", Crumbs: []kit.Crumb{{Name: "Quarantine", Href: "/quarantine"}}, Live: []string{"quarantine"}}
	var v templ.Component
	if a.State == "open" {
		p.Lead, p.Rest = "This message was not taken.", "It waits for a person."
		v = kit.Verdict(kit.Warn, c.Short+".", c.Why, nil)
	} else {
		p.Lead = "This message was " + apartState(a.State) + "."
		var to *kit.Action
		if isID(a.Became) {
			to = &kit.Action{Text: "See the result", Href: "/results/" + a.Became.String()}
		}
		v = kit.Verdict(kit.Unknown, upperFirst(apartState(a.State))+" by "+a.DecidedBy+".", "Decided at "+kit.Clock(a.DecidedAt, now)+". It had not been taken because: "+lower(c.Short)+".", to)
	}
	facts := []kit.KV{
		{Key: "From", Value: results.Printable(a.Source, 100)},
		{Key: "Came in", Value: kit.Second(a.ReceivedAt, now)},
		{Key: "Presented", Value: times(a.Times) + ", last at " + kit.Second(a.LastAt, now)},
		{Key: "Size", Value: kit.Many(int(a.Size), "byte", "bytes")},
	}
	if a.Kept < a.Size {
		facts = append(facts, kit.KV{Key: "Kept", Value: "the first " + kit.Count(int(a.Kept)) + " bytes"})
	}
	facts = append(facts, kit.KV{Key: "The sender was told", Value: results.Printable(a.Detail, 500)}, kit.KV{Key: "Number", Value: a.ID.String(), Mono: true})
	wide := []templ.Component{kit.Sheet(kit.SheetOpts{Title: "What is known of it", Pad: true, Body: kit.KeyValues(facts)})}
	var beside []templ.Component
	if a.State == "open" {
		wide = append(wide, kit.Sheet(kit.SheetOpts{Title: "What to do", Pad: true, Body: kit.Prose(c.Do)}))
	}
	var buttons []kit.Action
	if offered(web.May(r, authz.QuarantineRead, ofApart(&a))) {
		buttons = append(buttons, kit.Action{Text: "Read it (recorded)", Href: path + "/message", Post: true, Icon: "show"})
	}
	if a.State == "open" && offered(web.May(r, authz.QuarantineAct, ofApart(&a))) {
		for _, x := range []*apartAct{apartReplay, apartTake, apartRefuse} {
			if x.fits(&a) {
				buttons = append(buttons, kit.Action{Text: x.name, Href: path + "/" + x.path})
			}
		}
	}
	if len(buttons) > 0 {
		beside = append(beside, kit.Sheet(kit.SheetOpts{Title: "What you can do", Body: kit.Acts(buttons...)}))
	}
	if len(beside) == 0 {
		p.Body = templ.Join(v, stack(wide...))
	} else {
		p.Body = templ.Join(v, kit.Columns(templ.Join(wide...), templ.Join(beside...)))
	}
	return web.Render(w, r, p)
}

func lower(s string) string {
	if s == "" {
		return s
	}
	return string(s[0]|0x20) + s[1:]
}

func (q *quarantine) read(w http.ResponseWriter, r *http.Request) error {
	a, err := q.apart(r)
	if err == nil {
		err = web.May(r, authz.QuarantineRead, ofApart(&a))
	}
	if err != nil {
		return err
	}
	_, body, err := q.Results.ViewQuarantined(r.Context(), a.ID, as(r, "read-message").By)
	if errors.Is(err, results.ErrErased) {
		return web.Conflict("Its bytes were erased: a person had decided about it, and its time was over.")
	}
	if err != nil {
		return missing(err, noApart)
	}
	path := "/quarantine/" + a.ID.String()
	p := kit.Page{
		Title: "Quarantined message", Lead: "The message as it came.", Rest: "This look is recorded.", Nav: "/quarantine", Tools: kit.PrintButton("Print"),
		Crumbs: []kit.Crumb{{Name: "Quarantine", Href: "/quarantine"}, {Name: wordsOf(a.Cause).Short, Href: path}},
	}
	p.Body = templ.Join(append(readable(body), rawSheet(body), kit.Acts(kit.Action{Text: "Back", Href: path, Icon: "back"}))...)
	return web.Render(w, r, p)
}

// apartAct is a decision about one quarantined message. None can be undone: each
// takes two steps.
type apartAct struct {
	path, name, question, text, button, done string
	bad                                      bool
	fits                                     func(*results.Apart) bool
	do                                       func(q *quarantine, r *http.Request, a *results.Apart, by results.By) (results.Apart, error)
}

var (
	apartReplay = &apartAct{
		path: "replay", name: "Replay", question: "Present it again to the configuration in force?", button: "Replay it",
		text: "If its cause is mended it is taken, and goes to whom the routes say, behind what came before. If not, it stays here. What has been sent cannot be called back.",
		done: "Replayed: it was taken.", fits: func(a *results.Apart) bool {
			return replayable(a) && a.Cause != results.CauseConflict && canReplay(a.Cause)
		},
		do: func(q *quarantine, r *http.Request, a *results.Apart, by results.By) (out results.Apart, err error) {
			out.Became, err = q.Results.ReplayApart(r.Context(), a.ID, by)
			return out, err
		},
	}
	apartTake = &apartAct{
		path: "take", name: "Take it", question: "Take it beside the message that has its control id?", button: "Take it",
		text: "It becomes a result of its own and goes to whom the routes say. The partner may refuse it for its control id. What has been sent cannot be called back.",
		done: "Taken.", fits: func(a *results.Apart) bool { return replayable(a) && a.Cause == results.CauseConflict },
		do: func(q *quarantine, r *http.Request, a *results.Apart, by results.By) (out results.Apart, err error) {
			out.Became, err = q.Results.ReleaseApart(r.Context(), a.ID, by)
			return out, err
		},
	}
	apartRefuse = &apartAct{
		path: "refuse", name: "Refuse", question: "Never take this message?", button: "Refuse it", bad: true,
		text: "It ends here and is never taken; its bytes are erased when the policy says so. This cannot be undone: the sender would have to send it again.",
		done: "Refused. It is not taken.", fits: func(a *results.Apart) bool { return a.State == "open" },
		do: func(q *quarantine, r *http.Request, a *results.Apart, by results.By) (results.Apart, error) {
			return results.Apart{}, q.Results.RefuseApart(r.Context(), a.ID, by)
		},
	}
)

// decidable finds the message and asks whether the caller may decide.
func (q *quarantine) decidable(r *http.Request) (results.Apart, error) {
	a, err := q.apart(r)
	if err == nil {
		err = web.May(r, authz.QuarantineAct, ofApart(&a))
	}
	return a, err
}

func (q *quarantine) ask(x *apartAct) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		a, err := q.decidable(r)
		if err != nil {
			return err
		}
		return q.drawAsk(w, r, x, &a, "", "")
	}
}

func (q *quarantine) drawAsk(w http.ResponseWriter, r *http.Request, x *apartAct, a *results.Apart, value, wrong string) error {
	if !x.fits(a) {
		if a.State != "open" {
			return web.Conflict("Somebody has decided about this message meanwhile: it was " + apartState(a.State) + " by " + a.DecidedBy + ".")
		}
		return web.Conflict("This is not possible for this message: " + wordsOf(a.Cause).Do)
	}
	path := "/quarantine/" + a.ID.String()
	p := kit.Page{Title: x.name, Lead: x.question, Nav: "/quarantine", Crumbs: []kit.Crumb{{Name: "Quarantine", Href: "/quarantine"}, {Name: wordsOf(a.Cause).Short, Href: path}}}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	p.Body = kit.Confirm(kit.ConfirmOpts{
		Title: x.name, Text: x.text, Action: path + "/" + x.path, Button: x.button, Cancel: path, Bad: x.bad, Reason: true, ReasonValue: value, ReasonError: wrong,
		Facts: []kit.KV{{Key: "From", Value: results.Printable(a.Source, 100)}, {Key: "Cause", Value: wordsOf(a.Cause).Short}, {Key: "Number", Value: a.ID.String(), Mono: true}},
	})
	return web.Render(w, r, p)
}

func (q *quarantine) do(x *apartAct) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		a, err := q.decidable(r)
		if err != nil {
			return err
		}
		reason, wrong := reasonOf(r)
		if wrong != "" || r.PostFormValue("confirm") != "yes" {
			return q.drawAsk(w, r, x, &a, reason, wrong)
		}
		if !x.fits(&a) {
			return q.drawAsk(w, r, x, &a, reason, "")
		}
		out, err := x.do(q, r, &a, as(r, reason).By)
		var still *results.StillRefused
		if errors.As(err, &still) {
			web.Say(r, "quarantine")
			return web.Done(w, r, "/quarantine/"+a.ID.String(), "It is still refused: "+lower(wordsOf(still.Cause).Short)+". It stays in quarantine.")
		}
		if err != nil {
			return missing(err, noApart)
		}
		web.Say(r, "quarantine", "results", "today")
		to := "/quarantine/" + a.ID.String()
		if isID(out.Became) && !web.Scope(r, authz.ResultsFind).Empty() {
			to = "/results/" + out.Became.String()
		}
		return web.Done(w, r, to, x.done)
	}
}
