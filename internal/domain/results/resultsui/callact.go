package resultsui

import (
	"errors"
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

// formTime is how a browser writes date and time.
const formTime = "2006-01-02T15:04"

// callForms are take, write down and close.
func callForms(c *results.Call, f callForm) templ.Component {
	fields := kit.WithErrors([]kit.Field{
		{Name: "outcome", Label: "What came of it", Kind: kit.RadioField, Value: f.outcome, Required: true, Options: []kit.Option{
			{Value: results.Reached, Text: "Somebody was reached"},
			{Value: results.NotReached, Text: "Nobody was reached", Hint: "Say below when the next try is."},
			{Value: results.HandedOver, Text: "It is handed over to a colleague", Hint: "Name the colleague below; it is due at once."},
		}},
		{Name: "whom", Label: "Whom", Value: f.whom, Required: true, Max: 200, Hint: "Who was told, or who takes it over. It is kept sealed.", Spell: false},
		{Name: "read_back", Label: "The value was read back to me", Kind: kit.CheckboxField, Checked: f.readBack},
		{Name: "next", Label: "Next try", Kind: kit.DateTimeField, Value: f.next, Optional: true, Narrow: true},
		{Name: "note", Label: "Note", Kind: kit.TextareaField, Rows: 2, Value: f.note, Optional: true, Max: 2000, Spell: true, Hint: "It is kept sealed."},
	}, f.errs)
	upload := c.Why == results.CallUpload
	if upload {
		fields[2].Label = "I read the value back, and they confirmed it"
	}
	out := []templ.Component{}
	if c.State == "open" {
		out = append(out, kit.Sheet(kit.SheetOpts{Title: "Take it", Body: kit.Empty("Your name stands beside it, so that nobody else calls too.", &kit.Action{Text: "I make this call", Href: callPath(c.ID) + "/take", Post: true, Icon: "phone"})}))
	}
	out = append(out, kit.Sheet(kit.SheetOpts{Title: "Write a call down", Pad: true, Body: kit.Form(kit.FormOpts{
		Action: callPath(c.ID) + "/log", Fields: fields, Submit: "Write it down",
	})}))
	end := kit.FormOpts{Action: callPath(c.ID) + "/close", Submit: "Close the task", Wrong: f.wrong}
	readBack := c.Acknowledged
	for _, s := range c.Steps {
		readBack = readBack || s.Outcome == results.Reached && s.ReadBack
	}
	reason := kit.ReasonField("", f.errs["reason"])
	reason.ID = "f-close-reason"
	end.Fields = []kit.Field{reason}
	if !readBack {
		end.Fields = append(end.Fields, kit.Field{
			Name: "without_call", Label: "Close it without a call", Kind: kit.CheckboxField, Error: f.errs["without_call"],
			Hint: "Nobody who read the value back is written down and their system has not acknowledged the result. The ledger says that it was closed so.",
		})
		if upload {
			end.Fields[1].Hint = "No call with the value read back is written down and nobody has let the file through. The ledger says that it was closed so."
		}
	}
	return templ.Join(append(out, kit.Sheet(kit.SheetOpts{Title: "Close", Pad: true, Body: kit.Form(end)}))...)
}

// callShow reveals the order numbers, recorded first.
func (d Deps) callShow(w http.ResponseWriter, r *http.Request) error {
	c, err := d.findCall(r, authz.CallsAct)
	if err != nil {
		return err
	}
	v, err := d.Results.ViewCall(r.Context(), c.ID, as(r, "phone-task").By)
	if err != nil {
		return err
	}
	return d.showCall(w, r, &c, &v, callForm{})
}

func (d Deps) callTake(w http.ResponseWriter, r *http.Request) error {
	c, err := d.findCall(r, authz.CallsAct)
	if err != nil {
		return err
	}
	if err := d.Results.TakeCall(r.Context(), c.ID, as(r, "phone-task")); err != nil {
		return err
	}
	web.Say(r, "results")
	return web.Done(w, r, callPath(c.ID), "The call is yours.")
}

func (d Deps) callLog(w http.ResponseWriter, r *http.Request) error {
	c, err := d.findCall(r, authz.CallsAct)
	if err != nil {
		return err
	}
	f := callForm{
		whom: strings.TrimSpace(r.PostFormValue("whom")), outcome: r.PostFormValue("outcome"), next: r.PostFormValue("next"),
		note: strings.TrimSpace(r.PostFormValue("note")), readBack: r.PostFormValue("read_back") != "", errs: map[string]string{},
	}
	l := results.CallLog{Whom: f.whom, Outcome: f.outcome, ReadBack: f.readBack, Note: f.note}
	if f.outcome == "" {
		f.errs["outcome"] = "Choose what came of it."
	}
	if f.whom == "" {
		f.errs["whom"] = "Name whom you called, or who takes it over."
	}
	if f.readBack && f.outcome != results.Reached {
		f.errs["read_back"] = "Only who was reached can have read the value back."
	}
	now := web.Now(r)
	switch {
	case f.outcome == results.NotReached:
		if l.Next, err = time.ParseInLocation(formTime, f.next, time.Local); err != nil || !l.Next.After(now) {
			f.errs["next"] = "Say when the next try is, a time from now on."
		}
	case f.next != "":
		f.errs["next"] = "A next try goes with nobody having been reached. Leave it empty."
	}
	if len(f.errs) > 0 {
		return d.showCall(w, r, &c, nil, f)
	}
	if err := d.Results.LogCall(r.Context(), c.ID, l, as(r, "phone-task")); err != nil {
		return err
	}
	web.Say(r, "results")
	return web.Done(w, r, callPath(c.ID), "The call is written down.")
}

func (d Deps) callClose(w http.ResponseWriter, r *http.Request) error {
	c, err := d.findCall(r, authz.CallsAct)
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(r.PostFormValue("reason"))
	if reason == "" {
		return d.showCall(w, r, &c, nil, callForm{errs: map[string]string{"reason": "Say why it can be closed."}})
	}
	err = d.Results.CloseCall(r.Context(), c.ID, r.PostFormValue("without_call") != "", as(r, reason))
	if errors.Is(err, results.ErrConflict) {
		wrong := "Nobody who read the value back is written down, and their system has not acknowledged the result. Write the call down first, or tick this."
		if c.Why == results.CallUpload {
			wrong = "No call with the value read back is written down, and nobody has let the file through. Write the call down first, or tick this."
		}
		return d.showCall(w, r, &c, nil, callForm{errs: map[string]string{"without_call": wrong}})
	}
	if err != nil {
		return err
	}
	web.Say(r, "results")
	return web.Done(w, r, "/calls", "The phone task is closed.")
}

// CallAnswer is a phone task for programs; it names no patient.
type CallAnswer struct {
	ID           string     `json:"id"`
	Why          string     `json:"why" doc:"critical, not_taken, correction_waits or upload_stopped"`
	Message      string     `json:"message" doc:"the result, the message in quarantine, or the file"`
	Partner      string     `json:"partner,omitempty" doc:"to whom the result goes; of a file who sent it"`
	Source       string     `json:"source" doc:"empty for a file"`
	Site         string     `json:"site,omitempty" doc:"the site it came in for"`
	State        string     `json:"state" doc:"open, taken or closed"`
	Overdue      bool       `json:"overdue"`
	Acknowledged bool       `json:"acknowledged" doc:"the partner's system has acknowledged the result meanwhile"`
	Now          string     `json:"now" doc:"how the result is at present"`
	Owner        string     `json:"owner,omitempty"`
	CameAt       time.Time  `json:"came_at"`
	DueAt        *time.Time `json:"due_at,omitempty"`
	File         string     `json:"file,omitempty" doc:"what its sender called the file; only in the answer to show, which is recorded"`
	Orders       []string   `json:"orders,omitempty" doc:"only in the answer to show, which is recorded"`
}

func callAnswer(c *results.Call) CallAnswer {
	return CallAnswer{
		ID: c.ID.String(), Why: c.Why.String(), Message: c.Message.String(), Partner: c.Partner, Source: c.Source, Site: c.Site, State: c.State, Overdue: c.Overdue,
		Acknowledged: c.Acknowledged, Now: c.Now, Owner: c.Owner, CameAt: c.CameAt, DueAt: moment(c.DueAt),
	}
}

// CallsAnswer lists them.
type CallsAnswer struct {
	Calls []CallAnswer `json:"calls" doc:"overdue first"`
}

type callsIn struct {
	All bool `query:"all" doc:"also closed ones"`
}

type callIn struct {
	ID string `path:"id" doc:"the task's id"`
}

type callLogIn struct {
	ID       string     `path:"id" doc:"the task's id"`
	Whom     string     `json:"whom" doc:"who was called, or takes it over; kept sealed"`
	Outcome  string     `json:"outcome" doc:"reached, not_reached or handed_over"`
	ReadBack bool       `json:"read_back" doc:"the value was read back"`
	Next     *time.Time `json:"next,omitempty" doc:"with not_reached: when the next try is"`
	Note     string     `json:"note,omitempty" doc:"kept sealed"`
}

type callCloseIn struct {
	ID          string `path:"id" doc:"the task's id"`
	WithoutCall bool   `json:"without_call" doc:"close it though nobody who read the value back is written down"`
	Reason      string `json:"reason" doc:"why, for the ledger; no patient data"`
}

func callOps(d Deps) []web.Route {
	// act does something and answers with the task as it is then.
	act := func(r *http.Request, do func(id event.ID) error) (CallAnswer, error) {
		c, err := d.findCall(r, authz.CallsAct)
		if err == nil {
			err = do(c.ID)
		}
		if err == nil {
			web.Say(r, "results")
			c, err = d.Results.ShowCall(r.Context(), c.ID)
		}
		return callAnswer(&c), err
	}
	const tag = "Phone tasks"
	return []web.Route{
		web.Op[callsIn, CallsAnswer]{
			Pattern: "GET /api/v1/calls", Needs: authz.CallsSee, Tag: tag, Summary: "Phone tasks",
			Do: func(r *http.Request, in callsIn) (CallsAnswer, error) {
				list, err := d.calls(r, in.All)
				out := CallsAnswer{[]CallAnswer{}}
				for i := range list {
					out.Calls = append(out.Calls, callAnswer(&list[i]))
				}
				return out, err
			},
		}.Route(),
		web.Op[callIn, CallAnswer]{
			Pattern: "GET /api/v1/calls/{id}", Needs: authz.CallsSee, Tag: tag, Summary: "One phone task",
			Do: func(r *http.Request, _ callIn) (CallAnswer, error) {
				c, err := d.findCall(r, authz.CallsSee)
				return callAnswer(&c), err
			},
		}.Route(),
		web.Op[callIn, CallAnswer]{
			Pattern: "POST /api/v1/calls/{id}/show", Needs: authz.CallsAct, Tag: tag, Summary: "The order numbers of a phone task's result, recorded",
			Do: func(r *http.Request, _ callIn) (CallAnswer, error) {
				c, err := d.findCall(r, authz.CallsAct)
				if err != nil {
					return CallAnswer{}, err
				}
				v, err := d.Results.ViewCall(r.Context(), c.ID, as(r, "phone-task").By)
				if err != nil {
					return CallAnswer{}, err
				}
				out := callAnswer(&v.Call)
				out.File, out.Orders = v.File, v.Orders
				return out, nil
			},
		}.Route(),
		web.Op[callIn, CallAnswer]{
			Pattern: "POST /api/v1/calls/{id}/take", Needs: authz.CallsAct, Tag: tag, Summary: "Take a phone task",
			Do: func(r *http.Request, _ callIn) (CallAnswer, error) {
				return act(r, func(id event.ID) error { return d.Results.TakeCall(r.Context(), id, as(r, "phone-task")) })
			},
		}.Route(),
		web.Op[callLogIn, CallAnswer]{
			Pattern: "POST /api/v1/calls/{id}/log", Needs: authz.CallsAct, Tag: tag, Summary: "Write a call down",
			Do: func(r *http.Request, in callLogIn) (CallAnswer, error) {
				l := results.CallLog{Whom: in.Whom, Outcome: in.Outcome, ReadBack: in.ReadBack, Note: in.Note}
				if in.Next != nil {
					l.Next = *in.Next
				}
				return act(r, func(id event.ID) error { return d.Results.LogCall(r.Context(), id, l, as(r, "phone-task")) })
			},
		}.Route(),
		web.Op[callCloseIn, CallAnswer]{
			Pattern: "POST /api/v1/calls/{id}/close", Needs: authz.CallsAct, Tag: tag, Summary: "Close a phone task",
			Do: func(r *http.Request, in callCloseIn) (CallAnswer, error) {
				return act(r, func(id event.ID) error { return d.Results.CloseCall(r.Context(), id, in.WithoutCall, as(r, in.Reason)) })
			},
		}.Route(),
	}
}
