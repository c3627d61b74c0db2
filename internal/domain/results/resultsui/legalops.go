package resultsui

import (
	"net/http"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
)

type apiHold struct {
	ID       string     `json:"id"`
	On       string     `json:"on" doc:"result or patient; of a patient there is only a fingerprint here, which is not told"`
	Result   string     `json:"result,omitempty" doc:"the message's id, of a hold on one result"`
	By       string     `json:"by"`
	Reason   string     `json:"reason"`
	PlacedAt time.Time  `json:"placed_at"`
	LiftedAt *time.Time `json:"lifted_at,omitempty"`
}

func apiHoldOf(h *results.LegalHold) apiHold {
	out := apiHold{ID: h.ID.String(), On: "patient", By: h.Owner, Reason: h.Reason, PlacedAt: h.PlacedAt, LiftedAt: at(h.LiftedAt)}
	if !h.OnPatient() {
		out.On, out.Result = "result", h.Message.String()
	}
	return out
}

type holdsIn struct {
	Lifted bool `query:"lifted" doc:"those that were lifted, instead of those that stand"`
	Skip   int  `query:"skip" doc:"how many of the newest to leave out"`
	Limit  int  `query:"limit" doc:"50 where absent, at most 500"`
}

type holdsOut struct {
	Holds []apiHold `json:"holds" doc:"newest first"`
	Total int64     `json:"total"`
}

type holdIn struct {
	Patient   string `json:"patient,omitempty" doc:"an identifier of the patient, exactly: all results of the patient are kept, also those to come. It is kept as a fingerprint alone"`
	Authority string `json:"authority,omitempty" doc:"with patient: who assigned it; absent: whoever has the identifier from anybody"`
	Result    string `json:"result,omitempty" doc:"a message's id instead: this result alone is kept"`
	Reason    string `json:"reason" doc:"why, at most 200 characters; no patient data"`
}

type liftIn struct {
	Hold   string `path:"hold" doc:"the legal hold's id"`
	Reason string `json:"reason" doc:"why, at most 200 characters; no patient data"`
}

// legalOps are the operations about legal holds.
func legalOps(d Deps) []web.Route {
	const tag = "Legal holds"
	return []web.Route{
		web.Op[holdsIn, holdsOut]{Pattern: "GET /api/v1/legal-holds", Needs: authz.LegalHold, Tag: tag, Summary: "The legal holds", Do: d.opHolds}.Route(),
		web.Op[holdIn, apiHold]{
			Pattern: "POST /api/v1/legal-holds", Needs: authz.LegalHold, Tag: tag, Summary: "Place a legal hold on a patient or a result",
			Detail: "Retention erases nothing under it until it is lifted. Delivery is not touched. The patient stands in the body, never in an address.", Do: d.opHold,
		}.Route(),
		web.Op[liftIn, apiHold]{
			Pattern: "POST /api/v1/legal-holds/{hold}/lift", Needs: authz.LegalHold, Tag: tag, Summary: "Lift a legal hold",
			Detail: "From then on retention erases what is old enough, unless another hold stands on it.", Do: d.opLift,
		}.Route(),
	}
}

func (d Deps) opHolds(r *http.Request, v holdsIn) (holdsOut, error) {
	out := holdsOut{Holds: []apiHold{}}
	if err := laboratory(r, authz.LegalHold); err != nil {
		return out, err
	}
	if v.Limit <= 0 {
		v.Limit = holdPage
	}
	list, total, err := d.Results.LegalHolds(r.Context(), v.Lifted, v.Limit, v.Skip)
	if err != nil {
		return out, err
	}
	for i := range list {
		out.Holds = append(out.Holds, apiHoldOf(&list[i]))
	}
	out.Total = total
	return out, nil
}

func (d Deps) opHold(r *http.Request, v holdIn) (apiHold, error) {
	if err := laboratory(r, authz.LegalHold); err != nil {
		return apiHold{}, err
	}
	v.Patient = strings.TrimSpace(v.Patient)
	wrong := ""
	switch {
	case (v.Patient == "") == (v.Result == ""):
		wrong = "name a patient or a result, one of the two"
	case v.Result != "" && v.Authority != "":
		wrong = "an authority belongs to a patient"
	case len(v.Patient) > 200 || len(v.Authority) > 200:
		wrong = "a number has at most 200 characters"
	}
	if wrong != "" {
		return apiHold{}, &web.Error{Kind: web.KindInvalid, Message: wrong, Fields: map[string]string{"patient": wrong}}
	}
	reason, err := checked(v.Reason)
	if err != nil {
		return apiHold{}, err
	}
	if v.Result != "" {
		m, err := d.found(r, v.Result)
		if err != nil {
			return apiHold{}, err
		}
		id, err := d.Results.HoldMessage(r.Context(), m.ID, as(r, reason).By)
		if err != nil {
			return apiHold{}, missing(err, noResult)
		}
		h, err := d.Results.LegalHold(r.Context(), id)
		return apiHoldOf(&h), err
	}
	id, err := d.Results.HoldPatient(r.Context(), v.Patient, v.Authority, as(r, reason).By)
	if err != nil {
		return apiHold{}, err
	}
	h, err := d.Results.LegalHold(r.Context(), id)
	return apiHoldOf(&h), err
}

func (d Deps) opLift(r *http.Request, v liftIn) (apiHold, error) {
	h, err := d.standingHold(r)
	if err != nil {
		return apiHold{}, err
	}
	reason, err := checked(v.Reason)
	if err != nil {
		return apiHold{}, err
	}
	if err := d.Results.LiftHold(r.Context(), h.ID, as(r, reason).By); err != nil {
		return apiHold{}, missing(err, noHold)
	}
	h, err = d.Results.LegalHold(r.Context(), h.ID)
	return apiHoldOf(&h), err
}
