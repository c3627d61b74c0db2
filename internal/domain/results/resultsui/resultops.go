package resultsui

import (
	"net/http"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// apiResult is a result as the API tells it: no patient, no order number.
type apiResult struct {
	ID         string        `json:"id"`
	Leaf       int64         `json:"journal_line"`
	Source     string        `json:"source"`
	Site       string        `json:"site,omitempty" doc:"the site it came in for"`
	ReceivedAt time.Time     `json:"received_at"`
	Bytes      int64         `json:"bytes"`
	Critical   bool          `json:"critical" doc:"the LIS flagged it critical"`
	Correction bool          `json:"correction"`
	Erased     bool          `json:"erased"`
	Bypassed   bool          `json:"bypassed"`
	Sentence   string        `json:"sentence" doc:"where it stands, in words"`
	Deliveries []apiDelivery `json:"deliveries"`
}

type apiDelivery struct {
	Number       int64      `json:"number"`
	Partner      string     `json:"partner"`
	Route        string     `json:"route"`
	State        string     `json:"state" doc:"waiting, held, needs a person, done, shadow, refused or superseded"`
	Level        string     `json:"level,omitempty" doc:"placed, committed or accepted: what the partner's answer proves"`
	Code         string     `json:"code,omitempty"`
	Tries        int64      `json:"tries"`
	Reason       string     `json:"reason,omitempty"`
	ChangedAt    time.Time  `json:"changed_at"`
	NextTryAt    *time.Time `json:"next_try_at,omitempty"`
	FoundAt      *time.Time `json:"found_at,omitempty" doc:"when the partner's own list named it"`
	SupersededBy string     `json:"superseded_by,omitempty"`
}

func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (d Deps) apiResult(m *results.Summary, now time.Time) apiResult {
	out := apiResult{
		ID: m.ID.String(), Leaf: m.Leaf, Source: m.Source, Site: m.Site, ReceivedAt: m.ReceivedAt, Bytes: m.Size, Critical: m.Critical, Correction: m.Correction,
		Erased: m.Erased, Bypassed: m.Bypassed, Sentence: d.verdictOf(m, now).Title, Deliveries: []apiDelivery{},
	}
	for i := range m.Deliveries {
		x := &m.Deliveries[i]
		y := apiDelivery{
			Number: x.Seq, Partner: x.Partner, Route: x.Route, State: x.State.String(), Level: x.Level, Code: x.Code, Tries: x.Attempts, Reason: x.Reason,
			ChangedAt: x.ChangedAt, NextTryAt: at(x.NextAt), FoundAt: at(x.FoundAt),
		}
		if isID(x.SupersededBy) {
			y.SupersededBy = x.SupersededBy.String()
		}
		out.Deliveries = append(out.Deliveries, y)
	}
	return out
}

type searchIn struct {
	Order     string    `json:"order,omitempty" doc:"an order, accession or specimen number"`
	Patient   string    `json:"patient,omitempty" doc:"an identifier of the patient, exactly"`
	Authority string    `json:"authority,omitempty" doc:"with patient: who assigned it"`
	LastName  string    `json:"last_name,omitempty" doc:"together with birth_date"`
	BirthDate string    `json:"birth_date,omitempty" doc:"YYYY-MM-DD"`
	Partner   string    `json:"partner,omitempty"`
	Site      string    `json:"site,omitempty" doc:"what came in for this site, by its key"`
	State     string    `json:"state,omitempty" doc:"waiting, held, needs-person, done, shadow, refused or superseded"`
	From      time.Time `json:"from,omitzero"`
	To        time.Time `json:"to,omitzero" doc:"not included"`
	Before    int64     `json:"before,omitempty" doc:"next of an earlier answer"`
	Limit     int       `json:"limit,omitempty" doc:"50 where absent, at most 500"`
	Reason    string    `json:"reason,omitempty" doc:"why; goes into the record of a search for a patient or an order"`
}

type searchOut struct {
	Results []apiResult `json:"results"`
	Next    int64       `json:"next,omitempty" doc:"give it as before to look further; absent: there is no more"`
}

type resultIn struct {
	ID string `path:"id" doc:"the message's id"`
}

type reasonIn struct {
	ID     string `path:"id" doc:"the message's id"`
	Reason string `json:"reason" doc:"why, at most 200 characters; no patient data"`
}

type wayIn struct {
	ID     string `path:"id" doc:"the message's id"`
	Number string `path:"number" doc:"the delivery's number"`
	Reason string `json:"reason" doc:"why, at most 200 characters; no patient data"`
}

type proofIn struct {
	ID     string `path:"id" doc:"the message's id"`
	Number string `path:"number" doc:"the delivery's number"`
}

type receiptOut struct {
	Delivery int64  `json:"delivery" doc:"the delivery's number"`
	Name     string `json:"name" doc:"what the file is called"`
	Receipt  string `json:"receipt" doc:"the receipt, byte for byte"`
}

type proofOut struct {
	Delivery int64  `json:"delivery"`
	Proof    string `json:"proof" doc:"the proof file, byte for byte"`
}

type messageOut struct {
	ID   string `json:"id"`
	Body []byte `json:"body" doc:"the message byte for byte, base64"`
}

type journeyOut struct {
	Result apiResult `json:"result"`
	Steps  []apiStep `json:"steps"`
}

type apiStep struct {
	Kind   string     `json:"kind"`
	At     *time.Time `json:"at,omitempty"`
	Source string     `json:"source" doc:"seen by us, said by the LIS, or not known"`
	Title  string     `json:"title"`
	Text   string     `json:"text,omitempty"`
	Leaf   int64      `json:"journal_line,omitempty"`
	Tries  []apiTry   `json:"failed_tries,omitempty"`
}

type apiTry struct {
	At    time.Time `json:"at"`
	Class string    `json:"class"`
	Code  string    `json:"code,omitempty"`
}

const tagResults = "Results"

// resultOps are the operations about results.
func resultOps(d Deps) []web.Route {
	out := []web.Route{
		web.Op[searchIn, searchOut]{
			Pattern: "POST /api/v1/results/search", Needs: authz.ResultsFind, Tag: tagResults, Summary: "Find results",
			Detail: "What names a patient or an order stands in the body, never in an address, and such a search is recorded before it is made. To look for a patient is for those who may see patients' identity.", Do: d.opSearch,
		}.Route(),
		web.Op[resultIn, apiResult]{Pattern: "GET /api/v1/results/{id}", Needs: authz.ResultsFind, Tag: tagResults, Summary: "Where a result stands", Do: d.opResult}.Route(),
		web.Op[resultIn, journeyOut]{
			Pattern: "GET /api/v1/results/{id}/journey", Needs: authz.ResultsFind, Tag: tagResults, Summary: "A result's journey",
			Detail: "Each step names its source. No patient is named; of order numbers those who may see no patient read the end.", Do: d.opJourney,
		}.Route(),
		web.Op[reasonIn, messageOut]{
			Pattern: "POST /api/v1/results/{id}/message", Needs: authz.ResultsReveal, Tag: tagResults, Summary: "The message itself",
			Detail: "Patient data: the look is recorded first, and without a record there is no answer.", Do: d.opMessage,
		}.Route(),
		web.Op[proofIn, proofOut]{
			Pattern: "GET /api/v1/results/{id}/deliveries/{number}/proof", Needs: authz.ResultsProof, Tag: tagResults, Summary: "The proof of a delivery",
			Detail: "That it was taken is recorded.", Do: d.opProof,
		}.Route(),
		web.Op[proofIn, receiptOut]{
			Pattern: "GET /api/v1/results/{id}/deliveries/{number}/receipt", Needs: authz.ResultsProof, Tag: tagResults, Summary: "The signed receipt of a delivery",
			Detail: "The bytes of FILE.receipt.json, which labwarden verify checks offline. That it was taken is recorded.",
			Do:     d.opReceipt,
		}.Route(),
	}
	for _, a := range acts {
		out = append(out, web.Op[wayIn, apiResult]{
			Pattern: "POST /api/v1/results/{id}/deliveries/{number}/" + a.path, Needs: a.needs, Tag: tagResults, Summary: a.name + ": one delivery of a result", Detail: a.text,
			Do: func(r *http.Request, v wayIn) (apiResult, error) { return d.opAct(r, &a, v) },
		}.Route())
	}
	return out
}

func (d Deps) opSearch(r *http.Request, v searchIn) (searchOut, error) {
	q := results.Query{
		Order: v.Order, PatientID: v.Patient, Authority: v.Authority, LastName: v.LastName, BirthDate: v.BirthDate, Partner: v.Partner, Site: v.Site, From: v.From, To: v.To,
		Sees: sightOf(web.Scope(r, authz.ResultsFind)),
	}
	out := searchOut{Results: []apiResult{}}
	var ok bool
	if q.State, ok = stateNamed(v.State); !ok {
		return out, &web.Error{Kind: web.KindInvalid, Message: "state is not one of those this operation knows", Fields: map[string]string{"state": "unknown"}}
	}
	if err := searchable(r, &q); err != nil {
		return out, err
	}
	if q.Names() {
		reason := strings.TrimSpace(v.Reason)
		if reason == "" {
			reason = "search"
		}
		if err := d.Results.RecordSearch(r.Context(), q, as(r, reason).By); err != nil {
			return out, err
		}
	}
	h, err := d.Results.Search(r.Context(), q, results.Page{Before: v.Before, Limit: v.Limit})
	if err != nil {
		return out, err
	}
	now := d.clock(r)
	for i := range h.Messages {
		out.Results = append(out.Results, d.apiResult(&h.Messages[i], now))
	}
	out.Next = h.Next
	return out, nil
}

func (d Deps) opResult(r *http.Request, v resultIn) (apiResult, error) {
	m, err := d.found(r, v.ID)
	if err != nil {
		return apiResult{}, err
	}
	return d.apiResult(&m, d.clock(r)), nil
}

func (d Deps) opJourney(r *http.Request, v resultIn) (journeyOut, error) {
	m, err := d.found(r, v.ID)
	if err != nil {
		return journeyOut{}, err
	}
	now := d.clock(r)
	j, err := d.Results.Journey(r.Context(), m.ID, results.JourneyOptions{Sees: sightOf(web.Scope(r, authz.ResultsFind)), Identity: mayReach(r, authz.ResultsReveal, &m)})
	if err != nil {
		return journeyOut{}, missing(err, noResult)
	}
	out := journeyOut{Result: d.apiResult(&m, now), Steps: []apiStep{}}
	for _, t := range d.tell(j, now) {
		s := apiStep{Kind: string(t.Step.Kind), At: at(t.Step.At), Source: t.Source, Title: unmarked(t.Title), Text: unmarked(t.Text), Leaf: max(t.Step.Leaf, 0)}
		for _, y := range t.Step.Tries {
			s.Tries = append(s.Tries, apiTry{y.At, y.Class, y.Code})
		}
		out.Steps = append(out.Steps, s)
	}
	return out, nil
}

// unmarked takes the marks of type out of a text of pages.
func unmarked(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '\ue000' && r <= '\ue002' {
			return -1
		}
		return r
	}, s)
}

// checked holds the reason of an operation to its form.
func checked(reason string) (string, error) {
	reason = results.Printable(reason, 1000)
	if reason == "" || len(reason) > 200 {
		return "", &web.Error{Kind: web.KindInvalid, Message: "say why, in at most 200 characters", Fields: map[string]string{"reason": "missing or too long"}}
	}
	return reason, nil
}

func (d Deps) opMessage(r *http.Request, v reasonIn) (messageOut, error) {
	m, err := d.shown(r, authz.ResultsReveal)
	if err != nil {
		return messageOut{}, err
	}
	reason, err := checked(v.Reason)
	if err != nil {
		return messageOut{}, err
	}
	_, body, err := d.Results.View(r.Context(), m.ID, as(r, reason).By)
	if err != nil {
		return messageOut{}, notShown(err)
	}
	return messageOut{m.ID.String(), body}, nil
}

func (d Deps) opProof(r *http.Request, _ proofIn) (proofOut, error) {
	_, x, err := d.onWay(r, authz.ResultsProof)
	if err != nil {
		return proofOut{}, err
	}
	b, _, err := d.Results.TakeProof(r.Context(), x.Seq, as(r, "api").By)
	if err != nil {
		return proofOut{}, notShown(err)
	}
	return proofOut{x.Seq, string(b)}, nil
}

func (d Deps) opReceipt(r *http.Request, _ proofIn) (receiptOut, error) {
	_, x, err := d.onWay(r, authz.ResultsProof)
	if err != nil {
		return receiptOut{}, err
	}
	b, name, err := d.Results.TakeReceipt(r.Context(), x.Seq, as(r, "api").By)
	if err != nil {
		return receiptOut{}, noReceipt(err)
	}
	return receiptOut{x.Seq, name, string(b)}, nil
}

func (d Deps) opAct(r *http.Request, a *act, v wayIn) (apiResult, error) {
	m, x, err := d.onWay(r, a.needs)
	if err != nil {
		return apiResult{}, err
	}
	reason, err := checked(v.Reason)
	if err != nil {
		return apiResult{}, err
	}
	if !a.fits(x) {
		return apiResult{}, web.Conflict("this is not possible: the delivery is " + x.State.String())
	}
	if err := a.do(d, r, x, as(r, reason)); err != nil {
		return apiResult{}, missing(err, noResult)
	}
	web.Say(r, "results", "today")
	if m, err = d.found(r, m.ID.String()); err != nil {
		return apiResult{}, err
	}
	return d.apiResult(&m, d.clock(r)), nil
}
