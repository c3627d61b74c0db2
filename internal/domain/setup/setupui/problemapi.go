package setupui

import (
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
)

type apiProblem struct {
	Number     int64     `json:"number"`
	By         string    `json:"by"`
	At         time.Time `json:"at"`
	Page       string    `json:"page,omitempty" doc:"shape of an address, like /results/{id}"`
	Reference  string    `json:"reference,omitempty" doc:"of an error page; the log has it"`
	Words      string    `json:"words"`
	State      string    `json:"state" doc:"open, taken or answered"`
	TakenBy    string    `json:"taken_by,omitempty"`
	TakenAt    time.Time `json:"taken_at,omitzero"`
	Answer     string    `json:"answer,omitempty"`
	AnsweredBy string    `json:"answered_by,omitempty"`
	AnsweredAt time.Time `json:"answered_at,omitzero"`
}

func problemOf(x setup.Problem) apiProblem {
	return apiProblem{x.Number, x.By.Account, x.MadeAt, x.Page, x.Reference, x.Words, x.State.String(), x.TakenBy, x.TakenAt, x.Answer, x.AnsweredBy, x.AnsweredAt}
}

type reporting struct {
	Words     string `json:"words" doc:"what happened; name no patient"`
	Page      string `json:"page,omitempty" doc:"shape of an address, like /results/{id}"`
	Reference string `json:"reference,omitempty" doc:"of an error page"`
}

type answering struct {
	Number int64  `path:"number" doc:"of the report"`
	Answer string `json:"answer" doc:"who reported it reads this; name no patient"`
}

type problemNumber struct {
	Number int64 `path:"number" doc:"of the report"`
}

const problemTag = "Problems"

func (d Deps) problemAPI() []web.Route {
	after := func(r *http.Request, err error) (apiProblem, error) {
		if err != nil {
			return apiProblem{}, err
		}
		web.Say(r, "today")
		x, err := d.problemAt(r)
		return problemOf(x), err
	}
	return []web.Route{
		web.Op[none, []apiProblem]{
			Pattern: "GET /api/v1/problems", Needs: authz.TodaySee, Tag: problemTag, Summary: "Reported problems, newest first", Detail: "One's own; all of them for who answers.",
			Do: func(r *http.Request, _ none) ([]apiProblem, error) {
				all, err := d.problemsFor(r)
				out := []apiProblem{}
				for _, x := range all {
					out = append(out, problemOf(x))
				}
				return out, err
			},
		}.Route(),
		web.Op[reporting, apiProblem]{
			Pattern: "POST /api/v1/problems", Needs: authz.TodaySee, Tag: problemTag, Summary: "Report a problem with Labwarden",
			Do: func(r *http.Request, in reporting) (apiProblem, error) {
				if in.Page != "" && shapeOf(r, in.Page) == "" {
					return apiProblem{}, setup.ErrProblemPage
				}
				x, err := d.Setup.ReportProblem(r.Context(), setup.Problem{Words: in.Words, Page: in.Page, Reference: in.Reference}, person(r))
				if err != nil {
					return apiProblem{}, err
				}
				web.Say(r, "today")
				return problemOf(x), nil
			},
		}.Route(),
		web.Op[problemNumber, apiProblem]{
			Pattern: "GET /api/v1/problems/{number}", Needs: authz.TodaySee, Tag: problemTag, Summary: "One report with its answer",
			Do: func(r *http.Request, _ problemNumber) (apiProblem, error) {
				x, err := d.problemAt(r)
				return problemOf(x), err
			},
		}.Route(),
		web.Op[problemNumber, apiProblem]{
			Pattern: "POST /api/v1/problems/{number}/take", Needs: authz.ProblemsAnswer, Tag: problemTag, Summary: "Say that you see to it",
			Do: func(r *http.Request, in problemNumber) (apiProblem, error) {
				return after(r, d.Setup.TakeProblem(r.Context(), in.Number, person(r)))
			},
		}.Route(),
		web.Op[answering, apiProblem]{
			Pattern: "POST /api/v1/problems/{number}/answer", Needs: authz.ProblemsAnswer, Tag: problemTag, Summary: "Answer a report",
			Do: func(r *http.Request, in answering) (apiProblem, error) {
				return after(r, d.Setup.AnswerProblem(r.Context(), in.Number, in.Answer, person(r)))
			},
		}.Route(),
	}
}
