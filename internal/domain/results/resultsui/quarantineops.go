package resultsui

import (
	"errors"
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
)

type apiApart struct {
	ID          string     `json:"id"`
	Source      string     `json:"source"`
	Site        string     `json:"site,omitempty" doc:"the site it came in for"`
	Cause       string     `json:"cause"`
	Words       string     `json:"words" doc:"the cause in words"`
	Do          string     `json:"do" doc:"what can be done"`
	Detail      string     `json:"detail" doc:"what the sender was told"`
	ReceivedAt  time.Time  `json:"received_at"`
	PresentedAt time.Time  `json:"presented_at" doc:"when it was presented last"`
	Times       int64      `json:"times"`
	Bytes       int64      `json:"bytes"`
	Kept        int64      `json:"kept" doc:"of these bytes"`
	State       string     `json:"state" doc:"open, released, refused or replayed"`
	DecidedAt   *time.Time `json:"decided_at,omitempty"`
	DecidedBy   string     `json:"decided_by,omitempty"`
	Became      string     `json:"became,omitempty" doc:"the message it has become"`
}

func apiApartOf(a *results.Apart) apiApart {
	c := wordsOf(a.Cause)
	out := apiApart{
		ID: a.ID.String(), Source: a.Source, Site: a.Site, Cause: a.Cause, Words: c.Why, Do: c.Do, Detail: a.Detail, ReceivedAt: a.ReceivedAt, PresentedAt: a.LastAt,
		Times: a.Times, Bytes: a.Size, Kept: a.Kept, State: a.State, DecidedAt: at(a.DecidedAt), DecidedBy: a.DecidedBy,
	}
	if isID(a.Became) {
		out.Became = a.Became.String()
	}
	return out
}

type apartsIn struct {
	Source  string `query:"source" doc:"only what came from it"`
	Cause   string `query:"cause" doc:"only of this cause"`
	Decided bool   `query:"decided" doc:"those a person has decided about, instead of the open ones"`
	Before  int64  `query:"before" doc:"next of an earlier answer"`
	Limit   int    `query:"limit" doc:"50 where absent, at most 500"`
}

type apartsOut struct {
	Messages []apiApart `json:"messages"`
	Next     int64      `json:"next,omitempty"`
}

type apartIn struct {
	ID string `path:"id" doc:"the quarantined message's id"`
}

type apartReasonIn struct {
	ID     string `path:"id" doc:"the quarantined message's id"`
	Reason string `json:"reason" doc:"why, at most 200 characters; no patient data"`
}

type apartMessage struct {
	About apiApart `json:"about"`
	Body  []byte   `json:"body" doc:"the bytes kept, base64"`
}

type apartDone struct {
	About apiApart `json:"about"`
	// Still is why it stays: a replay whose cause is not mended.
	Still string `json:"still_refused,omitempty" doc:"the cause, where it is still refused"`
}

const tagQuarantine = "Quarantine"

// quarantineOps are the operations about what was not taken.
func quarantineOps(d Deps) []web.Route {
	q := &quarantine{Deps: d, runs: d.runs}
	out := []web.Route{
		web.Op[apartsIn, apartsOut]{Pattern: "GET /api/v1/quarantine", Needs: authz.QuarantineSee, Tag: tagQuarantine, Summary: "What was not taken", Do: q.opList}.Route(),
		web.Op[apartIn, apiApart]{Pattern: "GET /api/v1/quarantine/{id}", Needs: authz.QuarantineSee, Tag: tagQuarantine, Summary: "One quarantined message, without its bytes", Do: func(r *http.Request, _ apartIn) (apiApart, error) {
			a, err := q.apart(r)
			if err != nil {
				return apiApart{}, err
			}
			return apiApartOf(&a), nil
		}}.Route(),
		web.Op[apartReasonIn, apartMessage]{
			Pattern: "POST /api/v1/quarantine/{id}/message", Needs: authz.QuarantineRead, Tag: tagQuarantine, Summary: "The bytes of a quarantined message",
			Detail: "Patient data: the look is recorded first, and without a record there is no answer.", Do: q.opRead,
		}.Route(),
	}
	out = append(out, q.replayOps()...)
	for _, x := range []*apartAct{apartReplay, apartTake, apartRefuse} {
		out = append(out, web.Op[apartReasonIn, apartDone]{
			Pattern: "POST /api/v1/quarantine/{id}/" + x.path, Needs: authz.QuarantineAct, Tag: tagQuarantine, Summary: x.name + ": a quarantined message", Detail: x.text,
			Do: func(r *http.Request, v apartReasonIn) (apartDone, error) { return q.opDecide(r, x, v) },
		}.Route())
	}
	return out
}

func (q *quarantine) opList(r *http.Request, v apartsIn) (apartsOut, error) {
	out := apartsOut{Messages: []apiApart{}}
	sees, err := apartAt(r, authz.QuarantineSee)
	if err != nil {
		return out, err
	}
	p, err := q.Results.QuarantinePage(r.Context(), results.ApartFilter{Source: v.Source, Cause: v.Cause, Decided: v.Decided, Before: v.Before, Limit: v.Limit, Sees: sees})
	if err != nil {
		return out, err
	}
	for i := range p.Messages {
		out.Messages = append(out.Messages, apiApartOf(&p.Messages[i]))
	}
	out.Next = p.Next
	return out, nil
}

func (q *quarantine) opRead(r *http.Request, v apartReasonIn) (apartMessage, error) {
	a, err := q.apart(r)
	if err == nil {
		err = web.May(r, authz.QuarantineRead, ofApart(&a))
	}
	if err != nil {
		return apartMessage{}, err
	}
	reason, err := checked(v.Reason)
	if err != nil {
		return apartMessage{}, err
	}
	_, body, err := q.Results.ViewQuarantined(r.Context(), a.ID, as(r, reason).By)
	if err != nil {
		return apartMessage{}, notShown(err)
	}
	return apartMessage{apiApartOf(&a), body}, nil
}

func (q *quarantine) opDecide(r *http.Request, x *apartAct, v apartReasonIn) (apartDone, error) {
	a, err := q.decidable(r)
	if err != nil {
		return apartDone{}, err
	}
	reason, err := checked(v.Reason)
	if err != nil {
		return apartDone{}, err
	}
	if !x.fits(&a) {
		return apartDone{}, web.Conflict("this is not possible: it is " + a.State + ", cause " + a.Cause)
	}
	var out apartDone
	_, err = x.do(q, r, &a, as(r, reason).By)
	var still *results.StillRefused
	switch {
	case errors.As(err, &still):
		out.Still = still.Cause
	case err != nil:
		return out, missing(err, noApart)
	}
	web.Say(r, "quarantine", "results", "today")
	if a, err = q.Results.ShowQuarantined(r.Context(), a.ID); err != nil {
		return out, err
	}
	out.About = apiApartOf(&a)
	return out, nil
}
