package setup_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// TestAProblemIsTakenAndAnswered: once each, words sealed, and nothing of a patient
// in the rest.
func TestAProblemIsTakenAndAnswered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		for _, p := range []setup.Problem{
			{},
			{Words: " "},
			{Words: strings.Repeat("ä", setup.MaxProblem+1)},
			{Words: "x", Page: "/results/F777"},
			{Words: "x", Page: "/results/doe%20jane"},
			{Words: "x", Page: "results"},
			{Words: "x", Reference: "Jane Doe"},
			{Words: "x", Page: "/a?b"},
		} {
			if _, err := r.service.ReportProblem(ctx, p, ann); err == nil {
				t.Errorf("%+v was taken", p)
			}
		}
		p, err := r.service.ReportProblem(ctx, setup.Problem{Words: "the search never ends", Page: "/results/{id}", Reference: "ABCDEFG2"}, ann)
		r.must(err)
		var body []byte
		r.must(r.db.QueryRow(ctx, "SELECT body FROM setup_problems").Scan(&body))
		if strings.Contains(string(body), "search") {
			t.Error("the words are not sealed")
		}
		if list, err := r.service.OpenProblems(ctx); err != nil || len(list) != 1 || list[0].Words != "the search never ends" || list[0].Page != "/results/{id}" {
			t.Errorf("%+v %v", list, err)
		}
		if list, err := r.service.Problems(ctx, bob.ID); err != nil || len(list) != 0 {
			t.Errorf("somebody else's: %+v %v", list, err)
		}
		r.must(r.service.TakeProblem(ctx, p.Number, bob))
		if err := r.service.TakeProblem(ctx, p.Number, ann); !errors.Is(err, setup.ErrProblemTaken) {
			t.Error(err)
		}
		if err := r.service.AnswerProblem(ctx, p.Number, " ", bob); !errors.Is(err, setup.ErrProblemAnswer) {
			t.Error(err)
		}
		r.must(r.service.AnswerProblem(ctx, p.Number, "mended with the next version", bob))
		if err := r.service.AnswerProblem(ctx, p.Number, "again", bob); !errors.Is(err, setup.ErrProblemAnswered) {
			t.Error(err)
		}
		if err := r.service.TakeProblem(ctx, 99, bob); !errors.Is(err, setup.ErrNoProblem) {
			t.Error(err)
		}
		got, err := r.service.Problem(ctx, p.Number)
		if err != nil || got.Answer != "mended with the next version" || got.AnsweredBy != "bob" || got.TakenBy != "bob" || got.State != setup.ProblemAnswered {
			t.Errorf("%+v %v", got, err)
		}
		if list, err := r.service.OpenProblems(ctx); err != nil || len(list) != 0 {
			t.Errorf("%+v %v", list, err)
		}
		if list, err := r.service.Problems(ctx, event.ID{}); err != nil || len(list) != 1 {
			t.Errorf("%+v %v", list, err)
		}
		// What was sealed before the answer is not what is there after it.
		r.fits()
		r.must(r.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE setup_problems SET body = $1", body)
			return err
		}))
		if _, err := r.service.Problem(ctx, p.Number); err == nil {
			t.Error("an older text was read")
		}
		for range 20 {
			_, err = r.service.ReportProblem(ctx, setup.Problem{Words: "x"}, ann)
			r.must(err)
		}
		if _, err := r.service.ReportProblem(ctx, setup.Problem{Words: "x"}, ann); !errors.Is(err, setup.ErrProblemMany) {
			t.Error(err)
		}
	})
}
